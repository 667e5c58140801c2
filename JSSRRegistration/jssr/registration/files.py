"""Registration from files to files, as the command line does it."""

import gc
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import SimpleITK as sitk
import torch

from jssr.bundle.load import load_bundle
from jssr.errors import InputError
from jssr.io.atomic import OutputFolder, explaining
from jssr.io.images import read_mask, read_scan
from jssr.io.reading import check_file, check_there
from jssr.io.transforms import read_linear
from jssr.labels import Phase
from jssr.memory import gpu_is_full
from jssr.registration.pipeline import register
from jssr.registration.result import (
    ALL_OUTPUTS,
    Output,
    ProgressCallback,
    Refine,
    RegistrationResult,
)
from jssr.registration.write import OUTPUT_FILES, write_result

_T = TypeVar("_T")

_Read = tuple[sitk.Image, sitk.Image | None]
"""A scan and its mask."""

ReportWriter = Callable[[RegistrationResult, sitk.Image, sitk.Image, Path], None]
"""Writes the quality report of a result with its fixed and its moving scan to a path."""


@dataclass(frozen=True)
class Moving:
    """One moving scan to register: its file, what is known of it, and where to look."""

    path: Path
    phase: Phase | None = None
    mask: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A registration of files.

    With one moving scan the files appear in ``output`` itself, with several each in its folder
    ``moving_1``, ``moving_2``, …: file names may name the patient, so they are not used.
    """

    fixed: Path
    moving: Sequence[Moving]
    output: Path
    model: Path | None = None
    fixed_phase: Phase | None = None
    fixed_mask: Path | None = None
    initial: Literal["rigid", "none"] | Path = "rigid"
    refine: Refine = Refine.FAST
    outputs: Collection[Output] = ALL_OUTPUTS
    seed: int = 0
    overwrite: bool = False


def register_files(
    request: Request,
    device: torch.device,
    *,
    report: ReportWriter,
    progress: ProgressCallback,
    warn: Callable[[str], None],
) -> list[RegistrationResult]:
    """Registers each moving scan to the fixed one; the output folder appears whole or not at all.

    ``warn`` is told when a GPU is too small and the CPU takes over. The results come without their
    images, which are in the files: many of them would fill the memory.

    Raises:
        InputError: an input cannot be used or an output cannot be written, in one sentence.
    """
    if not request.moving:
        raise InputError("There is no moving scan; give at least one with --moving.")
    _check_inputs(request)  # all of them before the work: the last may be mistyped
    with explaining(request.output):
        owned = [*OUTPUT_FILES.values(), *_earlier_folders(request.output)]
    with OutputFolder(request.output, overwrite=request.overwrite, owned=owned) as folder:
        progress("Read the scans", 0.0)
        initial = _initial(request.initial)
        fixed = read_scan(request.fixed)
        fixed_mask = None if request.fixed_mask is None else read_mask(request.fixed_mask, fixed)
        if len(request.moving) > 1:
            for moving in request.moving:
                _read_moving(moving)  # the last may be no scan, which to learn at the end is late
        results = []
        for number, moving in enumerate(request.moving):
            shares = _share(progress, number, len(request.moving))
            place = folder
            if len(request.moving) > 1:
                place = folder / folder_name(number + 1)
                place.mkdir()
            with _naming(moving, len(request.moving)):
                results.append(
                    with_cpu_fallback(
                        device,
                        lambda where, m=moving, p=place, s=shares: _register_one(
                            request, initial, (fixed, fixed_mask), m, where, p, report, s
                        ),
                        warn,
                    )
                )
    return results


@contextmanager
def _naming(moving: Moving, count: int) -> Iterator[None]:
    """Tells which of several moving scans an error is about."""
    try:
        yield
    except InputError as error:
        if count == 1:
            raise
        raise type(error)(f"'{moving.path}': {error}") from error


def folder_name(number: int) -> str:
    """The folder of one of several moving scans, which are counted from 1."""
    return f"moving_{number}"


def _check_inputs(request: Request) -> None:
    for scan in (request.fixed, *(moving.path for moving in request.moving)):
        check_there(scan)
    for mask in (request.fixed_mask, *(moving.mask for moving in request.moving)):
        if mask is not None:
            check_file(mask)


def _earlier_folders(output: Path) -> list[str]:
    """Names of the folders of results that an earlier run wrote, and nothing else."""
    written = set(OUTPUT_FILES.values())
    return [
        path.name
        for path in output.glob("moving_[0-9]*")
        if path.is_dir()
        and not path.is_symlink()
        and {entry.name for entry in path.iterdir()} <= written
    ]


def with_cpu_fallback(
    device: torch.device, work: Callable[[torch.device], _T], warn: Callable[[str], None]
) -> _T:
    """``work(device)``, and once more on the CPU when a GPU's memory does not suffice."""
    try:
        return work(device)
    except RuntimeError as error:
        if device.type == "cpu" or not gpu_is_full(error):
            raise
    gc.collect()
    torch.cuda.empty_cache()
    warn(f"The memory of {device} does not suffice; going on with the CPU, which takes longer.")
    return work(torch.device("cpu"))


def _register_one(
    request: Request,
    initial: Literal["rigid", "none"] | np.ndarray,
    fixed: _Read,
    moving: Moving,
    device: torch.device,
    folder: Path,
    report: ReportWriter,
    progress: ProgressCallback,
) -> RegistrationResult:
    fixed_scan, fixed_mask = fixed
    moving_scan, moving_mask = _read_moving(moving)
    result = register(
        fixed_scan,
        moving_scan,
        load_bundle(request.model, device),
        fixed_phase=request.fixed_phase,
        moving_phase=moving.phase,
        initial=initial,
        fixed_mask=fixed_mask,
        moving_mask=moving_mask,
        refine=request.refine,
        outputs=request.outputs,
        seed=request.seed,
        progress=progress,
    )
    progress("Write the files", 1.0)
    write_result(
        result,
        fixed_scan,
        moving_scan,
        folder,
        request.outputs,
        report=lambda path: report(result, fixed_scan, moving_scan, path),
    )
    return replace(result, images={})


def _read_moving(moving: Moving) -> _Read:
    scan = read_scan(moving.path)
    return scan, None if moving.mask is None else read_mask(moving.mask, scan)


def _initial(initial: Literal["rigid", "none"] | Path) -> Literal["rigid", "none"] | np.ndarray:
    return read_linear(initial) if isinstance(initial, Path) else initial


def _share(progress: ProgressCallback, number: int, count: int) -> ProgressCallback:
    """Progress of one of ``count`` registrations as progress of them all."""

    def tell(step: str, fraction: float) -> None:
        title = step if count == 1 else f"{number + 1} of {count}: {step}"
        progress(title, (number + fraction) / count)

    return tell
