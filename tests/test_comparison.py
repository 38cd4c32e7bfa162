"""results.comparison: two rows, dataset by dataset, on the same queries."""

import json
import math

import numpy as np
import pandas as pd
import pytest

import results
from results.compare import compare
from results.comparison import check_protocols, comparison_tables, pairs_of
from results.outcomes import read_outcomes
from results.render import as_text, write_tables
from results.signatures import MixedProtocolsError
from results.stats.holm import holm
from results.store import DamagedReportError, ResultsError, per_query_path
from tests.reports import cell

CUB = {"job__dataset": "cub", "job__dataset_title": "CUB"}
SOP = {"job__dataset": "sop", "job__dataset_title": "SOP"}
CLASSES = "aabbcc"


def tables(runs, a, b, metrics=(), classes=5):
    return comparison_tables(pairs_of(results.load(runs), a, b, metrics), classes)


def two(runs, a=(1, 1, 1, 0, 1, 1), b=(1, 0, 0, 0, 1, 0), **changes):
    """Cells of dims 8 and 16 on one dataset, of three classes of two queries."""
    for key, dims, outcomes in (("a", 8, a), ("b", 16, b)):
        cell(runs, key, outcomes, classes=CLASSES, job__dims=dims, **changes)


def rows_of(table):
    return [dict(zip(table.headers, row, strict=True)) for row in table.body]


def test_two_cells_are_compared_as_the_statistics_say(tmp_path):
    two(tmp_path)
    summary, _ = tables(tmp_path, "dims=8", "dims=16")
    a, b = (read_outcomes(per_query_path(tmp_path, key), "r@1") for key in "ab")
    found = compare(a, b)
    (row,) = rows_of(summary)
    low, high = 100 * found.interval.low, 100 * found.interval.high
    assert row == {
        "metric": "SOP R@1",
        "A": "83.3",
        "B": "33.3",
        "A−B": "+50.00",
        "interval": f"[{low:+.2f}, {high:+.2f}]",
        "p": "0.2500",  # three classes of which all are better: 2 of 8 sign choices
        "p Holm": "0.2500",
        "p McNemar": "0.2500",  # three queries to none
        "wins": "3",
        "losses": "0",
        "equal": "3",
        "detectable": f"{100 * found.minimum_detectable:.2f}",
        "queries": "6",
        "units": "3",
    }
    numbers = summary.numbers.iloc[0]
    assert numbers["A"] == pytest.approx(500 / 6)
    assert numbers["B"] == pytest.approx(200 / 6)
    assert numbers["A−B"] == pytest.approx(50)
    assert (numbers["low"], numbers["high"]) == (low, high)
    assert numbers["standard error"] == 100 * found.standard_error
    assert (numbers["p"], numbers["p Holm"], numbers["p McNemar"]) == (0.25, 0.25, 0.25)


def test_a_loss_is_one(tmp_path):
    two(tmp_path)
    (row,) = rows_of(tables(tmp_path, "dims=16", "dims=8")[0])
    assert (row["A−B"], row["wins"], row["losses"]) == ("-50.00", "0", "3")


def test_p_values_are_corrected_for_all_pairs_of_the_table(tmp_path):
    two(tmp_path, **SOP)
    for key, dims, outcomes in (("c", 8, [1] * 10), ("d", 16, [0] * 10)):
        cell(tmp_path, key, outcomes, job__dims=dims, **CUB)
    (summary, *_) = tables(tmp_path, "dims=8", "dims=16")
    raw = [0.25, 2 / 2**10]
    assert summary.numbers["p"].tolist() == raw
    assert summary.numbers["p Holm"].tolist() == holm(raw) == [0.25, 2 * 2 / 2**10]
    assert [row["p Holm"] for row in rows_of(summary)] == ["0.2500", "0.0039"]
    assert any("Holm: corrected for 2 comparisons" in note for note in summary.notes)


def test_tiny_p_values_are_bounded_in_print_and_exact_in_numbers(tmp_path):
    cell(tmp_path, "a", [1] * 16, job__dims=8)
    cell(tmp_path, "b", [0] * 16, job__dims=16)
    (summary,) = tables(tmp_path, "dims=8", "dims=16")
    assert rows_of(summary)[0]["p"] == "<0.0001"
    assert summary.numbers["p"].item() == 2 / 2**16


def test_pairs_are_by_dataset_in_the_order_in_which_cells_were_finished(tmp_path):
    for place, (title, dims) in enumerate(
        [("CUB", 8), ("SOP", 16), ("In-Shop", 8), ("SOP", 8), ("In-Shop", 16), ("CUB", 16)]
    ):
        changes = {"job__dataset": title.lower(), "job__dataset_title": title}
        key = "fedcba"[place]  # in the order of their keys it would be another
        cell(tmp_path, key, [1, 0], job__dims=dims, finished=f"2026-01-0{place + 1}", **changes)
    cell(tmp_path, "zz", [1, 0], job__dims=8, job__dataset="x", job__dataset_title="alone")
    found = pairs_of(results.load(tmp_path), "dims=8", "dims=16")
    assert [pair.title for pair in found] == ["CUB R@1", "In-Shop R@1", "SOP R@1"]
    assert all(pair.a["dataset"].item() == pair.b["dataset"].item() for pair in found)
    assert {pair.a["dims"].item() for pair in found} == {8}


def test_metrics_are_those_of_the_dataset_or_those_asked_for(tmp_path):
    for key, dims in (("a", 8), ("b", 16)):
        values = {"map_medium": [0.5, 0.25], "map_hard": [0.5, 0.0], "mp@10_hard": [0.1, 4 / dims]}
        headline = ["map_medium", "map_hard"]
        cell(tmp_path, key, values, job__dims=dims, headline=headline, **CUB)
        cell(tmp_path, key * 2, {"r@1": [1, 0], "map@r": [0.5, 4 / dims]}, job__dims=dims)
    loaded = results.load(tmp_path)
    titles = [pair.title for pair in pairs_of(loaded, "dims=8", "dims=16")]
    assert titles == ["CUB M", "CUB H", "SOP R@1"]
    asked = pairs_of(loaded, "dims=8", "dims=16", ["map@r", "mp@10_hard"])
    assert [pair.title for pair in asked] == ["CUB mP@10 H", "SOP MAP@R"]
    (summary, *_) = comparison_tables(asked)
    assert [row["p McNemar"] for row in rows_of(summary)] == ["--", "--"]  # no successes, failures
    assert summary.numbers["p McNemar"].isna().all()


def test_metrics_that_are_none_are_refused(tmp_path):
    two(tmp_path)
    with pytest.raises(ResultsError, match=r"unknown metric 'r@3'; .*\(known: r@1\)"):
        tables(tmp_path, "dims=8", "dims=16", ["r@1", "r@3"])
    with pytest.raises(ResultsError, match="unknown metric 'gmacs'"):
        tables(tmp_path, "dims=8", "dims=16", ["gmacs"])


def test_a_metric_that_one_of_the_two_lacks_is_no_pair(tmp_path):
    cell(tmp_path, "a", {"r@1": [1, 0], "map@r": [1, 0]}, job__dims=8)
    cell(tmp_path, "b", [1, 0], job__dims=16)
    found = pairs_of(results.load(tmp_path), "dims=8", "dims=16", ["map@r", "r@1"])
    assert [pair.title for pair in found] == ["SOP R@1"]
    with pytest.raises(ResultsError, match=r"A \(sop\) and B \(sop\) share no dataset with map@r"):
        pairs_of(results.load(tmp_path), "dims=8", "dims=16", ["map@r"])


def test_no_shared_dataset_is_said(tmp_path):
    cell(tmp_path, "a", [1, 0], job__dims=8)
    cell(tmp_path, "b", [1, 0], job__dims=16, **CUB)
    with pytest.raises(ResultsError) as error:
        pairs_of(results.load(tmp_path), "dims=8", "dims=16")
    assert str(error.value) == (
        "A (sop) and B (cub) share no dataset with a metric: only outcomes of the same queries "
        "can be compared"
    )
    assert error.value.exit_code == 2


def test_no_reports_yet_is_said(tmp_path):
    with pytest.raises(ResultsError, match="no finished cells yet"):
        pairs_of(results.load(tmp_path), "dims=8", "dims=16")


def test_one_report_has_nothing_to_be_compared_with(tmp_path):
    cell(tmp_path, "a", [1, 0])
    with pytest.raises(ResultsError, match=r'B "dims=16": no finished cell has dims=16 \(384\)'):
        pairs_of(results.load(tmp_path), "dims=384", "dims=16")


def test_several_cells_for_one_text_are_refused_naming_the_axis(tmp_path):
    two(tmp_path)
    cell(tmp_path, "c", [1] * 6, classes=CLASSES, job__dims=8, job__loss="contrastive")
    loaded = results.load(tmp_path)
    with pytest.raises(ResultsError) as error:
        pairs_of(loaded, "dims=8", "dims=16")
    assert str(error.value) == (
        'A "dims=8" is 2 cells of sop: they differ in loss (none, contrastive); add loss=…'
    )
    with pytest.raises(ResultsError, match='B "dims=8" is 2 cells of sop'):
        pairs_of(loaded, "dims=16", "dims=8")
    assert len(pairs_of(loaded, "dims=8 loss=none", "dims=16")) == 1
    assert len(pairs_of(loaded, "c", "b")) == 1


def test_cells_of_several_datasets_are_no_matter_where_one_is_not_shared(tmp_path):
    two(tmp_path)
    for key, loss in (("c", "none"), ("d", "contrastive")):
        cell(tmp_path, key, [1] * 6, job__dims=8, job__loss=loss, **CUB)
    assert len(pairs_of(results.load(tmp_path), "dims=8", "dims=16")) == 1


def test_seeds_are_averaged_query_by_query_and_their_spread_is_shown(tmp_path):
    outcomes = {0: [1, 0, 1, 0], 1: [1, 1, 1, 0]}
    for seed, values in outcomes.items():
        cell(tmp_path, f"a{seed}", values, job__dims=8, job__seed=seed)
    cell(tmp_path, "b", [0, 0, 1, 0], job__dims=16, job__seed=0)
    (summary,) = tables(tmp_path, "dims=8", "dims=16")
    (row,) = rows_of(summary)
    assert (row["A"], row["B"], row["A−B"]) == ("62.5 ± 17.7", "25.0", "+37.50")
    assert (row["wins"], row["losses"], row["equal"]) == ("2", "0", "2")
    assert row["queries"] == "4"  # seeds are no more queries
    assert row["p McNemar"] == "--"  # a mean of seeds is no success
    assert not any("seed=" in note for note in summary.notes)
    means = np.mean([outcomes[0], outcomes[1]], axis=0) - [0, 0, 1, 0]
    assert summary.numbers["A−B"].item() == pytest.approx(100 * means.mean())


def test_the_newest_of_reports_of_one_cell_is_compared(tmp_path):
    """Their images or weights changed: they are no seeds, and a mean of them is of nothing."""
    two(tmp_path)
    cell(tmp_path, "old", [0] * 6, classes=CLASSES, job__dims=8, finished="2020-01-01")
    (row,) = rows_of(tables(tmp_path, "dims=8", "dims=16")[0])
    assert row["A"] == "83.3"
    summary = tables(tmp_path, "a", "old")[0]
    assert rows_of(summary)[0]["B"] == "0.0"  # and the older one by its key
    assert summary.notes[:2] == ["A: seed=- (a)", "B: seed=- (old)"]


def test_other_queries_are_refused(tmp_path):
    cell(tmp_path, "a", [1, 0], job__dims=8)
    cell(tmp_path, "b", [1, 0], job__dims=16, queries=["images/0.jpg", "images/b.jpg"])
    with pytest.raises(ResultsError, match=r"asked different queries: 1 are of the first alone"):
        tables(tmp_path, "dims=8", "dims=16")


def test_lost_outcomes_are_named(tmp_path):
    two(tmp_path)
    per_query_path(tmp_path, "b").unlink()
    with pytest.raises(
        DamagedReportError, match=r"cannot read the per-query outcomes .*b\.parquet"
    ):
        tables(tmp_path, "dims=8", "dims=16")


def test_what_tells_a_from_b_and_what_they_share_is_said(tmp_path):
    shared = {"job__recipe": "smoke", "job__loss": "contrastive", "classes": CLASSES}
    cell(tmp_path, "a", [1] * 6, job__dims=8, job__pooling="gem", job__seed=0, **shared)
    cell(tmp_path, "b", [0] * 6, job__dims=16, job__seed=1, **shared)
    for key, dims in (("aa", 8), ("bb", 16)):
        pooling = "gem" if dims == 8 else "cls"
        changes = {"job__pooling": pooling, "job__resolution": 64, **shared, **CUB}
        cell(tmp_path, key, [1] * 6, job__dims=dims, **changes)
    notes = tables(tmp_path, "dims=8", "dims=16")[0].notes
    assert notes[:3] == [
        "A: pooling=gem dims=8",
        "B: pooling=cls dims=16",
        "both: backbone=deit_s, weights=pretrained, loss=contrastive, recipe=smoke, "
        "transform=short_center, projection=none",
    ]


def test_the_same_cell_twice_is_said(tmp_path):
    two(tmp_path)
    (summary, classes) = tables(tmp_path, "dims=8", "a")
    assert summary.notes[0] == "A and B are one cell (a): nothing can differ"
    (row,) = rows_of(summary)
    assert (row["A−B"], row["p"], row["equal"]) == ("+0.00", "1.0000", "6")
    assert classes.body == [["--"] * 5]
    assert classes.notes[0].startswith("SOP R@1: A is worse in 0 classes, better in 0, alike in 3;")
    for form in ("rich", "markdown", "latex", "csv", "json"):
        write_tables([summary, classes], form, tmp_path / "out")


def test_two_seeds_of_one_cell_can_differ(tmp_path):
    for seed, values in ((0, [1, 0, 0, 0]), (1, [1, 1, 1, 0])):
        cell(tmp_path, f"k{seed}", values, job__seed=seed)
    (summary,) = tables(tmp_path, "seed=0", "seed=1")
    assert summary.notes[:2] == ["A: seed=0 (k0)", "B: seed=1 (k1)"]
    assert not any("nothing can differ" in note for note in summary.notes)
    assert rows_of(summary)[0]["A−B"] == "-50.00"


def test_protocols_that_differ_are_named_whatever_meant_them_to(tmp_path):
    for key, dims, pooling, verified in (("a", 8, "gem", "OK"), ("b", 16, "cls", "no")):
        said = {"protocol__pooling": pooling, "protocol__dataset_verified": verified}
        cell(tmp_path, key, [1, 0], job__dims=dims, **said)
    pairs = pairs_of(results.load(tmp_path), "dims=8", "dims=16")
    (summary,) = comparison_tables(pairs)
    assert summary.notes[-1] == "protocols differ (A / B): pooling: gem / cls"
    check_protocols(pairs)  # pooling is in no fingerprint: an axis varies it


def test_a_protocol_that_should_agree_is_refused_where_asked(tmp_path):
    two(tmp_path, **SOP)
    cell(tmp_path, "c", [1, 0], job__dims=8, **CUB)
    cell(tmp_path, "d", [1, 0], job__dims=16, protocol__ties="optimistic", **CUB)
    pairs = pairs_of(results.load(tmp_path), "dims=8", "dims=16")
    with pytest.raises(MixedProtocolsError) as error:
        check_protocols(pairs)
    assert "CUB R@1: ties (expected / optimistic)" in str(error.value)
    assert "SOP" not in str(error.value)
    assert error.value.exit_code == 1
    assert (
        "protocols differ (A / B): ties: expected / optimistic" in comparison_tables(pairs)[0].notes
    )


def test_protocols_that_agree_are_not_mentioned(tmp_path):
    two(tmp_path)
    assert not any("protocols" in note for note in tables(tmp_path, "a", "b")[0].notes)


def by_class(runs, differences, classes):
    """The table of classes, of two queries each, in which A is better by what is said."""
    names = [f"class {place}" for place in range(len(differences)) for _ in range(2)]
    base = [0.5] * len(names)
    better = [0.5 + one for one in differences for _ in range(2)]
    cell(runs, "a", {"map@r": better}, classes=names, job__dims=8)
    cell(runs, "b", {"map@r": base}, classes=names, job__dims=16)
    found = tables(runs, "dims=8", "dims=16", classes=classes)
    return found[1] if len(found) > 1 else None


def test_classes_are_those_that_are_lost_and_won_most(tmp_path):
    found = by_class(tmp_path, [0.1, -0.3, 0.0, 0.3, -0.1, 0.2, -0.2, 0.4], classes=2)
    assert found.headers == ["class", "queries", "A", "B", "A−B"]
    assert found.body == [
        ["class 1", "2", "20.0", "50.0", "-30.0"],
        ["class 6", "2", "30.0", "50.0", "-20.0"],
        ["class 3", "2", "80.0", "50.0", "+30.0"],
        ["class 7", "2", "90.0", "50.0", "+40.0"],
    ]
    assert found.notes == [
        "SOP MAP@R: A is worse in 3 classes, better in 4, alike in 1; shown are those that differ "
        "most"
    ]
    assert found.numbers["class"].tolist() == ["class 1", "class 6", "class 3", "class 7"]
    assert found.numbers["A−B"].tolist() == pytest.approx([-30, -20, 30, 40])
    assert found.numbers["A"].tolist() == pytest.approx([20, 30, 80, 90])
    assert found.marks == [""] * 4


def test_where_all_is_won_only_the_greatest_wins_are_shown(tmp_path):
    found = by_class(tmp_path, [0.1, 0.2, 0.3, 0.4, 0.05], classes=2)
    assert [row[0] for row in found.body] == ["class 2", "class 3"]
    lost = by_class(tmp_path, [-0.1, -0.2, -0.3, -0.4, -0.05], classes=2)
    assert [row[0] for row in lost.body] == ["class 3", "class 2"]


def test_few_classes_that_differ_are_all_shown_once(tmp_path):
    found = by_class(tmp_path, [0.1, -0.1, 0.0, 0.0], classes=5)
    assert [row[0] for row in found.body] == ["class 1", "class 0"]


def test_no_classes_are_shown_where_none_are_asked_for_or_there_are_none(tmp_path):
    assert by_class(tmp_path, [0.1, -0.1], classes=0) is None
    cell(tmp_path, "c", [1, 0], job__dims=8, **CUB)  # landmarks: queries have no class
    cell(tmp_path, "d", [0, 0], job__dims=16, **CUB)
    found = tables(tmp_path, "dims=8", "dims=16")
    assert [table.headers[0] for table in found] == ["metric", "class"]
    assert found[1].notes[0].startswith("SOP MAP@R")
    text = " ".join(found[0].notes)
    assert "BCa bootstrap over " in text
    assert "queries" in text
    assert "classes/queries" in text or "queries/classes" in text


HOSTILE = [
    "a_b",
    "c & d",
    "<script>x</script>",
    "|pipe|",
    "50% #1",
    "鞋子",
    "\u05d0\u05d1 \u200f",
    "[",
]


def test_names_of_classes_keep_their_cells_in_every_format(tmp_path):
    for key, dims, right in (("a", 8, 1.0), ("b", 16, 0.0)):
        outcomes = [abs(right - place / 20) for place in range(len(HOSTILE))]
        cell(tmp_path, key, {"map@r": outcomes}, classes=HOSTILE, job__dims=dims)
    found = tables(tmp_path, "dims=8", "dims=16", classes=20)[1]
    assert {row[0] for row in found.body} == set(HOSTILE)
    rows = json.loads(as_text(found, "json"))["rows"]
    assert {row["class"] for row in rows} == set(HOSTILE)
    latex = as_text(found, "latex")
    for part in (r"a\_b &", r"c \& d &", r"\textless{}script", r"50\% \#1", "\n{}[ &"):
        assert part in latex
    markdown = as_text(found, "markdown")
    assert "| &lt;script&gt;x&lt;/script&gt; |" in markdown
    assert r"| \|pipe\| " in markdown
    write_tables([found], "csv", tmp_path / "t.csv")
    assert set(pd.read_csv(tmp_path / "t.csv", comment="#")["class"]) == set(HOSTILE)


def test_one_class_alone_has_no_least_difference(tmp_path):
    """A standard error needs two units: NaN, which is null in JSON."""
    cell(tmp_path, "a", [1, 0, 1], classes="xxx", job__dims=8)
    cell(tmp_path, "b", [1, 0, 0], classes="xxx", job__dims=16)
    (summary, _) = tables(tmp_path, "dims=8", "dims=16")
    assert math.isnan(summary.numbers["detectable"].item())
    assert json.loads(as_text(summary, "json"))["rows"][0]["detectable"] is None
    assert rows_of(summary)[0]["detectable"] == "--"
