"""Scripts of benchmarks/ run at small sizes; scoring agrees with itself."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def scoring(*words):
    """Run the script as its users do; return what it printed."""
    command = [sys.executable, str(ROOT / "benchmarks" / "scoring.py"), *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_small_run_prints_its_table_and_keeps_its_rows(tmp_path):
    rows = tmp_path / "rows.jsonl"
    words = ["--peers", "none", "--images", 500, "--output", rows]
    printed = scoring("sop-128", "r1m-128", *words)
    kept = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [(row["case"], row["method"]) for row in kept] == [
        ("sop-128", "ours"),
        ("sop-128", "ours-ranks"),
        ("r1m-128", "ours"),
    ]
    assert 0.5 < kept[0]["measured"]["numbers"]["R@1"] <= 1
    assert "| sop-128 | ≤ 1.3 of the product" in printed
    again = scoring("--print", rows)
    assert printed == again


def test_exact_scoring_and_numpys_full_ranking_agree(tmp_path):
    rows = tmp_path / "rows.jsonl"
    scoring("r1m-128", "--peers", "numpy", "--images", 500, "--output", rows)
    ours, numpys = [json.loads(line)["measured"] for line in rows.read_text().splitlines()]
    assert abs(ours["numbers"]["mAP"] - numpys["numbers"]["mAP"]) < 1e-4


def engine(*words):
    """Run benchmarks/engine.py; return what it printed."""
    command = [sys.executable, str(ROOT / "benchmarks" / "engine.py"), *words, "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_planning_is_timed():
    printed = engine("planning")
    assert "| bench run --dry-run of 100 cells" in printed
    assert "≤ 2 s" in printed


@pytest.mark.slow
def test_the_cost_of_trivial_cells_is_measured():
    printed = engine("cells")
    assert "| 8 trivial cells" in printed
    assert "≤ 10 ms" in printed


def test_what_stages_say_they_took_is_added_up_once(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    recorded = importlib.import_module("engine_stages").recorded
    assert recorded(tmp_path) == 0

    def manifest(folder, key, log, seconds):
        path = tmp_path / "artifacts" / folder / key / "artifact.json"
        path.parent.mkdir(parents=True)
        times = {"pid": 1, "started": "12:00", "finished": "12:01", "wall_seconds": seconds}
        path.write_text(json.dumps({"computed": {**times, "log": log}}))

    manifest("features", "cls", "log/extraction-1.log", 7.5)
    manifest("features", "avg", "log/extraction-1.log", 8.0)
    manifest("scores", "a", "log/scores-a.log", 0.25)
    manifest("scores", "b", "log/scores-b.log", 0.25)
    assert recorded(tmp_path) == 8.5


def training(*words):
    """Run benchmarks/training.py; return the rows of its table by what they are of."""
    command = [sys.executable, str(ROOT / "benchmarks" / "training.py"), *words, "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("|").split("|") for line in done.stdout.splitlines() if line[:1] == "|"]
    return {row[0].strip(): row[1].split()[0] for row in rows[2:]}


@pytest.mark.slow
def test_a_training_takes_turns_with_the_bare_network():
    found = training("--turns", "2")
    assert {"our step", "bare step", "ratio", "our training"} <= found.keys()
    shares = [float(value) for name, value in found.items() if name.startswith("of our step: ")]
    assert len(shares) == 9
    assert min(shares) >= 0
    assert abs(sum(shares) - 100) < 10  # medians need not add up to all
