"""Freed memory goes back to the system, or is kept for the next request."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from jssr import memory
from jssr.memory import is_out_of_memory

_PACKAGE = Path(__file__).parents[2] / "JSSRRegistration"

# Blocks of 20 MB, of which every second is freed: what a pass of the networks leaves behind.
_SCRIPT = """
import sys
import numpy as np
from jssr import memory

def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

for name in sys.argv[1:]:
    getattr(memory, name)()
np.ones(30_000_000, np.uint8)  # freed at once: from now on glibc keeps blocks of this size
start = resident_mb()
blocks = [np.ones(20_000_000, np.uint8) for _ in range(10)]
del blocks[::2]
print(resident_mb() - start)
"""


def _number(script: str, *calls: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", script, *calls],
        env={"PYTHONPATH": str(_PACKAGE)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return float(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is asked for it")
def test_freed_blocks_are_returned() -> None:
    """Of ten blocks of 20 MB five are in use; without the call the others stay as well."""
    assert _number(_SCRIPT) > 150
    assert 95 < _number(_SCRIPT, "return_large_blocks") < 125


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is asked for it")
def test_freed_blocks_are_kept() -> None:
    """A block of 60 MB that is freed stays, even after large blocks were to be returned."""
    script = _SCRIPT.replace("20_000_000", "60_000_000")
    assert 295 < _number(script) < 330
    assert _number(script, "return_large_blocks", "keep_large_blocks") > 550


def test_a_library_that_refuses_keeps_its_own_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older glibc takes no threshold above 32 MB; one alone would have it keep less than before."""
    for most, wanted in ((1 << 40, 2), (1 << 25, 2), (0, 0)):
        taken: list[int] = []

        def take(parameter: int, value: int, most: int = most, to: list[int] = taken) -> bool:
            if parameter == memory._MMAP_THRESHOLD and value > most:
                return False
            to.append(parameter)
            return True

        monkeypatch.setattr(memory, "_set", take)
        memory.keep_large_blocks()
        assert len(taken) == wanted


# Many small blocks, all freed but the last, which lies above them.
_SMALL = (
    _SCRIPT[: _SCRIPT.index("for name")]
    + """
blocks = [np.ones(100_000, np.uint8) for _ in range(2_000)]
full = resident_mb()
last = blocks.pop()
del blocks
for name in sys.argv[1:]:
    getattr(memory, name)()
print(full - resident_mb())
"""
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is asked for it")
def test_what_small_blocks_leave_behind_is_returned() -> None:
    assert _number(_SMALL) < 20
    assert _number(_SMALL, "return_unused") > 180


# Prints 1 if Linux was asked for large pages in the mapping where a tensor lies.
_ADVISED = """
import re
import sys
import torch
from jssr import memory

for name in sys.argv[1:]:
    getattr(memory, name)()
tensor = torch.ones(50_000_000)
place = tensor.data_ptr()
inside = False
with open("/proc/self/smaps") as file:
    for line in file:
        ends = re.match("([0-9a-f]+)-([0-9a-f]+) ", line)
        if ends:
            inside = int(ends[1], 16) <= place < int(ends[2], 16)
        elif inside and line.startswith("VmFlags:"):
            print(int("hg" in line.split()))
"""


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="the system has none"
)
def test_a_tensor_asks_for_large_pages() -> None:
    """Whether there are any left at the moment is the system's affair."""
    assert _number(_ADVISED) == 0
    assert _number(_ADVISED, "use_large_pages") == 1


_RESIZED = (
    _SCRIPT[: _SCRIPT.index("np.ones(30")]
    + """
import resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    np.ones(10_000_000, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is asked for it")
def test_smaller_blocks_are_kept() -> None:
    """The 2,442 pages of a block of 10 MB are handed out once, not a hundred times."""
    assert _number(_RESIZED, "return_large_blocks") < 10_000


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("itk::ERROR: Image: Failed to allocate memory for image."), True),
        (RuntimeError("The size of tensor a must match"), False),
        (ValueError("Failed to allocate memory"), False),
    ],
)
def test_errors_for_want_of_memory_are_known(error: Exception, memory: bool) -> None:
    assert is_out_of_memory(error) is memory


def test_pytorch_says_so_when_it_finds_no_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
