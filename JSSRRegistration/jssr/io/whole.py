"""Whether a file holds all the voxels that its header announces, and all of them numbers."""

import gzip
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import SimpleITK as sitk

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20
_HEADER_LINE_BYTES = 1 << 16
_NIFTI_FLOATS = {16: "f4", 64: "f8"}
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


def is_whole(path: Path) -> bool:
    """Whether an image file whose header can be read has all its voxels; NRRD is left to ITK."""
    if is_nifti(path):
        return nifti_is_whole(path)
    kind = sitk.ImageFileReader.GetImageIOFromFileName(str(path))
    return kind != "MetaImageIO" or _metaimage_is_whole(path)


def is_nifti(path: Path) -> bool:
    """Whether ITK reads the file as NIfTI."""
    return sitk.ImageFileReader.GetImageIOFromFileName(str(path)) == "NiftiImageIO"


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


def nifti_is_finite(path: Path) -> bool:
    """Whether no voxel of the whole NIfTI file ``path`` is NaN or infinite: ITK reads those as 0.

    Files of integers are not read: they hold numbers alone.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    kind = _NIFTI_FLOATS.get(int(reader.GetMetaData("datatype")))
    if kind is None:
        return True
    stored = _nifti_voxels(path)
    number = np.dtype(_byte_order(stored) + kind)
    left = math.prod(reader.GetSize()) * reader.GetNumberOfComponents() * number.itemsize
    with _unpacked(stored) as stream:
        stream.seek(round(float(reader.GetMetaData("vox_offset"))))
        while chunk := stream.read(min(left, _CHUNK_BYTES)):
            if not np.isfinite(np.frombuffer(chunk, number)).all():
                return False
            left -= len(chunk)
    return True


def _byte_order(stored: Path) -> str:
    """``<`` or ``>``, by the size of the header, 348 or 540, with which a NIfTI begins."""
    header = stored.name.replace(".img", ".hdr").replace(".IMG", ".HDR")
    with _unpacked(stored.with_name(header)) as stream:
        return "<" if int.from_bytes(stream.read(4), "little") in (348, 540) else ">"


def _metaimage_is_whole(path: Path) -> bool:
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
    """Bytes that ``path`` unpacks to; 0 if its compressed stream is cut or damaged."""
    if not _is_packed(path):
        return path.stat().st_size
    size = 0
    try:
        with _unpacked(path) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                size += len(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return 0
    return size


def _is_packed(path: Path) -> bool:
    """The content decides whether a file is compressed, as it does for ITK, and not the name."""
    with path.open("rb") as stream:
        return stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


def _unpacked(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if _is_packed(path) else path.open("rb")
