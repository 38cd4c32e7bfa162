"""bench.exact: counts equal to those of whole numbers and plain loops, however they are computed.

Descriptors are drawn so that float32 cannot tell them apart: one step of the grid between them,
exact duplicates across classes, nothing but duplicates, zeros.
"""

from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.exact import blocks, classes, mates, tile
from bench.exact.classes import first_hits, rankings
from bench.exact.grid import STEPS, check_vectors, on_grid, rounding_bound
from bench.exact.judged import Judgement, judged_rankings, rows_at
from bench.exact.mates import Side, mates_of_each
from bench.exact.thresholds import Tally, Thresholds
from bench.exact.walk import Ticker, Walk, full_precision
from bench.stages.descriptors import unit
from tests import integers

CPU = torch.device("cpu")
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DIMS = (1, 2, 3, 4, 7, 16, 64, 512)
KINDS = ("near", "near", "same", "few", "coarse", "random", "zeros", "mixed")


def nudged(rows, rng, steps=1):
    """Move some entries of unit vectors by steps of the grid: float32 products hardly notice."""
    change = rng.integers(-steps, steps + 1, size=rows.shape) * (rng.random(rows.shape) < 0.5)
    return on_grid(rows + change / STEPS)


def vectors_of(kind, n, dims, rng):
    """N unit vectors on the grid that are hard to tell apart in one way."""
    random = unit(rng.normal(size=(n, dims)))
    base = unit(rng.normal(size=(1, dims)))
    match kind:
        case "near":
            return nudged(np.repeat(base, n, axis=0), rng, int(rng.integers(1, 4)))
        case "same":
            return np.repeat(base, n, axis=0)
        case "few":
            return random[rng.integers(0, 1 + n // 3, size=n)]
        case "coarse":
            return unit(rng.integers(-1, 2, size=(n, dims)).astype(np.float64))
        case "zeros":
            return random * (rng.random((n, 1)) < 0.6).astype(np.float32)
        case "mixed":
            several = [vectors_of(other, n, dims, rng) for other in KINDS[:-1]]
            return np.stack(several)[rng.integers(0, len(several), size=n), np.arange(n)]
        case _:
            return random


@st.composite
def images(draw, most=10):
    """Images with classes, many of them of no class, alone in theirs, or all in one."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, most))
    vectors = vectors_of(draw(st.sampled_from(KINDS)), n, draw(st.sampled_from(DIMS)), rng)
    names = draw(st.sampled_from([(0,), (-1,), (-1, 0, 1), range(4), range(-2, 2 * n)]))
    return Side(vectors, rng.choice(names, size=n).astype(np.int64), rng.permutation(n)), rng


@st.composite
def ways(draw):
    """Tiles of any size, in either way of counting: the usual choice, a list, or sorting."""
    few = draw(st.sampled_from([(4, 4), (3, 8), (8, 3), (5, 2), (1, 64), (64, 64)]))
    share = draw(st.sampled_from([None, 0, 1, 1]))
    return Walk(CPU, blocks=draw(st.sampled_from([None, blocks.Blocks(*few)]))), share


@contextmanager
def counting(share=None):
    """Have a query's images listed as far as this share of them, all (1) or none (0)."""
    with ExitStack() as stack:
        if share is not None:
            stack.enter_context(patch.object(tile, "MOST_LISTED", share or -1))
            stack.enter_context(patch.object(tile, "MOST_UNSURE", share))
            stack.enter_context(patch.object(tile, "SORTED_AT_ONCE", 3))
        yield


def part(side, chosen):
    """Some images of a side."""
    return Side(side.vectors[chosen], side.labels[chosen], side.ids[chosen])


def agree(queries, gallery, way):
    """Check first hits and rankings against whole numbers."""
    found, share = integers.of_classes(queries, gallery), way[1]
    with counting(share):
        assert integers.as_groups(rankings(queries, gallery, way[0])) == found
        firsts = first_hits(queries, gallery, way[0])
    assert integers.as_first_groups(firsts) == integers.first_groups(found)


# --- Every way of counting gives the counts of whole numbers ---


@settings(max_examples=1200)
@given(images(), ways())
def test_leave_one_out_counts_are_those_of_whole_numbers(drawn, way):
    agree(drawn[0], drawn[0], way)


@settings(max_examples=800)
@given(images(), ways(), st.booleans())
def test_counts_in_another_gallery_are_those_of_whole_numbers(drawn, way, apart):
    """Queries may be in the gallery, partly, or all be missing from it."""
    side, rng = drawn
    asked = rng.random(len(side.labels)) < 0.5
    asked[0] = True
    offered = ~asked if apart else rng.random(len(side.labels)) < 0.7
    offered[-1] = True
    agree(part(side, np.flatnonzero(asked)), part(side, np.flatnonzero(offered)), way)


@st.composite
def judged_cases(draw):
    """Queries, a gallery in parts (some empty), and setups whose judgements may overlap."""
    side, rng = draw(images(most=16))
    n = len(side.labels)
    queries = side.vectors[rng.integers(0, n, size=draw(st.integers(1, 4)))]
    cuts = np.sort(rng.integers(0, n + 1, size=draw(st.integers(0, 3))))
    likely = draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))

    def places(chance):
        return rng.permutation(np.flatnonzero(rng.random(n) < chance))

    setups = [
        [Judgement(places(likely), places(0.3)) for _ in queries]
        for _ in range(draw(st.integers(1, 3)))
    ]
    return queries, np.split(side.vectors, cuts), setups


@settings(max_examples=800)
@given(judged_cases(), ways())
def test_judged_counts_are_those_of_whole_numbers(case, way):
    queries, parts, setups = case
    found = judged_rankings(queries, parts, setups, way[0])
    for setup, ranked in zip(setups, found, strict=True):
        expected = integers.of_judgements(queries, parts, setup)
        assert integers.as_groups(ranked) == expected


@settings(max_examples=60)
@given(images(most=16), ways(), st.integers(1, 12), st.integers(1, 3))
def test_cutting_large_classes_into_pieces_changes_no_count(drawn, way, pairs, queries):
    with (
        patch.object(classes, "MOST_PAIRS", pairs),
        patch.object(mates, "MOST_QUERIES", queries),
        patch.object(mates, "ELEMENTS", 1),
        patch.object(tile, "PAIR_ELEMENTS", 1),
    ):
        agree(drawn[0], drawn[0], way)


@settings(max_examples=60)
@given(images(), ways())
def test_the_order_of_the_gallery_changes_no_count(drawn, way):
    side, rng = drawn
    shuffled = part(side, rng.permutation(len(side.labels)))
    for search in (rankings, first_hits):
        mine, theirs = search(side, side, way[0]), search(side, shuffled, way[0])
        for name in vars(first_hits(side, side, way[0])):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))


def catalogue(n=120, dims=64, seed=0):
    """Classes of a few near images, some of them duplicated into other classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) // 5
    centres = rng.normal(size=(n // 5, dims))
    vectors = unit(centres[labels] + rng.normal(scale=0.6, size=(n, dims)))
    copied = rng.permutation(n)[: n // 5]
    vectors[copied] = (
        nudged(vectors[rng.permutation(copied)], rng) if seed else vectors[copied[::-1]]
    )
    return Side(vectors, labels, np.arange(n))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sizes", [None, (40, 64), (64, 37), (128, 120), (120, 120)])
@pytest.mark.parametrize("seed", [0, 1])
def test_blocks_and_devices_change_no_count_of_a_catalogue(device, sizes, seed):
    side = catalogue(seed=seed)
    way = Walk(torch.device(device), blocks=sizes and blocks.Blocks(*sizes))
    agree(side, side, (way, None))
    half = part(side, np.arange(0, 120, 2))
    agree(half, side, (way, None))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_no_count(threads):
    side = catalogue(dims=512)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for share in (None, 0, 1):
            agree(side, side, (Walk(CPU), share))
            agree(side, part(side, np.arange(90)), (Walk(CPU), share))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dims", [1, 2, 3, 4, 33, 128, 512, 2048])
def test_exact_duplicates_tie_exactly_in_any_dims(dims):
    rng = np.random.default_rng(dims)
    once = unit(rng.normal(size=(20, dims)))
    side = Side(np.tile(once, (3, 1)), np.tile(np.arange(20), 3), np.arange(60))
    for sizes in ((20, 35), (64, 64)):
        found = first_hits(side, side, Walk(CPU, blocks=blocks.Blocks(*sizes)))
        if dims > 1:
            assert (found.positives == 2).all()
            assert not found.negatives_tied.any()
            assert not found.negatives_above.any()
        agree(side, side, (Walk(CPU, blocks=blocks.Blocks(*sizes)), None))


@pytest.mark.parametrize(("asked", "sizes"), [(3, (3, 5)), (8, (5, 5))])
def test_a_small_tile_after_a_larger_one_forgets_the_larger(asked, sizes):
    """15 products, then 9: both take two words of flags, of which the second is half used."""
    same = Side(np.repeat(unit(np.ones((1, 3))), 8, axis=0), np.arange(8) // 2, np.arange(8))
    queries = same if asked == 8 else part(same, np.arange(asked))
    agree(queries, same, (Walk(CPU, blocks=blocks.Blocks(*sizes)), 9, None))


# --- Ways in which descriptors may lie in memory or on the disk ---


def kept(vectors, how, folder):
    """The same descriptors, lying elsewhere."""
    path = folder / f"{how}.npy"
    np.save(path, vectors)
    match how:
        case "read-only file":
            return np.load(path, mmap_mode="r")
        case "copy-on-write file":
            return np.load(path, mmap_mode="c")
        case "writeable file":
            return np.load(path, mmap_mode="r+")
        case "columns first":
            return np.asfortranarray(vectors)
        case "every other row":
            return np.repeat(vectors, 2, axis=0)[::2]
        case "read-only":
            vectors = vectors.copy()
            vectors.flags.writeable = False
            return vectors
        case _:
            return np.concatenate([vectors, vectors], axis=1)[:, : vectors.shape[1]]


LYING = (
    "read-only file",
    "copy-on-write file",
    "writeable file",
    "columns first",
    "every other row",
    "read-only",
    "wider rows",
)


@pytest.mark.parametrize("how", LYING)
def test_where_descriptors_lie_changes_no_count_and_no_descriptor(how, tmp_path):
    side = catalogue(n=60)
    other = Side(kept(side.vectors, how, tmp_path), side.labels, side.ids)
    for share in (None, 0, 1):
        agree(other, other, (Walk(CPU, blocks=blocks.Blocks(11, 17)), share))
        agree(side, other, (Walk(CPU), share))
    setup = [Judgement(np.arange(i % 7), np.array([50])) for i in range(60)]
    parts = [other.vectors, side.vectors[:0], other.vectors[:9]]
    (found,) = judged_rankings(other.vectors, parts, [setup], Walk(CPU))
    assert integers.as_groups(found) == integers.of_judgements(side.vectors, parts, setup)
    np.testing.assert_array_equal(other.vectors, side.vectors)


def test_rows_are_found_in_parts_of_any_length():
    gallery = unit(np.random.default_rng(0).normal(size=(9, 3)))
    parts = [gallery[:0], gallery[:4], gallery[4:4], gallery[4:5], gallery[5:]]
    places = np.array([8, 0, 4, 3, 5, 5])
    np.testing.assert_array_equal(rows_at(parts, places), gallery[places])


# --- Which pairs are computed again ---


@contextmanager
def spied():
    """Count calls of sorting, and of computing pairs again."""
    with (
        patch.object(tile, "count_sorted", wraps=tile.count_sorted) as sort,
        patch.object(tile, "_pair_products", wraps=tile._pair_products) as again,
    ):
        yield sort, again


def pairs_in(again):
    return sum(len(call.args[2]) for call in again.call_args_list)


def test_each_way_of_counting_is_taken():
    side = catalogue()
    taken = {}
    for share in (None, 0, 1):
        with counting(share), spied() as (sort, again):
            rankings(side, side, Walk(CPU, blocks=blocks.Blocks(30, 30)))
            taken[share] = (sort.call_count, pairs_in(again))
    assert 0 == taken[1][0] < taken[None][0] <= taken[0][0]
    assert 0 == taken[0][1] <= taken[None][1] < taken[1][1]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_sorted_and_what_is_listed_is_a_guess_that_changes_no_count(seed):
    side = catalogue()
    rng = np.random.default_rng(seed)

    def guess(products, reach):
        return torch.from_numpy(rng.random(len(products)) < rng.choice([0, 0.5]))

    found = integers.of_classes(side, side)
    with patch.object(tile, "_deep", guess):
        walk = Walk(CPU, blocks=blocks.Blocks(16, 16))
        assert integers.as_groups(rankings(side, side, walk)) == found


def test_a_tile_of_many_images_above_is_sorted_and_one_of_many_unsure_too():
    far = unit(np.random.default_rng(0).normal(size=(50, 4)))
    labels = np.arange(50) // 2
    with spied() as (sort, again):
        first_hits(Side(far, labels, labels), Side(far, labels, labels), Walk(CPU))
        assert (sort.call_count, again.call_count) == (0, 0)  # nothing is asked
        side = Side(far, labels, np.arange(50))
        first_hits(side, part(side, np.arange(50)), Walk(CPU))  # random: much is above a mate
        assert sort.call_count == 1
        again.reset_mock()
        near = Side(
            nudged(np.repeat(far[:1], 50, axis=0), np.random.default_rng(1)), labels, side.ids
        )
        first_hits(near, near, Walk(CPU))  # collapsed: all pairs are unsure
        assert sort.call_count == 2
        assert pairs_in(again) == 0


@pytest.mark.parametrize("dims", [2, 3, 16, 512])
def test_only_pairs_that_float32_cannot_decide_are_computed_again(dims):
    """A pair is, exactly if a threshold is within the rounding bound of its float32 product."""
    rng = np.random.default_rng(dims)
    side = Side(unit(rng.normal(size=(80, dims))), np.arange(80) // 2, np.arange(80))
    exact = integers.similarities(side.vectors, side.vectors) / STEPS**2
    np.fill_diagonal(mate := exact.copy(), 0)
    mate = mate[np.arange(80), np.arange(80) ^ 1]
    with counting(1), spied() as (_, again):
        first_hits(side, part(side, np.arange(80)), Walk(CPU))
    gap = np.abs(exact - mate[:, None])
    bound = rounding_bound(dims)
    computed = pairs_in(again)
    assert (gap == 0).sum() <= (gap <= bound / 2).sum() <= computed <= (gap <= 2 * bound).sum()
    assert computed >= 80  # the mates themselves at least


@pytest.mark.parametrize("dims", [2, 3, 4, 16, 64, 512])
def test_float32_alone_would_miscount_these_descriptors(dims):
    """With a bound of 0, nothing but equal float32 products would be computed again."""
    rng = np.random.default_rng(dims)
    n = 60
    vectors = nudged(np.repeat(unit(rng.normal(size=(1, dims))), n, axis=0), rng)
    side = Side(vectors, np.arange(n) // 2, np.arange(n))
    found = integers.of_classes(side, side)
    with counting(1):
        assert integers.as_groups(rankings(side, side, Walk(CPU))) == found
        with (
            patch.object(tile, "rounding_bound", lambda dims: 0.0),
            patch.object(tile.Tiles, "_lowest", lambda tiles, rows: rows.queries * 0.0 - 2.0),
        ):
            assert integers.as_groups(rankings(side, side, Walk(CPU))) != found


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_products_that_just_reach_a_value_are_listed(rows):
    """Each row, or each column, has a value of its own."""
    products = torch.linspace(-1, 1, 8 * rows).view(rows, 8)
    tiles = tile.Tiles(Tally(no_thresholds()), 4, CPU)
    with counting(1):
        for reach in (products[:, 3:4], products[rows // 2]):
            found = tiles._listed(products, reach)
            places = list(zip(found.row.tolist(), found.column.tolist(), strict=True))
            assert places == [tuple(place) for place in (products >= reach).nonzero().tolist()]
            assert found.value.tolist() == products[found.row, found.column].double().tolist()


@given(st.floats(-1, 1), st.integers(1, 2048))
def test_what_may_reach_a_threshold_is_never_rounded_up(threshold, dims):
    values = torch.tensor([threshold], dtype=torch.float64)
    tiles = tile.Tiles(Tally(Thresholds(values, torch.tensor([0, 1]))), dims, CPU)
    rows = tile.Block(torch.zeros(1, dims), torch.zeros(1, dtype=torch.int64))
    lowest = float(tiles._lowest(rows))
    assert threshold - rounding_bound(dims) - 3e-7 < lowest <= threshold - rounding_bound(dims)


def no_thresholds():
    """Thresholds of no query."""
    return Thresholds(torch.zeros(0, dtype=torch.float64), torch.zeros(1, dtype=torch.int64))


def adversaries(dims, rng):
    """Pairs whose products round far: equal entries, alternating signs, one large, random."""
    flat = np.full(dims, dims**-0.5)
    peaked = np.concatenate([[1.0], np.full(dims - 1, 1e-4)])
    rows = [flat, flat * np.where(np.arange(dims) % 2, -1, 1), flat * rng.choice([-1, 1], dims)]
    rows += [peaked, peaked[::-1], rng.normal(size=dims), rng.exponential(size=dims)]
    rows += list(rng.normal(size=(20, dims)))
    return unit(np.array(rows))


@pytest.mark.parametrize("dims", [1, 2, 3, 5, 64, 513, 2048])
def test_float32_products_are_within_the_rounding_bound_in_any_order_of_sums(dims):
    rng = np.random.default_rng(dims)
    rows = nudged(adversaries(dims, rng), rng)
    exact = integers.similarities(rows, rows) / STEPS**2
    worst = 0.0
    for order in (np.arange(dims), np.arange(dims)[::-1], rng.permutation(dims)):
        mixed = np.ascontiguousarray(rows[:, order])
        products = torch.mm(torch.from_numpy(mixed), torch.from_numpy(mixed).T).double().numpy()
        one_by_one = np.array(
            [np.cumsum(mixed * row, axis=1, dtype=np.float32)[:, -1] for row in mixed]
        )
        worst = max(worst, np.abs(products - exact).max(), np.abs(one_by_one - exact).max())
    assert worst <= rounding_bound(dims)
    assert dims == 1 or worst >= rounding_bound(dims) / 300  # the data are not too easy for it


@pytest.mark.parametrize("dims", [2, 3, 512, 4096])
def test_the_rounding_bound_is_highams(dims):
    units = dims * 2.0**-24
    assert units < rounding_bound(dims) < 1.01 * units


# --- The grid ---


@given(st.integers(0, 2**32 - 1), st.sampled_from(DIMS))
def test_the_grid_is_reached_once_and_is_near(seed, dims):
    """Float32 entries move by half a step at most, and none from 1/8 on: float32 is coarser."""
    rng = np.random.default_rng(seed)
    before = rng.normal(size=(5, dims))
    before = (before / np.linalg.norm(before, axis=1, keepdims=True)).astype(np.float32)
    after = on_grid(before)
    assert after.dtype == np.float32
    integers.whole(after)
    np.testing.assert_array_equal(on_grid(after), after)
    moved = np.abs(after.astype(np.float64) - before)
    assert moved.max() <= 2.0**-27
    assert not moved[np.abs(before) >= 1 / 8].any()


@given(st.integers(0, 2**32 - 1), st.sampled_from(DIMS))
def test_float64_entries_move_by_half_a_step_or_half_a_step_of_float32(seed, dims):
    vectors = np.random.default_rng(seed).normal(size=(5, dims))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    after = on_grid(vectors)
    allowed = np.maximum(2.0**-27, np.spacing(np.abs(after)).astype(np.float64) / 2)
    assert (np.abs(after - vectors) <= allowed + 2.0**-27 * (allowed > 2.0**-27)).all()
    np.testing.assert_array_equal(unit(vectors), after)
    check_vectors(after)


@given(images(most=20))
def test_similarities_in_float64_are_whole_numbers_of_steps_in_any_order_of_sums(drawn):
    vectors = drawn[0].vectors
    exact = integers.similarities(vectors, vectors)
    shuffled = vectors[:, drawn[1].permutation(vectors.shape[1])].astype(np.float64)
    for product in (shuffled @ shuffled.T, np.einsum("nd,md->nm", shuffled, shuffled)):
        np.testing.assert_array_equal(product * STEPS**2, exact)


def test_whole_numbers_do_not_overflow():
    vectors = adversaries(512, np.random.default_rng(0))
    exact = integers.similarities(vectors, vectors)
    slow = integers.whole(vectors).astype(object)
    assert (slow[:9] @ slow.T == exact[:9]).all()
    assert np.abs(exact).max() < 2**53


# --- What is around the counting ---


@pytest.mark.parametrize("allowed", ["medium", "high", "highest"])
def test_what_the_caller_allows_products_changes_no_count_and_is_left_as_it_was(allowed):
    side = catalogue(n=100, dims=512, seed=1)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(allowed)
    try:
        with counting(1):
            agree(side, side, (Walk(CPU), 1, None))
        assert torch.get_float32_matmul_precision() == allowed
        with pytest.raises(KeyError), full_precision():
            raise KeyError
        assert torch.get_float32_matmul_precision() == allowed
    finally:
        torch.set_float32_matmul_precision(before)


def test_products_are_computed_in_full_precision():
    side, said = catalogue(n=20), []

    def product(*arguments, **options):
        said.append(torch.get_float32_matmul_precision())
        return torch.mm(*arguments, **options)

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with patch.object(tile.Tiles, "_product", autospec=True) as spy:
            spy.side_effect = lambda tiles, left, right: product(left, right.T)
            first_hits(side, side, Walk(CPU))
            first_hits(side, part(side, np.arange(9)), Walk(CPU))
    finally:
        torch.set_float32_matmul_precision(before)
    assert len(said) == 2
    assert set(said) == {"highest"}


@settings(max_examples=40)
@given(images(), ways(), st.integers(1, 9))
def test_progress_adds_up_to_the_queries(drawn, way, offered):
    side, done = drawn[0], []
    told = Walk(CPU, done.append, way[0].blocks)
    n = len(side.labels)
    gallery = part(side, np.arange(min(offered, n)))
    first_hits(side, side, told)
    assert sum(done) == n
    first_hits(side, gallery, told)
    assert sum(done) == 2 * n
    judged = [Judgement(np.arange(len(gallery.labels)), np.zeros(0, np.int64))] * n
    judged_rankings(side.vectors, [gallery.vectors], [judged], told)
    assert sum(done) == 3 * n
    assert min(done) > 0


@given(st.integers(0, 50), st.lists(st.integers(0, 30), max_size=20))
def test_a_ticker_never_runs_ahead_and_ends_at_its_end(queries, steps):
    done = []
    ticker = Ticker(done.append, queries, sum(steps))
    so_far = 0
    for step in steps:
        ticker.tick(step)
        so_far += step
        assert sum(done) == queries * so_far // max(1, sum(steps))
    ticker.finish()
    assert sum(done) == queries
    assert all(one > 0 for one in done)


@given(st.integers(0, 10**6), st.integers(1, 4096), st.integers(0, 1 << 40))
def test_blocks_fit_the_memory_and_are_never_empty(queries, dims, free):
    with patch.object(blocks, "free_bytes", lambda device: free):
        chosen = blocks.choose_blocks(CPU, max(1, queries), dims)
    assert 1 <= chosen.rows <= max(1, queries)
    assert blocks.SMALLEST / 2 < chosen.columns <= blocks.WIDEST["cpu"]
    taken = chosen.rows * chosen.columns * blocks.BYTES_PER_PRODUCT
    assert taken <= max(
        free / blocks.SHARE_OF_MEMORY, blocks.SMALLEST**2 * blocks.BYTES_PER_PRODUCT
    )


def test_pieces_are_all_rows_in_order():
    rows = torch.arange(10)
    assert [piece.tolist() for piece in blocks.pieces(rows, 4)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    assert blocks.pieces(rows[:0], 3) == []


@settings(max_examples=50)
@given(images(), images())
def test_mates_are_counted_with_the_query_itself(some, others):
    counts = mates_of_each(some[0], others[0])
    labels = others[0].labels.tolist()
    expected = [labels.count(label) if label >= 0 else 0 for label in some[0].labels.tolist()]
    assert counts.tolist() == expected


def test_no_queries_and_no_gallery_give_no_groups():
    side, none = catalogue(n=10), part(catalogue(n=10), np.arange(0))
    for queries, gallery in ((side, none), (none, side), (none, none)):
        assert integers.as_groups(rankings(queries, gallery, Walk(CPU))) == [[]] * len(queries.ids)
        assert not first_hits(queries, gallery, Walk(CPU)).answerable.any()
