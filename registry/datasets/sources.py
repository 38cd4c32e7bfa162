"""Where the real datasets are published: one row each, with sizes and hashes where they are known.

Sizes and hashes: tensorflow/datasets' checksums and the hashes that loaders of the field carry; of
the revisited ground truths, the files themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from registry.datasets.remote import RemoteFile
from registry.table import Table

Place = Callable[[str], str | None]
"""Path in an archive -> path in the dataset's folder; None leaves it out."""
GB = 10**9
BLURRED = "the archives of June 2022, faces blurred"
FETCHED = "fetched.json"
"""In the folder of a dataset that was fetched: from which files, and which version they are."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file of a dataset, and what becomes of it."""

    file: RemoteFile
    place: Place | None = None
    """Of an archive: where its members go."""
    at: str = ""
    """Of another file: its path in the dataset's folder."""
    most_bytes: int = 0
    """An archive that unpacks to more is refused."""
    most_files: int = 0


@dataclass(frozen=True, kw_only=True)
class Source:
    """How to come by a dataset."""

    name: str
    folder: str
    """Under the data folder."""
    parts: tuple[Part, ...] = ()
    about_bytes: int = 0
    """Room that it takes, where the sizes of its files are not known."""
    version: str = ""
    """Which of several versions of the images these archives hold."""
    by_hand: str = ""
    """What a person must do first: {downloads} and {folder} stand for the places."""


def inside(top: str) -> Place:
    """Keep what is in an archive's top folder, without that folder."""

    def place(path: str) -> str | None:
        parts = PurePosixPath(path).parts
        return "/".join(parts[1:]) if len(parts) > 1 and parts[0] == top else None

    return place


def images_flat(path: str) -> str | None:
    """Put all JPEGs into jpg/, whatever folder they are in, as revisitop's download does."""
    name = PurePosixPath(path).name
    return f"jpg/{name}" if name.endswith(".jpg") and not name.startswith(".") else None


def under(folder: str) -> Place:
    """Put everything into a folder."""
    return lambda path: f"{folder}/{PurePosixPath(path)}"


REVISITOP = "http://cmp.felk.cvut.cz/revisitop/data/datasets"
OXFORD = "https://www.robots.ox.ac.uk/~vgg/data"
DISTRACTORS = "http://ptak.felk.cvut.cz/revisitop/revisitop1m"

SOURCES: Table[Source] = Table(
    "dataset to fetch",
    [
        Source(
            name="sop",
            folder="Stanford_Online_Products",
            parts=(
                Part(
                    file=RemoteFile(
                        name="Stanford_Online_Products.zip",
                        urls=(
                            "http://ftp.cs.stanford.edu/cs/cvgl/Stanford_Online_Products.zip",
                            "ftp://cs.stanford.edu/cs/cvgl/Stanford_Online_Products.zip",
                        ),
                        size=3_083_860_082,
                        sha256="b04fa78210e69fab050ce73939550e1cd0f96890bdd98ec9fee732c3b756ef48",
                        md5="7f73d41a2f44250d4779881525aea32e",
                    ),
                    place=inside("Stanford_Online_Products"),
                    most_bytes=8 * GB,
                    most_files=300_000,
                ),
            ),
        ),
        Source(
            name="cub",
            folder="CUB_200_2011",
            parts=(
                Part(
                    file=RemoteFile(
                        name="CUB_200_2011.tgz",
                        urls=(
                            "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
                        ),
                        size=1_150_585_339,
                        sha256="0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
                        md5="97eceeb196236b17998738112f37df78",
                    ),
                    place=inside("CUB_200_2011"),
                    most_bytes=4 * GB,
                    most_files=40_000,
                ),
            ),
        ),
        Source(
            name="inshop",
            folder="In-shop Clothes Retrieval Benchmark",
            parts=(
                Part(
                    file=RemoteFile(name="img.zip", urls=()),
                    place=under("Img"),
                    most_bytes=8 * GB,
                    most_files=200_000,
                ),
                Part(
                    file=RemoteFile(name="list_eval_partition.txt", urls=()),
                    at="Eval/list_eval_partition.txt",
                ),
            ),
            by_hand=(
                "Its licence is given to persons: read and accept it on the page of the "
                "DeepFashion In-shop Clothes Retrieval Benchmark (MMLAB, CUHK), then take img.zip "
                "(the 256 x 256 images, not img_highres.zip) and Eval/list_eval_partition.txt"
            ),
        ),
        Source(
            name="cars196",
            folder="cars196",
            parts=(
                Part(
                    file=RemoteFile(
                        name="car_ims.tgz", urls=(), md5="d5c8f0aa497503f355e17dc7886c3f14"
                    ),
                    place=lambda path: path,
                    most_bytes=8 * GB,
                    most_files=20_000,
                ),
                Part(
                    file=RemoteFile(
                        name="cars_annos.mat", urls=(), md5="b407c6086d669747186bd1d764ff9dbc"
                    ),
                    at="cars_annos.mat",
                ),
            ),
            by_hand=(
                "Its authors' server is gone: take car_ims.tgz and cars_annos.mat from a copy that "
                "you trust (their MD5s are checked). The later devkit/, cars_train/, cars_test/ "
                "with cars_test_annos_withlabels.mat, put together in {folder}, serves as well"
            ),
        ),
        Source(
            name="roxford",
            folder="roxford5k",
            version=BLURRED,
            parts=(
                Part(
                    file=RemoteFile(
                        name="oxbuild_images-v1.tgz",
                        urls=(f"{OXFORD}/oxbuildings/oxbuild_images-v1.tgz",),
                        size=1_938_238_004,
                    ),
                    place=images_flat,
                    most_bytes=6 * GB,
                    most_files=20_000,
                ),
                Part(
                    file=RemoteFile(
                        name="gnd_roxford5k.pkl",
                        urls=(f"{REVISITOP}/roxford5k/gnd_roxford5k.pkl",),
                        size=149_871,
                        sha256="ba7967754bd2d7d2210a5799f9c45ad5835e269a80ef9d3eba44caa35816c471",
                    ),
                    at="gnd_roxford5k.pkl",
                ),
            ),
        ),
        Source(
            name="rparis",
            folder="rparis6k",
            about_bytes=5 * GB,
            version=BLURRED,
            parts=(
                *(
                    Part(
                        file=RemoteFile(
                            name=f"paris_{number}-v1.tgz",
                            urls=(f"{OXFORD}/parisbuildings/paris_{number}-v1.tgz",),
                        ),
                        place=images_flat,
                        most_bytes=6 * GB,
                        most_files=20_000,
                    )
                    for number in (1, 2)
                ),
                Part(
                    file=RemoteFile(
                        name="gnd_rparis6k.pkl",
                        urls=(f"{REVISITOP}/rparis6k/gnd_rparis6k.pkl",),
                        size=276_508,
                        sha256="d2e729a5293dda7dda8a15c8383424a42e4964a2c4cfea2f32fa85d11d2df499",
                    ),
                    at="gnd_rparis6k.pkl",
                ),
            ),
        ),
        Source(
            name="r1m",
            folder="revisitop1m",
            about_bytes=900 * GB,
            parts=(
                *(
                    Part(
                        file=RemoteFile(
                            name=f"revisitop1m.{number}.tar.gz",
                            urls=(f"{DISTRACTORS}/jpg/revisitop1m.{number}.tar.gz",),
                        ),
                        place=under("jpg"),
                        most_bytes=20 * GB,
                        most_files=50_000,
                    )
                    for number in range(1, 101)
                ),
                Part(
                    file=RemoteFile(
                        name="revisitop1m.txt", urls=(f"{DISTRACTORS}/revisitop1m.txt",)
                    ),
                    at="revisitop1m.txt",
                ),
            ),
        ),
        Source(
            name="sfm120k",
            folder="train/retrieval-SfM-120k",
            by_hand=(
                "Its images are under the licences of their photographers: read the page of "
                "cnnimageretrieval-pytorch (Radenovic), then take ims.tar.gz (38 GB) and "
                "retrieval-SfM-120k.pkl; unpack the first into {folder}/ims, put the second at "
                "{folder}/retrieval-SfM-120k.pkl"
            ),
        ),
    ],
)
