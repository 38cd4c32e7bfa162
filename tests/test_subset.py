"""registry.datasets.subset: whole classes or queries, none of them lonely."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.datasets import dataset_row
from registry.datasets.counts import counts_of
from registry.datasets.split import Split, labelled
from registry.datasets.subset import choose_classes, choose_queries
from registry.errors import UsageError


def categories(sizes, *, apart=False):
    """A split with classes of these sizes; apart: the first image of each is a query."""
    names = [f"c{index}" for index, size in enumerate(sizes) for _ in range(size)]
    images = labelled(None, [f"{i}.jpg" for i in range(len(names))], names)
    everything = np.arange(len(names))
    first = np.array([names.index(f"c{index}") for index in range(len(sizes))])
    queries = first if apart else everything
    gallery = np.setdiff1d(everything, first) if apart else everything
    return Split(train=images, evaluated=images, queries=queries, gallery=gallery)


@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=12),
    st.integers(2, 8),
    st.integers(0, 5),
    st.booleans(),
)
def test_every_query_of_a_subset_finds_something(sizes, classes, seed, apart):
    split = categories(sizes, apart=apart)
    part = choose_classes(split, classes, seed)
    labels = part.evaluated.labels
    for query in part.queries:
        others = part.gallery[(labels[part.gallery] == labels[query]) & (part.gallery != query)]
        assert len(others)
    able = sum(size > 1 for size in sizes)
    assert len(part.evaluated.classes) == min(classes, able)
    for name in part.evaluated.classes:  # whole classes, under their own names
        assert (
            part.evaluated.labels.tolist().count(part.evaluated.classes.index(name))
            == sizes[int(name[1:])]
        )


def test_a_subset_is_drawn_by_its_seed(shared):
    from registry.datasets import cub

    split = cub.read(shared / "lists" / "CUB_200_2011")
    one, same, other = (choose_classes(split, 20, seed) for seed in (0, 0, 1))
    assert one.evaluated.paths == same.evaluated.paths != other.evaluated.paths
    assert len(one.evaluated.classes) == len(one.train.classes) == 20
    assert not set(one.evaluated.classes) & set(one.train.classes)


@pytest.mark.parametrize("name", ["twin-roxford", "twin-rparis"])
def test_chosen_queries_keep_all_that_is_judged(name, data):
    row = dataset_row(name)
    whole = row.read(row.prepare(data))
    part = choose_queries(whole, 4, 0)
    assert len(part.queries) == len(part.graded) == 4
    paths = whole.evaluated.paths
    for query, truth in part.graded.items():
        before = whole.graded[paths.index(part.evaluated.paths[query])]
        for grade in ("easy", "hard", "junk"):
            assert [part.evaluated.paths[i] for i in getattr(truth, grade)] == [
                paths[i] for i in getattr(before, grade)
            ]
        box = part.evaluated.boxes[int(query)]
        assert box == whole.evaluated.boxes[paths.index(part.evaluated.paths[query])]
    judged = {i for t in part.graded.values() for g in (t.easy, t.hard, t.junk) for i in g}
    assert len(judged) < len(part.gallery) <= 2 * len(judged)
    assert not set(part.queries) & set(part.gallery)


def test_the_order_of_a_list_does_not_change_what_is_drawn(shared):
    from dataclasses import replace

    from registry.datasets import cub

    split = cub.read(shared / "lists" / "CUB_200_2011")
    order = np.random.default_rng(0).permutation(len(split.evaluated))
    other = replace(split, evaluated=split.evaluated.chosen(order))
    one, two = (choose_classes(part, 5, 0) for part in (split, other))
    assert set(one.evaluated.paths) == set(two.evaluated.paths)


def test_pairs_follow_their_images():
    images = labelled(None, list("abcdef"), ["x", "x", "y", "y", "z", "z"])
    nothing = np.empty(0, dtype=np.int64)
    pairs = np.array([[0, 1], [2, 3], [4, 5]])
    split = Split(images, labelled(None, [], []), nothing, nothing, pairs=pairs)
    part = choose_classes(split, 2, 0)
    kept = [tuple(part.train.paths[i] for i in pair) for pair in part.pairs]
    assert len(kept) == 2
    assert set(kept) < {("a", "b"), ("c", "d"), ("e", "f")}


def test_a_subset_is_a_dataset_of_its_own(data):
    whole = dataset_row("twin-cub")
    row = dataset_row("twin-cub@subset(classes=5,seed=2)")
    same = dataset_row("twin-cub@subset(seed=2, classes=5)")
    assert row.name == same.name == "twin-cub@subset(classes=5,seed=2)"
    assert row.identity == same.identity != whole.identity
    assert counts_of(row.read(row.prepare(data))) == row.counts  # classes of one size


def test_a_subset_runs(bench):
    words = ["backbone=tiny_conv", "loss=none", "dims=native"]
    form = "twin-cub@subset(classes=5,seed=2),twin-roxford@subset(queries=3)"
    result = bench("run", f"dataset={form}", *words)
    assert "(5 classes, seed 2)" in " ".join(result.output.split())
    assert "2 cells done" in result.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("twin-cub@subset(queries=5)", "'queries=5' is no parameter"),
        ("twin-roxford@subset(classes=5)", "'classes=5' is no parameter"),
        ("twin-cub@subset(classes=1)", "two or more"),
        ("twin-cub@subset(seed=1)", "two or more"),
        ("twin-cub@subset(classes=x)", "'classes=x' is no parameter"),
        ("twin-cbu@subset(classes=5)", "did you mean 'twin-cub'"),
        ("twin-cub@subst(classes=5)", r"what follows @ is subset\(classes=20"),
        ("twin-cub@subset(classes=21)", "has 20 classes"),
        ("twin-cub@subset(classes=9)@subset(classes=5)", "a subset is of a plain dataset"),
        ("roxford+r1m@subset(queries=5)", r"write roxford@subset\(queries=10\)\+r1m"),
        ("twin-cub+r1m", "distractors join landmarks"),
        ("roxford+cub", r"what follows \+ is r1m"),
        ("roxford+r1m+r1m", "distractors join landmarks"),
    ],
)
def test_forms_that_cannot_be_say_why(text, message):
    with pytest.raises(UsageError, match=message):
        dataset_row(text)
