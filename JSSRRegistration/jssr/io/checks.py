"""What a volume must be before JSSR works on it; each refusal is one sentence."""

import gzip
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.errors import InputError

MINIMUM_SLICES = 8
_MINIMUM_EXTENT_MM, _MAXIMUM_EXTENT_MM = 10.0, 3000.0
_COMPLEX = frozenset({sitk.sitkComplexFloat32, sitk.sitkComplexFloat64})

# Fat is near -100 HU and air near -1000 HU; scanners pad outside the field of view with less.
_FAT_AND_AIR_HU = (-1200, -40)
_MINIMUM_FAT_AND_AIR = 1e-3
_MINIMUM_RANGE_HU = 150
_SAMPLE_VOXELS = 4_000_000
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20
_HEADER_LINE_BYTES = 1 << 16
_METAIMAGE_BYTES = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
    "MET_LONG_LONG": 8,
    "MET_ULONG_LONG": 8,
}


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
            f"'{path}' has {min(size)} slices ({' × '.join(map(str, size))} voxels), "
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

    Of a pair (``.hdr`` and ``.img``) either file may be given. ITK fills what is missing with zeros
    and does not say so, reading as well as writing.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    voxels = int(np.prod(reader.GetSize())) * reader.GetNumberOfComponents()
    bits = int(reader.GetMetaData("bitpix"))
    if reader.GetNumberOfComponents() > 1 and bits in (24, 96):  # colour counts as one value
        voxels //= reader.GetNumberOfComponents()
    needed = float(reader.GetMetaData("vox_offset")) + voxels * bits / 8
    stored = _nifti_voxels(path)
    return stored.is_file() and _uncompressed_size(stored) >= needed


def metaimage_is_whole(path: Path) -> bool:
    """Whether the MetaImage ``path`` holds as many bytes of voxels as its header announces.

    ITK refuses one that is cut short too, but writes its own lines to standard error.
    """
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        while "ElementDataFile" not in fields:
            line = stream.readline(_HEADER_LINE_BYTES)
            if not line:
                return False
            key, _, value = line.decode("utf-8", "replace").partition("=")
            fields[key.strip()] = value.strip()
        start = stream.tell()
    place = fields["ElementDataFile"]
    if place.upper() == "LOCAL":
        stored = path.stat().st_size - start
    elif (path.parent / place).is_file():
        stored = (path.parent / place).stat().st_size
    else:
        # A list or a pattern names a file a slice, which ITK finds; one plain name must be there.
        return place.upper().startswith("LIST") or "%" in place
    return stored >= _metaimage_bytes(fields)


def _metaimage_bytes(fields: Mapping[str, str]) -> int:
    """How many bytes of voxels a MetaImage header announces; 0 where it does not say."""
    if fields.get("BinaryData", "").lower() == "false":
        return 0  # written out as text
    if fields.get("CompressedData", "").lower() == "true":
        announced = fields.get("CompressedDataSize", "")
        return int(announced) if announced.isdigit() else 0
    sizes = [int(part) for part in fields.get("DimSize", "").split() if part.isdigit()]
    channels = fields.get("ElementNumberOfChannels", "1")
    voxels = math.prod(sizes) if sizes else 0
    width = _METAIMAGE_BYTES.get(fields.get("ElementType", "").upper(), 0)
    return voxels * width * (int(channels) if channels.isdigit() else 1)


def _nifti_voxels(path: Path) -> Path:
    """The file that holds the voxels: ``path``, or the ``.img`` or ``.img.gz`` of its pair."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    if plain.suffix.lower() not in (".hdr", ".img"):
        return path
    image = plain.with_suffix(".IMG" if plain.suffix.isupper() else ".img")
    packed = image.with_name(image.name + (".GZ" if plain.suffix.isupper() else ".gz"))
    return packed if packed.is_file() and not image.is_file() else image


def _uncompressed_size(path: Path) -> int:
    """Bytes that ``path`` unpacks to; 0 if its compressed stream is cut or damaged.

    The content decides whether it is compressed, as it does for ITK, and not the name.
    """
    with path.open("rb") as stream:
        if stream.read(len(_GZIP_MAGIC)) != _GZIP_MAGIC:
            return path.stat().st_size
    size = 0
    try:
        with gzip.open(path) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                size += len(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return 0
    return size
