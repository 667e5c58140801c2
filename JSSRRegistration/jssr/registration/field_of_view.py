"""Which voxels of a stored scan were scanned, and which only fill its box."""

import numpy as np
import SimpleITK as sitk

_FILLING_BELOW_HU = -900
_BLOCK_MM = 4.0


def scanned_mask(image: sitk.Image) -> sitk.Image | None:
    """uint8 on the scan's grid, 1 where it was scanned; ``None`` where it was everywhere.

    Scanners, and whatever crops or turns a scan later, fill the rest of its box with one value, as
    low as air's or lower. Taken for air, the end of the field of view looks like skin, and two
    scans are aligned by where they end. Air that was scanned is told apart by its noise.

    Args:
        image: a scan in HU.
    """
    hu = sitk.GetArrayViewFromImage(image)
    filling = np.zeros(hu.shape, bool)
    for value in np.unique(hu[_corners(hu.shape)]):
        if value < _FILLING_BELOW_HU:
            filling |= _filled(hu == value, image.GetSpacing()[::-1])
    if not filling.any():
        return None
    mask = sitk.GetImageFromArray(np.logical_not(filling, out=filling).view(np.uint8))
    mask.CopyInformation(image)
    return mask


def _filled(same: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Of the voxels ``same``, those in or next to the blocks full of them that reach a corner."""
    sizes = [
        min(n, max(1, round(_BLOCK_MM / s))) for n, s in zip(same.shape, spacing_mm, strict=True)
    ]
    counts = [n // size for n, size in zip(same.shape, sizes, strict=True)]
    whole = same[tuple(slice(n * size) for n, size in zip(counts, sizes, strict=True))]
    blocks = whole.reshape(np.stack((counts, sizes), axis=1).flatten()).all(axis=(1, 3, 5))
    full = sitk.GetImageFromArray(np.asarray(blocks, np.uint8))
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(full))
    names = np.setdiff1d(pieces[_corners(pieces.shape)], 0)
    reaching = sitk.GetImageFromArray(np.asarray(np.isin(pieces, names), np.uint8))
    near = sitk.GetArrayFromImage(sitk.BinaryDilate(reaching, [1, 1, 1])).astype(bool)
    for axis, (n, size) in enumerate(zip(same.shape, sizes, strict=True)):
        near = near.take(np.minimum(np.arange(n) // size, near.shape[axis] - 1), axis=axis)
    return near & same


def _corners(shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(None, None, max(1, n - 1)) for n in shape)
