"""Do the cases of a batch, one after the other, with one worker that keeps its model."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jssr.batch.cases import Case, Unusable
from jssr.batch.state import Outcome, State, fingerprint
from jssr.batch.summary import write_summary
from jssr.bundle.verify import verified_content
from jssr.errors import Cancelled, InputError, JSSRError, ResourceError, without_paths
from jssr.io.atomic import leftovers
from jssr.registration.result import ALL_OUTPUTS, Output, Refine
from jssr.service.protocol import Message, RegisterJob, summary_of
from jssr.service.runner import Listener, Runner, WorkerError

_WAIT_S = 0.1


@dataclass(frozen=True)
class BatchSettings:
    """How all cases are registered; see :class:`jssr.service.protocol.RegisterJob`."""

    model: Path | None = None
    device: str = "auto"
    refine: Refine = Refine.FAST
    outputs: frozenset[Output] = ALL_OUTPUTS
    seed: int = 0


@dataclass(frozen=True)
class BatchListener:
    """What to tell the user while a batch runs.

    ``progress(case, step, fraction)``: fraction of the whole batch. ``finished(case, outcome,
    folder)``: after each case, also for one that was done in an earlier run.
    """

    progress: Callable[[Case, str, float], None]
    finished: Callable[[Case, Outcome, Path], None]
    log: Callable[[str, str], None]


@dataclass
class _Answer:
    message: Message | None = None
    error: JSSRError | None = None

    def pending(self) -> bool:
        return self.message is None and self.error is None


def run_batch(
    cases: Sequence[Case],
    output: Path,
    settings: BatchSettings,
    runner: Runner,
    listener: BatchListener,
    unusable: Sequence[Unusable] = (),
) -> dict[str, Outcome]:
    """Register every case into ``output/<name>`` and write the summary table and page.

    What an earlier run finished is left alone, so a batch that was stopped goes on. A case that
    fails is recorded, the others go on. Patients that are unusable count as failed.

    Returns:
        The outcome of each case, and of each unusable patient, by its name.

    Raises:
        InputError: the model or the output folder cannot be used.
    """
    state = State(output, _describe(settings))
    outcomes = {each.name: _refused(each, listener.log) for each in unusable}
    try:
        for number, case in enumerate(cases):
            tell = _progress(listener, case, number, len(cases))
            outcome = state.outcome(case)
            if outcome is None:
                _remove_leftovers(output / case.name)
                outcome = _do(case, output, settings, runner, tell, listener.log)
                state.record(case, outcome)
            outcomes[case.name] = outcome
            listener.finished(case, outcome, output / case.name)
            try:
                write_summary(output, [*cases, *unusable], outcomes)
            except ResourceError as error:  # as where another program holds the table open
                if number == len(cases) - 1:
                    raise
                listener.log("warning", str(error))
    finally:
        runner.close()
    return outcomes


def _refused(patient: Unusable, log: Callable[[str, str], None]) -> Outcome:
    message = f"The patient {patient.fault}."
    log("error", f"{patient.name}: {message}")
    return Outcome(False, "", 0.0, "input", message)


def _do(
    case: Case,
    output: Path,
    settings: BatchSettings,
    runner: Runner,
    progress: Callable[[str, float], None],
    log: Callable[[str, str], None],
) -> Outcome:
    start = time.monotonic()
    mark = fingerprint(case)
    answer = _Answer()
    listener = Listener(
        finished=lambda message: setattr(answer, "message", message),
        failed=lambda error: setattr(answer, "error", error),
        progress=progress,
        log=log,
    )
    runner.submit(_job(case, output, settings), listener)
    while answer.pending():
        runner.wait(_WAIT_S)
    seconds = time.monotonic() - start
    if answer.message is not None:
        return Outcome(True, mark, seconds, summary=summary_of(answer.message))
    error = answer.error
    if isinstance(error, Cancelled):
        raise error
    details = f"\n{error.details}" if isinstance(error, WorkerError) else ""
    log("error", f"{case.name}: {error}{details}".rstrip())
    faulty = isinstance(error, InputError) and not isinstance(error, ResourceError)
    kind = "input" if faulty else "other"
    return Outcome(False, mark, seconds, kind, _without_paths(str(error), case))


def _remove_leftovers(folder: Path) -> None:
    """Remove what a worker was writing when it was killed."""
    for leftover in leftovers(folder):
        shutil.rmtree(leftover, ignore_errors=True)


def _job(case: Case, output: Path, settings: BatchSettings) -> RegisterJob:
    return RegisterJob(
        id=case.name,
        fixed=case.fixed.image,
        moving=case.moving.image,
        output=output / case.name,
        fixed_mask=case.fixed.mask,
        moving_mask=case.moving.mask,
        fixed_phase=case.fixed.phase,
        moving_phase=case.moving.phase,
        model=settings.model,
        device=settings.device,
        refine=settings.refine,
        outputs=settings.outputs,
        seed=settings.seed,
        # Whatever lies there was not recorded as done.
        overwrite=True,
    )


def _describe(settings: BatchSettings) -> Mapping[str, Any]:
    """The settings that the results depend on; the model by its digest, not by where it lies."""
    content = verified_content(settings.model)
    return {
        "model": f"{content.manifest.name} {content.manifest.version} {content.digest[:12]}",
        "refinement": settings.refine.value,
        "outputs": sorted(output.value for output in settings.outputs),
        "seed": settings.seed,
    }


def _progress(
    listener: BatchListener, case: Case, number: int, count: int
) -> Callable[[str, float], None]:
    def tell(step: str, fraction: float) -> None:
        listener.progress(case, step, (number + fraction) / count)

    return tell


def _without_paths(message: str, case: Case) -> str:
    scans = {"fixed": case.fixed, "moving": case.moving}
    beside = [scan.files() for scan in scans.values() if not scan.image.is_dir()]
    names = {path: "a DICOM slice of these scans" for files in beside for path in files}
    for what, scan in scans.items():
        for path, kind in ((scan.image, "scan"), (scan.mask, "mask")):
            if path is not None:
                names[path] = f"the {what} {kind}"
    return without_paths(message, names)
