"""The messages between the client and the worker, version 1.

To the worker::

    {"type": "register", "id": "1", "fixed": "f.nrrd", "moving": "m.nrrd", "output": "folder", …}
    {"type": "phantom", "id": "2", "seed": 1, "output": "folder"}
    {"type": "cancel", "id": "1"}
    {"type": "shutdown"}

Closing the worker's standard input means ``shutdown``, also in the middle of a job.
From the worker::

    {"type": "hello", "protocol": 1, "jssr": "0.1.0", "pid": 123, "devices": […], …}
    {"type": "progress", "id": "1", "step": "Segment", "fraction": 0.4}
    {"type": "log", "id": "1", "level": "info", "message": "…"}
    {"type": "result", "id": "1", "output": "folder", "files": {…}, "metrics": {…}, …}
    {"type": "error", "id": "1", "kind": "input", "message": "One sentence for the user."}

``kind`` is ``input``, ``resource`` (the computer lacks something else than memory), ``cancelled``,
``memory`` or ``internal``. ``id`` is null where no job is meant: for a line that is no message, a
worker that cannot start, a log line between jobs. ``"ending": true`` beside an error says that the
worker ends with it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from jssr.errors import InputError
from jssr.labels import Phase
from jssr.registration.result import ALL_OUTPUTS, Output, Refine

PROTOCOL = 1
MAXIMUM_LINE_BYTES = 1 << 20

Message = dict[str, Any]

_ABOUT_THE_JOB = frozenset({"type", "id", "output", "files"})


@dataclass(frozen=True)
class RegisterJob:
    """One pair of scans to register.

    ``initial`` is ``rigid``, ``none`` or the 16 numbers, row by row, of a linear fixed-to-moving
    matrix in LPS. ``model`` is ``None`` for the default bundle. Without ``compress`` the images are
    written fast, as plain ``.nrrd`` files. ``scratch`` is a folder of the client's temporary files,
    removed by the worker if the client goes away.
    """

    id: str
    fixed: Path
    moving: Path
    output: Path
    fixed_mask: Path | None = None
    moving_mask: Path | None = None
    initial: str | tuple[float, ...] = "rigid"
    fixed_phase: Phase | None = None
    moving_phase: Phase | None = None
    model: Path | None = None
    device: str = "auto"
    refine: Refine = Refine.FAST
    outputs: frozenset[Output] = ALL_OUTPUTS
    seed: int = 0
    overwrite: bool = False
    compress: bool = True
    scratch: Path | None = None


@dataclass(frozen=True)
class PhantomJob:
    """Make a phantom patient: one image a phase, ``<phase>.nii.gz`` in ``output``."""

    id: str
    output: Path
    seed: int = 1
    spacing_mm: float = 2.0
    device: str = "auto"
    scratch: Path | None = None


Job = RegisterJob | PhantomJob


def encode(message: Mapping[str, Any]) -> bytes:
    """One line of JSON; numbers that it cannot hold (NaN, infinity) become null.

    All in ASCII, so that names of files survive that are no UTF-8.
    """
    return json.dumps(_finite(message), allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message in a line.

    Raises:
        InputError: the line is no JSON object with a ``type``.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise InputError("A line is no JSON; send one JSON object a line.") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise InputError("A line is no message; send a JSON object with a text field 'type'.")
    return message


def parse_job(message: Message) -> Job:
    """The checked job in a ``register`` or ``phantom`` message.

    Raises:
        InputError: the type is unknown, or a field is missing, unknown or wrong; the text names it.
    """
    kinds: dict[str, type] = {"register": RegisterJob, "phantom": PhantomJob}
    kind = kinds.get(message["type"])
    if kind is None:
        raise InputError(f"The message type '{message['type']}' is unknown.")
    given = {key: value for key, value in message.items() if key != "type"}
    known = {field.name: field for field in fields(kind)}
    for name in given:
        if name not in known:
            raise InputError(f"The field '{name}' of a '{message['type']}' message is unknown.")
    for name, field in known.items():
        if field.default is MISSING and name not in given:
            raise InputError(f"The field '{name}' of a '{message['type']}' message is missing.")
    return kind(**{name: _read_field(name, value) for name, value in given.items()})


def job_message(job: Job) -> Message:
    """The message that :func:`parse_job` turns into ``job``."""
    message: Message = {"type": "register" if isinstance(job, RegisterJob) else "phantom"}
    for field in fields(job):
        value = getattr(job, field.name)
        if field.name.endswith("_phase"):
            value = "auto" if value is None else value.value
        elif isinstance(value, Path):
            value = str(value)
        elif isinstance(value, frozenset):
            value = sorted(output.value for output in value)
        elif isinstance(value, tuple):
            value = list(value)
        message[field.name] = value
    return message


def summary_of(result: Message) -> Message:
    """The summary of the registration that a ``result`` message holds beside its job and files."""
    return {key: value for key, value in result.items() if key not in _ABOUT_THE_JOB}


def _read_field(name: str, value: Any) -> Any:
    try:
        return _READERS[name](value)
    except (TypeError, ValueError):
        raise InputError(f"The field '{name}' of a job cannot be {value!r:.80}.") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _path(value: Any) -> Path:
    return Path(_text(value))


def _optional_path(value: Any) -> Path | None:
    return None if value is None else _path(value)


def _phase(value: Any) -> Phase | None:
    return None if value in (None, "auto") else Phase(value)


def _initial(value: Any) -> str | tuple[float, ...]:
    if value in ("rigid", "none"):
        return value
    if not isinstance(value, list) or len(value) != 16:
        raise ValueError
    numbers = tuple(_number(item) for item in value)
    if numbers[12:] != (0.0, 0.0, 0.0, 1.0):
        raise ValueError
    return numbers


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _positive(value: Any) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError
    return number


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _outputs(value: Any) -> frozenset[Output]:
    if not isinstance(value, list) or not value:
        raise ValueError
    return frozenset(Output(item) for item in value)


_READERS = {
    "id": _text,
    "fixed": _path,
    "moving": _path,
    "output": _path,
    "fixed_mask": _optional_path,
    "moving_mask": _optional_path,
    "initial": _initial,
    "fixed_phase": _phase,
    "moving_phase": _phase,
    "model": _optional_path,
    "device": _text,
    "refine": Refine,
    "outputs": _outputs,
    "seed": _integer,
    "spacing_mm": _positive,
    "overwrite": _flag,
    "compress": _flag,
    "scratch": _optional_path,
}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
