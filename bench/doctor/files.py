"""Checks of a dataset's image files: damaged ones, duplicates, boxes, known versions."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from bench.doctor.finding import Finding, ok, some
from bench.doctor.inspection import CODE_BYTES, EMPTY, MISSING, UNREADABLE, Inspection
from registry.datasets import Dataset
from registry.datasets.lists import place_in_lists
from registry.datasets.sources import FETCHED
from registry.datasets.split import Images, Split
from registry.datasets.spots import SPOTS

NEAR = 8
"""Bits of 128 in which the codes of near-duplicates may differ."""
ADVICE = {
    MISSING: "is the archive unpacked completely, and in the place its lists say?",
    EMPTY: "a full disk or a broken copy leaves such files: unpack the archive again",
    UNREADABLE: "unpack the archive again; --skip-bad-images leaves them out and counts them",
}
Inspections = Sequence[Inspection]


def check_files(
    row: Dataset, split: Split, train: Inspections, test: Inspections, root: Path
) -> Iterator[Finding]:
    """Look at what the inspection of every image found."""
    yield from _damaged([*train, *test], split.evaluated.root)
    yield _boxes(split, test)
    yield _exact(split, train, test)
    if train and test:
        yield _near(train, test)
    yield _version(row, split, content_hash(train, test), root)


def content_hash(train: Inspections, test: Inspections) -> str:
    """Hash part, name and bytes of every image, whatever their order."""
    digest = hashlib.sha256()
    parts = (("train", train), ("evaluated", test))
    lines = (f"{part}\t{one.path}\t{one.sha256}\n" for part, found in parts for one in found)
    for line in sorted(lines):
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _damaged(found: Inspections, root: Path) -> Iterator[Finding]:
    any_damage = False
    for kind, advice in ADVICE.items():
        bad = [one for one in found if one.error.startswith(kind)]
        if bad:
            any_damage = True
            reasons = (one.error.partition(": ")[2] for one in bad)
            names = [
                f"{one.path} ({reason})" if reason else one.path
                for one, reason in zip(bad, reasons, strict=True)
            ]
            listed = place_in_lists(root, bad[0].path)
            text = f"{len(bad):,} {kind}: {some(names)}{listed.replace('(', '(the first is ', 1)}"
            yield Finding("images", "problem", text, advice)
    if not any_damage:
        yield ok("images", f"all {len(found):,} can be read")
    grey = [one.path for one in found if one.greyed]
    if grey:
        text = f"{len(grey):,} end in flat grey, as decoders fill in for missing data: {some(grey)}"
        yield Finding("images", "note", text, "look at them")


def _boxes(split: Split, test: Inspections) -> Finding:
    outside = []
    for position, (_, _, right, bottom) in (split.evaluated.boxes or {}).items():
        found = test[position]
        if found.width and (round(right) > found.width or round(bottom) > found.height):
            outside.append(f"{found.path} is {found.width} x {found.height}")
    if not split.evaluated.boxes:
        return ok("boxes", "none")
    if outside:
        text = f"{len(outside)} query boxes reach beyond their image: {some(outside)}"
        return Finding("boxes", "problem", text, "images were resized: fetch the originals")
    return ok("boxes", "every query's box lies in its image")


def _exact(split: Split, train: Inspections, test: Inspections) -> Finding:
    """Count exact copies; those across classes tie, those across parts were trained on."""
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for part, images, found in (("train", split.train, train), ("test", split.evaluated, test)):
        for position, one in enumerate(found):
            if one.sha256 and images is not None:
                groups[one.sha256].append((part, _class(images, position)))
    copies = [members for members in groups.values() if len(members) > 1]
    if not copies:
        return ok("duplicates", "no two files are the same")
    surplus = sum(len(members) - 1 for members in copies)
    across = sum(len({part for part, _ in members}) > 1 for members in copies)
    classes = sum(len({name for _, name in members}) > 1 for members in copies)
    text = (
        f"{surplus:,} files are exact copies of another; of {len(copies):,} groups, {classes:,} "
        f"span several classes and {across:,} both training and evaluated images"
    )
    leak = "what is trained on is evaluated: leave those out, or a trained number says little"
    advice = leak if across else "copies tie: their expected value is what counts"
    return Finding("duplicates", "note", text, advice)


def _class(images: Images, position: int) -> str:
    label = images.labels[position]
    return images.classes[label] if label >= 0 else str(position)


def _near(train: Inspections, test: Inspections) -> Finding:
    pairs = near_pairs(train, test)
    if not pairs:
        return ok("near-duplicates", "besides exact copies, none across the parts")
    named = [f"{train[i].path} ~ {test[j].path}" for i, j in pairs]
    queries = len({j for _, j in pairs})
    text = f"{queries:,} evaluated images look the same as a training image: {some(named)}"
    return Finding("near-duplicates", "note", text, "look at some: they make a trained number easy")


def near_pairs(train: Inspections, test: Inspections) -> list[tuple[int, int]]:
    """Positions of training and evaluated images that look the same, exact copies left out."""
    left, left_codes = _codes(train)
    right, right_codes = _codes(test)
    if not len(left) or not len(right):
        return []
    index = faiss.IndexBinaryFlat(8 * CODE_BYTES)
    index.add(right_codes)
    limits, _, found = index.range_search(left_codes, NEAR + 1)
    pairs = []
    for row, (start, end) in enumerate(pairwise(limits)):
        for hit in found[int(start) : int(end)]:
            i, j = int(left[row]), int(right[hit])
            if train[i].sha256 != test[j].sha256:
                pairs.append((i, j))
    return sorted(pairs)


def _codes(found: Inspections) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    positions = [position for position, one in enumerate(found) if one.code]
    raw = b"".join(bytes.fromhex(found[position].code) for position in positions)
    codes = np.frombuffer(raw, dtype=np.uint8).reshape(len(positions), CODE_BYTES)
    return np.array(positions, dtype=np.int64), codes


def _version(row: Dataset, split: Split, content_sha256: str, root: Path) -> Finding:
    """Compare images whose hash is known; of Oxford and Paris none is, blurred or not."""
    content = f"content {content_sha256[:16]}"
    known = SPOTS.get(row.name, {})
    there = {path: split.evaluated.root / path for path in known}
    wrong = [path for path, file in there.items() if file.is_file() and _md5(file) != known[path]]
    if wrong:
        text = f"{content}; not the field's archive: {some(wrong)} differ from it"
        return Finding("version", "problem", text, "images were converted or resized: fetch again")
    if known:
        right = sum(file.is_file() for file in there.values())
        return ok("version", f"{content}; {right} images are those of the field's archive")
    fetched = _fetched(root)
    if fetched:
        return ok("version", f"{content}; fetched as {fetched}")
    if row.has_boxes and row.official:
        text = f"{content}; no hash is published by which to tell blurred faces (June 2022) or not"
        advice = "compare the content hash with that of whom you compare numbers with"
        return Finding("version", "note", text, advice)
    return ok("version", f"{content}; no hash of a known version is published")


def _fetched(root: Path) -> str:
    """What bench data get wrote down, where it fetched the dataset."""
    try:
        return str(json.loads((root / FETCHED).read_text())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes()).hexdigest()
