"""A logic that plays a script instead of registering: for the states of the panel alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer

from jssr.bundle.card import Figure
from jssr.errors import BundleError, Cancelled, InputError
from jssr.labels import Phase
from jssr.registration.result import (
    Deformation,
    LesionFigures,
    OrganFigures,
    PhaseGuess,
    Refine,
    Verdict,
    VerdictLevel,
)
from JSSRRegistrationLib.outputs import NODE_CLASSES
from JSSRRegistrationLib.records import JobState, RegistrationJob, RegistrationNodes
from sample_results import make_metrics, make_result

RESULT = replace(
    make_result(),
    verdict=Verdict(VerdictLevel.GOOD, ("No folding.", "Organs overlap better than before.")),
    moving_phase=PhaseGuess(Phase.ARTERIAL, given=False, probabilities={"arterial": 0.97}),
    metrics=replace(
        make_metrics(),
        overlap_fraction=0.98,
        shared_fraction=0.99,
        similarity_before=0.41,
        similarity_after=0.83,
        deformation=Deformation(4.2, 11.0, 17.6, 0.0, 0.11, (0.0, 0.01, -0.03)),
        organs=tuple(
            OrganFigures(name, before, after, 900.0, 910.0, change, cut)
            for name, before, after, change, cut in (
                ("liver", 0.86, 0.96, 0.01, False),
                ("spleen", 0.71, 0.93, -0.02, False),
                ("right_kidney", 0.68, 0.94, 0.0, False),
                ("left_kidney", 0.74, 0.93, 0.01, False),
                ("aorta", 0.82, 0.91, None, True),
            )
        ),
        lesions=tuple(
            LesionFigures((-52.0, 11.0, 30.0), diameter, 2.0, change)
            for diameter, change in ((18.4, 0.03), (9.0, -0.07), (7.0, None))
        ),
        synthesis_dice=0.91,
        seconds={"read": 0.4, "register": 3.1, "refine": 9.0},
        peak_memory_mb=2100.0,
    ),
    model="JSSR phantom 1.0",
    refine=Refine.FAST,
    seed=0,
)
"""What every registration gives; of it the panel reads the summary alone."""


class ScriptedLogic:
    """Answers as the real logic does; ``script`` holds what the next calls of ``poll`` shall do."""

    def __init__(self) -> None:
        self.missing: list[str] = []
        self.worker: Any = None
        self.script: list[Callable[[], None]] = []
        self.calls: list[dict[str, Any]] = []
        self.jobs: list[RegistrationJob] = []
        self.applied: list[tuple[Any, ...]] = []
        self.closed = 0
        self.notReady: str | None = None
        self._callbacks: Any = None

    def guessPhase(self, volume: Any) -> Phase | None:
        return next((phase for phase in Phase if phase.value in volume.GetName().lower()), None)

    def missingPackages(self) -> list[str]:
        return self.missing

    def installPackages(self, log: Any = None) -> None:
        self.missing = []

    def modelInformation(self, path: Path | None = None) -> Any:
        if path is not None and "altered" in path.name:
            raise BundleError(
                f"The model bundle {path.name} was altered: register.pt does not match its hash."
            )
        return SimpleNamespace(
            name="JSSR phantom",
            version="1.0",
            date="2026-11-22",
            license="Apache-2.0",
            intended_use="Liver CT phases of one patient, for research.",
            limits="Trained on phantoms only; check every result.",
            figures=(
                Figure("liver error", 1.61, "mm", "20 unseen phantoms"),
                Figure("organ Dice", 0.94, "", "20 unseen phantoms"),
            ),
        )

    def reasonNotReady(self, fixedVolume: Any, movingVolumes: Any, **inputs: Any) -> str | None:
        return self.notReady

    def registerSeries(
        self, fixedVolume: Any, movingVolumes: Any, **options: Any
    ) -> list[RegistrationJob]:
        self.calls.append({"fixed": fixedVolume, "moving": list(movingVolumes), **options})
        self._callbacks = options["callbacks"]
        self.jobs = [RegistrationJob(fixedVolume, volume) for volume in movingVolumes]
        return self.jobs

    def poll(self) -> None:
        if self.script:
            self.script.pop(0)()

    def progress(self, step: str, fraction: float) -> None:
        self._callbacks.progress(step, fraction)

    def finish(self, error: InputError | None = None, failing: int | None = None) -> None:
        """All jobs end: with results, or all, or the one named, with ``error``."""
        for number, job in enumerate(self.jobs):
            if error is None or failing not in (None, number):
                job.state, job.result = (
                    JobState.FINISHED,
                    RegistrationNodes(self._nodes(job), RESULT.summary()),
                )
            else:
                job.state, job.error = JobState.FAILED, error
            self._callbacks.jobFinished(job)
        self._callbacks.finished(self.jobs)

    def cancel(self) -> None:
        for job in self.jobs:
            job.state, job.error = JobState.CANCELLED, Cancelled("Cancelled.")
        self.script = [lambda: self._callbacks.finished(self.jobs)]

    def _nodes(self, job: RegistrationJob) -> dict[Any, Any]:
        name = job.movingVolume.GetName()
        nodes = {
            output: slicer.mrmlScene.AddNewNodeByClass(
                NODE_CLASSES[output], f"{name} {output.value}"
            )
            for output in self.calls[-1]["settings"].outputs
        }
        return nodes

    def startWorker(self, log: Any = None) -> None:
        self.script.append(self._sayHello)

    def _sayHello(self) -> None:
        self.worker = {
            "devices": [
                {"name": "cpu", "free_bytes": 24e9},
                {"name": "cuda:0", "free_bytes": 21.5e9},
            ]
        }

    def applyTo(
        self, node: Any, transformNode: Any, referenceVolume: Any = None, outputNode: Any = None
    ) -> Any:
        self.applied.append((node, transformNode, referenceVolume))
        return slicer.mrmlScene.AddNewNodeByClass(
            node.GetClassName(), f"{node.GetName()} transformed"
        )

    def makeSamplePatient(self, seed: int = 1, callbacks: Any = None) -> dict[Phase, Any]:
        return {
            p: slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"Phantom {p.value}")
            for p in Phase
        }

    def close(self) -> None:
        self.closed += 1
        self.script = []
