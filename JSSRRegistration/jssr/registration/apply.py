"""Apply a saved transform to an image or a label map."""

from enum import Enum
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.io.checks import is_hounsfield
from jssr.io.images import check_writable_name, read_image, read_label_map, write_image
from jssr.io.segmentation import SUFFIX, read_segmentation, write_segmentation
from jssr.io.transforms import read_transform
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import SpatialTransform, resample

AIR_HU = -1024.0
_SLAB_SLICES = 32


class Interpolation(str, Enum):
    """LINEAR: images. NEAREST: label maps, voxel by voxel. LABELS: label maps, smooth borders."""

    LINEAR = "linear"
    NEAREST = "nearest"
    LABELS = "labels"


def warp_file(
    image: Path, transform: Path, reference: Path, output: Path, interpolation: Interpolation
) -> None:
    """Writes ``image`` resampled onto the grid of ``reference``.

    ``transform`` maps points of the reference to points of the image. Outside the image there is
    air (-1024) if it is a CT and else 0. A ``.seg.nrrd`` is written as a segmentation.

    Raises:
        InputError: a file cannot be read, or the output cannot be written.
    """
    check_writable_name(output)  # before the work, not after it
    grid = Geometry.of(read_image(reference))
    spatial = read_transform(transform)
    if interpolation is Interpolation.LINEAR:
        source = read_image(image)
        outside = AIR_HU if is_hounsfield(source) else 0.0
        warped = resample(source, spatial, grid, outside)
    else:
        coded = image.name.endswith(SUFFIX)
        labels = read_segmentation(image) if coded else read_label_map(image)
        warped = warp_labels(labels, spatial, grid, interpolation)
    if output.name.endswith(SUFFIX):
        write_segmentation(warped, output)
    else:
        write_image(warped, output)


def warp_scan(scan: sitk.Image, transform: SpatialTransform, reference: Geometry) -> sitk.Image:
    """A scan on the ``reference`` grid as int16 HU, rounded; -1024 where it has no voxel.

    ``transform`` maps points of the reference to points of the scan. Slices are made in slabs, so
    that besides the scan and the result hardly any memory is needed.
    """
    mapping = transform.to_sitk()
    x, y, z = reference.size
    warped = np.empty(reference.shape_zyx, np.int16)
    for first in range(0, z, _SLAB_SLICES):
        slab = reference.part((0, 0, first), (x, y, min(_SLAB_SLICES, z - first)))
        # ITK truncates when it resamples to integers; rounding halves the error.
        exact = sitk.Resample(
            scan, slab.empty_image(), mapping, sitk.sitkLinear, AIR_HU, sitk.sitkFloat32
        )
        warped[first : first + _SLAB_SLICES] = np.rint(sitk.GetArrayViewFromImage(exact))
    return reference.image(warped)


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
