"""results.gate.regress: what fails a cell, and what is only noise."""

from dataclasses import replace
from math import comb

import numpy as np
import pytest

from results.gate.regress import Rules, check_run
from results.stats.intervals import bootstrap
from results.stats.paired import sign_flip
from tests.gate_runs import CARD, QUERIES, finished, flipped, hits, successes

BEFORE = finished()
VALUES = successes()
USUAL = Rules()


def check(new, old=BEFORE, rules=USUAL, failures=None):
    """Hold cells to cells; one of each if not said."""
    olds, news = ([one] if not isinstance(one, list) else one for one in (old, new))
    return check_run([one.entry for one in olds], news, rules, failures or {})


def only(new, old=BEFORE, rules=USUAL):
    (cell,) = check(new, old, rules).cells
    return cell


def lost(count, values=VALUES):
    """As before, but for so many successes that became failures, each of another class."""
    return finished({"r@1": flipped(values, hits(values, count))})


def kinds(cell):
    return [reason.kind for reason in cell.reasons]


def verdicts(cell):
    return [one.verdict for one in cell.compared]


def test_the_same_run_is_green_and_differs_in_nothing():
    cell = only(BEFORE)
    assert verdicts(cell) == ["same"]
    assert not cell.reasons
    assert cell.compared[0].p is None
    assert (cell.compared[0].interval.low, cell.compared[0].interval.high) == (0, 0)


def test_the_same_graded_run_is_green_though_baselines_round():
    graded = finished({"map_hard": np.random.default_rng(0).random(70)}, classes=None)
    assert verdicts(only(graded, graded)) == ["same"]


def test_one_flipped_query_is_green():
    cell = only(lost(1))
    assert verdicts(cell) == ["within noise"]
    assert cell.compared[0].difference == pytest.approx(-1 / QUERIES)
    assert not cell.reasons


def test_few_flips_are_green_though_a_bootstrap_is_sure_of_them():
    """Five of five classes lost: a coin does that in 1 of 16 tries, both sides counted."""
    new = lost(5)
    differences = replace(
        new.outcomes["r@1"], per_query=new.outcomes["r@1"].per_query - successes()
    )
    assert bootstrap(differences).high < 0
    assert only(new).compared[0].p == 2 / 2**5
    assert verdicts(only(new)) == ["perhaps worse"]
    assert not only(new).reasons
    assert verdicts(only(BEFORE, new)) == ["perhaps better"]


@pytest.mark.parametrize(("losses", "wins"), [(6, 0), (9, 1), (20, 0), (40, 10), (8, 3), (25, 20)])
def test_losses_are_judged_as_coins_would_fall(losses, wins):
    """An oracle: each query is a unit, so that the two-sided test is a binomial one."""
    values = np.repeat([1.0, 0.0, 1.0], [losses, wins, 100])
    old = finished({"r@1": values}, classes=None)
    new = finished({"r@1": flipped(values, range(losses + wins))}, classes=None)
    n = losses + wins
    p = min(1.0, 2 * sum(comb(n, k) for k in range(wins + 1)) / 2**n)
    cell = only(new, old)
    assert ("worse" in verdicts(cell)) == (p < 0.05)
    assert kinds(cell) == (["worse"] if p < 0.05 else [])


def test_queries_of_one_class_are_one_loss():
    """Twenty failures, but all of one class: one thing has happened, not twenty."""
    values = np.ones(200)
    old = finished({"r@1": values}, classes=10)
    new = finished({"r@1": flipped(values, range(0, 200, 10))}, classes=10)
    cell = only(new, old)
    assert cell.compared[0].difference == pytest.approx(-0.1)
    assert verdicts(cell) == ["within noise"]


def test_a_regression_is_red_and_says_how_large_it_is():
    (reason,) = only(lost(30)).reasons
    assert reason.kind == "worse"
    assert f"{100 * VALUES.mean():.2f} -> {100 * VALUES.mean() - 15:.2f}, -15.00" in reason.text
    assert "of 200 queries 0 won, 30 lost" in reason.text
    assert reason.text.startswith("R@1 worse")


def test_what_is_better_is_green_unless_both_ways_are_asked_for():
    old, new = lost(30), BEFORE
    cell = only(new, old)
    assert verdicts(cell) == ["better"]
    assert not cell.reasons
    assert "--update" in cell.notes[0]
    assert kinds(only(new, old, Rules(both_ways=True))) == ["better"]


def test_up_to_the_tolerance_worse_is_no_failure():
    new = lost(30)
    assert kinds(only(new, rules=Rules(tolerance=0.05))) == ["worse"]
    near = only(new, rules=Rules(tolerance=0.12))  # of 15 points, give or take 5
    assert verdicts(near) == ["within noise"]
    assert not near.reasons
    assert not only(new, rules=Rules(tolerance=0.2)).reasons
    assert only(new, rules=Rules(tolerance=0.2)).compared[0].p == 1.0


def test_the_tolerance_is_tested_against_not_zero():
    """P is of a difference of the tolerance: by the definition, flipping what exceeds it."""
    new, tolerance = lost(12), 0.02
    moved = new.outcomes["r@1"].per_query - VALUES + tolerance
    expected = sign_flip(replace(new.outcomes["r@1"], per_query=moved))
    assert expected > 10 * only(new).compared[0].p
    assert only(new, rules=Rules(tolerance=tolerance)).compared[0].p == pytest.approx(expected)


def cells(count, new=0):
    """As many cells; the first few of them with six losses, the others with one."""
    values = [flipped(VALUES, hits(VALUES, 6 if place < new else 1)) for place in range(count)]
    return [
        finished({"r@1": value}, axes={"seed": str(place)}) for place, value in enumerate(values)
    ]


def before(count):
    return [finished(axes={"seed": str(place)}) for place in range(count)]


def test_more_comparisons_ask_for_more_certainty():
    """Six losses are red alone (p 1/32), but among twenty cells chance alone has one such."""
    assert check(cells(1, 1), before(1)).red
    found = check(cells(20, 1), before(20))
    assert not found.red
    assert found.cells[0].compared[0].p == pytest.approx(20 * 2 / 2**6)


def test_cells_that_differ_in_nothing_ask_for_none():
    same = before(20)
    assert check([*cells(1, 1), *same[1:]], same).red


@pytest.mark.parametrize("name", sorted({*CARD} - {"dataset_verified", "dataset_fingerprint"}))
def test_a_changed_field_of_the_protocol_is_red_whatever_the_numbers(name):
    card = {**BEFORE.entry.protocol, name: "other 7"}
    (reason,) = only(finished(protocol=card)).reasons
    assert reason.kind == "changed"
    assert reason.text.startswith(f"protocol changed: {name}: ")
    assert "7" in reason.text


def test_a_field_that_one_of_both_does_not_say_is_a_change():
    card = {name: text for name, text in BEFORE.entry.protocol.items() if name != "ties"}
    assert "ties: expected -> unsaid" in only(finished(protocol=card)).reasons[0].text
    assert "ties: unsaid -> expected" in only(BEFORE, finished(protocol=card)).reasons[0].text


def test_versions_name_what_moved_and_that_it_may_be_meant():
    versions = CARD["versions"].replace("scores 3", "scores 4")
    (reason,) = only(finished(protocol={**BEFORE.entry.protocol, "versions": versions})).reasons
    assert reason.text == (
        "protocol changed: versions: scores 3 -> 4 (if that is meant, --update takes it over)"
    )


def test_another_version_of_the_dataset_is_told_as_such():
    card = {**BEFORE.entry.protocol, "dataset_fingerprint": "0123456789abcdef"}
    (reason,) = only(finished(protocol=card)).reasons
    assert reason.text == (
        "another version of the dataset: its lists or images are 01234567, the baseline's were "
        "f2a973d7"
    )


def test_other_queries_are_red_and_counted():
    fewer = finished({"r@1": VALUES[:190]})
    cell = only(fewer)
    assert [reason.text for reason in cell.reasons] == ["R@1: other queries: 200 -> 190"]
    assert verdicts(cell) == ["not paired"]
    names = [f"images/{place:06d}.jpg" for place in range(QUERIES)]
    swapped = finished(names=[names[1], names[0], *names[2:]])
    assert "200 as before, but not the same, or in another order" in only(swapped).reasons[0].text


def test_a_baseline_cut_by_hand_is_not_paired():
    """The hash of the queries may stand as it was."""
    stored = BEFORE.entry.metrics["r@1"]
    cut = replace(BEFORE.entry, metrics={"r@1": replace(stored, outcomes=stored.outcomes[:190])})
    (cell,) = check_run([cut], [BEFORE], USUAL, {}).cells
    assert verdicts(cell) == ["not paired"]
    assert "190 -> 200" in cell.reasons[0].text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parameters": 21_665_665}, "parameters: 21,665,664 -> 21,665,665"),
        ({"gmacs": 4.6}, "GMACs: 4.598 -> 4.6"),
        ({"dims": 256}, "measured dims: 384 -> 256"),
    ],
)
def test_a_network_of_another_size_is_red(change, said):
    assert [reason.text for reason in only(finished(**change)).reasons] == [said]


def test_gmacs_are_not_held_to_the_last_bit():
    assert not only(finished(gmacs=4.598 * (1 + 1e-9))).reasons


def test_a_metric_that_the_run_has_not_is_red():
    both = finished({"r@1": VALUES, "map@r": VALUES / 3})
    assert "MAP@R: the run does not have it" in only(BEFORE, both).reasons[0].text


def moved(**axes):
    return finished(axes=axes)


def test_a_missing_cell_is_red_and_named():
    (reason,) = check([moved(backbone="resnet50", dims="64", loss="x")]).cells[0].reasons
    assert reason.kind == "missing"
    assert "the run has no such cell" in reason.text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"crop": "box"}, {"crop": "none"}, "crop: box -> none"),
        ({}, {"transform": "square"}, "transform: - -> square"),
        ({}, {"dims": "128", "projection": "pca"}, "dims: 384 -> 128, projection: - -> pca"),
        ({"weights": "file:a.pth"}, {"weights": "file:b.pth"}, "weights: file:a.pth -> file:b.pth"),
    ],
)
def test_a_cell_that_differs_in_an_axis_or_two_is_named_instead(old, new, said):
    found = check(moved(**new), moved(**old))
    assert f"in its place, {said}; " in found.cells[0].reasons[0].text
    assert [entry.axes for entry in found.new] == [moved(**new).entry.axes]


def test_the_nearest_cells_are_named_and_those_of_the_baseline_are_not():
    run = [moved(crop="none"), moved(crop="all"), moved(crop="none", seed="1"), moved(seed="7")]
    found = check(run, [moved(crop="box"), moved(seed="7")])
    assert "in its place, crop: box -> none or crop: box -> all; " in found.cells[0].reasons[0].text


def test_a_missing_cell_that_failed_says_so():
    found = check([moved(seed="1")], failures={BEFORE.entry.label: "WorkError: no number"})
    assert "it failed (WorkError: no number)" in found.cells[0].reasons[0].text


def test_new_cells_are_noted_and_green():
    found = check([BEFORE, moved(seed="1")])
    assert not found.red
    assert [entry.axes["seed"] for entry in found.new] == ["1"]


def test_other_weights_are_noted_and_green():
    """A gate is there to judge them."""
    old = finished(weights=f"sha256 {'a' * 64}")
    cell = only(finished(weights=f"sha256 {'b' * 64}"), old)
    assert not cell.reasons
    assert cell.notes == ("other weights: sha256 aaaaaaaa -> sha256 bbbbbbbb",)


def test_only_the_metrics_that_are_asked_for_are_compared():
    both = finished({"r@1": VALUES, "map@r": VALUES})
    worse = finished({"r@1": VALUES, "map@r": flipped(VALUES, hits(VALUES, 40))})
    assert only(worse, both).reasons
    assert not only(worse, both, Rules(metrics=("r@1",))).reasons


SLOW = {"seconds": {"Features": 30.0, "Scores": 0.5, "Fit": 99.0}}


def test_times_are_a_note_unless_they_are_limited():
    found = check(finished(**SLOW))
    assert not found.red
    assert found.notes == ("slower by more than 1.5 times: 1 cell, 10.5 s -> 30.5 s (2.9 times)",)
    assert not check(finished(**SLOW), rules=Rules(max_slowdown=3)).red
    cell = only(finished(**SLOW), rules=Rules(max_slowdown=2))
    assert kinds(cell) == ["slower"]
    assert cell.reasons[0].text.endswith("more than 2 times")


def test_times_of_another_machine_are_not_compared():
    machine = {**BEFORE.entry.machine, "threads": "1"}
    found = check(finished(**SLOW, machine=machine), rules=Rules(max_slowdown=1))
    assert not found.red
    assert found.notes == ("times of 1 cell are not compared: another machine (threads 2 -> 1)",)
    unsaid = check(finished(**SLOW, machine={}), rules=Rules(max_slowdown=1))
    assert not unsaid.red
    assert "several machines" in unsaid.notes[0]


def test_stages_that_one_of_both_did_not_compute_are_not_counted():
    old = finished(seconds={"Model": 90.0, "Features": 10.0})
    new = finished(seconds={"Features": 30.0, "Fit": 90.0})
    assert check(new, old).notes[0].endswith("10 s -> 30 s (3.0 times)")


def test_times_below_a_second_are_noise():
    old, new = finished(seconds={"Features": 0.1}), finished(seconds={"Features": 0.9})
    assert not check(new, old, Rules(max_slowdown=2)).red
    assert check(new, old).notes == ()
