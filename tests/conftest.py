"""Shared fixtures: tiny images and datasets, a finished smoke run, real inputs where they are."""

import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import settings
from PIL import Image

from bench.cli import main
from tests.inline import InlinePool
from tests.run_folders import plan_of

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=200)
settings.load_profile("ci")

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared():
    """Real photographs, list files and weights, kept beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the real inputs are not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data folder for the session: twins are drawn into it once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def bench(data, tmp_path):
    """Call the command line in this process, with the session's twins and its own run folder."""

    def call(*words, runs=tmp_path / "runs", exit_code=0):
        arguments = [str(word) for word in words]
        if arguments[0] in ("run", "status", "report") and "--runs" not in arguments:
            arguments += ["--runs", str(runs)]
        if arguments[0] == "run" and "--data" not in arguments:
            arguments += ["--data", str(data)]
        result = CliRunner().invoke(main, arguments)
        unexpected = result.exception and not isinstance(result.exception, SystemExit)
        assert not unexpected, result.exc_info
        assert result.exit_code == exit_code, result.output
        return result

    call.runs = tmp_path / "runs"
    return call


@pytest.fixture(scope="session")
def smoke(data, tmp_path_factory):
    """The run folder of a finished smoke preset."""
    runs = tmp_path_factory.mktemp("smoke")
    arguments = ["run", "--preset", "smoke", "--quiet", "--runs", str(runs), "--data", str(data)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return runs


@pytest.fixture
def inline(monkeypatch):
    """Have the stages of a run computed in this process, where they can be changed."""
    monkeypatch.setattr("bench.execution.command.Pool", InlinePool)


@pytest.fixture
def heard():
    """Have Python hear Ctrl-C, also where the tests run in the background: shells mute it there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def plan():
    """Two cells that share a training, an extraction and a fit."""
    return plan_of()


@pytest.fixture
def photos(tmp_path):
    """A folder of five classes with four noisy images each, and one class with a single image."""
    return write_photos(tmp_path / "photos")


def write_photos(root, classes=5, images=4):
    """Write JPEGs of a class colour under noise, larger than they are high."""
    rng = np.random.default_rng(0)
    for index in range(classes):
        folder = root / f"class{index}"
        folder.mkdir(parents=True)
        colour = rng.integers(40, 215, size=3)
        for image in range(images):
            noise = rng.integers(-40, 40, size=(40, 56, 3))
            pixels = np.clip(colour + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{image}.jpg")
    lone = root / "lone"
    lone.mkdir(parents=True)
    Image.fromarray(np.full((40, 56, 3), 128, np.uint8)).save(lone / "0.png")
    return root
