"""A worker that writes results without registering, for the tests of batches. Run as a program.

It adds a line to the file ``JSSR_TEST_LOG`` for each job and ends itself on one called ``crash``.
"""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jssr.errors import Cancelled, DeviceError, InputError
from jssr.io.atomic import OutputFolder
from jssr.io.images import read_scan
from jssr.registration.result import (
    Deformation,
    OrganFigures,
    PhaseGuess,
    Verdict,
    VerdictLevel,
)
from jssr.service.protocol import Job, RegisterJob
from jssr.service.server import JobContext
from jssr.worker import run

sys.path.insert(0, str(Path(__file__).parents[1]))

from sample_results import make_metrics, make_result

RESULT = replace(
    make_result(),
    verdict=Verdict(VerdictLevel.DOUBTFUL, ("The scans share <little> of the body.",)),
    moving_phase=PhaseGuess(None, given=False),
    metrics=replace(
        make_metrics(),
        similarity_before=0.31,
        similarity_after=0.82,
        deformation=Deformation(2.0, 8.25, 12.0, 0.0002, 0.1, (0.0, 0.01, -0.03)),
        organs=(OrganFigures("liver", 0.87, None, 1500.0, 1510.0, None, False),),
    ),
    model="made-up 1.0",
)


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
    return {"output": str(job.output), "files": {}, **RESULT.summary()}


if __name__ == "__main__":
    os._exit(run(lambda: perform, lambda: [{"name": "cpu", "title": "CPU", "free_bytes": None}]))
