"""How the process takes memory and gives it back, and how want of it is told."""

import ctypes
import os
import sys
from pathlib import Path

# M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 1 << 24
_KEPT_BYTES = 1 << 28
_NEVER = (1 << 31) - 1
_MOST_OF_OLD_GLIBC = 1 << 25

_ALLOCATION_FAILED = ("DefaultCPUAllocator", "Failed to allocate memory")
_GPU_ALLOCATION_FAILED = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
"""What PyTorch and ITK say as a plain ``RuntimeError``; TorchScript makes one of every error."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, PyTorch (CPU or GPU) or ITK found no memory."""
    return isinstance(error, MemoryError) or gpu_is_full(error) or _says(error, _ALLOCATION_FAILED)


def gpu_is_full(error: BaseException) -> bool:
    """Whether PyTorch found no memory on a GPU."""
    return type(error).__name__ == "OutOfMemoryError" or _says(error, _GPU_ALLOCATION_FAILED)


def _says(error: BaseException, texts: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(text in str(error) for text in texts)


def use_large_pages() -> None:
    """Has PyTorch ask Linux for pages of 2 MB instead of 4 KB, where the system offers them.

    To hand out millions of small pages takes time that shows (docs/model-development.md). What the
    user's environment says goes first. Call it before the first tensor is made.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def return_large_blocks() -> None:
    """Has the C library return blocks of 16 MB and more as soon as they are freed.

    By itself glibc learns to keep blocks of up to 32 MB, such as one volume on the networks' grid
    of a large pair, and what then lies between those in use is lost: most of a gigabyte in one
    registration. Smaller blocks are kept, up to 256 MB of them, since to fetch them anew takes
    time. Call it once when a process starts; other C libraries than glibc are left as they are.
    """
    _set(_MMAP_THRESHOLD, _LARGE_BYTES)
    # To set the one makes glibc return small blocks from 128 KB on.
    _set(_TRIM_THRESHOLD, _KEPT_BYTES)


def keep_large_blocks() -> None:
    """Has the C library keep freed blocks for the next request, the opposite of the above.

    For phantoms and training, which ask for the same volumes again and again: having the system
    hand out and clear the pages each time takes longer than much of the arithmetic.
    """
    # Where glibc refuses, the other threshold alone would lower this one to 128 KB.
    if _set(_MMAP_THRESHOLD, _NEVER) or _set(_MMAP_THRESHOLD, _MOST_OF_OLD_GLIBC):
        _set(_TRIM_THRESHOLD, _NEVER)


def return_unused() -> None:
    """Has the C library return what it keeps of freed blocks; takes some hundredths of a second."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def forget_peak() -> None:
    """Has Linux count the most memory that this process held anew; elsewhere nothing changes.

    For processes that register many pairs and tell the memory of each.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return


def _set(parameter: int, value: int) -> bool:
    """Whether the C library took it."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(parameter, value) == 1
