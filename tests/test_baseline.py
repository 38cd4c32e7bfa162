"""results.gate.baseline: what a baseline holds, line by line, and what is none."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.gate.baseline import baseline_text, read_baseline
from results.gate.outcome_lines import WHOLE, counted, decoded, encoded
from results.gate.run_entries import axes_of, finished_cells, portable
from results.store import ResultsError
from tests.gate_runs import stages, successes, write_cell

FEW = settings(max_examples=40)


def drawn(highest, step):
    """Outcomes of some queries: multiples of a step, drawn at once, as Hypothesis is slow."""
    return st.builds(
        lambda count, seed: step * np.random.default_rng(seed).integers(highest, size=count),
        st.integers(1, 300),
        st.integers(0, 999),
    ).map(np.ndarray.tolist)


SUCCESSES, GRADES = drawn(2, WHOLE), drawn(WHOLE + 1, 1)


@FEW
@given(SUCCESSES | GRADES)
def test_outcomes_are_read_as_they_were_written(values):
    outcomes = np.array(values, dtype=np.int64)
    text = json.loads(json.dumps(encoded(outcomes)))
    assert decoded(text, len(values)).tolist() == values


@FEW
@given(SUCCESSES)
def test_bits_are_four_queries_a_digit_and_64_a_line(values):
    """Digit by digit: the first query is worth 8, what is missing at the end 0."""
    padded = [value == WHOLE for value in values] + [False] * (-len(values) % 4)
    digits = [
        f"{8 * a + 4 * b + 2 * c + d:x}" for a, b, c, d in zip(*[iter(padded)] * 4, strict=True)
    ]
    lines = ["".join(digits[start : start + 16]) for start in range(0, len(digits), 16)]
    assert encoded(np.array(values)) == {"bits": lines}


@FEW
@given(SUCCESSES | GRADES, st.data())
def test_a_flipped_query_is_one_changed_line(values, data):
    place = data.draw(st.integers(0, len(values) - 1))
    before = np.array(values)
    after = before.copy()
    after[place] = WHOLE - after[place] if after[place] in (0, WHOLE) else (after[place] + 1) % 9999
    texts = [json.dumps(encoded(one), indent=1).splitlines() for one in (before, after)]
    if len(texts[0]) == len(texts[1]):  # a tie more or less may be a line of its own
        moved = sum(a != b for a, b in zip(*texts, strict=True))
        assert moved == int((before != after).any())


def test_a_few_ties_are_apart_from_the_bits_and_many_make_values():
    outcomes = np.array([WHOLE, 0] * 50)
    outcomes[[3, 70]] = [5000, 3333]
    assert encoded(outcomes)["fractions"] == {"3": 5000, "70": 3333}
    graded = encoded(counted(np.linspace(0, 1, 20)))
    assert graded["values"][0].split()[:3] == ["0", "526", "1053"]
    assert [len(line.split()) for line in graded["values"]] == [16, 4]


def test_a_large_dataset_takes_a_few_tens_of_kilobytes(written):
    entry = written[0][0]
    stored = replace(entry.metrics["r@1"], outcomes=counted(successes(queries=60_502)))
    assert 20_000 < len(baseline_text([replace(entry, metrics={"r@1": stored})])) < 35_000


@pytest.fixture
def written(tmp_path):
    """A baseline of two cells, and its path."""
    runs = tmp_path / "runs"
    write_cell(runs, "b", {"r@1": successes(), "map@r": successes() / 3})
    write_cell(runs, "a", job__backbone="resnet50", metrics__tied=0.5)
    entries = [cell.entry for cell in finished_cells(runs, ["map@r"])]
    path = tmp_path / "baseline.json"
    path.write_text(baseline_text(entries))
    return entries, path


def test_a_baseline_is_read_as_it_was_written(written):
    entries, path = written
    again = read_baseline(path)
    assert baseline_text(again) == baseline_text(list(reversed(entries))) == path.read_text()
    assert [entry.axes["backbone"] for entry in again] == ["deit_s", "resnet50"]
    assert list(again[0].metrics) == ["r@1", "map@r"]
    assert again[0].metrics["r@1"].outcomes.tolist() == (WHOLE * successes()).tolist()
    for one, other in zip(entries, again, strict=True):
        assert {**vars(one), "metrics": 0} == {**vars(other), "metrics": 0}


def test_what_a_cell_says_is_there_to_be_reviewed(written):
    cell = json.loads(written[1].read_text())["cells"][0]
    assert cell["axes"]["dims"] == "384"
    assert "crop" not in cell["axes"]
    assert cell["protocol"]["ties"] == "expected"
    assert "dataset_verified" not in cell["protocol"]
    assert cell["weights"] == "pretrained deit_small_patch16_224.fb_in1k"
    assert (cell["parameters"], cell["gmacs"], cell["dims"]) == (21_665_664, 4.598, 384)
    assert cell["seconds"] == {"Features": 10.0, "Scores": 0.5}
    assert cell["machine"]["threads"] == "2"
    assert cell["metrics"]["r@1"]["queries"] == 200


def test_seconds_of_several_machines_are_of_none(tmp_path):
    here, there = stages()[1:], stages(threads=8)[1:]
    write_cell(tmp_path, stages=[here[0], there[1]])
    (cell,) = finished_cells(tmp_path)
    assert cell.entry.machine == {}
    assert cell.entry.seconds == {"Features": 10.0, "Scores": 0.5}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("folder:/home/me/photos", "folder:photos"),
        ("folder:/home/me/photos@split=classes", "folder:photos@split=classes"),
        ("folder:/home/a:b/photos", "folder:photos"),
        ("dir:/srv/weights/", "dir:weights"),
        ("file:model.pth", "file:model.pth"),
        ("file:../a b/model.pth", "file:model.pth"),
        ("twin:/data/ox@subset(queries=2,seed=0)", "twin:ox@subset(queries=2,seed=0)"),
        ("twin:/data/ox+twin:/data/more/R1M", "twin:ox+twin:R1M"),
        ("roxford+twin:/data/R1M", "roxford+twin:R1M"),
        ("sop", "sop"),
        ("timm:vit_base_patch16_224", "timm:vit_base_patch16_224"),
        ("contrastive(beta=0.5)+koleo", "contrastive(beta=0.5)+koleo"),
        ("folder:/home/me/\udcff", "folder:\\udcff"),
    ],
)
def test_of_paths_the_last_part_is_kept(value, kept):
    assert portable(value) == kept


def test_axes_that_do_not_matter_are_no_part_of_a_label():
    job = {"dataset": "sop", "seed": None, "dims": 16, "dataset_title": "SOP"}
    assert axes_of(job) == {"dataset": "sop", "dims": "16"}


def edited(path, **changes):
    content = json.loads(path.read_text())
    for name, value in changes.items():
        content[name] = value
    path.write_text(json.dumps(content))
    return path


def refused(path, *words):
    with pytest.raises(ResultsError) as caught:
        read_baseline(path)
    assert caught.value.exit_code == 2
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_no_baseline_says_how_to_make_one(tmp_path):
    refused(tmp_path / "none.json", "there is no baseline", "--update")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "7", "<<<<<<< HEAD\n{}\n=======", "\xff", "[NaN]"]
)
def test_what_is_no_baseline_is_refused(tmp_path, text):
    path = tmp_path / "file.json"
    path.write_bytes(text.encode("latin-1"))
    refused(path, "baseline")


def test_a_folder_is_no_baseline(tmp_path):
    refused(tmp_path, "cannot read")


def test_a_newer_format_is_refused(written):
    refused(edited(written[1], format=2), "format 2", "reads 1")


def test_a_baseline_without_cells_is_refused(written):
    refused(edited(written[1], cells=[]), "no cells")


def test_a_cell_that_is_there_twice_is_refused(written):
    cells = json.loads(written[1].read_text())["cells"]
    refused(edited(written[1], cells=[*cells, cells[0]]), "2 cells", "backbone=deit_s")


def by_hand(change):
    """A baseline in whose first cell something was changed."""

    def call(path):
        content = json.loads(path.read_text())
        change(content["cells"][0])
        path.write_text(json.dumps(content))
        return path

    return call


def metric(cell, name="r@1"):
    return cell["metrics"][name]


def set_line(cell, line, text):
    metric(cell)["bits"][line] = text


EDITS = {
    "no hexadecimal digits": (lambda cell: set_line(cell, 0, "z" * 16), "non-hexadecimal"),
    "a line too long": (lambda cell: set_line(cell, 0, "0" * 17), "50 digits"),
    "a line too short": (lambda cell: set_line(cell, -1, "0"), "here are 49"),
    "lines of other lengths": (
        lambda cell: metric(cell).update(bits=["".join(metric(cell)["bits"])]),
        "16 a line",
    ),
    "a line taken out": (lambda cell: metric(cell)["bits"].pop(), "here are 48"),
    "no text": (lambda cell: set_line(cell, 0, 7), "r@1"),
    "more queries": (lambda cell: metric(cell).update(queries=201), "r@1"),
    "no queries": (lambda cell: metric(cell).update(queries=0), "no queries"),
    "queries that are no number": (lambda cell: metric(cell).update(queries="x"), "'x'"),
    "a better number": (lambda cell: metric(cell).update(value=0.99), "r@1 is 0.9900"),
    "a bit more than queries": (
        lambda cell: (metric(cell).update(queries=198), set_line(cell, -1, "ff")),
        "after the last of 198",
    ),
    "an outcome above 1": (
        lambda cell: metric(cell, "map@r")["values"].__setitem__(0, " ".join(["10001"] * 16)),
        "between 0 and 10000",
    ),
    "an outcome taken out": (
        lambda cell: metric(cell, "map@r")["values"].__setitem__(0, "0"),
        "map@r: 185 outcomes for 200 queries",
    ),
    "a word among outcomes": (
        lambda cell: metric(cell, "map@r")["values"].__setitem__(0, "many"),
        "map@r",
    ),
    "a tie of no query": (lambda cell: metric(cell).update(fractions={"200": 1}), "query 200"),
    "no outcomes": (lambda cell: metric(cell).pop("bits"), "bits"),
    "no metrics": (lambda cell: cell.pop("metrics"), "metrics"),
    "metrics in a list": (lambda cell: cell.update(metrics=[]), "items"),
    "no number of parameters": (lambda cell: cell.update(parameters=None), "cell 1"),
    "an unknown axis": (lambda cell: cell["axes"].update(colour="red"), "no axis colour"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_changed_by_hand_is_told_with_its_place(written, edit):
    change, said = EDITS[edit]
    refused(by_hand(change)(written[1]), said, "cell 1", "restore it")


def test_a_cost_that_is_no_number_is_refused(written):
    path = by_hand(lambda cell: cell.update(gmacs=math.nan))(written[1])
    refused(path, "NaN is no number")


def test_axes_may_stand_in_any_order(written):
    entries, path = written
    by_hand(lambda cell: cell.update(axes=dict(reversed(cell["axes"].items()))))(path)
    assert read_baseline(path)[0].label == entries[0].label


def test_rounded_outcomes_are_no_edit(tmp_path):
    """The mean of ten-thousandths may be off by half of one."""
    third = np.full(100, 1 / 3)
    write_cell(tmp_path, outcomes={"map@r": third})
    path = tmp_path / "baseline.json"
    path.write_text(baseline_text([cell.entry for cell in finished_cells(tmp_path)]))
    stored = read_baseline(path)[0].metrics["map@r"]
    assert math.isclose(stored.value, 1 / 3)
    assert set(stored.outcomes) == {3333}
