"""What the worker does for its jobs: register a pair of files, or make a phantom patient."""

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from jssr.bundle.load import Bundle, load_bundle
from jssr.bundle.manifest import MANIFEST_HASH_NAME
from jssr.device import choose_device
from jssr.io.atomic import OutputFolder
from jssr.io.images import read_mask, read_scan, write_image
from jssr.registration.files import with_cpu_fallback
from jssr.registration.pipeline import register
from jssr.registration.result import Output, RegistrationResult
from jssr.registration.write import OUTPUT_FILES, write_result
from jssr.service.protocol import Job, PhantomJob, RegisterJob
from jssr.service.server import JobContext


class Performer:
    """Does jobs; keeps the last model on its device, so that the next job starts at once."""

    def __init__(self) -> None:
        self._key: tuple[Path | None, torch.device, tuple[int, ...]] | None = None
        self._bundle: Bundle | None = None

    def __call__(self, job: Job, context: JobContext) -> Mapping[str, Any]:
        try:
            if isinstance(job, PhantomJob):
                # Registrations, which most workers do alone, have no use for it.
                from jssr.service.phantom import make_phantom

                return make_phantom(job, context)
            return with_cpu_fallback(
                choose_device(job.device),
                lambda device: self._register(job, device, context),
                lambda text: context.log("warning", text),
            )
        finally:
            _release_memory()

    def _register(
        self, job: RegisterJob, device: torch.device, context: JobContext
    ) -> Mapping[str, Any]:
        context.progress("Read the scans", 0.0)
        fixed, moving = read_scan(job.fixed), read_scan(job.moving)
        result = register(
            fixed,
            moving,
            self._model(job.model, device, context),
            fixed_phase=job.fixed_phase,
            moving_phase=job.moving_phase,
            initial=_initial(job.initial),
            fixed_mask=read_mask(job.fixed_mask, fixed) if job.fixed_mask else None,
            moving_mask=read_mask(job.moving_mask, moving) if job.moving_mask else None,
            refine=job.refine,
            outputs=job.outputs,
            seed=job.seed,
            progress=context.progress,
            cancelled=context.cancelled,
        )
        context.progress("Write the files", 1.0)
        owned = OUTPUT_FILES.values()
        with OutputFolder(job.output, overwrite=job.overwrite, owned=owned) as folder:
            names = _write(job, result, fixed, moving, folder)
        files = {output.value: str(job.output / name) for output, name in names.items()}
        return {"output": str(job.output), "files": files, **result.summary()}

    def _model(self, path: Path | None, device: torch.device, context: JobContext) -> Bundle:
        key = (path, device, _stamp(path))
        if self._bundle is None or self._key != key:
            context.progress("Load the model", 0.0)
            self._bundle = None
            self._bundle = load_bundle(path, device)
            self._key = key
        return self._bundle


def _stamp(path: Path | None) -> tuple[int, ...]:
    """What is no longer the same when a bundle was exported to the same place anew."""
    if path is None:
        return ()
    try:
        status = (path / MANIFEST_HASH_NAME if path.is_dir() else path).stat()
    except OSError:
        return ()  # load_bundle tells what is missing
    return status.st_mtime_ns, status.st_ino


def _write(
    job: RegisterJob,
    result: RegistrationResult,
    fixed: sitk.Image,
    moving: sitk.Image,
    folder: Path,
) -> dict[Output, str]:
    """Write the files and return their names; uncompressed images go as plain NRRD."""
    names = {output: OUTPUT_FILES[output] for output in job.outputs}
    if not job.compress:
        for output in job.outputs & result.images.keys():
            names[output] = f"{output.value}.nrrd"
            write_image(result.images[output], folder / names[output], compress=False)
    compressed = {output for output in job.outputs if names[output] == OUTPUT_FILES[output]}

    def report(path: Path) -> None:
        # Only who wants a report needs the packages that draw it.
        from jssr.report import write_report

        write_report(result, fixed, moving, path)

    write_result(result, fixed, moving, folder, compressed, report=report)
    return names


def _initial(initial: str | tuple[float, ...]) -> Any:
    return initial if isinstance(initial, str) else np.reshape(np.array(initial), (4, 4))


def _release_memory() -> None:
    """Give back what the last job took, to the system and to other programs on the GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
