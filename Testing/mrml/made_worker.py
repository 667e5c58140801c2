"""A worker that answers with the made-up registration; run as a program by the test of batch.py."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_result import made_result

from jssr.io.atomic import OutputFolder
from jssr.io.images import read_scan
from jssr.registration.write import write_result
from jssr.service.protocol import Job, RegisterJob
from jssr.service.server import JobContext
from jssr.worker import run


def perform(job: Job, context: JobContext) -> Mapping[str, Any]:
    assert isinstance(job, RegisterJob)
    read_scan(job.fixed), read_scan(job.moving)
    context.progress("Register", 0.5)
    result, fixed, moving = made_result(job)
    with OutputFolder(job.output, overwrite=job.overwrite) as folder:
        report = (lambda path: path.write_text("<html></html>") and None) if job.outputs else None
        write_result(result, fixed, moving, folder, job.outputs, report=report)
    return {"output": str(job.output), "files": {}, **result.summary()}


if __name__ == "__main__":
    os._exit(run(lambda: perform, list))
