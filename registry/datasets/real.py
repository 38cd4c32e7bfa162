"""The real datasets, one module each."""

from registry.datasets.cars196 import CARS196
from registry.datasets.cub import CUB
from registry.datasets.dataset import Dataset
from registry.datasets.inshop import INSHOP
from registry.datasets.r1m import R1M
from registry.datasets.roxford import ROXFORD
from registry.datasets.rparis import RPARIS
from registry.datasets.sfm120k import SFM120K
from registry.datasets.sop import SOP
from registry.table import Table

EVALUATED = (SOP, CUB, INSHOP, CARS196, ROXFORD, RPARIS)
"""Those with queries."""

REAL: Table[Dataset] = Table("real dataset", [*EVALUATED, SFM120K, R1M])
