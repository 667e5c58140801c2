"""What a volume must be before JSSR works on it; each refusal is one sentence."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.errors import InputError

MINIMUM_SLICES = 8
_MAXIMUM_EXTENT_MM = 3000.0
_COMPLEX = frozenset({sitk.sitkComplexFloat32, sitk.sitkComplexFloat64})

# Fat is near -100 HU and air near -1000 HU; scanners pad outside the field of view with less.
_FAT_AND_AIR_HU = (-1200, -40)
_MINIMUM_FAT_AND_AIR = 1e-3
_MINIMUM_RANGE_HU = 150
_SAMPLE_VOXELS = 4_000_000
_CHUNK_BYTES = 1 << 20


def check_header(reader: sitk.ImageFileReader, path: Path) -> None:
    """Refuses what is not one scalar 3D volume, from the header alone.

    Raises:
        InputError: it is 2D, 4D or more, colour, a vector field, or complex.
    """
    if reader.GetPixelID() in _COMPLEX:
        raise InputError(f"'{path}' holds complex numbers; give a CT scan in Hounsfield units.")
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
        InputError: fewer than eight voxels along an axis, or more than three metres.
    """
    size = image.GetSize()
    if min(size) < MINIMUM_SLICES:
        raise InputError(
            f"'{path}' has {min(size)} slices ({' × '.join(map(str, size))} voxels), "
            f"and at least {MINIMUM_SLICES} are needed; give a whole volume."
        )
    extent = max(n * s for n, s in zip(size, image.GetSpacing(), strict=True))
    if not extent < _MAXIMUM_EXTENT_MM:
        raise InputError(
            f"'{path}' would be {extent / 1000:.1f} metres long; "
            "correct the voxel spacing in its header, which must be in millimetres."
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
        raise InputError(f"'{path}' holds NaN or infinite voxels; replace them by -1024 (air).")
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


def nifti_is_whole(path: Path) -> bool:
    """Whether the NIfTI file ``path`` holds as many bytes as its header announces.

    ITK fills what is missing with zeros and does not say so, reading as well as writing.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    voxels = int(np.prod(reader.GetSize())) * reader.GetNumberOfComponents()
    bits = int(reader.GetMetaData("bitpix"))
    if reader.GetNumberOfComponents() > 1 and bits in (24, 96):  # colour counts as one value
        voxels //= reader.GetNumberOfComponents()
    needed = float(reader.GetMetaData("vox_offset")) + voxels * bits / 8
    if path.suffix != ".gz":
        return path.stat().st_size >= needed
    return _uncompressed_size(path) >= needed


def _uncompressed_size(path: Path) -> int:
    """Bytes that ``path`` unpacks to; 0 if its compressed stream is cut or damaged."""
    size = 0
    try:
        with gzip.open(path) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                size += len(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return 0
    return size
