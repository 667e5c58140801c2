"""One patient's scans as they lie on disk, wherever they were told of."""

from dataclasses import dataclass
from pathlib import Path

from jssr.io.stamps import image_files
from jssr.labels import Phase


@dataclass(frozen=True)
class ScanFile:
    """One scan of a patient; ``role`` is ``fixed``, ``moving`` or empty.

    ``image`` is an image file, a folder of DICOM slices, or one slice that stands for its series.
    ``title`` names a series by what DICOM says of it.
    """

    patient: str
    image: Path
    phase: Phase | None = None
    role: str = ""
    mask: Path | None = None
    title: str = ""

    def files(self) -> list[Path]:
        """What is read of it; see :func:`jssr.io.stamps.image_files`."""
        return image_files(self.image)


@dataclass(frozen=True)
class LeftOut:
    """What is not registered; ``kind`` says what it is instead of a scan to use.

    ``title`` names a DICOM series by what DICOM says of it. It is empty for an image file, whose
    name may be the patient's.
    """

    title: str
    kind: str


@dataclass(frozen=True)
class Study:
    """What there is of a patient; ``fault`` tells why it could not be looked through."""

    patient: str
    scans: tuple[ScanFile, ...]
    left_out: tuple[LeftOut, ...] = ()
    fault: str = ""
