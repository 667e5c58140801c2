"""Runs one command and tells what it cost. A program of its own, started by ``process.py``.

Linux counts what a process held before it became another program to that program's peak memory. So
commands are started from this small process, and not from one that holds volumes. It is run by path
with ``python -I -S``, and imports little for the same reason.

Usage: ``measured.py USAGE_FILE COMMAND [ARGUMENT ...]``; the file gets lines of ``key value``.
"""

import os
import sys
import time


def main(usage_file: str, command: list[str]) -> int:
    """Runs ``command``, writes its usage, gives its exit code (128 + n after signal n)."""
    start = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - start
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    peak_mb = usage.ru_maxrss * unit_bytes / 1e6
    with open(usage_file, "w", encoding="utf-8") as file:
        file.write(f"wall_s {wall}\ncpu_s {usage.ru_utime + usage.ru_stime}\npeak_mb {peak_mb}\n")
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
