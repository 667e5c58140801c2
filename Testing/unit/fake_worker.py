"""A worker whose jobs do what their id says, for the tests of the protocol. Run it as a program."""

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from jssr.errors import Cancelled, DeviceError, InputError, ResourceError
from jssr.service.protocol import Job
from jssr.service.server import JobContext
from jssr.worker import run


def perform(job: Job, context: JobContext) -> Mapping[str, Any]:
    """``wait`` stops when asked to, ``stuck`` never does; the others say it in their names."""
    kind = job.id.split("-")[0]
    context.progress("Begin", 0.0)
    if kind == "print":
        sys.stdout.write("noise from python\n")
        sys.stdout.flush()
        os.write(1, b"noise from a native library\n")
    if kind == "wait":
        while not context.cancelled():
            time.sleep(0.01)
        raise Cancelled
    if kind == "stuck":
        time.sleep(60)
    if kind == "crash":
        os.abort()
    if kind == "bad":
        raise InputError("The scan is empty; choose another one.")
    if kind == "full":
        raise ResourceError("There is no space left; free some.")
    if kind == "bug":
        raise ZeroDivisionError("division by zero")
    if kind == "gpu":
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with …")
    if kind == "script":
        raise RuntimeError(
            "The following operation failed in the TorchScript interpreter.\n"
            "RuntimeError: CUDA error: an illegal memory access was encountered"
        )
    if kind == "device":
        raise DeviceError("The device cannot compute (CUDA error: no kernel image); choose 'cpu'.")
    if kind == "memory":
        raise MemoryError
    return {"output": str(job.output), "files": {}, "pid": os.getpid()}


if __name__ == "__main__":
    os._exit(run(lambda: perform, lambda: [{"name": "cpu", "title": "CPU", "free_bytes": None}]))
