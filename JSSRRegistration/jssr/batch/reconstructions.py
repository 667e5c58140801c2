"""Of several reconstructions of one acquisition the one to register."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jssr.batch.study import LeftOut, ScanFile
from jssr.io.dicom_series import DicomSeries

_KIND = "another reconstruction of the same scan"
# Kernels for lung and bone make soft tissue noisy.
_SHARP = re.compile(r"lung|lunge|pulmo\w*|bone|knochen", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """A scan, and what its DICOM headers say; ``series`` is ``None`` for an image file."""

    scan: ScanFile
    series: DicomSeries | None = None


def one_of_each(found: Sequence[Found]) -> tuple[tuple[ScanFile, ...], tuple[LeftOut, ...]]:
    """Scanners store one acquisition several times, as in slices of 1 and of 5 mm.

    Series of one known phase that were acquired at the same time are one scan. The one with the
    most slices is taken, but one for lung or bone only where there is no other.
    """
    taken: list[Found] = []
    doubles: list[LeftOut] = []
    for one in sorted(found, key=_preference):
        if one.series is not None and any(_same(one, other) for other in taken):
            doubles.append(LeftOut(one.series.title, _KIND))
        else:
            taken.append(one)
    return tuple(one.scan for one in found if one in taken), tuple(doubles)


def _same(one: Found, other: Found) -> bool:
    if one.series is None or other.series is None or one.scan.phase is None:
        return False
    return one.scan.phase is other.scan.phase and one.series.same_acquisition(other.series)


def _preference(found: Found) -> tuple[bool, int]:
    if found.series is None:
        return False, 0
    sharp = _SHARP.search(found.series.description) is not None
    return sharp, -sum(one.frames for one in found.series.slices)
