"""The errors JSSR raises on purpose; each message is one sentence meant for the user."""

from collections.abc import Mapping
from pathlib import Path

_KINDS = ("mask", "DICOM series", "DICOM slice")


class JSSRError(Exception):
    """Base of every error that JSSR raises on purpose."""


class InputError(JSSRError):
    """The user's input cannot be used; the message names it, says why and what to do."""


class BundleError(InputError):
    """A model bundle is missing, damaged, altered or too new."""


class ResourceError(InputError):
    """The computer lacks what the work needs; the same input may do when it has it."""


class DeviceError(ResourceError):
    """The requested compute device is not there or too small."""


class Cancelled(JSSRError):
    """The caller asked to stop."""

    def __init__(self, message: str = "The job was cancelled.") -> None:
        super().__init__(message)


def without_paths(message: str, names: Mapping[Path, str]) -> str:
    """``message`` with each path replaced by its name in ``names``, such as "the fixed scan".

    Paths may hold names of patients, and a message that is recorded may be passed on.
    """
    for path in sorted(names, key=lambda path: len(str(path)), reverse=True):
        name, quoted = names[path], f"'{path}'"
        for kind in ("file or folder", "file"):
            message = message.replace(f"no {kind} {quoted}", f"no {kind} for {name}")
        for kind in _KINDS:  # the name tells it already
            message = message.replace(f"The {kind} {quoted}", name[:1].upper() + name[1:])
        message = message.replace(quoted, name).replace(str(path), name)
    return message[:1].upper() + message[1:]


def counted(number: int, thing: str) -> str:
    """``number`` things as a message tells them: "1 file", "2 files"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
