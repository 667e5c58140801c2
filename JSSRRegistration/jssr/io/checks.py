"""What a volume must be before JSSR works on it; each refusal is one sentence."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.errors import InputError, counted

MINIMUM_SLICES = 8
_MINIMUM_EXTENT_MM, _MAXIMUM_EXTENT_MM = 10.0, 3000.0
# A box in one block of 16 voxels of 3 mm leaves a single voxel on the networks' coarsest level.
_MINIMUM_LENGTH_MM = 40.0
_COMPLEX = frozenset({sitk.sitkComplexFloat32, sitk.sitkComplexFloat64})

# Fat is near -100 HU and air near -1000 HU; scanners pad outside the field of view with less.
_FAT_AND_AIR_HU = (-1200, -40)
_MINIMUM_FAT_AND_AIR = 1e-3
_MINIMUM_RANGE_HU = 150
_SAMPLE_VOXELS = 4_000_000
_MOST_LABELS = 300
_LEAST_EVEN = 0.7


def check_header(reader: sitk.ImageFileReader, path: Path) -> None:
    """Refuses what is not one scalar 3D volume, from the header alone.

    Raises:
        InputError: it is 2D, 4D or more, colour, a vector field, complex, or a segmentation whose
            segments overlap.
    """
    if reader.GetPixelID() in _COMPLEX:
        raise InputError(f"'{path}' holds complex numbers; give a CT scan in Hounsfield units.")
    if reader.GetNumberOfComponents() != 1 and reader.HasMetaDataKey("Segment0_ID"):
        raise InputError(
            f"'{path}' is a segmentation whose segments overlap; export it from Slicer as one "
            "label map (.nii.gz or .nrrd)."
        )
    if reader.GetNumberOfComponents() != 1:
        raise InputError(
            f"'{path}' holds {reader.GetNumberOfComponents()} values a voxel (colour or vectors); "
            "give a scan with one value a voxel."
        )
    size = reader.GetSize()
    if len(size) < 3:
        raise InputError(f"'{path}' is a {len(size)}D image; give a 3D volume.")
    if any(n != 1 for n in size[3:]):
        raise InputError(
            f"'{path}' is a {len(size)}D image of {' × '.join(map(str, size))} voxels; "
            "give one 3D volume, such as a single time point of it."
        )


def check_extent(image: sitk.Image, path: Path) -> None:
    """Refuses a 3D image that is too thin or impossibly large.

    Raises:
        InputError: fewer than eight voxels or 10 mm along an axis, or more than three metres.
    """
    size = image.GetSize()
    if min(size) < MINIMUM_SLICES:
        raise InputError(
            f"'{path}' has {counted(min(size), 'slice')} ({' × '.join(map(str, size))} voxels), "
            f"and at least {MINIMUM_SLICES} are needed; give a whole volume."
        )
    extents = [n * s for n, s in zip(size, image.GetSpacing(), strict=True)]
    if not max(extents) < _MAXIMUM_EXTENT_MM:
        raise InputError(
            f"'{path}' would be {max(extents) / 1000:.1f} metres long; "
            "correct the voxel spacing in its header, which must be in millimetres."
        )
    if not min(extents) >= _MINIMUM_EXTENT_MM:
        raise InputError(
            f"'{path}' is only {min(extents):.2g} mm thick, and at least {_MINIMUM_EXTENT_MM:g} mm "
            "are needed; give a whole volume, or "
            "correct the voxel spacing in its header, which must be in millimetres."
        )


def check_length(image: sitk.Image, path: Path) -> None:
    """Refuses a scan that shows too little for the networks.

    Raises:
        InputError: less than 40 mm along every axis.
    """
    longest = max(n * s for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True))
    if longest < _MINIMUM_LENGTH_MM:
        raise InputError(
            f"'{path}' is only {longest:.2g} mm long, and at least {_MINIMUM_LENGTH_MM:g} mm along "
            "one axis are needed; give a whole volume, or "
            "correct the voxel spacing in its header, which must be in millimetres."
        )


def not_finite_error(path: Path) -> InputError:
    """What to raise when an image holds voxels that are no numbers."""
    return InputError(
        f"'{path}' holds NaN or infinite voxels; replace them by numbers (air is -1024 HU)."
    )


def check_hounsfield(image: sitk.Image, path: Path) -> None:
    """Refuses values that cannot be Hounsfield units of a body.

    A CT of a body always holds air or fat, which lie below zero, and spans some hundred units;
    magnitudes (MR), stored values without rescale, and normalized or windowed images do not.

    Raises:
        InputError: not finite, all constant, or no Hounsfield units.
    """
    values = sitk.GetArrayViewFromImage(image)
    if values.dtype.kind == "f" and not all(np.isfinite(part).all() for part in values):
        raise not_finite_error(path)
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise InputError(f"'{path}' is {low:g} everywhere; give a CT scan of a body.")
    if not is_hounsfield(image):
        raise InputError(
            f"'{path}' is not in Hounsfield units (its values go from {low:g} to {high:g}, and CT "
            "has fat and air below zero); give a CT scan with its rescale applied."
        )


def is_hounsfield(image: sitk.Image) -> bool:
    """Whether the values can be those of a CT: they span some hundred units and hold fat or air."""
    values = sitk.GetArrayViewFromImage(image)
    step = max(1, round((values.size / _SAMPLE_VOXELS) ** (1 / 3)))
    sample = values[::step, ::step, ::step]
    fat_and_air = (sample >= _FAT_AND_AIR_HU[0]) & (sample <= _FAT_AND_AIR_HU[1])
    wide = float(values.max()) - float(values.min()) >= _MINIMUM_RANGE_HU
    return wide and float(fat_and_air.mean()) >= _MINIMUM_FAT_AND_AIR


def is_label_map(image: sitk.Image) -> bool:
    """Whether the values look like numbers of labels, to which no number between belongs.

    They are whole, few, from 0, and most that are not 0 have the same beside them; an image that is
    not in HU has noise. An empty mask is one, too.
    """
    values = sitk.GetArrayViewFromImage(image)
    if values.min() < 0 or not np.array_equal(values, np.rint(values)):
        return False
    if len(np.unique(values)) > _MOST_LABELS:
        return False
    inside, beside = values[..., :-1], values[..., 1:]
    labelled = inside > 0
    return not labelled.any() or float((inside == beside)[labelled].mean()) >= _LEAST_EVEN
