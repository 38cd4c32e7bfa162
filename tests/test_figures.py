"""bench.figures.command: figures of run folders made by hand, as tables, points and files."""

import json
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import results
from bench.figures.command import make_content, write_figure
from bench.figures.energy import cumulative_energy
from bench.figures.similarities import count_pairs
from bench.figures.stored import DESCRIPTORS, Folders
from bench.identity import Descriptors, Model, key_of
from bench.stages import descriptors as stage
from registry.datasets import dataset_row
from registry.errors import WorkError
from registry.presets import PRESETS
from results.events import events_path
from results.store import ResultsError
from tests.conftest import write_photos
from tests.run_folders import change_json, make_artifact, make_report, plan_of, stages_of

LOSSES = (
    "loss=none,contrastive+koleo(lambda=0,1),contrastive(beta=0.3)+koleo(lambda=0),"
    "contrastive(beta=0.85)"
)
"""Three cells of figure 2, two of figures 3 and 5, three of figure 4."""
DIMS = 8
STEPS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("figures") / "photos")


def cells_of(folder, *words):
    words = words or (LOSSES,)
    return plan_of(
        f"dataset=folder:{folder}@split=classes",
        "backbone=tiny_vit",
        "weights=scratch",
        "recipe=smoke",
        f"dims={DIMS}",
        *words,
    ).cells


def rows_of(cell, n):
    """Descriptors of a cell: each cell has its own."""
    draw = np.random.default_rng(int(cell.key[:8], 16))
    rows = draw.standard_normal((n, DIMS))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def made(folder, tmp_path):
    """A run folder in which all cells are done."""
    cells = cells_of(folder)
    make(cells, tmp_path / "runs")
    return cells, tmp_path / "runs"


def make(cells, runs):
    row = dataset_row(cells[0].job.dataset)
    n = len(row.read(row.prepare(runs)).evaluated)
    for cell in cells:
        for one in stages_of(cell):
            if isinstance(one, Descriptors):
                place = make_artifact(one, runs)
                np.save(place / DESCRIPTORS, rows_of(cell, n))
            elif isinstance(one, Model):
                log(one, runs, cell)
        make_report(cell, runs)


def log(model, runs, cell):
    """Events of a training whose values are the steps' numbers, thousandths of its key's."""
    lines = [{"name": "a training", "config": {}}]
    lines += [{"step": step, "gradient_nuclear_norm": gamma(cell, step)} for step in range(STEPS)]
    path = events_path(runs, key_of(model))
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def gamma(cell, step):
    return 1e-4 * (1 + int(cell.key[:2], 16) / 256) * (1 + step)


def written(name, runs, output, form="rich"):
    write_figure(name, results.load(runs), runs, runs, form, output)
    return output


def by_loss(cells):
    return {cell.job.loss: cell for cell in cells}


def test_tables_of_figures_need_neither_torch_nor_matplotlib():
    code = "import sys, bench.figures.command\n"
    code += "assert not {'torch', 'timm', 'faiss', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_name_of_the_descriptors_is_the_stages():
    assert DESCRIPTORS == stage.DESCRIPTORS


@pytest.mark.parametrize(
    ("name", "ending"),
    [("irt-fig2", "pdf"), ("irt-fig3", "svg"), ("irt-fig4", "png"), ("irt-fig5", "pdf")],
)
def test_a_figure_is_drawn_as_its_name_ends(made, tmp_path, name, ending):
    _, runs = made
    content = written(name, runs, tmp_path / f"figure.{ending}").read_bytes()
    if ending == "svg":
        assert ElementTree.fromstring(content).tag.endswith("svg")
    else:
        assert content.startswith({"pdf": b"%PDF", "png": b"\x89PNG"}[ending])


def test_energies_are_those_of_the_descriptors(made, tmp_path):
    cells, runs = made
    points = pd.read_csv(written("irt-fig2", runs, tmp_path / "points.csv"), comment="#")
    names = {
        "none": "no training",
        "contrastive+koleo(lambda=0)": "λ = 0",
        "contrastive+koleo(lambda=1)": "λ = 1",
    }
    assert list(points["variant"].unique()) == list(names.values())
    for loss, name in names.items():
        cell, mine = by_loss(cells)[loss], points[points["variant"] == name]
        assert mine["component"].tolist() == list(range(1, DIMS + 1))
        expected = cumulative_energy(Folders(runs, runs).descriptors(report_of(cell, runs)))
        assert mine["energy"].to_numpy() == pytest.approx(expected)


def report_of(cell, runs):
    return json.loads((runs / "reports" / f"{cell.key}.json").read_text())


def test_the_table_has_energies_and_counts_of_components(made, capsys):
    cells, runs = made
    written("irt-fig2", runs, None, "csv")
    printed = capsys.readouterr().out
    table = make_content("irt-fig2", results.load(runs), runs, runs).table
    energy = cumulative_energy(rows_of(by_loss(cells)["none"], 9))
    assert table.headers == [
        "variant",
        "dims",
        "energy (%) in 1",
        *(f"components for {share} %" for share in (50, 90, 95)),
    ]
    assert table.body[0][:3] == ["no training", "8", f"{100 * energy[0]:.1f}"]
    assert table.numbers.iloc[0, 2] == pytest.approx(100 * energy[0])
    assert int(table.body[0][4]) == int(np.searchsorted(energy, 0.9)) + 1
    assert "no training" in printed
    for gap in PRESETS["irt-fig2"].gaps:
        assert f"not as in the paper: {gap}" in table.notes


def test_gammas_are_the_means_over_all_steps(made, tmp_path):
    cells, runs = made
    content = make_content("irt-fig4", results.load(runs), runs, runs)
    points = content.points.set_index(["variant", "beta"])["gamma"]
    for loss, place in {
        "contrastive(beta=0.3)+koleo(lambda=0)": ("λ = 0", 0.3),
        "contrastive+koleo(lambda=0)": ("λ = 0", 0.5),
        "contrastive+koleo(lambda=1)": ("λ = 1", 0.5),
    }.items():
        steps = [gamma(by_loss(cells)[loss], step) for step in range(STEPS)]
        assert points[place] == pytest.approx(np.mean(steps))
    assert len(points) == 3
    assert content.table.headers == ["variant", "γ at β=0.3", "γ at β=0.5"]
    assert content.table.body[1] == ["λ = 1", "--", f"{points['λ = 1', 0.5]:.2e}"]
    assert any(f"averaged over {STEPS} steps" in note for note in content.table.notes)


def test_pairs_are_those_of_the_split(made):
    cells, runs = made
    content = make_content("irt-fig5", results.load(runs), runs, runs)
    row = dataset_row(cells[0].job.dataset)
    split = row.read(row.prepare(runs))
    pairs = count_pairs(rows_of(by_loss(cells)["none"], len(split.evaluated)), split)
    first = content.table.numbers.iloc[0]
    assert first["variant"] == "IRT_O"
    assert first["pairs positive"] == pairs.positive.sum() > 0
    assert first["pairs negative"] == pairs.negative.sum() > 0
    assert first["in order (%)"] == pytest.approx(100 * pairs.in_order)
    mine = content.points[content.points["variant"] == "IRT_O"]
    assert mine["positive"].sum() == pytest.approx(1.0)
    centre = mine.loc[mine["positive"].idxmax(), "similarity"]
    widest = pairs.positive.reshape(100, -1).sum(axis=1).argmax()
    assert centre == pytest.approx(-0.99 + 0.02 * widest)


def test_seeds_are_averaged_and_their_spread_is_told(folder, tmp_path):
    cells = cells_of(folder, "loss=contrastive+koleo(lambda=0)", "seed=0,1")
    make(cells, tmp_path)
    energy = make_content("irt-fig2", results.load(tmp_path), tmp_path, tmp_path)
    folders = Folders(tmp_path, tmp_path)
    each = [cumulative_energy(folders.descriptors(report_of(c, tmp_path))) for c in cells]
    assert energy.points["energy"].to_numpy() == pytest.approx(np.mean(each, axis=0))
    found = make_content("irt-fig4", results.load(tmp_path), tmp_path, tmp_path)
    values = [np.mean([gamma(cell, step) for step in range(STEPS)]) for cell in cells]
    assert found.points["spread"].tolist() == pytest.approx([np.std(values, ddof=1)])
    assert "±" in found.table.body[0][1]


def test_descriptors_that_are_gone_are_named_with_what_makes_them_again(made):
    cells, runs = made
    gone = by_loss(cells)["none"]
    path = runs / "artifacts" / "descriptors" / key_of(gone.scores.descriptors)
    (path / DESCRIPTORS).unlink()
    with pytest.raises(WorkError, match=r"cannot read .*descriptors\.npy"):
        written("irt-fig2", runs, None)
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    for name, count in (("irt-fig2", 3), ("irt-fig5", 2)):
        with pytest.raises(WorkError) as failed:
            written(name, runs, None)
        message = str(failed.value)
        assert f"the descriptors of 1 of {count} cells are gone from {runs}" in message
        assert f"rm {runs}/reports/{gone.key}.json" in message
        assert " loss=none " in message
        assert message.count("bench run ") == 1


def test_a_training_without_the_value_is_named(made):
    cells, runs = made
    cell = by_loss(cells)["contrastive(beta=0.3)+koleo(lambda=0)"]
    model = cell.scores.descriptors.features.extraction.model
    path = events_path(runs, key_of(model))
    lines = path.read_text().replace("gradient_nuclear_norm", "of_old")
    for content in (lines, None):
        path.write_text(content) if content else path.unlink()
        with pytest.raises(WorkError, match=r"logged no gradient_nuclear_norm .* --force"):
            written("irt-fig4", runs, None)


def test_images_that_changed_are_named(made, folder):
    cells, runs = made
    report = runs / "reports" / f"{cells[0].key}.json"
    spec = json.loads(report.read_text())["spec"]
    change_json(report, spec={**spec, "extraction": {**spec["extraction"], "images": "others"}})
    with pytest.raises(WorkError, match="have changed since"):
        written("irt-fig5", runs, None)


def test_nothing_to_show(made, tmp_path):
    _, runs = made
    frame = results.load(runs)
    with pytest.raises(ResultsError, match="bench run --preset irt-fig3"):
        make_content("irt-fig3", frame[:0], runs, runs)
    with pytest.raises(ResultsError, match=r"unknown figure 'irt-fig9'.*did you mean"):
        make_content("irt-fig9", frame, runs, runs)
    with pytest.raises(ResultsError, match="no finished cell is trained with the contrastive loss"):
        make_content("irt-fig4", frame[frame["loss"] == "none"], runs, runs)


def test_what_is_not_the_presets_is_said_also_to_who_draws(made, tmp_path, capsys):
    cells, runs = made
    expected = [
        f"not the preset's dataset (sop): {cells[0].job.dataset}",
        "not the preset's backbone (resnet50): tiny_vit",
    ]
    content = make_content("irt-fig2", results.load(runs), runs, runs)
    assert [note for note in content.table.notes if note in expected] == expected
    output = written("irt-fig2", runs, tmp_path / "figure.svg")
    assert capsys.readouterr().out.splitlines() == [f"{output}: {note}" for note in expected]


def test_another_ending_is_a_table(made, tmp_path):
    _, runs = made
    text = written("irt-fig2", runs, tmp_path / "table.tex", "latex").read_text()
    assert r"\begin{tabular}" in text
    assert r"\ensuremath{\lambda}" in text


def test_a_picture_of_another_kind_is_refused(made, tmp_path):
    _, runs = made
    with pytest.raises(ResultsError, match=r"end its name in \.pdf, \.svg or \.png"):
        written("irt-fig2", runs, tmp_path / "figure.JPG")
    assert not (tmp_path / "figure.JPG").exists()


def test_marks_are_signed_and_explained(made):
    _, runs = made
    for path in (runs / "reports").glob("*.json"):
        change_json(path, marks=["twin", "transductive"])
    table = make_content("irt-fig2", results.load(runs), runs, runs).table
    assert table.body[0][0] == "no training*"
    assert table.marks[0] == "*"
    assert any(note.startswith("* projection fitted") for note in table.notes)
    assert any(note.startswith("twin: drawn by code") for note in table.notes)
