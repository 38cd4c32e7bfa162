"""bench.execution.artifacts, manifest: sealed, checked, discarded."""

import json
import shutil

import pytest

from bench.execution.artifacts import Artifacts, DamagedError, FolderGoneError
from bench.execution.manifest import damage, read_manifest, seal
from bench.identity import Extraction, Features, Model, key_of
from registry.errors import WorkError

MODEL = Model("tiny_conv", "scratch", 64, 0, None)
STAGE = Features(Extraction(MODEL, "twin-sop", "", 64, "evaluated", "square", None, False), "avg")


def write(folder):
    (folder / "one.bin").write_bytes(bytes(range(256)) * 40)
    (folder / "two.json").write_text("123456789")


@pytest.fixture
def artifacts(tmp_path):
    found = Artifacts(tmp_path / "runs")
    found.prepare()
    return found


def again(artifacts):
    """The same as another process sees them."""
    return Artifacts(artifacts.root.parent)


def test_an_artifact_says_what_it_is_and_who_made_it(artifacts):
    folder = artifacts.publish(STAGE, write, lambda: {"by": "me"})
    assert artifacts.has(STAGE)
    assert again(artifacts).open(STAGE) == folder
    manifest = read_manifest(folder)
    assert (manifest["kind"], manifest["key"]) == ("Features", key_of(STAGE))
    assert manifest["computed"] == {"by": "me"}
    assert manifest["files"]["two.json"] == {"bytes": 9, "crc32": "cbf43926"}  # of every list
    assert set(manifest["files"]) == {"one.bin", "two.json"}


@pytest.mark.parametrize("place", [0, 5000, -1])
@pytest.mark.parametrize("name", ["one.bin", "two.json", "artifact.json"])
def test_one_flipped_byte_is_found(artifacts, name, place):
    path = artifacts.publish(STAGE, write) / name
    content = bytearray(path.read_bytes())
    content[min(place, len(content) - 1)] ^= 4
    path.write_bytes(content)
    if name == "artifact.json" and damage(path.parent) is None:
        return  # of what was computed, not of what it is
    with pytest.raises(DamagedError, match=f"{key_of(STAGE)}") as caught:
        again(artifacts).open(STAGE)
    assert caught.value.stage == STAGE


def test_what_is_gone_or_cut_off_is_found(artifacts):
    folder = artifacts.publish(STAGE, write)
    (folder / "one.bin").write_bytes(b"short")
    with pytest.raises(DamagedError, match=r"one\.bin has 5 bytes, not 10240"):
        again(artifacts).open(STAGE)
    (folder / "one.bin").unlink()
    with pytest.raises(DamagedError, match=r"one\.bin is missing"):
        again(artifacts).open(STAGE)
    (folder / "artifact.json").write_text("[]")
    with pytest.raises(DamagedError, match="is missing or damaged"):
        again(artifacts).open(STAGE)
    shutil.rmtree(folder)
    assert not artifacts.has(STAGE)
    with pytest.raises(DamagedError, match=r"artifact\.json is missing"):
        again(artifacts).open(STAGE)


def test_it_is_read_through_once_per_process(artifacts, monkeypatch):
    folder = artifacts.publish(STAGE, write)
    other = again(artifacts)
    other.open(STAGE)
    monkeypatch.setattr("bench.execution.artifacts.damage", None)
    assert artifacts.open(STAGE) == other.open(STAGE) == folder


def test_a_folder_without_a_seal_is_no_artifact_and_is_replaced(artifacts):
    folder = artifacts.path(STAGE)
    folder.mkdir(parents=True)
    (folder / "one.bin").write_bytes(b"of an earlier version")
    assert not artifacts.has(STAGE)
    artifacts.publish(STAGE, write)
    assert again(artifacts).open(STAGE) == folder
    assert not list(folder.parent.glob(".unfinished*"))


def test_what_another_published_meanwhile_stays(artifacts):
    def late(folder):
        again(artifacts).publish(STAGE, write, lambda: {"by": "another"})
        write(folder)

    folder = artifacts.publish(STAGE, late, lambda: {"by": "me"})
    assert read_manifest(folder)["computed"] == {"by": "another"}


def test_only_the_damaged_is_discarded_as_damaged(artifacts):
    folder = artifacts.publish(STAGE, write)
    artifacts.discard_damaged(STAGE)
    assert folder.is_dir()
    (folder / "one.bin").write_bytes(b"")
    artifacts.discard_damaged(STAGE)
    assert not folder.exists()
    artifacts.discard(STAGE)  # there or not
    assert list(folder.parent.iterdir()) == []


def test_a_run_folder_that_is_gone_is_not_made_again(artifacts):
    shutil.rmtree(artifacts.root.parent)
    with pytest.raises(FolderGoneError, match="was removed while this run was at work"):
        artifacts.publish(STAGE, write)
    assert not artifacts.root.parent.exists()


def test_a_full_disk_leaves_nothing(artifacts, monkeypatch):
    def full(folder, *about):
        seal(folder, *about)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.execution.artifacts.seal", full)
    with pytest.raises(WorkError, match="free some space, then run again"):
        artifacts.publish(STAGE, write)
    assert not list(artifacts.root.rglob("*.*"))


def test_the_manifest_is_strict_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        seal(tmp_path, "Fit", "0", {"wall_seconds": float("nan")})
    seal(tmp_path, "Fit", "0", None)
    assert json.loads((tmp_path / "artifact.json").read_text())["computed"] is None


def test_every_block_of_a_file_counts(artifacts, monkeypatch):
    monkeypatch.setattr("bench.execution.manifest.BLOCK", 1000)
    path = artifacts.publish(STAGE, write) / "one.bin"
    assert damage(path.parent) is None
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    assert "its checksum is wrong" in damage(path.parent)
