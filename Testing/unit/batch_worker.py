"""A worker that writes results without registering, for the tests of batches. Run as a program.

It adds a line to the file ``JSSR_TEST_LOG`` for each job and ends itself on one called ``crash``.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jssr.errors import Cancelled, DeviceError, InputError
from jssr.io.atomic import OutputFolder
from jssr.io.images import read_scan
from jssr.service.protocol import Job, RegisterJob
from jssr.service.server import JobContext
from jssr.worker import run

SUMMARY: dict[str, Any] = {
    "verdict": {"level": "doubtful", "reasons": ["The scans share <little> of the body."]},
    "fixed_phase": {"phase": "portal-venous", "given": True},
    "moving_phase": {"phase": None, "given": False},
    "metrics": {
        "similarity_before": 0.31,
        "similarity_after": 0.82,
        "organs": [{"name": "liver", "dice_before": 0.87, "dice_after": None}],
        "deformation": {"p95_mm": 8.25, "folding_fraction": 0.0002},
        "lesions": [],
        "intensities": [],
    },
    "model": "made-up 1.0",
    "device": "cpu",
}


def perform(job: Job, context: JobContext) -> Mapping[str, Any]:
    """Write a report and a transform, unless the name of the case asks for trouble."""
    assert isinstance(job, RegisterJob)
    with Path(os.environ["JSSR_TEST_LOG"]).open("a", encoding="utf-8") as log:
        log.write(f"{os.getpid()} {job.id}\n")
    context.progress("Register", 0.5)
    if "crash" in job.id:
        os.abort()
    if job.device == "cuda":
        raise DeviceError("There is no such GPU; choose the CPU.")
    if "slow" in job.id:
        while not context.cancelled():
            time.sleep(0.01)
        raise Cancelled
    for path in (job.fixed, job.moving):
        if path.suffix == ".dcm":
            read_scan(path)
        if path.stat().st_size < 3:
            raise InputError(f"'{path}' is cut short; get it again from where it came.")
    with OutputFolder(job.output, overwrite=job.overwrite) as folder:
        (folder / "report.html").write_text("<html></html>")
        (folder / "transform.h5").write_bytes(b"transform")
    return {"output": str(job.output), "files": {}, **SUMMARY}


if __name__ == "__main__":
    os._exit(run(lambda: perform, lambda: [{"name": "cpu", "title": "CPU", "free_bytes": None}]))
