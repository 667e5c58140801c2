"""One call of the logic on its way: its jobs in turn, from nodes to files, worker and back."""

import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from jssr.errors import Cancelled, JSSRError
from jssr.labels import Phase
from jssr.registration.result import Output, Refine
from jssr.service.protocol import Message, RegisterJob, summary_of
from jssr.service.runner import Listener, Runner, WorkerError
from JSSRRegistrationLib.outputs import SceneOutput, workerOutput
from JSSRRegistrationLib.records import (
    Callbacks,
    JobState,
    RegistrationJob,
    RegistrationNodes,
    Settings,
)
from JSSRRegistrationLib.results import Finished, Pair, makeNodes
from JSSRRegistrationLib.scene import (
    WorldScan,
    readInitialTransform,
    readMask,
    readScan,
    worldFromParent,
)
from JSSRRegistrationLib.tables import MovingSummary
from JSSRRegistrationLib.temporary import TemporaryFolder

_SHARED = (SceneOutput.FIXED_SEGMENTATION, SceneOutput.INTENSITY_TABLE)
"""Outputs that belong to the fixed scan and serve all moving ones."""


@dataclass(frozen=True)
class MovingInput:
    """One moving volume with what is known of it."""

    volume: Any
    phase: Phase | None
    mask: Any
    reportPath: Path | None = None


@dataclass(frozen=True)
class RunInput:
    """What the caller asked for."""

    fixedVolume: Any
    movings: list[MovingInput]
    fixedPhase: Phase | None
    fixedMask: Any
    initialTransform: Any
    settings: Settings
    outputNodes: Mapping[SceneOutput, Any]

    @property
    def outputs(self) -> frozenset[SceneOutput]:
        """What the settings name, and what has a node to overwrite."""
        named = (SceneOutput(output) for output in self.settings.outputs)
        return frozenset(named) | frozenset(self.outputNodes)


class Run:
    """Registers the moving volumes one after the other; :meth:`active` until all are through."""

    def __init__(
        self,
        scene: Any,
        runner: Runner,
        request: RunInput,
        callbacks: Callbacks,
        temporaryParent: Path | None,
    ) -> None:
        self._scene = scene
        self._runner = runner
        self._request = request
        self._wanted = request.outputs
        self._callbacks = callbacks
        self._folder = TemporaryFolder(temporaryParent)
        self._index = -1
        self._pair: Pair | None = None
        self._names: dict[str, str] = {}
        self._shared: dict[SceneOutput, Any] = {}
        self._scans: list[MovingSummary] = []
        self._ended = False
        self.jobs = [RegistrationJob(request.fixedVolume, item.volume) for item in request.movings]

    def active(self) -> bool:
        """Whether something is left to do."""
        return not self._ended

    def start(self) -> None:
        """Send the first job."""
        self._startNext()

    def cancel(self) -> None:
        """Give up what has not finished; the running job answers through the runner."""
        for job in self.jobs[self._index + 1 :]:
            job.state = JobState.CANCELLED
            job.error = Cancelled()
        self._runner.cancel()

    def _startNext(self) -> None:
        for index in range(self._index + 1, len(self.jobs)):
            job = self.jobs[index]
            if job.state is not JobState.QUEUED:
                continue
            self._index = index
            job.state = JobState.RUNNING
            try:
                request = self._prepare(self._request.movings[self._index])
            except Exception as error:  # noqa: BLE001  the next volume must have its turn
                self._settle(JobState.FAILED, _explained(error))
                continue
            listener = Listener(self._finished, self._failed, self._progress, self._log)
            self._runner.submit(request, listener)
            return
        self._end()

    def _prepare(self, moving: MovingInput) -> RegisterJob:
        """Write the scans where the worker finds them."""
        request = self._request
        self._progress("Prepare the volumes", 0.0)
        place = self._folder.path / str(self._index)
        place.mkdir(parents=True)
        fixed, scan = readScan(request.fixedVolume), readScan(moving.volume)
        self._pair = Pair(
            request.fixedVolume,
            moving.volume,
            fixedOnNodeGrid=fixed.onNodeGrid,
            movingOnNodeGrid=scan.onNodeGrid,
            worldFromFixed=worldFromParent(request.fixedVolume),
            worldFromMoving=worldFromParent(moving.volume),
        )
        settings = request.settings
        wanted = {workerOutput(output) for output in self._outputs()}
        if moving.reportPath is not None:
            wanted.add(Output.REPORT)
        return RegisterJob(
            id=str(self._index),
            fixed=self._write(fixed.image, place / "fixed.nrrd", request.fixedVolume),
            moving=self._write(scan.image, place / "moving.nrrd", moving.volume),
            output=place / "result",
            fixed_mask=self._mask(request.fixedMask, fixed, place / "fixed_mask.nrrd"),
            moving_mask=self._mask(moving.mask, scan, place / "moving_mask.nrrd"),
            initial=_initial(request.initialTransform, moving.volume),
            fixed_phase=request.fixedPhase,
            moving_phase=moving.phase,
            model=settings.model,
            device=settings.device,
            refine=Refine(settings.refine),
            outputs=frozenset(wanted),
            seed=settings.seed,
            compress=False,
            scratch=self._folder.path,
        )

    def _write(self, image: sitk.Image, path: Path, node: Any) -> Path:
        self._names[str(path)] = node.GetName()
        try:
            sitk.WriteImage(image, str(path), False)
        except RuntimeError:
            raise JSSRError(
                f"'{node.GetName()}' cannot be written to the temporary folder {path.parent}; "
                "is there space left?"
            ) from None
        return path

    def _mask(self, mask: Any, scan: WorldScan, path: Path) -> Path | None:
        return None if mask is None else self._write(readMask(mask, scan), path, mask)

    def _outputs(self) -> frozenset[SceneOutput]:
        """What the running job has to make; the fixed segmentation only once."""
        if SceneOutput.FIXED_SEGMENTATION in self._shared:
            return self._wanted - {SceneOutput.FIXED_SEGMENTATION}
        return self._wanted

    def _finished(self, message: Message) -> None:
        files = {Output(name): Path(path) for name, path in message["files"].items()}
        try:
            result = self._take(Finished(files, summary_of(message)))
        except Exception as error:  # noqa: BLE001  nodes may have been deleted meanwhile
            self._settle(JobState.FAILED, _explained(error))
        else:
            self.jobs[self._index].result = result
            self._settle(JobState.FINISHED, None)
        self._startNext()

    def _take(self, finished: Finished) -> RegistrationNodes:
        pair = self._pair
        assert pair is not None
        volumes = (pair.fixedVolume, pair.movingVolume)
        if any(volume.GetScene() is not self._scene for volume in volumes):
            raise Cancelled("The volumes are no longer in the scene.")
        outputs = self._outputs()
        given = {
            output: node
            for output, node in {**self._request.outputNodes, **self._shared}.items()
            if node.GetScene() is self._scene
        }
        kept = {output: given[output] for output in self._shared if output in given}
        made = makeNodes(self._scene, pair, finished, outputs, given, self._scans)
        nodes = {**kept, **made}
        self._shared = {output: nodes[output] for output in _SHARED if output in nodes}
        self._scans.append((pair.movingVolume.GetName(), finished.summary))
        report = self._request.movings[self._index].reportPath
        if report is not None:
            shutil.copyfile(finished.files[Output.REPORT], report)
        return RegistrationNodes(nodes, finished.summary, report)

    def _failed(self, error: JSSRError) -> None:
        for path, name in self._names.items():
            error.args = (str(error).replace(path, name),)
        if isinstance(error, WorkerError) and error.details:
            self._log("error", error.details)
        state = JobState.CANCELLED if isinstance(error, Cancelled) else JobState.FAILED
        self._settle(state, error)
        self._startNext()

    def _settle(self, state: JobState, error: JSSRError | None) -> None:
        job = self.jobs[self._index]
        job.state = state
        job.error = error
        shutil.rmtree(self._folder.path / str(self._index), ignore_errors=True)
        if self._callbacks.jobFinished is not None:
            try:
                self._callbacks.jobFinished(job)
            except Exception:  # noqa: BLE001  what the caller does with one must not end the others
                self._log("error", traceback.format_exc())

    def _end(self) -> None:
        self._ended = True
        self._folder.close()
        if not self._request.settings.keepWorker:
            self._runner.close()
        if self._callbacks.finished is not None:
            self._callbacks.finished(self.jobs)

    def _progress(self, step: str, fraction: float) -> None:
        count = len(self.jobs)
        if count > 1:
            step = f"{self.jobs[self._index].movingVolume.GetName()}: {step}"
        self._callbacks.tellProgress(step, (self._index + fraction) / count)

    def _log(self, level: str, message: str) -> None:
        self._callbacks.tellLog(level, message)


def _explained(error: Exception) -> JSSRError:
    if isinstance(error, JSSRError):
        return error
    return JSSRError(f"Volumes cannot be exchanged with the worker: {error}")


def _initial(transform: Any, movingVolume: Any) -> str | tuple[float, ...]:
    if transform is None:
        return "rigid"
    if isinstance(transform, str):
        return transform
    matrix: np.ndarray = readInitialTransform(transform, movingVolume)
    return tuple(float(number) for number in matrix.ravel())
