"""Running out of memory: which errors say so, and making room for another try."""

from __future__ import annotations

import ctypes
import gc
import os
import re

import torch

SAID = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory"
    # oneDNN keeps its reason to itself; with "descriptor" it is an unsupported operation instead
    r"|could not create a primitive(?! descriptor)"
    r"|std::bad_alloc"
    # of the libraries' own allocations, which torch's OutOfMemoryError does not cover
    r"|CUDA (driver )?error: out of memory"
    r"|CU(DNN|BLAS)_STATUS_ALLOC_FAILED"
)
"""How plain RuntimeErrors say it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error may be gone with a smaller batch; numpy's is a MemoryError."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and SAID.search(str(error)) is not None


def forget(device: torch.device) -> None:
    """Give back what a failed try held.

    To be called outside its except block: until then the traceback keeps its tensors alive.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    # else glibc keeps what was freed to itself, and oneDNN, which maps its own, finds none left
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim:
        trim(0)
