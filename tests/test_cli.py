"""bench.cli: the commands as users type them, in this process and in ones of their own."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import results
from bench.execution.artifacts import read_json
from bench.identity import SCORES_VERSION
from bench.train.loop import train
from results.store import failure_path
from tests.conftest import write_photos

ROOT = Path(__file__).resolve().parent.parent
TINY = ("run", "--matrix", "dims=8,16", "backbone=tiny_vit,tiny_conv", "recipe=smoke")


def python(code, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        **options,
    )


HEAVY = (
    "import sys; heavy = {'torch', 'timm', 'faiss', 'torchvision'} & set(sys.modules)\n"
    "assert not heavy, heavy"
)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["run", "--help"],
        ["list"],
        ["list", "backbone"],
        ["run", "--dry-run", "dims=128,384", "backbone=deit_s,resnet50"],
        ["run", "bakbone=deit_s"],
    ],
)
def test_light_commands_import_no_torch(words, tmp_path):
    code = f"from bench.cli import main; main({words!r}, standalone_mode=False)\n"
    done = python(f"try:\n    {code}except Exception as e: print(e)\n{HEAVY}", env=os.environ)
    assert done.returncode == 0, done.stderr


def test_report_imports_no_torch(smoke):
    words = ["report", "--runs", str(smoke), "--format", "markdown"]
    code = f"from bench.cli import main; main({words!r}, standalone_mode=False)\n{HEAVY}"
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert "| tiny_conv" in done.stdout


def test_status_imports_no_torch_even_to_say_what_changed(smoke, tmp_path):
    """Every cell is resolved again, and reports are compared field by field."""
    words = ["status", "--runs", str(smoke), "--data", str(tmp_path)]
    code = "from bench import identity; identity.SCORES_VERSION = 'another'\n"
    code += f"from bench.cli import main; main({words!r}, standalone_mode=False)\n{HEAVY}"
    done = python(code, env={**os.environ, "COLUMNS": "250"})
    assert done.returncode == 0, done.stderr
    assert f"scores.version {SCORES_VERSION} -> another" in done.stdout
    assert done.stdout.endswith("\n20 stale\n")


def test_help_imports_no_numpy_either():
    done = python(
        "from click.testing import CliRunner; from bench.cli import main; import sys\n"
        "assert CliRunner().invoke(main, ['run', '--help']).exit_code == 0\n"
        "assert not {'numpy', 'pandas', 'rich'} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_a_matrix_ends_in_a_table_and_is_not_run_again(bench, monkeypatch):
    first = bench(*TINY, "dataset=twin-sop,twin-roxford")
    assert "8 cells done" in first.output
    for part in ("SOP", "ROxford", "twin", "params", "GMACs", "bytes", "R@1"):
        assert part in first.output
    before = results.load(bench.runs)
    monkeypatch.setattr("bench.execution.command._work", None)  # nothing may be worked on
    again = bench(*TINY, "dataset=twin-sop,twin-roxford")
    assert "8 cells done" in again.output
    assert results.load(bench.runs).equals(before)


def test_one_more_dims_costs_no_pass(bench, inline, monkeypatch):
    bench(*TINY, "dataset=twin-sop", "--quiet")
    monkeypatch.setattr("bench.stages.features._extract", None)
    monkeypatch.setattr("bench.stages.weights.train", None)
    bench("run", "dims=4", "backbone=tiny_vit,tiny_conv", "recipe=smoke", "dataset=twin-sop")
    assert len(results.load(bench.runs)) == 6


def test_force_computes_everything_again_to_the_same_numbers(bench, inline, monkeypatch):
    words = ("run", "backbone=tiny_conv", "recipe=smoke", "dataset=twin-sop", "dims=8,16")
    bench(*words)
    before = results.load(bench.runs)
    trained = []

    def counted(*arguments, **options):
        trained.append(1)
        return train(*arguments, **options)

    monkeypatch.setattr("bench.stages.weights.train", counted)
    bench(*words, "--force")
    assert trained == [1]
    after = results.load(bench.runs)
    assert (after["finished"] > before["finished"]).all()
    assert (after["r@1"] == before["r@1"]).all()


def test_the_dry_run_says_what_is_shared_done_and_pruned(bench, tmp_path):
    shown = bench("run", "--dry-run", "--matrix", "dims=128,384", "backbone=deit_s,resnet50").output
    assert "20 cells = 2 trainings + 10 extractions + 20 scorings" in shown
    assert re.search(r"extraction +10 needed, 0 done, 10 to do", shown)
    assert "of disk to go" in shown
    pruned = bench("run", "--dry-run", "backbone=deit_s,resnet50", "pooling=cls", "seed=0").output
    assert "pruned 5: pooling=cls: resnet50 has no CLS token" in pruned
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bakbone=deit_s"], "unknown axis 'bakbone'; did you mean 'backbone'?"),
        (["backbone=deit_m"], "unknown backbone 'deit_m'; did you mean 'deit_s'"),
        (["backbone=deit_s", "dims=x"], "dims='x' is not a value"),
        (["backbone=deit_s", "--preset", "smok"], "unknown preset 'smok'; did you mean 'smoke'?"),
        (["backbone=deit_s", "dataset=folder:/nowhere"], "there is no folder /nowhere"),
        (["backbone=deit_s", "weights=file:/nowhere"], "there is no file /nowhere"),
        (["backbone=resnet50", "pooling=cls"], "no cell is left to run: pooling=cls"),
        (["backbone=tiny_vit", "--device", "cuda:7"], "--device cuda:7: there is no such device"),
        ([], "nothing to run"),
        (["--format", "x"], "No such option"),
    ],
)
def test_wrong_usage_is_exit_2_without_a_traceback(bench, words, message):
    result = bench("run", *words, exit_code=2)
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_failed_cell_is_recorded_and_the_others_go_on(bench, photos):
    (photos / "class0" / "1.jpg").write_bytes(b"")
    words = ["run", "backbone=tiny_conv", f"dataset=folder:{photos},twin-sop"]
    words += ["weights=scratch", "loss=none", "resolution=64"]
    result = bench(*words, exit_code=1)
    assert "1 cell done, 1 failed" in result.output
    assert "class0/1.jpg" in result.output
    status = bench("status").output
    assert "1 done" in status
    assert "1 failed" in status
    keys = set(results.load(bench.runs)["key"]) | {
        path.stem for path in bench.runs.glob("failures/*")
    }
    assert len(keys) == 2
    assert keys <= set(status.split())
    failure = read_json(next((bench.runs / "failures").iterdir()))
    assert "Traceback" in failure["traceback"]
    mended = bench(*words, "--skip-bad-images")
    assert "+ unreadable images were left out" in mended.output


def test_a_cell_that_succeeds_later_forgets_its_failure(bench, photos, inline, monkeypatch):
    words = ["run", "backbone=tiny_conv", f"dataset=folder:{photos}", "weights=scratch"]
    with monkeypatch.context() as broken:
        broken.setattr("bench.stages.scores.score", None)
        bench(*words, "resolution=64", exit_code=1)
    (failure,) = (bench.runs / "failures").iterdir()
    assert "TypeError" in failure.read_text()
    bench(*words, "resolution=64")
    assert not failure_path(bench.runs, failure.stem).exists()


def test_fail_fast_stops_at_the_first_failure(bench, photos):
    (photos / "class0" / "1.jpg").write_bytes(b"")
    words = ["run", "--fail-fast", "backbone=tiny_conv", f"dataset=folder:{photos}"]
    words += ["weights=scratch", "loss=none", "dims=8,16", "resolution=32,64"]
    assert "0 cells done, 2 failed, 2 not tried" in bench(*words, exit_code=1).output


def test_a_stage_that_failed_is_not_tried_for_every_cell(bench, photos, inline, monkeypatch):
    calls = []

    def fails(*arguments):
        calls.append(1)
        raise OSError("no such luck")

    monkeypatch.setattr("bench.stages.features._extract", fails)
    words = ["run", "backbone=tiny_conv", f"dataset=folder:{photos}", "dims=4,8,16"]
    result = bench(*words, "weights=scratch", "resolution=64", exit_code=1)
    assert len(calls) == 1
    assert "0 cells done, 3 failed" in result.output
    assert "and 2 more: OSError: no such luck" in result.output


def test_a_folder_one_may_not_write_is_exit_1(bench, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    words = ["run", "backbone=tiny_conv", "dataset=twin-sop", "--runs", blocked / "runs"]
    result = bench(*words, exit_code=1)
    assert "cannot write" in result.output
    assert "--runs" in result.output


def test_a_full_disk_leaves_nothing_half_written(bench, inline, monkeypatch):
    words = ["run", "backbone=tiny_conv", "dataset=twin-sop", "recipe=smoke"]
    with monkeypatch.context() as full:

        def no_space(path, array):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

        full.setattr("bench.stages.features.np.save", no_space)
        result = bench(*words, exit_code=1)
    assert "No space left on device; free some space, then run again" in result.output
    left = list((bench.runs / "artifacts").rglob("*.npy"))
    assert left == []
    bench(*words)


def test_interrupting_says_how_to_go_on(bench, monkeypatch):
    def interrupts(pool, timeout):
        assert pool.at_work
        broken.undo()
        raise KeyboardInterrupt

    words = ["run", "backbone=tiny_conv", "dataset=twin-sop", "recipe=smoke"]
    with monkeypatch.context() as broken:
        broken.setattr("bench.execution.pool.Pool.hear", interrupts)
        result = bench(*words, exit_code=130)
    assert "interrupted: 0 of 1 cells done; go on with" in result.output
    assert "1 pending" in bench("status").output
    assert list((bench.runs / "leases").iterdir()) == []
    bench(*words)


def test_a_killed_run_goes_on_to_the_same_numbers(bench, data, tmp_path):
    """Kill -9 in the middle of the cells, as the third is announced."""
    runs = tmp_path / "killed"
    command = [sys.executable, "-m", "bench", *TINY, "dataset=twin-sop", "--data", str(data)]
    with subprocess.Popen(
        [*command, "--runs", str(runs)], stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        for line in process.stderr:
            if line.startswith("[2/4]"):
                process.send_signal(signal.SIGKILL)
                break
        process.stderr.read()
    assert process.returncode == -signal.SIGKILL
    assert len(list((runs / "reports").glob("*.json"))) < 4
    subprocess.run([*command, "--quiet", "--runs", str(runs)], check=True, cwd=ROOT)
    bench(*TINY, "dataset=twin-sop")
    one, other = (results.load(folder).set_index("key") for folder in (runs, bench.runs))
    assert len(one) == 4
    assert (one["r@1"] == other["r@1"]).all()
    assert (one["map@r"] == other["map@r"]).all()


def test_list_shows_the_registry(bench):
    for axis in ("", *results.names.AXES, "preset"):
        shown = bench("list", axis).output if axis else bench("list").output
        assert shown.strip()
    assert "21.7" in bench("list", "backbone").output
    assert "pml:NAME" in bench("list", "loss").output
    assert "steps=35000, batch_images=64, transform=short_random_flip" in " ".join(
        bench("list", "recipe").output.split()
    )
    assert "did you mean 'backbone'" in bench("list", "bakbone", exit_code=2).output


@pytest.mark.parametrize(
    ("axis", "lines"),
    [
        ("recipe.ema", [["recipe", "ema", "because"], ["irt-sop", "0"], ["irt-cub", "0"]]),
        ("select", [["recipe", "selection", "because"]]),
        ("recipe.memory_share", [["irt-inshop", "0.2"], ["twin", "0.2"]]),
    ],
)
def test_list_shows_a_field_of_every_recipe(bench, axis, lines):
    shown = [line.split() for line in bench("list", axis).output.splitlines()]
    assert all(line in shown for line in lines)


def test_list_says_why_a_field_is_so(bench):
    shown = bench("list", "recipe.memory_start").output
    assert "from the first step" in shown
    assert "did you mean 'memory_start'" in bench("list", "recipe.memory_stat", exit_code=2).output


def test_status_of_nothing_is_an_error(bench):
    assert "no cell was ever asked for" in bench("status", exit_code=2).output


def test_report_options_reach_the_table(smoke, bench, tmp_path):
    options = ["--rows", "backbone", "--cols", "dims", "--metric", "r@10"]
    refused = bench("report", "--runs", smoke, *options, exit_code=2)
    assert "they differ in dataset" in refused.output
    out = tmp_path / "table.csv"
    bench("report", "--runs", smoke, "--metric", "map@r", "--format", "csv", "-o", out)
    assert "SOP twin MAP@R" in out.read_text()


def test_quiet_says_nothing(bench):
    words = ["run", "backbone=tiny_conv", "dataset=twin-sop", "recipe=smoke", "--quiet"]
    assert bench(*words).output == ""


def test_progress_in_a_terminal(bench, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    result = bench("run", "backbone=tiny_conv", "dataset=twin-sop", "recipe=smoke")
    assert "1 cell done" in result.output
    assert "r@1" in result.output


def test_reports_are_json_that_tells_its_job(bench):
    bench("run", "backbone=tiny_conv", "dataset=twin-sop", "recipe=smoke")
    (path,) = (bench.runs / "reports").glob("*.json")
    report = json.loads(path.read_text())
    assert report["key"] == path.stem
    assert report["job"]["backbone"] == "tiny_conv"
    assert 0 < report["metrics"]["r@1"] < 1


def test_force_decodes_anew(bench, tmp_path):
    """An image replaced by another of the same size is seen with --force alone."""
    out = tmp_path / "twin"
    bench("data", "twin", "cub", "--classes", 4, "--images", 3, "--out", out)
    words = ["run", f"dataset=twin:{out}", "backbone=tiny_conv", "loss=none", "--quiet"]
    bench(*words)
    before = results.load(bench.runs)["r@1"].item()
    for path in sorted(out.rglob("*.jpg"))[12:]:
        whole = path.read_bytes()
        Image.new("RGB", (73, 73), (90, 90, 90)).save(path)
        path.write_bytes(path.read_bytes().ljust(len(whole), b"\0"))
    bench(*words)
    assert results.load(bench.runs)["r@1"].item() == before
    bench(*words, "--force")
    assert results.load(bench.runs)["r@1"].item() < before


def test_without_a_cache_the_numbers_are_the_same(bench, tmp_path):
    words = ["run", "dataset=twin-cub", "backbone=tiny_conv", "loss=none", "--quiet"]
    found = []
    for index, room in enumerate(("0", "0.0005", "20")):
        runs = tmp_path / str(index)
        result = bench(*words[:-1], "--cache-gb", room, "--runs", runs)
        assert ("has reached its limit of 0.0005 GB" in result.output) == (room == "0.0005")
        found.append(results.load(runs)["map@r"].item())
    assert found[0] == found[1] == found[2]
    assert not (tmp_path / "0" / "cache").exists()
    assert "no number" in bench(*words, "--cache-gb", "nan", exit_code=2).output


def test_a_split_that_shares_its_classes_is_marked(bench, tmp_path):
    for part in ("train", "test"):
        write_photos(tmp_path / "photos" / part, classes=6, images=6)
    words = ["backbone=tiny_conv", "weights=scratch", "resolution=32", "dims=16"]
    result = bench("run", f"dataset=folder:{tmp_path / 'photos'}", *words)
    assert "~ trained or fitted on images of the evaluated classes" in result.output


def test_a_transform_trains_nothing_anew(bench):
    words = ["dataset=twin-cub", "backbone=tiny_vit", "recipe=smoke", "transform=square,long_side"]
    assert "2 cells = 1 training + 2 extractions" in bench("run", *words, "--dry-run").output


def test_a_dry_run_says_what_is_not_there(bench, tmp_path):
    words = ["dataset=sop", "backbone=tiny_conv", "weights=scratch", "--dry-run"]
    result = bench("run", *words, "--data", tmp_path)
    assert "not there yet: sop: there is no" in result.output
