"""results.paper: the paper's tables with ours in them."""

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest

from bench.execution import command
from bench.matrix import read_matrix
from bench.plan import make_plan
from registry.datasets import dataset_row
from registry.presets import PRESETS
from results.paper.layouts import LAYOUTS
from results.paper.table import paper_table
from results.published import notes_of
from results.published_file import published_rows
from results.render import as_text
from results.store import ResultsError
from tests.reports import frame, report

R_AT_1 = ["SOP R@1", "CUB R@1", "In-Shop R@1"]
LANDMARKS = ["ROxford M", "ROxford H", "RParis M", "RParis H"]
HEADERS = {
    "irt-table1": ["model", "from", "params (M)", "FLOPS (G)", "IN top-1"],
    "irt-table2": [
        *["method", "backbone", "dims", "from"],
        *["SOP R@1", "SOP R@10", "SOP R@100", "SOP R@1000"],
        *["CUB R@1", "CUB R@2", "CUB R@4", "CUB R@8"],
        *["In-Shop R@1", "In-Shop R@10", "In-Shop R@20", "In-Shop R@30"],
    ],
    "irt-table3": ["method", "from", *R_AT_1, *LANDMARKS],
    "irt-table4": ["loss", "from", "R50 (2048)", "DeiT-S (384)"],
    "irt-table5": [
        *["β", "from", "R50 λ=0.0", "R50 λ=0.3", "R50 λ=0.5", "R50 λ=0.7", "R50 λ=1.0"],
        *["DeiT-S λ=0.0", "DeiT-S λ=0.3", "DeiT-S λ=0.5", "DeiT-S λ=0.7", "DeiT-S λ=1.0"],
    ],
    "irt-table6": ["λ", "from", *LANDMARKS],
    "irt-table7": ["input", "model", "pool", "dims", "from", *LANDMARKS],
    "irt-table8": ["model", "method", "dims", "FLOPS (G)", "from", *LANDMARKS],
    "irt-table9": ["pool", "from", *R_AT_1, *LANDMARKS],
}
ROWS = {
    "irt-table1": "R50 DeiT-S DeiT-S† R101 DeiT-B DeiT-B†",
    "irt-table2": """A-BIER GoogLeNet 512 / ABE GoogLeNet 512 / SM GoogLeNet 512 / XBM GoogLeNet 512
        / HTL InceptionBN 512 / MS InceptionBN 512 / SoftTriple InceptionBN 512
        / XBM InceptionBN 512 / HORDE InceptionBN 512 / Margin R50 128 / FastAP R50 128
        / MIC R50 128 / XBM R50 128 / NSoftmax R50 512 / ProxyNCA++ R50 512 / NSoftmax R50 2048
        / ProxyNCA++ R50 2048 / IRT_R DeiT-S 128 / IRT_R DeiT-S 384 / IRT_R DeiT-S† 384""",
    "irt-table3": "IRT_O IRT_L IRT_R",
    "irt-table4": "NSoftmax SNCA Contrastive",
    "irt-table5": "0.1 0.3 0.5 0.7 0.9",
    "irt-table6": "0 1 2 3 4 5",
    "irt-table7": """224 R50 GeM 128 / 224 R50 R-MAC 128 / 224 R101 GeM 128 / 224 R101 R-MAC 128
        / 224 DeiT-S† CLS 128 / 224 DeiT-B† CLS 128 / 224 R50 GeM 2048 / 224 R50 R-MAC 2048
        / 224 R101 GeM 2048 / 224 R101 R-MAC 2048 / 224 DeiT-S† CLS 384 / 224 DeiT-B† CLS 768
        / 384 R101 GeM 128 / 384 R101 R-MAC 128 / 384 DeiT-B† CLS 128 / 384 R101 GeM 2048
        / 384 R101 R-MAC 2048 / 384 DeiT-B† CLS 768""",
    "irt-table8": """DeiT-B†{384} IRT_L 128 98.8 / DeiT-B†{384} IRT_R 128 98.8
        / DeiT-B†{384} IRT_L 768 98.8 / DeiT-B†{384} IRT_R 768 98.8
        / R101{1024} [1]-GeM § 128 432.2 / R101{1024} [1]-GeM 2048 432.2
        / R101{1024} [2]-GeM (AP) 2048 246.0""",
    "irt-table9": "Average Max GeM CLS",
}
"""As the paper has them, typed from it again."""
OTHERS = {"irt-table2": 17, "irt-table8": 3}
"""Rows of other systems."""
STRANGER = report("stranger", job__backbone="tiny_vit")


def irt_l(key="l", **changes):
    """IRT_L of DeiT-S on SOP, in which Tables 3, 4, 5 and 9 have a number."""
    return report(key, **{"job__loss": "contrastive", "job__train": "own", **changes})


def on_twin(key="t", **changes):
    twin = {
        "job__dataset": "twin-sop",
        "job__dataset_title": "SOP twin",
        "job__train": "twins",
        "job__weights": "scratch",
        "job__resolution": 64,
        "marks": ["twin"],
    }
    return irt_l(key, **{**twin, **changes})


def lines(table, labels):
    """The lines of a row: kind -> header -> text."""
    count = table.headers.index("from")
    found, name = {}, ()
    for row in table.body:
        name = row[:count] if row[count] == "paper" else name
        if name == labels:
            found[row[count]] = dict(zip(table.headers[count + 1 :], row[count + 1 :], strict=True))
    return found


def rows_of(text):
    parts = text.split("/") if "/" in text else text.split()
    return [" ".join(part.split()) for part in parts]


@pytest.mark.parametrize("name", LAYOUTS)
def test_rows_and_columns_are_the_papers(name):
    table = paper_table(frame(STRANGER), name)
    count = table.headers.index("from")
    assert table.headers == HEADERS[name]
    printed = [row for row in table.body if row[count] == "paper"]
    assert [" ".join(row[:count]) for row in printed] == rows_of(ROWS[name])
    ours = [row for row in table.body if row[count] == "ours"]
    assert len(ours) == len(printed) - OTHERS.get(name, 0)
    assert {cell for row in ours for cell in row[count + 1 :]} == {"--"}
    assert len(ours) + len(printed) == len(table.body)  # nothing of ours, no difference


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_published_number_stands_once_as_printed(name):
    table = paper_table(frame(STRANGER), name)
    count = table.headers.index("from")
    shown = [cell for row in table.body if row[count] == "paper" for cell in row[count + 1 :]]
    published = [number["value"] for number in published_rows() if number["table"] == name]
    assert sorted(cell for cell in shown if cell != "--") == sorted(published)
    there = table.numbers[table.numbers["from"] == "paper"][table.headers[count + 1 :]]
    values = there.to_numpy(float)
    assert sorted(values[~np.isnan(values)]) == sorted(map(float, published))


def test_ours_and_the_difference_stand_below_the_papers():
    table = paper_table(frame(irt_l(metrics={"r@1": 0.8212})), "irt-table3")
    found = lines(table, ["IRT_L"])
    assert found["paper"]["SOP R@1"] == "83.0"
    assert found["ours"]["SOP R@1"] == "82.1"
    assert found["Δ"]["SOP R@1"] == "-0.9"
    assert found["ours"]["CUB R@1"] == found["Δ"]["CUB R@1"] == "--"
    assert found["paper"]["CUB R@1"] == "74.2"
    exact = table.numbers[table.numbers["method"] == "IRT_L"].set_index("from")["SOP R@1"]
    assert exact.to_dict() == pytest.approx({"paper": 83.0, "ours": 82.12, "Δ": -0.88})
    assert list(lines(table, ["IRT_R"])) == ["paper", "ours"]


@pytest.mark.parametrize(
    ("name", "labels", "header"),
    [
        ("irt-table4", ["Contrastive"], "DeiT-S (384)"),
        ("irt-table5", ["0.5"], "DeiT-S λ=0.0"),
        ("irt-table9", ["CLS"], "SOP R@1"),
    ],
)
def test_a_cell_stands_in_every_table_that_has_its_number(name, labels, header):
    table = paper_table(frame(irt_l(metrics={"r@1": 0.835})), name)
    assert lines(table, labels)["Δ"][header] == "+0.5"
    count = table.headers.index("from")
    assert sum(row.count("83.5") for row in table.body if row[count] == "ours") == 1


def test_a_grid_has_margins_down_and_weights_across():
    loss = "contrastive(beta=0.9)+koleo(lambda=0.3)"
    table = paper_table(frame(irt_l(job__loss=loss, metrics={"r@1": 0.844})), "irt-table5")
    assert lines(table, ["0.9"])["ours"]["DeiT-S λ=0.3"] == "84.4"
    assert lines(table, ["0.9"])["Δ"]["DeiT-S λ=0.3"] == "+0.0"
    assert table.spans() == [("R50", 2, 6), ("DeiT-S", 7, 11)]
    assert [table.label(place) for place in (2, 11)] == ["λ=0.0", "λ=1.0"]


def test_seeds_are_averaged_with_their_spread():
    seeds = [
        irt_l(key, job__seed=seed, metrics={"r@1": value})
        for key, seed, value in (("a", 0, 0.82), ("bb", 1, 0.83), ("ccc", 2, 0.84))
    ]
    table = paper_table(frame(*seeds), "irt-table3")
    assert lines(table, ["IRT_L"])["ours"]["SOP R@1"] == "83.0 ± 1.0"
    assert lines(table, ["IRT_L"])["Δ"]["SOP R@1"] == "+0.0"
    ours = table.numbers[table.numbers["from"] == "ours"].set_index("method")
    assert ours.loc["IRT_L", "SOP R@1 std"] == pytest.approx(1.0)
    assert "± is the standard deviation over seeds" in table.notes


def test_a_twin_counts_as_its_original_and_is_marked():
    table = paper_table(frame(on_twin(metrics={"r@1": 0.131})), "irt-table3")
    assert lines(table, ["IRT_L"])["ours"]["SOP R@1"] == "13.1°"
    assert lines(table, ["IRT_L"])["Δ"]["SOP R@1"] == "-69.9≠"
    assert "° twin: drawn by code, no number of the real dataset" in table.notes
    (unlike,) = [note for note in table.notes if note.startswith("≠")]
    assert "images (real / drawn by code (twin))" in unlike
    assert "weights (pretrained / scratch), resolution (224 / 64), train (own / twins)" in unlike
    assert [mark for mark in table.marks if mark] == ["SOP R@1 °"]


def test_the_real_dataset_stands_before_its_twin():
    for reports in ([on_twin("a"), irt_l("bb")], [irt_l("a"), on_twin("bb")]):
        table = paper_table(frame(*reports), "irt-table3")
        assert lines(table, ["IRT_L"])["ours"]["SOP R@1"] == "52.8"
        assert not any("°" in note for note in table.notes)


def test_a_twin_stands_after_the_oddest_real_cell():
    names = ("resolution", "scales", "split", "selection", "recipe", "projection_fit")
    odd = irt_l("a", metrics={"r@1": 0.7}, **{f"protocol__{name}": "odd" for name in names})
    table = paper_table(frame(odd, on_twin("bb")), "irt-table3")
    assert lines(table, ["IRT_L"])["ours"]["SOP R@1"] == "70.0"


def test_rows_of_one_name_are_told_apart_by_network_and_size():
    irt_r = {"job__loss": "contrastive+koleo", "metrics": {"r@1": 0.8}}
    table = paper_table(frame(irt_l(**irt_r)), "irt-table2")
    assert lines(table, ["IRT_R", "DeiT-S", "384"])["ours"]["SOP R@1"] == "80.0"
    assert lines(table, ["IRT_R", "DeiT-S†", "384"])["ours"]["SOP R@1"] == "--"
    assert lines(table, ["IRT_R", "DeiT-S", "128"])["ours"]["SOP R@1"] == "--"


def test_what_is_measured_most_alike_is_shown_and_the_others_are_counted():
    odd = {"protocol__resolution": "256 px"}
    reports = [irt_l("a"), irt_l("bb", job__transform="square", metrics={"r@1": 0.9}, **odd)]
    table = paper_table(frame(*reports), "irt-table3")
    assert lines(table, ["IRT_L"])["ours"]["SOP R@1"] == "52.8"
    assert lines(table, ["IRT_L"])["Δ"]["SOP R@1"] == "-30.2"
    assert any(note.startswith("1 of ours could be of several cells") for note in table.notes)
    alone = paper_table(frame(reports[1]), "irt-table3")
    assert lines(alone, ["IRT_L"])["Δ"]["SOP R@1"] == "+7.0≠"
    assert "≠ not measured alike (paper / ours): resolution (224 px / 256 px)" in alone.notes


def test_of_alternatives_the_first_named_is_shown_then_the_newest():
    memory = irt_l("bb", job__loss="contrastive+koleo_memory", metrics={"r@1": 0.9})
    batch = irt_l("a", job__loss="contrastive+koleo", metrics={"r@1": 0.8})
    table = paper_table(frame(batch, memory), "irt-table3")
    assert lines(table, ["IRT_R"])["ours"]["SOP R@1"] == "80.0"
    # another transform, of which the paper says nothing
    newer = irt_l("cc", job__transform="square", metrics={"r@1": 0.7})
    for pair in ([irt_l("a"), newer], [newer, irt_l("a")]):
        table = paper_table(frame(*pair), "irt-table3")
        assert lines(table, ["IRT_L"])["ours"]["SOP R@1"] == "70.0"
    # seeds are as new as the last of them
    seeds = [irt_l("a", job__seed=0), irt_l("ddd", job__seed=1)]
    table = paper_table(frame(*seeds, newer), "irt-table3")
    assert lines(table, ["IRT_L"])["ours"]["SOP R@1"] == "52.8 ± 0.0"


def test_of_two_reports_of_one_cell_the_newer_counts():
    table = paper_table(frame(irt_l("a"), irt_l("bb", metrics={"r@1": 0.8})), "irt-table3")
    assert lines(table, ["IRT_L"])["ours"]["SOP R@1"] == "80.0"
    assert not any("several cells" in note for note in table.notes)


def test_other_systems_stand_alone_unless_a_cell_is_their_equivalent():
    conv = {"job__backbone": "resnet50", "job__pooling": "gem", "job__dims": 2048}
    metrics = {"r@1": 0.80, "r@10": 0.91, "r@100": 0.96, "r@1000": 0.99}
    table = paper_table(frame(irt_l(job__loss="nsoftmax", metrics=metrics, **conv)), "irt-table2")
    found = lines(table, ["NSoftmax", "R50", "2048"])
    assert found["ours"]["SOP R@1"] == "80.0"
    assert found["Δ"]["SOP R@10"] == "-0.5"
    assert found["paper"]["SOP R@1000"] == found["ours"]["SOP R@1000"] == "--"
    assert list(lines(table, ["NSoftmax", "R50", "512"])) == ["paper"]


def test_costs_are_those_at_the_papers_resolution():
    cost = {"parameters": 21_665_664, "gmacs": 4.6, "bytes_per_image": 1536, "gflops_paper": 8.482}
    table = paper_table(frame(on_twin(cost=cost, job__resolution=224)), "irt-table1")
    found = lines(table, ["DeiT-S"])
    assert list(found["ours"].values()) == ["21.7", "8.5", "--"]
    assert list(found["Δ"].values()) == ["-0.3", "+0.1", "--"]
    assert not any("twin" in note for note in table.notes)  # no image decides a cost
    small = paper_table(frame(on_twin(cost=cost)), "irt-table1")
    assert "Δ" not in lines(small, ["DeiT-S"])


def test_reports_of_before_flops_were_counted_have_none():
    table = paper_table(frame(irt_l()), "irt-table1")
    assert list(lines(table, ["DeiT-S"])["ours"].values()) == ["21.7", "--", "--"]


def test_signs_of_cells_are_explained():
    table = paper_table(frame(irt_l(marks=["test-selected"])), "irt-table3")
    assert lines(table, ["IRT_L"])["ours"]["SOP R@1"] == "52.8‡"
    assert lines(table, ["IRT_L"])["Δ"]["SOP R@1"].endswith("≠")
    assert any(note.startswith("‡ model selected") for note in table.notes)
    tied = paper_table(frame(irt_l(bounds={"r@1": [0.5, 0.6]})), "irt-table3")
    assert "= ties: SOP R@1 of IRT_L lies between 50.0 and 60.0, depending on their order" in (
        tied.notes
    )


def test_cells_of_no_row_are_counted():
    notes = paper_table(frame(STRANGER, irt_l()), "irt-table3").notes
    assert "finished cells that stand for nothing in it: 1" in notes


def test_gaps_and_the_papers_own_inconsistencies_are_notes():
    (first, *others) = notes_of(["irt-table3"])
    notes = paper_table(frame(STRANGER), "irt-table3", [f"{first}: ours is so", "another"]).notes
    assert f"gap to the paper: {first}: ours is so" in notes
    assert "gap to the paper: another" in notes
    assert f"paper: {first}" not in notes  # the gap says it
    assert [note for note in notes if note.startswith("paper: ")] == [
        f"paper: {note}" for note in others
    ]


def test_a_signature_stands_below():
    notes = paper_table(frame(irt_l(), STRANGER), "irt-table3").notes
    assert notes[-1] == "signature: data:sop@1234|ties:expected"


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "json"])
@pytest.mark.parametrize("name", ["irt-table1", "irt-table2", "irt-table5", "irt-table8"])
def test_every_format_renders(name, form):
    table = paper_table(frame(irt_l(), on_twin("tt", job__dims=128)), name)
    text = as_text(table, form)
    if form == "csv":
        read = pd.read_csv(StringIO(text), comment="#", encoding="utf-8")
        assert list(read["from"]) == list(table.numbers["from"])
    if form == "json":
        rows = json.loads(text)["rows"]
        assert [row["from"] for row in rows] == list(table.numbers["from"])
    if form == "latex":
        assert text.count(r"\\") == len(table.body) + 1 + bool(table.spans())


def test_an_unknown_table_is_named_with_the_nearest():
    with pytest.raises(ResultsError, match=r"unknown table of the paper 'irt-tabel3'.*irt-table3"):
        paper_table(frame(STRANGER), "irt-tabel3")


def test_without_reports_there_is_no_table():
    with pytest.raises(ResultsError, match="no finished cells yet"):
        paper_table(pd.DataFrame(), "irt-table3")


def reports_of(preset, *, twins):
    """Reports as the cells of a preset would write them."""
    matrix = read_matrix([], preset=preset, exclude=[], twins=twins)
    cells = make_plan(matrix, skip_bad_images=False).cells
    for cell in cells:
        row = dataset_row(cell.job.dataset)
        names = [f"r@{k}" for k in row.ks] or ["map_medium", "map_hard"]
        cost = {"parameters": 1e6, "gmacs": 1.0, "bytes_per_image": 4, "gflops_paper": 2.0}
        yield report(
            cell.key,
            job={**cell.job.values(), "dataset_title": row.title},
            metrics=dict.fromkeys(names, 0.5),
            headline=names[:2],
            cost=cost,
            marks=["twin"] * row.is_twin,
        )


@pytest.mark.parametrize("twins", [False, True])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_preset_fills_its_table_and_nothing_is_left_over(name, twins):
    row = PRESETS[name]
    table = paper_table(frame(*reports_of(name, twins=twins)), row.layout, row.gaps)
    count = table.headers.index("from")
    ours = [cells for cells in table.body if cells[count] == "ours"]
    assert len(ours) == len(rows_of(ROWS[name])) - OTHERS.get(name, 0)
    missing = {
        table.headers[place] for cells in ours for place, cell in enumerate(cells) if cell == "--"
    }
    assert missing == ({"IN top-1"} if name == "irt-table1" else set())
    assert not any("stand for nothing" in note for note in table.notes)
    assert not any("several cells" in note for note in table.notes)
    marked = any("°" in cell for cells in ours for cell in cells)
    assert marked == (twins and name != "irt-table1")


def test_a_run_of_a_preset_ends_with_its_table(monkeypatch, tmp_path, capsys):
    made = list(reports_of("irt-table4", twins=True))
    monkeypatch.setattr(command, "load", lambda runs, keys: frame(*made))
    matrix = read_matrix([], preset="irt-table4", exclude=[], twins=True)
    plan = make_plan(matrix, skip_bad_images=False)
    command.print_results(plan, tmp_path, "irt-table4")
    said = capsys.readouterr().out
    assert said.index("twin: drawn by code") < said.index("Contrastive") < said.index("Table 4, ")
    for gap in PRESETS["irt-table4"].gaps:
        assert f"gap to the paper: {gap}" in said
    command.print_results(plan, tmp_path, "quickstart")
    command.print_results(plan, tmp_path)
    assert "the paper" not in capsys.readouterr().out
