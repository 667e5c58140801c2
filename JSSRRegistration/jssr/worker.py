"""The registration worker: ``python -m jssr.worker`` takes jobs on standard input.

Its protocol is in :mod:`jssr.service.protocol`. Whatever native libraries and other packages
print goes to standard error: the messages have a private copy of standard output.
"""

import faulthandler
import importlib.metadata
import logging
import os
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from jssr import __version__
from jssr.memory import return_large_blocks, use_large_pages
from jssr.service.protocol import PROTOCOL, Message
from jssr.service.server import Perform, Server

CANNOT_START = 3
"""Exit code when the packages that the jobs need cannot be loaded."""


def run(make_performer: Callable[[], Perform], devices: Callable[[], list[Message]]) -> int:
    """Serve until the client is done; returns the exit code.

    ``make_performer`` and ``devices`` are called once, after standard output is safe from prints.
    """
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Ctrl-C in a terminal reaches the whole process group; only the client decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    use_large_pages()
    return_large_blocks()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("jssr").setLevel(logging.INFO)
    server = Server(sys.stdin.buffer, sink)
    server.start_reading()
    try:
        performer = make_performer()
        hello = describe_worker(devices())
    except (ImportError, OSError, RuntimeError) as error:
        server.emit({"type": "error", "id": None, "kind": "internal", "message": _advice(error)})
        return CANNOT_START
    server.emit(hello)
    server.serve(performer)
    return 0


def describe_worker(devices: list[Message]) -> Message:
    """The hello message."""
    return {
        "type": "hello",
        "protocol": PROTOCOL,
        "jssr": __version__,
        "torch": _version("torch"),
        "simpleitk": _version("SimpleITK"),
        "python": platform.python_version(),
        "pid": os.getpid(),
        "devices": devices,
    }


def list_devices() -> list[Message]:
    """The processor and each usable GPU with its free memory in bytes, ``None`` where unknown."""
    import torch

    found: list[Message] = [
        {"name": "cpu", "title": platform.processor() or "CPU", "free_bytes": _free_memory()}
    ]
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        title = torch.cuda.get_device_name(index)
        try:
            free, _ = torch.cuda.mem_get_info(index)
        except RuntimeError:  # full or reserved: it may have room when a job asks for it
            free = None
        found.append({"name": f"cuda:{index}", "title": title, "free_bytes": free})
    return found


def _make_performer() -> Perform:
    from jssr.service.jobs import Performer

    return Performer()


def _advice(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"The Python package '{error.name.split('.')[0]}' is missing; install it first."
    return f"A Python package cannot be loaded; install it anew ({type(error).__name__}: {error})."


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _free_memory() -> int | None:
    """Bytes that a program may still take, what the system holds as cache included."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    available = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024 * int(available[0]) if available else None


if __name__ == "__main__":
    # Python's own way out would trip over the thread that still listens on standard input.
    os._exit(run(_make_performer, list_devices))
