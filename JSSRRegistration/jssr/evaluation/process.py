"""A method in its own process, with a given number of threads, and what it cost."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jssr.errors import JSSRError

_MEASURED = Path(__file__).with_name("measured.py")
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
_LOG_TAIL = 2000


class MethodFailed(JSSRError):
    """A method ended with an error or took too long; the message has its last words."""


@dataclass(frozen=True)
class Usage:
    """What a process and its children cost; ``peak_mb`` is resident memory in 10^6 bytes."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run_measured(
    command: Sequence[str], scratch: Path, *, threads: int, timeout_s: float | None = None
) -> Usage:
    """Runs ``command`` to its end, its output in ``scratch``.

    Raises:
        MethodFailed: it failed or ran longer than ``timeout_s``; nothing of it runs on.
    """
    scratch = scratch.absolute()
    usage_file, log = scratch / "usage.txt", scratch / "log.txt"
    launcher = [sys.executable, "-I", "-S", str(_MEASURED), str(usage_file), *command]
    with log.open("wb") as output:
        process = subprocess.Popen(
            launcher,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # Some peers leave files where they run.
            cwd=scratch,
            env=_environment(threads),
            start_new_session=True,
        )
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise MethodFailed(f"stopped after {timeout_s:.0f} s") from error
        finally:
            _end(process)
    if code:
        last = log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:].strip()
        raise MethodFailed(f"ended with code {code}: {last or 'no output'}")
    values = dict(line.split() for line in usage_file.read_text("utf-8").splitlines())
    return Usage(**{name: float(value) for name, value in values.items()})


def _environment(threads: int) -> dict[str, str]:
    package_folder = str(Path(__file__).parents[2])
    inherited = os.environ.get("PYTHONPATH")
    paths = [package_folder, *([inherited] if inherited else [])]
    return {
        **os.environ,
        **{name: str(threads) for name in _THREAD_VARIABLES},
        "PYTHONPATH": os.pathsep.join(paths),
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the launcher and what it started; they form a process group of their own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
