"""Which voxels of a stored scan were scanned, and which only fill its box."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from jssr.hounsfield import AIR_HU

_AIR_BELOW_HU = -900
_BLOCK_MM = 4.0
_CLIPPED_PART = 0.01
"""Of the voxels that share the darkest value: noise leaves fewer, air that was clipped more."""


@dataclass(frozen=True)
class Scan:
    """A scan, and which of it was scanned.

    Scanners, and whatever crops or turns a scan later, fill the rest of its box with one value.
    Taken for air, the end of the field of view looks like skin, and two scans are aligned by where
    they end; a value above that of air looks like tissue. Air that was scanned is told apart by
    its noise, or, where values were clipped to a window, by being the darkest.

    Attributes:
        image: HU, air where the box was filled or clipped values stand for air.
        seen: uint8 on the scan's grid, 1 where it was scanned; ``None`` where it was everywhere.
    """

    image: sitk.Image
    seen: sitk.Image | None

    @staticmethod
    def of(image: sitk.Image) -> "Scan":
        """The scan ``image``, in HU, with what fills its box found."""
        hu = sitk.GetArrayViewFromImage(image)
        filling, darkest, brightest = np.zeros(hu.shape, bool), hu.min(), hu.max()
        for value in np.unique(hu[_corners(hu.shape)]):
            if value < _AIR_BELOW_HU or darkest < value < brightest:
                filling |= _filled(hu == value, image.GetSpacing()[::-1])
        air = filling & (hu >= _AIR_BELOW_HU)
        if darkest >= _AIR_BELOW_HU and (hu == darkest).mean() > _CLIPPED_PART:
            air |= hu == darkest
        if air.any():
            image = _like(image, np.where(air, hu.dtype.type(AIR_HU), hu))
        if not filling.any():
            return Scan(image, None)
        return Scan(image, _like(image, np.logical_not(filling, out=filling).view(np.uint8)))

    def within(self, mask: sitk.Image | None) -> "Scan":
        """What of the scan lies where ``mask``, on its grid, is above zero."""
        if mask is None:
            return self
        return Scan(self.image, mask > 0 if self.seen is None else sitk.And(self.seen, mask > 0))


def _like(image: sitk.Image, values: np.ndarray) -> sitk.Image:
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    return made


def _filled(same: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Of the voxels ``same``, those in or next to the blocks full of them that reach a corner."""
    sizes = [
        min(n, max(1, round(_BLOCK_MM / s))) for n, s in zip(same.shape, spacing_mm, strict=True)
    ]
    counts = [n // size for n, size in zip(same.shape, sizes, strict=True)]
    full = same[tuple(slice(n * size) for n, size in zip(counts, sizes, strict=True))]
    # One axis at a time: numpy is slow at several that are short.
    for axis, (n, size) in enumerate(zip(counts, sizes, strict=True)):
        parted = full.reshape(*full.shape[:axis], n, size, *full.shape[axis + 1 :])
        full = np.asarray(parted.all(axis=axis + 1))
    if not full[_corners(full.shape)].any():
        return np.zeros_like(same)
    full = sitk.GetImageFromArray(full.astype(np.uint8))
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(full))
    names = np.setdiff1d(pieces[_corners(pieces.shape)], 0)
    reaching = sitk.GetImageFromArray(np.asarray(np.isin(pieces, names), np.uint8))
    near = sitk.GetArrayFromImage(sitk.BinaryDilate(reaching, [1, 1, 1])).astype(bool)
    for axis, (n, size) in enumerate(zip(same.shape, sizes, strict=True)):
        near = near.take(np.minimum(np.arange(n) // size, near.shape[axis] - 1), axis=axis)
    return near & same


def _corners(shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(None, None, max(1, n - 1)) for n in shape)
