"""bench.train.snapshot: what is read is what was written, or nothing."""

import json

import torch
from safetensors import safe_open

from bench.train.snapshot import Snapshot, UnusableError, read_snapshot, write_snapshot


def test_a_snapshot_is_read_as_written(tmp_path):
    tensors = {
        "one": torch.arange(6).reshape(2, 3).T,
        "none": torch.empty(0, 3),
        "scalar": torch.tensor(0.1),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "flags": torch.tensor([True, False]),
    }
    facts = {"losses": [0.1, 1e-300], "big": 2**127 + 1}
    write_snapshot(Snapshot(tensors, facts), tmp_path / "file")
    found = read_snapshot(tmp_path / "file")
    assert found.facts == facts
    assert found.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)
    assert read_snapshot(tmp_path / "missing") is None
    with safe_open(tmp_path / "file", framework="pt") as content:
        assert json.loads(content.metadata()["facts"]) == facts


def test_what_was_read_is_on_no_file(tmp_path):
    file = tmp_path / "file"
    write_snapshot(Snapshot({"one": torch.ones(9999)}, {}), file)
    found = read_snapshot(file)
    with file.open("r+b") as content:
        content.write(bytes(file.stat().st_size))
    assert torch.equal(found.tensors["one"], torch.ones(9999))


def test_every_byte_of_a_snapshot_counts(tmp_path):
    file = tmp_path / "file"
    tensors = {"one": torch.arange(3), "two": torch.ones(2)}
    write_snapshot(Snapshot(tensors, {"losses": [0.25]}), file)
    content = file.read_bytes()
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            found = read_snapshot(file)
        except UnusableError:
            continue
        assert found.facts == {"losses": [0.25]}
        assert all(torch.equal(found.tensors[name], tensors[name]) for name in tensors)
