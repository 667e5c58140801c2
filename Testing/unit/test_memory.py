"""Freed memory goes back to the system, or is kept for the next request."""

import subprocess
import sys
from pathlib import Path

import pytest

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


def _kept_mb(script: str, *calls: str) -> float:
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
    assert _kept_mb(_SCRIPT) > 150
    assert 95 < _kept_mb(_SCRIPT, "return_large_blocks") < 125


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is asked for it")
def test_freed_blocks_are_kept() -> None:
    """A block of 60 MB that is freed stays, even after large blocks were to be returned."""
    script = _SCRIPT.replace("20_000_000", "60_000_000")
    assert 295 < _kept_mb(script) < 330
    assert _kept_mb(script, "return_large_blocks", "keep_large_blocks") > 550


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
    assert _kept_mb(_SMALL) < 20
    assert _kept_mb(_SMALL, "return_unused") > 180
