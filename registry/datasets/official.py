"""Finding a real dataset under the data folder, and making sure that it is the real one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from registry.datasets.counts import Counts, counts_of
from registry.datasets.split import Images, Split
from registry.errors import WorkError

TWIN_MARKER = "twin.json"
"""In the folder of a drawn twin: what was drawn. No twin is taken for the real dataset."""


def find(data: Path, *, name: str, folders: Sequence[str], markers: Sequence[str]) -> Path:
    """Return the dataset's folder: the first of the usual names that holds one of its list files.

    The data folder may be the dataset's own. Raises WorkError saying where was looked and what is
    missing, or that all there is is a twin.
    """
    candidates = [*(data / folder for folder in folders), data]
    found = [
        folder for folder in candidates if any((folder / marker).is_file() for marker in markers)
    ]
    real = next((folder for folder in found if not (folder / TWIN_MARKER).is_file()), None)
    if real is not None:
        return real
    if found:
        raise WorkError(
            f"{name}: {found[0]} is a drawn twin, not the dataset: "
            f"measure it as dataset=twin:{found[0]}, or give another --data"
        )
    there = next((folder for folder in candidates[:-1] if folder.is_dir()), None)
    what = f"{there} has no {markers[0]}" if there else f"there is no {data / folders[0]}"
    raise WorkError(
        f"{name}: {what} (nor {', '.join(folders[1:4])} …); put it there, or give "
        f"its parent with --data; bench data get {name} fetches it or says how"
    )


def check(split: Split, root: Path, *, name: str, counts: Counts, lists: str | None) -> None:
    """Raise WorkError for another split than the benchmark's, saying in what it differs."""
    advice = f"bench data verify {name} tells more; your own split can be measured as folder:PATH"
    wrong = [
        f"{number:,} {what}, not {expected:,}"
        for what, expected, number in counts.differences(counts_of(split))
    ]
    if wrong:
        raise WorkError(f"{root} is not the {name} of the field: {'; '.join(wrong)}; {advice}")
    found = fingerprint(split)
    if lists is not None and found != lists:
        raise WorkError(
            f"{root}: the lists of {name} have the right counts but other content than the "
            f"published ones (fingerprint {found}, not {lists}): fetch them again; {advice}"
        )


def fingerprint(split: Split) -> str:
    """Hash what a split says, whatever the order, padding and line ends of its lists.

    16 hexadecimal digits of the sorted lines: role, path, class, box, judgements.
    """
    digest = hashlib.sha256()
    for line in sorted(_lines(split)):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()[:16]


def _lines(split: Split) -> Iterator[str]:
    if split.train:
        yield from _listed("train", split.train, np.arange(len(split.train)))
    leave_one_out = np.array_equal(split.queries, split.gallery)
    roles = {"query": split.queries, "gallery": split.gallery}
    for role, positions in {"both": split.queries}.items() if leave_one_out else roles.items():
        yield from _listed(role, split.evaluated, positions)
    paths = split.evaluated.paths
    for query, truth in (split.graded or {}).items():
        for grade in ("easy", "hard", "junk"):
            for position in getattr(truth, grade):
                yield f"{paths[query]}\t{grade}\t{paths[position]}"


def _listed(role: str, images: Images, positions: Sequence[int] | np.ndarray) -> Iterator[str]:
    for position in positions:
        label = images.labels[position]
        name = images.classes[label] if label >= 0 else ""
        box = (images.boxes or {}).get(int(position), "")
        yield f"{role}\t{images.paths[position]}\t{name}\t{box}"
