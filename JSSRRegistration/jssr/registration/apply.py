"""Apply a saved transform to an image or a label map."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.hounsfield import AIR_HU
from jssr.io.checks import is_hounsfield, is_label_map
from jssr.io.images import as_label_map, check_writable_name, read_image, write_image
from jssr.io.segmentation import (
    SUFFIX,
    read_segmentation,
    unknown_segments,
    write_segmentation,
)
from jssr.io.transforms import read_transform
from jssr.registration.field_of_view import Scan
from jssr.registration.result import Interpolation
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import SpatialTransform, resample

_SLAB_SLICES = 32


def warp_file(
    image: Path,
    transform: Path,
    reference: Path,
    output: Path,
    interpolation: Interpolation | None = None,
) -> Interpolation:
    """Writes ``image`` resampled onto the grid of ``reference``, and gives the interpolation.

    ``transform`` maps points of the reference to points of the image. Outside the image there is
    air (-1024) if it is a CT and else 0. A ``.seg.nrrd`` is never interpolated like an image, and
    written from a segmentation alone: what the numbers of another label map mean is not known.

    Args:
        interpolation: ``None`` chooses by the image's values.

    Raises:
        InputError: a file cannot be read, the output cannot be written, nothing of the image would
            be in view, or a segmentation would lose segments that the label table does not have.
    """
    check_writable_name(output)  # before the work, not after it
    coded = image.name.endswith(SUFFIX)
    if output.name.endswith(SUFFIX) and not coded:
        raise InputError(
            f"'{output}' has the name of a segmentation, and '{image}' names no segments; choose "
            "a name in .nii.gz or .nrrd."
        )
    grid = Geometry.of(read_image(reference))
    spatial = read_transform(transform)
    source = _read_segmentation_whole(image) if coded else read_image(image)
    if coded and interpolation is not Interpolation.NEAREST:
        interpolation = Interpolation.LABELS
    if interpolation is None:
        interpolation = Interpolation.LABELS if is_label_map(source) else Interpolation.LINEAR
    if interpolation is Interpolation.LINEAR:
        outside = AIR_HU if is_hounsfield(source) else 0.0
        kind = sitk.GetArrayViewFromImage(source).dtype
        warped = _warp_values(source, spatial, grid, outside, kind)
    else:
        outside = 0.0
        source = as_label_map(source, image)
        warped = warp_labels(source, spatial, grid, interpolation)
    if _is_all(warped, outside) and not _in_view(source, spatial, grid):
        raise InputError(
            f"Nothing of '{image}' is in view: '{transform}' maps all of '{reference}' to places "
            "outside of it; check that it is not the inverse transform, and that image, transform "
            "and reference belong together."
        )
    if output.name.endswith(SUFFIX):
        write_segmentation(warped, output)
    else:
        write_image(warped, output)
    return interpolation


def _read_segmentation_whole(path: Path) -> sitk.Image:
    labels = read_segmentation(path)
    unknown = unknown_segments(path)
    if unknown:
        raise InputError(
            f"'{path}' has a segment '{unknown[0]}', which JSSR's label table does not have; "
            "export it from Slicer as a label map (.nii.gz or .nrrd) and warp that."
        )
    return labels


def _is_all(image: sitk.Image, value: float) -> bool:
    return bool((sitk.GetArrayViewFromImage(image) == value).all())


def _in_view(image: sitk.Image, transform: SpatialTransform, reference: Geometry) -> bool:
    """Whether any point of the reference lies in the image, whatever values are there."""
    ones = Geometry.of(image).image(np.ones(image.GetSize()[::-1], np.uint8))
    seen = resample(ones, transform, reference, 0.0, sitk.sitkNearestNeighbor)
    return bool(sitk.GetArrayViewFromImage(seen).any())


def warp_scan(scan: sitk.Image, transform: SpatialTransform, reference: Geometry) -> sitk.Image:
    """A scan on the ``reference`` grid as int16 HU, rounded; -1024 where it has no voxel.

    ``transform`` maps points of the reference to points of the scan.
    """
    return _warp_values(scan, transform, reference, AIR_HU, np.dtype(np.int16))


def _warp_values(
    image: sitk.Image,
    transform: SpatialTransform,
    reference: Geometry,
    outside: float,
    kind: np.dtype,
) -> sitk.Image:
    """Linearly interpolated values as numbers of a ``kind``; ``outside`` where there are none.

    Slices are made in slabs, so that besides both images hardly any memory is needed.
    """
    mapping = transform.to_sitk()
    x, y, z = reference.size
    warped = np.empty(reference.shape_zyx, kind)
    for first in range(0, z, _SLAB_SLICES):
        slab = reference.part((0, 0, first), (x, y, min(_SLAB_SLICES, z - first)))
        # ITK truncates when it resamples to integers; rounding halves the error.
        exact = sitk.Resample(
            image, slab.empty_image(), mapping, sitk.sitkLinear, outside, sitk.sitkFloat64
        )
        warped[first : first + _SLAB_SLICES] = _as_kind(sitk.GetArrayViewFromImage(exact), kind)
    return reference.image(warped)


def difference(
    fixed: Scan, moving: Scan, warped: sitk.Image, fixed_to_moving: SpatialTransform
) -> sitk.Image:
    """The fixed scan minus ``warped``, the moving scan on its grid, as int16 HU.

    0 where one of the scans shows nothing: nothing is known of contrast there.
    """
    grid = Geometry.of(fixed.image)
    other = sitk.GetArrayViewFromImage(warped)
    values = sitk.GetArrayViewFromImage(fixed.image).astype(np.float32)
    values -= other
    values[other <= AIR_HU] = 0.0
    if fixed.seen is not None:
        values[sitk.GetArrayViewFromImage(fixed.seen) == 0] = 0.0
    if moving.seen is not None:
        seen = resample(moving.seen, fixed_to_moving, grid, 0.0, sitk.sitkNearestNeighbor)
        values[sitk.GetArrayViewFromImage(seen) == 0] = 0.0
    return grid.image(_as_kind(values, np.dtype(np.int16)))


def _as_kind(values: np.ndarray, kind: np.dtype) -> np.ndarray:
    """Whole numbers of up to 32 bits are rounded, and held at the type's limits."""
    if kind.kind == "f":
        return values.astype(kind)
    limits = np.iinfo(kind)
    return np.clip(np.rint(values), limits.min, limits.max).astype(kind)


def warp_labels(
    label_map: sitk.Image,
    transform: SpatialTransform,
    reference: Geometry,
    interpolation: Interpolation = Interpolation.LABELS,
) -> sitk.Image:
    """A label map on the ``reference`` grid.

    With ``LABELS`` each label is interpolated linearly and the strongest one wins, which keeps
    borders smooth; a voxel goes to the background where that is strongest.
    """
    if interpolation is Interpolation.NEAREST:
        return resample(label_map, transform, reference, 0.0, sitk.sitkNearestNeighbor)
    best = np.full(reference.shape_zyx, -1, np.float32)
    values = sitk.GetArrayViewFromImage(label_map)
    winner = np.zeros(reference.shape_zyx, values.dtype)
    for value in np.union1d(values, [0]):
        share = sitk.Cast(label_map == int(value), sitk.sitkFloat32)
        outside = 1.0 if value == 0 else 0.0
        warped = sitk.GetArrayFromImage(resample(share, transform, reference, outside))
        better = warped > best
        best[better] = warped[better]
        winner[better] = value
    return reference.image(winner)
