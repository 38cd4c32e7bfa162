"""Revisited Oxford and Paris (Radenovic et al. 2018, arXiv 1803.11285), as distributed.

``gnd_<name>.pkl``: ``imlist``, ``qimlist`` and per query ``bbx``, ``easy``, ``hard``, ``junk``
(positions in imlist). Images are ``jpg/<name>.jpg``. Queries are cropped to bbx in native pixels
before any resizing, as revisitop's example_process_images.py does.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from registry.datasets.split import Graded, Images, Positions, Split
from registry.errors import WorkError


def read(root: Path, *, name: str) -> Split:
    """Read gnd_<name>.pkl; evaluated images are the queries, then the gallery."""
    truth = load_ground_truth(root / f"gnd_{name}.pkl")
    queries, gallery = truth["qimlist"], truth["imlist"]
    first = len(queries)
    boxes = {index: tuple(entry["bbx"]) for index, entry in enumerate(truth["gnd"])}
    return Split(
        train=None,
        evaluated=Images(
            root=root / "jpg",
            paths=tuple(f"{image}.jpg" for image in [*queries, *gallery]),
            labels=np.full(first + len(gallery), -1, dtype=np.int64),
            boxes=boxes,
        ),
        queries=np.arange(first, dtype=np.int64),
        gallery=np.arange(len(gallery), dtype=np.int64) + first,
        graded={
            index: Graded(*(_positions(entry[part], first) for part in ("easy", "hard", "junk")))
            for index, entry in enumerate(truth["gnd"])
        },
    )


def _positions(listed: list[int], first: int) -> Positions:
    return np.array(listed, dtype=np.int64).reshape(-1) + first


class _BuiltinsOnly(pickle.Unpickler):
    """An unpickler that looks up no name: lists, dicts, strings and numbers need none."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}")


def load_ground_truth(path: Path) -> dict[str, Any]:
    """Load a ground-truth pickle of plain builtins; anything else in it is a WorkError."""
    try:
        truth = _BuiltinsOnly(io.BytesIO(path.read_bytes())).load()
    except FileNotFoundError:
        raise WorkError(f"there is no {path}: is this the dataset's own folder?") from None
    except Exception as error:
        raise WorkError(f"{path} is not a ground-truth file ({error}): fetch it again") from error
    if not isinstance(truth, dict) or not {"imlist", "qimlist", "gnd"} <= truth.keys():
        raise WorkError(f"{path} has no imlist, qimlist and gnd: fetch it again")
    return truth
