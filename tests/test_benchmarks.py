"""benchmarks/scoring.py runs at small sizes and agrees with itself."""

import json
import subprocess
import sys
from pathlib import Path

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
