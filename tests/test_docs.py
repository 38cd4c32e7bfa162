"""docs/: every block of commands and Python runs, in the order of its page, on a finished run."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bench.cli import main
from tests.conftest import write_photos

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")
PLANNED = "# planned only"
CODE = re.compile(r"`([^`\n]+)`")
NOT_RUN = {"text", "diff"}


def blocks(page):
    return BLOCK.findall(page.read_text())


@pytest.fixture(scope="module")
def folder(smoke, data, tmp_path_factory):
    """An empty folder but for a finished smoke run, its data and some photographs."""
    place = tmp_path_factory.mktemp("docs")
    shutil.copytree(smoke, place / "runs")
    (place / "data").symlink_to(data)
    write_photos(place / "photos")
    return place


def run_line(line, planned):
    words = shlex.split(line, comments=True)
    assert words[0] == "bench", line
    more = ["--dry-run"] if planned and words[1] == "run" else []
    result = CliRunner().invoke(main, [*words[1:], *more])
    expected = 1 if "# exit code 1" in line else 0
    assert result.exit_code == expected, f"{line}\n{result.output}"


def run_commands(text):
    lines = text.replace("\\\n", " ").splitlines()
    planned = PLANNED in lines
    for line in lines:
        if line.strip() and not line.startswith("#"):
            run_line(line, planned)


def run_python(text):
    exec(compile(text, "docs", "exec"), {"__name__": "docs"})


RUN = {"sh": run_commands, "python": run_python, "yaml": yaml.safe_load}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    for language, text in blocks(page):
        if language not in NOT_RUN:
            RUN[language](text)


def test_every_block_has_a_language():
    for page in PAGES:
        fences = re.findall(r"^```(.*)$", page.read_text(), re.MULTILINE)
        assert all(fences[::2]), page.name
        assert not any(fences[1::2]), page.name


def test_links_lead_somewhere():
    for page in [*PAGES, DOCS.parent / "README.md"]:
        for target in LINK.findall(page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_index_names_every_page():
    named = set(LINK.findall((DOCS / "README.md").read_text()))
    assert named == {page.name for page in PAGES} - {"README.md"}


def test_every_file_and_test_that_is_named_is_there():
    sources = "\n".join(path.read_text() for path in (DOCS.parent / "tests").glob("test_*.py"))
    for page in PAGES:
        for name in CODE.findall(page.read_text()):
            if re.fullmatch(r"(tests|bench|registry|results|benchmarks)/[\w/.-]+\.\w+", name):
                assert (DOCS.parent / name).is_file(), f"{page.name}: {name}"
            if re.fullmatch(r"test_trap_\d+", name):
                assert f"def {name}_" in sources, f"{page.name}: {name}"
