"""How the process gives memory back to the system."""

import ctypes
import sys

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
_LARGE_BYTES = 1 << 24


def return_large_blocks() -> None:
    """Has the C library return blocks of 16 MB and more as soon as they are freed.

    By itself glibc learns to keep blocks of up to 32 MB, such as one volume on the networks' grid
    of a large pair, and what then lies between those in use is lost: most of a gigabyte in one
    registration. Smaller blocks are kept, since to fetch them anew takes time. Call it once when a
    process starts; other C libraries than glibc are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
