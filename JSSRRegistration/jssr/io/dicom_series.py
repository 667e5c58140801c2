"""A DICOM series as its headers tell it, and what of a study is no scan that one can register."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

ORIENTATION_TOLERANCE = 1e-3
_CAPTURE_STORAGE = "1.2.840.10008.5.1.4.1.1.7"  # the four for several frames begin so too
_LEAST_SLICES = 4
_LEAST_LENGTH_MM = 10.0


@dataclass(frozen=True)
class DicomSlice:
    """One image file: its place in LPS mm, its axes (row then column), and its voxels' layout.

    ``frames`` is more than 1 for an enhanced (multi-frame) file. ``storage`` is the UID of its kind
    of object, ``image_type`` the values that tell originals, reformats and localizers apart,
    ``acquired`` the date and the time as one number, ``None`` where the file tells no time of day.
    """

    path: Path
    modality: str
    storage: str
    image_type: tuple[str, ...]
    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    size: tuple[int, int]
    spacing_mm: tuple[float, float]
    frames: int
    acquired: float | None

    @property
    def placed(self) -> bool:
        """Whether it says where it lies."""
        return len(self.position_mm) == 3 and len(self.orientation) == 6


@dataclass(frozen=True)
class DicomSeries:
    """The slices of one series, as they lie in one folder.

    ``description`` is the protocol's name where the series has no description.
    """

    number: str
    description: str
    slices: tuple[DicomSlice, ...]

    @property
    def title(self) -> str:
        """Number and description."""
        return " ".join(part for part in (self.number, self.description) if part) or "unnamed"

    def same_acquisition(self, other: "DicomSeries") -> bool:
        """Whether both were made of the same rotations; false where a slice does not tell its time.

        A scanner takes one thing at a time, so one acquisition's reconstructions overlap in time.
        """
        mine, theirs = self._times(), other._times()
        if mine is None or theirs is None:
            return False
        return mine[0] <= theirs[1] and theirs[0] <= mine[1]

    def same_extent(self, other: "DicomSeries") -> bool:
        """Whether both reach from one slice to one slice, to within the thicker slices' distance.

        False for enhanced files and where a slice does not tell its place.
        """
        mine, theirs = self._extent_mm(), other._extent_mm()
        if mine is None or theirs is None:
            return False
        tolerance_mm = max(mine[2], theirs[2])
        return all(abs(mine[end] - theirs[end]) <= tolerance_mm for end in (0, 1))

    def _times(self) -> tuple[float, float] | None:
        times = [one.acquired for one in self.slices if one.acquired is not None]
        return (min(times), max(times)) if len(times) == len(self.slices) else None

    def _extent_mm(self) -> tuple[float, float, float] | None:
        """From where to where along its normal, and the mean distance of its slices."""
        if len(self.slices) < 2 or not all(one.placed for one in self.slices):
            return None
        normal = normal_of(self.slices[0])
        along = np.array([one.position_mm for one in self.slices]) @ normal
        low, high = float(along.min()), float(along.max())
        return low, high, (high - low) / (len(along) - 1)

    @property
    def no_scan(self) -> str:
        """What it is instead of an axial scan, such as ``localizer``; empty where it may be one."""
        slices = self.slices
        if any(one.modality != "CT" for one in slices):
            return "no CT"
        if any(one.storage.startswith(_CAPTURE_STORAGE) for one in slices):
            return "screen capture"
        if all("LOCALIZER" in one.image_type for one in slices):
            return "localizer"
        if sum(one.frames for one in slices) < _LEAST_SLICES:
            return "too few slices"
        if any(one.frames > 1 for one in slices):
            return ""  # where its frames lie stands deeper in the file
        return _misplaced(slices)


def same_orientation(slices: tuple[DicomSlice, ...]) -> bool:
    """Whether all slices have the axes of the first."""
    first = slices[0].orientation
    return all(
        np.allclose(one.orientation, first, atol=ORIENTATION_TOLERANCE) for one in slices[1:]
    )


def normal_of(one: DicomSlice) -> np.ndarray:
    """The unit vector along which slices like this one are stacked."""
    return np.cross(one.orientation[:3], one.orientation[3:])


def _misplaced(slices: tuple[DicomSlice, ...]) -> str:
    if not all(one.placed for one in slices):
        return "without positions"
    if not same_orientation(slices):
        return "slices in several directions"
    normal = normal_of(slices[0])
    if np.argmax(np.abs(normal)) != 2:
        return "not axial"
    # As those that watch for the arrival of the contrast agent.
    along = np.array([one.position_mm for one in slices]) @ normal
    return "slices at one place" if np.ptp(along) < _LEAST_LENGTH_MM else ""
