"""Of several reconstructions of one acquisition the one to register."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from jssr.batch.study import LeftOut, ScanFile
from jssr.io.dicom_series import DicomSeries

# Kernels for lung and bone make soft tissue noisy; what dual energy and projections show is no HU.
_SPECIAL = re.compile(
    r"(?<![^\W\d_])(?:lung\w*|poumon|pulm\w*|bone|knochen|spine|os|osseux|hueso|sharp"
    r"|mip|minip|vnc|iod\w*|jod\w*|mono\w*|kev|overlay|fusion)(?![^\W\d_])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Found:
    """A scan, and what its DICOM headers say; ``series`` is ``None`` for an image file."""

    scan: ScanFile
    series: DicomSeries | None = None


def one_of_each(found: Sequence[Found]) -> tuple[tuple[ScanFile, ...], tuple[LeftOut, ...]]:
    """Scanners store one acquisition several times, as in slices of 1 and of 5 mm.

    Series of one known phase that were acquired at the same time and show the same stretch of the
    body are one scan. The one with the most slices is taken, but one for lung or bone, a projection
    or a picture of dual energy only where there is no other. Where that does not decide, and where
    phases share their times, which somebody has then blanked, all stay.
    """
    if _times_are_blanked(found):
        return tuple(one.scan for one in found), ()
    taken: list[Found] = []
    doubles: list[LeftOut] = []
    for one in sorted(found, key=_preference):
        better = next((other for other in taken if _is_double(one, other)), None)
        if one.series is None or better is None or better.series is None:
            taken.append(one)
        else:
            kind = f"another reconstruction of '{better.series.title}'"
            doubles.append(LeftOut(one.series.title, kind))
    return tuple(one.scan for one in found if one in taken), tuple(doubles)


def _times_are_blanked(found: Sequence[Found]) -> bool:
    known = [(one.scan.phase, one.series) for one in found if one.series and one.scan.phase]
    return any(
        phase is not other_phase and series.same_acquisition(other)
        for (phase, series), (other_phase, other) in combinations(known, 2)
    )


def _is_double(one: Found, other: Found) -> bool:
    if one.series is None or other.series is None or one.scan.phase is None:
        return False
    return (
        one.scan.phase is other.scan.phase
        and one.series.same_acquisition(other.series)
        and one.series.same_extent(other.series)
        and _preference(one) != _preference(other)
    )


def _preference(found: Found) -> tuple[bool, int]:
    if found.series is None:
        return False, 0
    slices = found.series.slices
    told = " ".join((found.series.description, *slices[0].image_type))
    return _SPECIAL.search(told) is not None, -sum(one.frames for one in slices)
