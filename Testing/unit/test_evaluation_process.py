"""What a process cost is measured for that process alone, and a runaway one is stopped."""

import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jssr.evaluation.process import MethodFailed, run_measured


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def test_usage_of_a_small_process_knows_nothing_of_this_ones_memory(tmp_path: Path) -> None:
    ballast = np.ones(60_000_000)
    usage = run_measured(python("pass"), tmp_path, threads=1)
    assert ballast[-1] == 1.0
    assert usage.peak_mb < 100
    assert 0 < usage.cpu_s < 5


def test_usage_counts_memory_and_computing_of_children(tmp_path: Path) -> None:
    status = tmp_path / "status"
    inner = (
        "block = bytearray(200_000_000); n = sum(range(3_000_000)); "
        f"open({str(status)!r}, 'w').write(open('/proc/self/status').read())"
    )
    code = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-I', '-S', '-c', {inner!r}], check=True)"
    )
    usage = run_measured(python(code), tmp_path, threads=1)
    (peak_kib,) = re.findall(r"^VmHWM:\s*(\d+) kB$", status.read_text("utf-8"), re.MULTILINE)
    assert usage.peak_mb == pytest.approx(int(peak_kib) * 1024 / 1e6, rel=0.01)
    assert 200 < usage.peak_mb < 220
    assert usage.cpu_s > 0.02


def test_threads_are_given_to_every_library(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "names = ['OMP_NUM_THREADS', 'ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS', 'MKL_NUM_THREADS']\n"
        "assert [os.environ[n] for n in names] == ['3', '3', '3']"
    )
    run_measured(python(code), tmp_path, threads=3)


def test_failure_brings_the_last_words(tmp_path: Path) -> None:
    with pytest.raises(MethodFailed, match="code 7.*it broke"):
        run_measured(python("print('it broke'); raise SystemExit(7)"), tmp_path, threads=1)


def test_a_process_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    mark = tmp_path / "child"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(MethodFailed, match="stopped after"):
        run_measured(python(code), tmp_path, threads=1, timeout_s=8)
    child = Path(f"/proc/{mark.read_text('utf-8')}/stat")
    patience = time.monotonic() + 20
    while runs(child):
        assert time.monotonic() < patience, "the process runs on"
        time.sleep(0.1)


def runs(stat: Path) -> bool:
    try:
        return stat.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:  # gone, maybe while it was looked at
        return False
