"""bench.out_of_memory and bench.micro_batch: short memory changes no number."""

import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.identity import Extraction, Model
from bench.micro_batch import MicroBatch
from bench.model import Embedder
from bench.out_of_memory import forget, is_out_of_memory
from bench.pixels import Cache
from bench.progress import Silent
from bench.stages import features
from bench.stages.context import Context
from bench.stages.features import _extract
from registry.errors import WorkError
from tests.conftest import write_photos

ROOT = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")
OF_TORCH = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 9682944 bytes. Error code 12 (Cannot allocate memory)"
)
SAYING_SO = [
    OF_TORCH,
    r"[enforce fail at ..\c10\core\impl\alloc_cpu.cpp:72] data. DefaultCPUAllocator: not enough "
    "memory: you tried to allocate 26214400 bytes.",
    "could not create a primitive",
    "std::bad_alloc",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
    "CUDA driver error: out of memory",
]
OTHERS = [
    "could not create a primitive descriptor for a matmul primitive",
    "CUDA error: an illegal memory access was encountered",
    "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED",
    "mat1 and mat2 shapes cannot be multiplied (4x3 and 4x3)",
]


class Said(Silent):
    """Keeps what is said."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.mark.parametrize("text", SAYING_SO)
def test_errors_that_say_so(text):
    assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(ValueError(text))


@pytest.mark.parametrize("text", OTHERS)
def test_errors_that_say_something_else(text):
    assert not is_out_of_memory(RuntimeError(text))


def test_errors_of_that_kind():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …"))
    assert is_out_of_memory(MemoryError())
    with pytest.raises(MemoryError) as numpys:
        np.empty(2**60, np.uint8)
    assert is_out_of_memory(numpys.value)
    with pytest.raises(RuntimeError) as torchs:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(torchs.value)
    assert not is_out_of_memory(KeyboardInterrupt())


def micro_of(size, said, **changes):
    options = {"device": CPU, "name": "doing", "fix": "do less", "record": said.append}
    return MicroBatch(size, **{**options, **changes})


def holding(most, tried):
    """An attempt that succeeds with at most so many images."""

    def attempt(size):
        tried.append(size)
        if size > most:
            raise RuntimeError(OF_TORCH)
        return size

    return attempt


def test_it_is_halved_until_it_fits_and_stays_low():
    said, tried = [], []
    micro = micro_of(100, said)
    assert micro.fit(100, holding(30, tried)) == 25
    assert micro.fit(100, holding(30, tried)) == 25
    assert micro.fit(7, holding(30, tried)) == 7
    assert tried == [100, 50, 25, 25, 7]
    assert said == [
        "doing: out of memory on cpu, goes on with 50 images at once instead of 100",
        "doing: out of memory on cpu, goes on with 25 images at once instead of 50",
    ]


def test_what_is_halved_is_what_was_tried():
    said, tried = [], []
    assert micro_of(100, said).fit(9, holding(4, tried)) == 4
    assert tried == [9, 4]


def test_one_image_that_does_not_fit_is_an_error():
    said, tried = [], []
    message = r"doing: out of memory on cpu with one image at a time \(.*tried to allocate.*do less"
    with pytest.raises(WorkError, match=message):
        micro_of(5, said).fit(5, holding(0, tried))
    assert tried == [5, 2, 1]
    assert len(said) == 2


def test_what_has_to_be_whole_is_not_halved():
    said, tried = [], []
    message = r"doing: out of memory on cpu with 5 images \(.*\), and it needs all: do less"
    with pytest.raises(WorkError, match=message):
        micro_of(5, said, whole="it needs all").fit(5, holding(4, tried))
    assert tried == [5]
    assert said == []


def test_other_errors_are_not_tried_again():
    def attempt(size):
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="multiplied"):
        micro_of(5, []).fit(5, attempt)


def test_what_a_failed_try_held_is_gone_before_the_next():
    held = []

    def attempt(size):
        assert not any(reference() is not None for reference in held)
        large = torch.zeros(size)
        cycle = [large]
        cycle.append(cycle)
        held.append(weakref.ref(large))
        if size > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return len(large)

    gc.disable()
    try:
        assert micro_of(4, []).fit(4, attempt) == 1
    finally:
        gc.enable()
    assert len(held) == 3


def test_the_devices_own_cache_is_emptied(monkeypatch):
    emptied = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(1))
    forget(CPU)
    assert emptied == []
    forget(torch.device("cuda:0"))
    assert emptied == [1]


def extracted(photos, tmp_path, monkeypatch, *, most=None, backbone="tiny_vit"):
    """Extract a folder, where memory holds so many images: features, what was said, batches."""
    forward, batches, published = Embedder.forward, [], {}

    def limited(self, images):
        batches.append(len(images))
        if most is not None and len(images) > most:
            raise RuntimeError(OF_TORCH)
        return forward(self, images)

    def publish(features, vectors, bad, context):
        published[features.pooling] = vectors

    said = Said()
    cache = Cache(tmp_path / "cache", 10**9)
    context = Context(None, tmp_path, CPU, said, cache)
    model = Model(backbone, "scratch", 64, 0, None)
    about = (f"folder:{photos}", "", 64, "evaluated", "short_center", None, False)
    with monkeypatch.context() as patched:
        patched.setattr(Embedder, "forward", limited)
        patched.setattr("bench.stages.features._publish", publish)
        patched.setattr("bench.stages.features.PIXELS_PER_BATCH", 8 * 64**2)
        _extract(Extraction(model, *about), ["avg", "gem"], context)
    return published, said.notes, batches


@pytest.mark.parametrize("backbone", ["tiny_vit", "tiny_conv"])
def test_features_of_smaller_batches_are_the_same(photos, tmp_path, monkeypatch, backbone):
    whole, said, batches = extracted(photos, tmp_path, monkeypatch, backbone=backbone)
    assert (said, batches) == ([], [8, 8, 5])
    found, said, batches = extracted(photos, tmp_path, monkeypatch, most=3, backbone=backbone)
    assert batches == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]
    assert found.keys() == whole.keys() == {"avg", "gem"}
    for pooling, vectors in whole.items():
        assert np.abs(vectors).max() > 0.01
        np.testing.assert_allclose(found[pooling], vectors, rtol=1e-4, atol=1e-5)
    name = f"extracting {backbone} on {photos.name}"
    about = f"{name}, at 64 pixels: out of memory on cpu, goes on with"
    assert said == [
        f"{about} 4 images at once instead of 8",
        f"{about} 2 images at once instead of 4",
    ]


def test_an_image_too_large_says_what_to_do(photos, tmp_path, monkeypatch):
    message = r"at 64 pixels: out of memory on cpu with one image .* lower resolution.* --device"
    with pytest.raises(WorkError, match=message):
        extracted(photos, tmp_path, monkeypatch, most=0)


CHILD = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from bench.model import Embedder
from tests import test_out_of_memory as tests

def limited(self, images):
    Embedder.forward = forward
    self(images[:1])
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * resource.getpagesize() + 56 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
    return self(images)

torch.set_num_threads(1)
forward, folder = Embedder.forward, Path(sys.argv[1])
whole, said = tests.features_of(folder)
print(len(said))
Embedder.forward = limited
found, said = tests.features_of(folder)
print(len(said), np.abs(found - whole).max() < 1e-5)
"""


def features_of(folder):
    """Extract a folder in batches of 64 images of 256 pixels."""
    published = []
    features._publish = lambda stage, vectors, bad, context: published.append(vectors)
    features.PIXELS_PER_BATCH = 64 * 256**2
    said = Said()
    context = Context(None, folder, CPU, said, Cache(folder / "cache", 0))
    model = Model("tiny_vit", "scratch", 256, 0, None)
    about = (f"folder:{folder}", "", 256, "evaluated", "short_center", None, False)
    _extract(Extraction(model, *about), ["avg"], context)
    return published[0], said.notes


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_a_real_limit(tmp_path):
    """56 MiB more address space: with 40 to 80 the batch of 64 is lowered, and goes."""
    folder = write_photos(tmp_path / "photos", classes=16)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    before, lowered, same = done.stdout.split()
    assert before == "0"
    assert int(lowered) >= 1
    assert same == "True"
