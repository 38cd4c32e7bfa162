"""Checks of a dataset's lists: counts, the official content, classes and queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from bench.doctor.finding import Finding, ok, some
from registry.datasets import Dataset
from registry.datasets.counts import Counts
from registry.datasets.official import fingerprint
from registry.datasets.split import Split, relevant_counts

OFFICIAL_LISTS = "fetch the list files again from the dataset's authors"


def check_lists(row: Dataset, split: Split, found: Counts) -> Iterator[Finding]:
    """Look at what the lists say, without opening an image."""
    if not row.about:
        yield _counts(row, found)
    if row.lists is not None:
        yield _content(row, split)
    if split.train is not None and len(split.evaluated):
        yield _disjoint(split)
    yield _listed_once(split)
    if len(split.queries):
        yield _queries_find_something(split) if split.graded is None else _judgements(split)


def _counts(row: Dataset, found: Counts) -> Finding:
    wrong = [
        f"{number:,} {what}, not {expected:,}"
        for what, expected, number in row.counts.differences(found)
    ]
    if not wrong:
        return ok("counts", "as published" if row.official else "as drawn or found")
    swapped = (found.queries, found.gallery) == (row.counts.gallery, row.counts.queries)
    if swapped and found.queries != found.gallery:
        advice = "queries and gallery are swapped: " + OFFICIAL_LISTS
    else:
        advice = OFFICIAL_LISTS + "; a part of a benchmark is measured as NAME@subset(…)"
    return Finding("counts", "problem", "; ".join(wrong), advice)


def _content(row: Dataset, split: Split) -> Finding:
    found = fingerprint(split)
    if found == row.lists:
        return ok("lists", f"the published ones ({found})")
    text = f"other content than the published ones (fingerprint {found}, not {row.lists})"
    return Finding("lists", "problem", text, OFFICIAL_LISTS)


def _disjoint(split: Split) -> Finding:
    assert split.train is not None
    shared = sorted(set(split.train.classes) & set(split.evaluated.classes))
    if not shared:
        return ok("classes", "those trained on and those evaluated share none")
    text = f"{len(shared):,} classes are both trained on and evaluated: {some(shared)}"
    advice = (
        "this is a split for classification (as CUB's train_test_split.txt), retrieval splits by "
        "class: put all images in one folder and use @split=classes, or the dataset's own lists"
    )
    return Finding("classes", "problem", text, advice)


def _listed_once(split: Split) -> Finding:
    parts = filter(None, (split.train, split.evaluated))
    times = Counter(str(images.root / path) for images in parts for path in images.paths)
    twice = sorted(path for path, count in times.items() if count > 1)
    if not twice:
        return ok("entries", "every image is listed once")
    text = f"{len(twice):,} images are listed more than once: {some(twice)}"
    return Finding("entries", "problem", text, OFFICIAL_LISTS)


def _queries_find_something(split: Split) -> Finding:
    lone = int((relevant_counts(split) < 1).sum())
    if not lone:
        return ok("queries", "every one has an image of its class to find")
    text = f"{lone:,} of {len(split.queries):,} have no image of their class to find"
    return Finding("queries", "note", text, "they are no queries, but stay in the gallery")


def _judgements(split: Split) -> Finding:
    graded = split.graded or {}
    queries = set(split.queries.tolist())
    wrong = []
    for query, truth in graded.items():
        judged = np.concatenate([truth.easy, truth.hard, truth.junk])
        if len(np.unique(judged)) != len(judged):
            wrong.append(f"query {query} judges an image twice")
        if queries & set(judged.tolist()):
            wrong.append(f"query {query} judges a query")
    if wrong:
        return Finding("queries", "problem", some(wrong), OFFICIAL_LISTS)
    empty = sum(not len(truth.easy) + len(truth.hard) for truth in graded.values())
    easy = sum(not len(truth.easy) for truth in graded.values())
    text = f"judged without contradiction; {easy} have nothing Easy to find, {empty} nothing at all"
    return ok("queries", text)
