"""README, CONTRIBUTING and CI say the same as the code."""

import re
import shlex
from pathlib import Path

from bench.matrix import read_matrix
from bench.plan import make_plan
from registry.backbones import BACKBONES
from registry.poolings import POOLINGS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_ci_runs_the_readmes_own_line():
    (line,) = [line for line in README.splitlines() if line.endswith(".venv/bin/tox")]
    assert line in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_main_command_is_literally_there():
    assert "bench run --matrix dims=128,384 backbone=deit_s,resnet50\n" in README


def test_every_command_of_the_readme_can_be_planned(photos, monkeypatch):
    """All but the real files: PATH stands for a folder here."""
    monkeypatch.chdir(photos.parent)
    commands = re.findall(r"^bench run (.*?)(?:  #.*)?$", README, re.MULTILINE)
    assert len(commands) == 9
    for command in commands:
        plan = make_plan(
            read_matrix(shlex.split(command), preset=None, exclude=[]), skip_bad_images=False
        )
        assert plan.cells


def test_the_changelog_counts_the_registry():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert f"{len(BACKBONES)} backbones, {len(POOLINGS)} poolings" in text


def test_nothing_but_packages_is_shipped():
    """Every folder with code is a package, so that no module is missing from a wheel."""
    for name in ("bench", "registry", "results"):
        for path in (ROOT / name).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), path


def test_constraints_name_no_index():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[\w.+]+", line) for line in lines)
