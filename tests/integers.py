"""Scoring by whole numbers and plain loops, written apart from the code it checks.

Descriptors are whole multiples of 2^-26, so a similarity is a whole multiple of 2^-52: an int.
"""

import numpy as np

from bench.metrics.rankings import FirstHits, Rankings

STEPS = 2**26


def whole(vectors):
    """Descriptors as whole numbers of steps; they must be such."""
    scaled = np.asarray(vectors, dtype=np.float64) * STEPS
    numbers = scaled.astype(np.int64)
    assert np.array_equal(numbers, scaled)
    return numbers


def similarities(queries, gallery):
    """(Q, G) exact similarities in units of 2^-52, as int64: they stay below 2^53."""
    return whole(queries) @ whole(gallery).T


def groups(values, relevant, ignored):
    """Per distinct similarity of a relevant image: [relevant, irrelevant tied, irrelevant above].

    What is both relevant and ignored is ignored.
    """
    good = [value for i, value in enumerate(values) if i in relevant and i not in ignored]
    bad = [value for i, value in enumerate(values) if i not in relevant and i not in ignored]
    return [
        [
            sum(value == level for value in good),
            sum(value == level for value in bad),
            sum(value > level for value in bad),
        ]
        for level in sorted(set(good), reverse=True)
    ]


def of_classes(queries, gallery):
    """Groups of each query: images of its class are relevant, its own image is ignored."""
    table = similarities(queries.vectors, gallery.vectors).tolist()
    return [
        groups(
            values,
            {i for i, other in enumerate(gallery.labels) if other == label >= 0},
            {i for i, other in enumerate(gallery.ids) if other == own},
        )
        for values, label, own in zip(table, queries.labels, queries.ids, strict=True)
    ]


def of_judgements(queries, parts, setup):
    """Groups of each query as a setup judges it; the parts of the gallery follow each other."""
    gallery = np.concatenate([whole(part) for part in parts])
    table = (whole(queries) @ gallery.T).tolist()
    return [
        groups(values, set(judged.relevant.tolist()), set(judged.ignored.tolist()))
        for values, judged in zip(table, setup, strict=True)
    ]


def as_rankings(found):
    """Groups of some queries in the form that metrics take."""
    columns = np.array([group for of_query in found for group in of_query]).reshape(-1, 3).T
    starts = np.cumsum([0, *map(len, found)])
    return Rankings(starts.astype(np.int64), *columns.astype(np.int64))


def as_groups(found):
    """The groups of each query that rankings hold, as lists."""
    columns = np.stack([found.positives, found.negatives_tied, found.negatives_above], axis=1)
    return [
        columns[start:end].tolist()
        for start, end in zip(found.starts, found.starts[1:], strict=False)
    ]


def first_groups(found):
    """The first group of each query, as first hits have it; [0, 0, 0] where there is none."""
    return [of_query[0] if of_query else [0, 0, 0] for of_query in found]


def as_first_groups(found: FirstHits):
    """First hits as a list per query."""
    columns = [found.positives, found.negatives_tied, found.negatives_above]
    return np.stack(columns, axis=1).tolist()
