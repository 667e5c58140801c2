"""Guess a volume node's contrast phase from its name and its DICOM series."""

from collections.abc import Callable, Iterator
from typing import Any

from jssr.labels import Phase
from jssr.phase_name import phase_from_name

_SERIES_DESCRIPTION = "0008,103e"
_PROTOCOL_NAME = "0018,1030"
_CONTRAST_AGENT = "0018,0010"

TagReader = Callable[[str, str], str]
"""Value of a tag of the DICOM instance with this UID; empty when there is none."""


def guessPhase(volumeNode: Any, readTag: TagReader | None) -> Phase | None:
    """The phase, or ``None`` if neither name nor series tell; DICOM has no tag for it.

    A scan with a contrast agent is never called non-contrast, whatever its protocol's name says.
    """
    for text in _texts(volumeNode, readTag):
        phase = phase_from_name(text)
        if phase is Phase.NON_CONTRAST and _tag(volumeNode, readTag, _CONTRAST_AGENT):
            continue
        if phase is not None:
            return phase
    return None


def dicomTagReader(database: Any) -> TagReader | None:
    """Reads tags from Slicer's DICOM database; ``None`` when it is not open."""
    if database is None or not database.isOpen:
        return None
    return lambda uid, tag: database.instanceValue(uid, tag) or ""


def _texts(volumeNode: Any, readTag: TagReader | None) -> Iterator[str]:
    yield volumeNode.GetName() or ""
    for tag in (_SERIES_DESCRIPTION, _PROTOCOL_NAME):
        yield _tag(volumeNode, readTag, tag)


def _tag(volumeNode: Any, readTag: TagReader | None, tag: str) -> str:
    uids = (volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split()
    return readTag(uids[0], tag) if readTag is not None and uids else ""
