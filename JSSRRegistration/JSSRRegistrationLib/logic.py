"""JSSRRegistrationLogic: everything the module does, without a window and without Qt."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk
import slicer
import slicer.util

from jssr.bundle.manifest import Manifest
from jssr.bundle.verify import verify_bundle
from jssr.errors import InputError, JSSRError
from jssr.labels import Phase
from jssr.service.client import worker_command
from jssr.service.protocol import Message, PhantomJob
from jssr.service.runner import Listener, Runner
from JSSRRegistrationLib import packages, phases
from JSSRRegistrationLib.apply import applyTo
from JSSRRegistrationLib.outputs import SceneOutput
from JSSRRegistrationLib.placing import checkOutputNodes
from JSSRRegistrationLib.records import (
    Callbacks,
    JobState,
    RegistrationJob,
    RegistrationNodes,
    Settings,
)
from JSSRRegistrationLib.run import MovingInput, Run, RunInput
from JSSRRegistrationLib.scene import checkVolume, readInitialTransform
from JSSRRegistrationLib.slicer_python import slicerPython
from JSSRRegistrationLib.temporary import TemporaryFolder
from JSSRRegistrationLib.volumes import addScan

__all__ = [
    "Callbacks",
    "JSSRRegistrationLogic",
    "JobState",
    "RegistrationJob",
    "RegistrationNodes",
    "Settings",
]

_WAIT_S = 0.1
_SAMPLE_SPACING_MM = 2.5


class JSSRRegistrationLogic:
    """Register contrast phases of CT in the scene; usable from console, batch and widget.

    No window is needed and none is opened. Without an event loop (``waitForCompletion=True``) calls
    block; a widget passes ``waitForCompletion=False`` and calls :meth:`poll` from a timer.

    Example::

        logic = JSSRRegistrationLogic()
        result = logic.register(getNode("portal"), getNode("arterial"))
        result.node("warped"), result.summary["verdict"]

    Args:
        runner: sends the jobs to the worker; default: one that uses this Python's own worker.
    """

    def __init__(self, runner: Runner | None = None) -> None:
        self._runner = runner or Runner(worker_command(slicerPython()))
        self._run: Run | None = None
        self._startLog: Callable[[str, str], None] | None = None

    def register(
        self,
        fixedVolume: Any,
        movingVolume: Any,
        *,
        settings: Settings | None = None,
        outputNodes: Mapping[SceneOutput, Any] | None = None,
        fixedPhase: Phase | None = None,
        movingPhase: Phase | None = None,
        initialTransform: Any = None,
        fixedMask: Any = None,
        movingMask: Any = None,
        reportPath: Path | None = None,
        callbacks: Callbacks | None = None,
        waitForCompletion: bool = True,
    ) -> RegistrationNodes | RegistrationJob:
        """Register one moving volume to the fixed volume.

        Args:
            outputNodes: nodes to overwrite; an output without one gets a new node. An output named
                here is made even if ``settings.outputs`` lacks it.
            fixedPhase: ``None`` lets the model guess it.
            initialTransform: linear transform node that, applied to the moving volume, brings it
                near the fixed one; it replaces the rigid pre-alignment. ``"none"``: the scans are
                aligned already.
            fixedMask: segmentation or label map node; only what it covers counts.
            reportPath: also write the quality report (one HTML file) here.

        Returns:
            The result when waiting, else the job that runs.

        Raises:
            JSSRError: with a sentence for the user; in the waiting form also for failures of the
                job.
        """
        request = RunInput(
            fixedVolume=fixedVolume,
            movings=[MovingInput(movingVolume, movingPhase, movingMask, reportPath)],
            fixedPhase=fixedPhase,
            fixedMask=fixedMask,
            initialTransform=initialTransform,
            settings=settings or Settings(),
            outputNodes=outputNodes or {},
        )
        jobs = self._start(request, callbacks or Callbacks(), waitForCompletion)
        if not waitForCompletion:
            return jobs[0]
        if jobs[0].error is not None:
            raise jobs[0].error
        assert jobs[0].result is not None
        return jobs[0].result

    def registerSeries(
        self,
        fixedVolume: Any,
        movingVolumes: Sequence[Any],
        *,
        settings: Settings | None = None,
        outputNodes: Mapping[SceneOutput, Any] | None = None,
        fixedPhase: Phase | None = None,
        movingPhases: Sequence[Phase | None] | None = None,
        initialTransform: Any = None,
        fixedMask: Any = None,
        movingMasks: Sequence[Any] | None = None,
        callbacks: Callbacks | None = None,
        waitForCompletion: bool = True,
    ) -> list[RegistrationJob]:
        """Register several moving volumes to one fixed volume, one after the other.

        The fixed segmentation is made once; the intensity table has columns for each scan. A moving
        volume that fails is told in its job's ``error``, the others go on. ``outputNodes`` are
        allowed only with a single moving volume. The other arguments are those of
        :meth:`register`.
        """
        count = len(movingVolumes)
        if outputNodes and count != 1:
            raise InputError("Given output nodes can take a single moving volume only.")
        phasesOf = list(movingPhases or [None] * count)
        masks = list(movingMasks or [None] * count)
        if len(phasesOf) != count or len(masks) != count:
            raise InputError("Give a phase and a mask, or None, for each moving volume.")
        movings = [
            MovingInput(volume, phase, mask)
            for volume, phase, mask in zip(movingVolumes, phasesOf, masks, strict=True)
        ]
        request = RunInput(
            fixedVolume=fixedVolume,
            movings=movings,
            fixedPhase=fixedPhase,
            fixedMask=fixedMask,
            initialTransform=initialTransform,
            settings=settings or Settings(),
            outputNodes=outputNodes or {},
        )
        return self._start(request, callbacks or Callbacks(), waitForCompletion)

    def poll(self) -> None:
        """Handle what the worker said since the last call; call it from a timer while running."""
        self._runner.poll()
        self._tellProblem()

    def cancel(self) -> None:
        """End the running job and forget the queued ones; ``finished`` comes within two seconds."""
        if self._run is not None and self._run.active():
            self._run.cancel()

    def isRunning(self) -> bool:
        """Whether a job runs or waits."""
        return self._run is not None and self._run.active()

    def close(self) -> None:
        """Cancel and end the worker process; the logic may be used again afterwards."""
        self.cancel()
        self._runner.close()

    def startWorker(self, log: Callable[[str, str], None] | None = None) -> None:
        """Start the worker ahead of time, so that :attr:`worker` becomes known; returns at once.

        ``log`` is told, from :meth:`poll`, if the worker cannot load its packages.
        """
        self._startLog = log
        self._runner.start()

    @property
    def worker(self) -> Message | None:
        """The worker's hello (``jssr``, ``torch``, ``python``, ``devices`` with ``name`` and
        ``free_bytes``); ``None`` before it said so."""
        return self._runner.hello

    def reasonNotReady(
        self,
        fixedVolume: Any,
        movingVolumes: Sequence[Any],
        *,
        initialTransform: Any = None,
        fixedMask: Any = None,
        movingMask: Any = None,
    ) -> str | None:
        """One sentence why these inputs cannot be registered, or ``None``; no voxel is read."""
        try:
            _checkInputs(fixedVolume, movingVolumes, initialTransform)
            for mask, volume in ((fixedMask, fixedVolume), (movingMask, movingVolumes[0])):
                if mask is not None and mask is volume:
                    raise InputError(f"'{mask.GetName()}' cannot be its own mask.")
        except InputError as error:
            return str(error)
        return "A registration is running." if self.isRunning() else None

    def guessPhase(self, volumeNode: Any) -> Phase | None:
        """Contrast phase from the node's name and DICOM series; ``None`` when they say nothing."""
        database = getattr(slicer, "dicomDatabase", None)
        return phases.guessPhase(volumeNode, phases.dicomTagReader(database))

    def applyTo(
        self, node: Any, transformNode: Any, referenceVolume: Any = None, outputNode: Any = None
    ) -> Any:
        """A copy of a volume, segmentation, markups or model of the moving scan, as it lies in the
        fixed scan.

        A volume is resampled onto ``referenceVolume`` (default: the transform's fixed volume);
        everything else is deformed by the inverse. The node itself is left as it is.
        """
        return applyTo(node, transformNode, referenceVolume, outputNode)

    def missingPackages(self) -> list[str]:
        """Packages the worker needs and Slicer's Python lacks; nothing is imported to find out."""
        return packages.missingPackages()

    def installPackages(self, log: Callable[[str, str], None] | None = None) -> None:
        """Install what is missing, PyTorch through the PyTorch extension.

        Raises:
            JSSRError: the PyTorch extension is missing, or the installation failed.
        """
        self._runner.close()
        packages.installPackages(
            log or (lambda level, message: None),
            slicer.util.pip_install,
            packages.extensionTorchLogic,
        )

    def modelInformation(self, path: Path | None = None) -> Manifest:
        """The verified manifest of a bundle (name, version, license, figures).

        Raises:
            BundleError: it is missing, altered or too new; the message says which.
        """
        return verify_bundle(path)

    def makeSamplePatient(
        self, seed: int = 1, callbacks: Callbacks | None = None
    ) -> dict[Phase, Any]:
        """Make a phantom patient of four phases in the worker and load it: one volume a phase.

        The progress is told again and again while waiting, so that a window can stay alive.

        Raises:
            JSSRError: packages are missing, or the worker failed.
        """
        self._requireIdle()
        callbacks = callbacks or Callbacks()
        folder = TemporaryFolder(_temporaryParent())
        results: list[Message] = []
        errors: list[JSSRError] = []
        latest = [("Start the worker", 0.0)]
        job = PhantomJob(
            "sample", folder.path / "patient", seed, _SAMPLE_SPACING_MM, scratch=folder.path
        )
        try:
            self._runner.submit(
                job,
                Listener(
                    results.append,
                    errors.append,
                    lambda step, fraction: latest.append((step, fraction)),
                    callbacks.tellLog,
                ),
            )
            self._waitWhile(self._runner.busy, lambda: callbacks.tellProgress(*latest[-1]))
            if errors:
                raise errors[0]
            files = results[0]["files"]
            return {
                Phase(phase): addScan(
                    slicer.mrmlScene, f"JSSR phantom {phase}", sitk.ReadImage(path)
                )
                for phase, path in files.items()
            }
        finally:
            folder.close()

    def _start(
        self, request: RunInput, callbacks: Callbacks, waitForCompletion: bool
    ) -> list[RegistrationJob]:
        fixedVolume, initialTransform = request.fixedVolume, request.initialTransform
        self._requireIdle(reports=any(moving.reportPath for moving in request.movings))
        volumes = [moving.volume for moving in request.movings]
        _checkInputs(fixedVolume, volumes, initialTransform)
        masks = [request.fixedMask, *(moving.mask for moving in request.movings)]
        checkOutputNodes(request.outputNodes, [fixedVolume, *volumes, *masks, initialTransform])
        scene = fixedVolume.GetScene()
        self._run = Run(scene, self._runner, request, callbacks, _temporaryParent())
        self._run.start()
        if waitForCompletion:
            self._waitWhile(self._run.active)
        return self._run.jobs

    def _waitWhile(
        self, condition: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        try:
            while condition():
                self._runner.wait(_WAIT_S)
                meanwhile()
        except BaseException:
            self.close()
            raise

    def _requireIdle(self, reports: bool = False) -> None:
        if self.isRunning() or self._runner.busy():
            raise JSSRError("A registration is running; wait for it or cancel it first.")
        missing = packages.missingPackages(reports)
        if missing:
            raise packages.MissingPackages(
                f"{', '.join(missing)} must be installed first: press Install in the module "
                "JSSRRegistration, or call logic.installPackages()."
            )

    def _tellProblem(self) -> None:
        if self._startLog is not None and self._runner.problem is not None:
            self._startLog("error", str(self._runner.problem))
            self._startLog = None


def _checkInputs(fixedVolume: Any, movingVolumes: Sequence[Any], initialTransform: Any) -> None:
    if not movingVolumes:
        raise InputError("Choose at least one moving volume.")
    checkVolume(fixedVolume)
    for volume in movingVolumes:
        checkVolume(volume)
        if volume is fixedVolume:
            raise InputError(
                f"'{volume.GetName()}' is both the fixed and a moving volume; choose another one."
            )
    if len(set(movingVolumes)) != len(movingVolumes):
        raise InputError("A moving volume was chosen twice.")
    if initialTransform is not None and initialTransform != "none":
        readInitialTransform(initialTransform, movingVolumes[0])


def _temporaryParent() -> Path | None:
    path = getattr(getattr(slicer, "app", None), "temporaryPath", None)
    return Path(path) if path else None
