"""results.analysis.axes, design and effects: against explicit dummies and plain means."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from results.analysis.axes import NOWHERE, natural, varying_axes
from results.analysis.design import contrasts, main_terms, make_design, pair_terms, tangled
from results.analysis.effects import crossed, interactions, main_effects
from tests.matrices import product


def axes_of(cells):
    return varying_axes({name: [cell.get(name) for cell in cells] for name in cells[0]})


def named(cells):
    return [axis.name for axis in axes_of(cells)]


def estimates(effects, y):
    return {effect.where: float(effect.weights @ y) for effect in effects}


def main_of(cells, y):
    axes = axes_of(cells)
    return estimates(main_effects(axes, make_design(axes, main_terms(axes))), y)


def pairs_of(cells, y):
    axes = axes_of(cells)
    terms = [*main_terms(axes), *pair_terms(axes)]
    return estimates(interactions(axes, make_design(axes, terms)), y)


def by_dummies(cells, y, names, pairs=()):
    """Least squares by normal equations, the first value of each axis the reference."""
    columns, terms = [np.ones(len(cells))], {}
    values = {name: sorted({cell[name] for cell in cells}) for name in names}

    def add(key, column):
        terms[key] = len(columns)
        columns.append(np.array(column, dtype=float))

    for name in names:
        for value in values[name][1:]:
            add((name, value), [cell[name] == value for cell in cells])
    for a, b in pairs:
        for u, v in itertools.product(values[a][1:], values[b][1:]):
            add((a, u, b, v), [cell[a] == u and cell[b] == v for cell in cells])
    x = np.stack(columns, axis=1)
    beta = np.linalg.solve(x.T @ x, x.T @ y)
    return lambda key: beta[terms[key]] if key in terms else 0.0


FULL = product(backbone=["vit", "conv"], pooling=["avg", "gem", "max"], dims=["8", "16"])


def random_values(cells, seed=0):
    return np.random.default_rng(seed).normal(size=len(cells))


# axes


def test_axes_that_do_not_vary_are_none():
    assert named([{"backbone": "vit", "dims": "8"}, {"backbone": "vit", "dims": "16"}]) == ["dims"]
    assert axes_of([{"backbone": "vit"}]) == []


def test_values_are_sorted_as_numbers_where_they_are():
    cells = [{"dims": text} for text in ("128", "8", "native", "16")]
    assert axes_of(cells)[0].values == ("8", "16", "128", "native")
    texts = ["resnet50", "resnet18", "b(beta=0.7)", "b(beta=0.15)", "b", ""]
    assert sorted(texts, key=natural) == [
        "",
        "b",
        "b(beta=0.15)",
        "b(beta=0.7)",
        "resnet18",
        "resnet50",
    ]


def test_an_axis_that_follows_from_another_is_shown_with_it():
    cells = [
        {"backbone": "vit", "dims": "16", "projection": "pca"},
        {"backbone": "conv", "dims": "16", "projection": "pca"},
        {"backbone": "vit", "dims": "64", "projection": "none"},
        {"backbone": "conv", "dims": "48", "projection": "none"},
    ]
    backbone, dims = axes_of(cells)
    assert backbone.name == "backbone"
    assert (dims.name, dims.values) == ("dims+projection", ("16 pca", "48 none", "64 none"))
    assert [dims.text(cell) for cell in range(4)] == ["16 pca", "16 pca", "64 none", "48 none"]


def test_of_axes_that_go_together_the_first_leads_and_of_several_leads_the_smallest():
    both = [{"backbone": b, "pooling": p} for b, p in (("vit", "cls"), ("conv", "gem"))]
    assert named(both) == ["backbone+pooling"]
    chain = [
        {"recipe": r, "dims": d, "projection": p}
        for r, d, p in (
            ("a", "8", "pca"),
            ("b", "8", "pca"),
            ("c", "16", "pca"),
            ("d", "16", "pca"),
            ("e", "64", "none"),
        )
    ]
    assert named(chain) == ["recipe+dims+projection"]  # a recipe per cell says all else


def test_an_axis_that_follows_from_several_is_shown_with_the_one_of_fewest_values():
    pca = product(recipe=["a", "b"], dims=["8", "16"], projection=["pca"])
    cells = [*pca, *product(recipe=["c", "d"], dims=["64"], projection=["none"])]
    assert named(cells) == ["recipe", "dims+projection"]


def test_an_axis_without_a_value_where_it_does_not_matter_is_told_from_the_one_that_says_so():
    cells = [
        {"loss": "none", "recipe": None},
        {"loss": "contrastive", "recipe": "long"},
        {"loss": "contrastive", "recipe": "short"},
    ]
    loss, recipe = axes_of(cells)
    assert (loss.name, recipe.name) == ("loss", "recipe")
    assert recipe.places.tolist() == [NOWHERE, 0, 1]
    assert recipe.text(0) == "-"
    one = [{"loss": "none", "recipe": None}, {"loss": "contrastive", "recipe": "long"}]
    assert named(one) == ["loss"]


def test_that_an_axis_does_not_matter_is_a_value_where_nothing_else_tells():
    cells = [{"dims": d, "crop": c} for d in ("8", "16") for c in (None, "box")]
    axis = axes_of(cells)[1]
    assert (axis.name, axis.values) == ("crop", ("-", "box"))


# effects of axes


def test_effects_of_a_full_factorial_are_differences_of_means():
    y = random_values(FULL)
    found = main_of(FULL, y)
    assert len(found) == 7
    for ((axis, value),), effect in found.items():
        mine = [cell[axis] == value for cell in FULL]
        assert effect == pytest.approx(y[mine].mean() - y.mean())


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_effects_of_unbalanced_cells_are_those_of_dummies(seed, missing):
    draw = np.random.default_rng(seed)
    kept = np.sort(draw.permutation(len(FULL))[missing:])
    cells = [FULL[number] for number in kept]
    y = draw.normal(size=len(cells))
    names = list(FULL[0])
    axes = axes_of(cells)
    assume([axis.name for axis in axes] == names)
    assume(not tangled(make_design(axes, main_terms(axes))))
    beta = by_dummies(cells, y, names)
    for ((axis, value),), effect in main_of(cells, y).items():
        values = sorted({cell[axis] for cell in cells})
        mean = np.mean([beta((axis, one)) for one in values])
        assert effect == pytest.approx(beta((axis, value)) - mean, abs=1e-9)


def test_an_axis_adds_nothing_where_it_does_not_matter():
    cells = [
        {"loss": loss, "recipe": recipe, "dims": dims}
        for loss, recipe in (("none", None), ("c", "long"), ("c", "short"), ("k", "long"))
        for dims in ("8", "16")
    ]
    y = random_values(cells)
    x = np.array(
        [
            [
                1,
                (cell["loss"] == "c") - (cell["loss"] == "none"),
                (cell["loss"] == "k") - (cell["loss"] == "none"),
                {None: 0, "long": 1, "short": -1}[cell["recipe"]],
                1 if cell["dims"] == "8" else -1,
            ]
            for cell in cells
        ]
    )
    beta = np.linalg.solve(x.T @ x, x.T @ y)
    found = main_of(cells, y)
    assert found[(("loss", "c"),)] == pytest.approx(beta[1])
    assert found[(("loss", "none"),)] == pytest.approx(-beta[1] - beta[2])
    assert found[(("recipe", "short"),)] == pytest.approx(-beta[3])
    assert found[(("dims", "8"),)] == pytest.approx(beta[4])


def test_effects_that_cells_cannot_tell_apart_are_refused_and_no_others():
    islands = [*product(pooling=["a", "b"], dims=["8", "16"]), *product(pooling=["c"], dims=["32"])]
    cells = [{"backbone": one, **cell} for cell in islands for one in ("vit", "conv")]
    axes = axes_of(cells)
    assert [axis.name for axis in axes] == ["backbone", "pooling", "dims"]
    assert tangled(make_design(axes, main_terms(axes))) == [[1, 2]]
    y = random_values(cells)
    found = main_of(cells, y)
    assert {where[0] for where in found} == {("backbone", "vit"), ("backbone", "conv")}
    vit = np.array([cell["backbone"] == "vit" for cell in cells])
    assert found[(("backbone", "vit"),)] == pytest.approx((y[vit].mean() - y[~vit].mean()) / 2)


def test_nothing_is_tangled_in_a_full_factorial():
    axes = axes_of(FULL)
    assert tangled(make_design(axes, main_terms(axes))) == []


def test_an_estimate_is_refused_if_and_only_if_another_truth_would_show_in_no_cell():
    islands = [*product(a=["1", "2"], b=["1", "2"]), *product(a=["3", "4"], b=["3", "4"])]
    axes = axes_of(islands)
    design = make_design(axes, main_terms(axes))
    within = np.zeros(design.columns.shape[1])
    within[design.spans[0,]] = contrasts(axes[0])[0] - contrasts(axes[0])[1]
    weights = design.weights(within)  # of two values that meet the same others
    y = random_values(islands)
    assert weights @ y == pytest.approx((y[0] + y[1] - y[2] - y[3]) / 2)
    across = design.on((0,), contrasts(axes[0])[0] - contrasts(axes[0])[2])
    assert design.weights(across) is None


# interactions


def test_interactions_of_a_full_factorial_are_means_less_the_effects_of_both():
    y = random_values(FULL)
    found = pairs_of(FULL, y)
    assert len(found) == 2 * 3 + 2 * 2 + 3 * 2
    for ((a, u), (b, v)), effect in found.items():
        of_u, of_v = (np.array([cell[n] == t for cell in FULL]) for n, t in ((a, u), (b, v)))
        expected = y[of_u & of_v].mean() - y[of_u].mean() - y[of_v].mean() + y.mean()
        assert effect == pytest.approx(expected)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(0, 2))
def test_interactions_of_unbalanced_cells_are_those_of_dummies(seed, missing):
    draw = np.random.default_rng(seed)
    cells = [FULL[number] for number in np.sort(draw.permutation(len(FULL))[missing:])]
    y = draw.normal(size=len(cells))
    axes = axes_of(cells)
    names, pairs = (
        list(FULL[0]),
        [("backbone", "pooling"), ("backbone", "dims"), ("pooling", "dims")],
    )
    design = make_design(axes, [*main_terms(axes), *pair_terms(axes)])
    assume(design.rank == 1 + 4 + 2 + 1 + 2)
    beta = by_dummies(cells, y, names, pairs)
    for ((a, u), (b, v)), effect in pairs_of(cells, y).items():
        rows, columns = (sorted({cell[name] for cell in FULL}) for name in (a, b))
        table = np.array([[beta((a, i, b, j)) for j in columns] for i in rows])
        centred = table - table.mean(axis=0) - table.mean(axis=1)[:, None] + table.mean()
        assert effect == pytest.approx(centred[rows.index(u), columns.index(v)], abs=1e-9)


def test_where_combinations_are_missing_interactions_are_of_the_values_that_are_crossed():
    cells = product(pooling=["a", "b", "c"], dims=["8", "16", "32"])
    y = random_values(cells)
    kept = [number for number, cell in enumerate(cells) if cell != {"pooling": "c", "dims": "32"}]
    found = pairs_of([cells[number] for number in kept], y[kept])
    table = y.reshape(3, 3)[:2]  # c is left out: it lacks a combination
    centred = table - table.mean(axis=0) - table.mean(axis=1)[:, None] + table.mean()
    assert len(found) == 6
    assert found[("pooling", "a"), ("dims", "32")] == pytest.approx(centred[0, 2])


def test_axes_that_are_never_crossed_have_no_interaction():
    cells = [{"backbone": b, "dims": d} for b in ("vit", "conv") for d in ("8", f"native of {b}")]
    assert pairs_of(cells, random_values(cells)) == {}
    assert len(main_of(cells, random_values(cells))) == 5


def test_interactions_that_stand_for_each_other_are_refused():
    half = [
        dict(zip("abcd", values, strict=True))
        for values in itertools.product("01", repeat=4)
        if values.count("1") % 2 == 0
    ]  # a x b is c x d: a half fraction of 2^4
    y = random_values(half)
    assert len(main_of(half, y)) == 8
    assert pairs_of(half, y) == {}


@settings(max_examples=50)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=2, max_size=5))
def test_a_crossed_part_lacks_nothing(table):
    observed = np.array(table)
    rows, columns = crossed(observed)
    assert observed[np.ix_(rows, columns)].all()
    if observed.all():
        assert (len(rows), len(columns)) == observed.shape
