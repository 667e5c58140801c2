"""The values that the logic takes and gives."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from jssr.errors import InputError, JSSRError
from jssr.registration.result import Refine
from JSSRRegistrationLib.outputs import DEFAULT_OUTPUTS, SceneOutput


class JobState(str, Enum):
    """QUEUED, then RUNNING, then FINISHED, FAILED or CANCELLED."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class RegistrationNodes:
    """What one finished registration left in the scene.

    ``nodes`` holds one MRML node for each output that was asked for. ``summary`` is
    :meth:`jssr.registration.result.RegistrationResult.summary`: ``verdict`` (``level``: ``good``,
    ``doubtful`` or ``failed``; ``reasons``: clauses), ``fixed_phase``, ``moving_phase``
    (``phase``, ``given``), ``metrics``, ``model``, ``device``, ``seed``.
    """

    nodes: Mapping[SceneOutput, Any]
    summary: Mapping[str, Any]
    reportPath: Path | None = None

    def node(self, output: SceneOutput | str) -> Any:
        """The node made for ``output``; raises ``KeyError`` if it was not asked for."""
        return self.nodes[SceneOutput(output)]


@dataclass
class RegistrationJob:
    """One moving volume on its way to the fixed one; ``error`` says why it did not arrive."""

    fixedVolume: Any
    movingVolume: Any
    state: JobState = JobState.QUEUED
    result: RegistrationNodes | None = None
    error: JSSRError | None = None


@dataclass(frozen=True)
class Callbacks:
    """Called from :meth:`JSSRRegistrationLogic.poll` (or the waiting call), in the caller's thread.

    ``progress(step, fraction)``: name of the step; fraction of the whole run, 0 to 1.
    ``log(level, message)``: level is ``info``, ``warning`` or ``error``.
    ``jobFinished(job)``: after each moving volume, whether it went well or not.
    ``finished(jobs)``: once, when nothing is left to do; also after cancelling.
    """

    progress: Callable[[str, float], None] | None = None
    log: Callable[[str, str], None] | None = None
    jobFinished: Callable[[RegistrationJob], None] | None = None
    finished: Callable[[Sequence[RegistrationJob]], None] | None = None

    def tellProgress(self, step: str, fraction: float) -> None:
        """Call ``progress``, if there is one."""
        if self.progress is not None:
            self.progress(step, fraction)

    def tellLog(self, level: str, message: str) -> None:
        """Call ``log``, if there is one."""
        if self.log is not None:
            self.log(level, message)


@dataclass(frozen=True)
class Settings:
    """How to register; every field has a sensible default.

    ``outputs`` are :class:`SceneOutput` members or their values. ``model``: folder or zip of a
    bundle, ``None`` for the one that comes along. ``device``: ``auto``, ``cpu``, ``cuda`` or
    ``cuda:n``. ``refine``: ``off``, ``fast`` or ``full``. ``keepWorker``: leave the worker process
    with its loaded model running for the next registration.

    Raises:
        InputError: a name of an output or of the refinement is unknown.
    """

    outputs: Collection[SceneOutput | str] = field(default_factory=lambda: DEFAULT_OUTPUTS)
    model: Path | None = None
    device: str = "auto"
    refine: str = "fast"
    seed: int = 0
    keepWorker: bool = True

    def __post_init__(self) -> None:
        for output in self.outputs:
            _checkKnown("outputs", output, SceneOutput)
        _checkKnown("refine", self.refine, Refine)


def _checkKnown(name: str, value: str, known: type[Enum]) -> None:
    try:
        known(value)
    except ValueError:
        choices = ", ".join(member.value for member in known)
        raise InputError(
            f"The setting '{name}' does not know '{value}'; choose among {choices}."
        ) from None
