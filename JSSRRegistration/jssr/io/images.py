"""Scans, masks and label maps from disk, and images to disk."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.io.atomic import no_space_error, whole_file
from jssr.io.checks import (
    check_extent,
    check_header,
    check_hounsfield,
    check_length,
    not_finite_error,
)
from jssr.io.dicom import is_dicom, read_series
from jssr.io.reading import check_file, check_there, reading
from jssr.io.whole import is_nifti, is_whole, nifti_is_finite, nifti_is_whole
from jssr.memory import is_out_of_memory
from jssr.spatial.geometry import Geometry, same_geometry

WRITABLE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
_NIFTI_SUFFIXES = (".nii.gz", ".nii")
_ORTHOGONAL = 1e-3
_INTEGERS = frozenset(
    {
        sitk.sitkUInt8,
        sitk.sitkInt8,
        sitk.sitkUInt16,
        sitk.sitkInt16,
        sitk.sitkUInt32,
        sitk.sitkInt32,
        sitk.sitkUInt64,
        sitk.sitkInt64,
    }
)


def read_scan(path: Path) -> sitk.Image:
    """The CT scan in a file or in a DICOM folder, in HU.

    One DICOM file stands for the series it belongs to, so it picks one series of a folder.

    Returns:
        3D image, int16 where the values fit and else float32, with an empty metadata dictionary.

    Raises:
        InputError: it is missing, damaged, or no 3D CT volume in Hounsfield units.
    """
    image = read_image(path)
    check_extent(image, path)
    check_hounsfield(image, path)
    check_length(image, path)
    return _compact(image)


def read_image(path: Path) -> sitk.Image:
    """Any scalar 3D image, as it is stored, with an empty metadata dictionary.

    Raises:
        InputError: it is missing, damaged or not to be read, holds no scalar 3D image, or is a
            NIfTI with NaN or infinite voxels, which ITK would read as 0.
    """
    check_there(path)
    with reading(path):
        dicom = path.is_dir() or is_dicom(path)
    image = read_series(path) if dicom else _read_volume(path)
    if not dicom and is_nifti(path) and not nifti_is_finite(path):
        raise not_finite_error(path)
    return _without_metadata(image)


def read_mask(path: Path, scan: sitk.Image) -> sitk.Image:
    """A mask (non-zero: use this voxel) as uint8 on the grid of ``scan``.

    A mask on another grid, such as a cropped segmentation, is brought over by nearest neighbour.

    Raises:
        InputError: it cannot be read, or marks no voxel of the scan.
    """
    mask = sitk.Cast(_read_existing(path) != 0, sitk.sitkUInt8)
    if not same_geometry(Geometry.of(mask), Geometry.of(scan)):
        mask = sitk.Resample(
            mask, scan, sitk.Transform(3, sitk.sitkIdentity), sitk.sitkNearestNeighbor, 0
        )
    # NIfTI rounds the grid to single precision, and ITK would then take it for another one.
    mask.CopyInformation(scan)
    if not sitk.GetArrayViewFromImage(mask).any():
        raise InputError(
            f"The mask '{path}' marks no voxel of its scan; give the mask of this scan."
        )
    return _without_metadata(mask)


def read_label_map(path: Path) -> sitk.Image:
    """A 3D image of whole numbers from 0: uint8 where they fit, else uint16.

    Raises:
        InputError: it cannot be read, or holds negative, broken or too large numbers.
    """
    return as_label_map(_read_existing(path), path)


def as_label_map(image: sitk.Image, path: Path) -> sitk.Image:
    """The image read from ``path`` in whole numbers from 0: uint8 where they fit, else uint16.

    Raises:
        InputError: it holds negative, broken or too large numbers.
    """
    values = sitk.GetArrayViewFromImage(image)
    if image.GetPixelID() not in _INTEGERS and not np.array_equal(values, np.rint(values)):
        raise InputError(f"'{path}' holds broken numbers; a label map has whole numbers.")
    low, high = values.min(), values.max()
    if low < 0 or high > np.iinfo(np.uint16).max:
        raise InputError(
            f"'{path}' holds values from {low:g} to {high:g}; a label map has 0 to 65535."
        )
    fits = high <= np.iinfo(np.uint8).max
    return _without_metadata(sitk.Cast(image, sitk.sitkUInt8 if fits else sitk.sitkUInt16))


def write_image(image: sitk.Image, path: Path, note: str = "", *, compress: bool = True) -> None:
    """Writes ``image`` to ``path``, whole or not at all; ``note`` goes into the header.

    Raises:
        InputError: the suffix is none of :data:`WRITABLE_SUFFIXES`, there is no permission, or the
            disk is full.
    """
    check_writable_name(path)
    if note:
        image = sitk.Image(image)  # a cheap copy: the voxels are shared
        image.SetMetaData("ITK_FileNotes", note)
    with whole_file(path) as part:
        try:
            sitk.WriteImage(image, str(part), useCompression=compress)
        except RuntimeError as error:  # the file could be opened, so little else is likely
            raise no_space_error(path) from error
        if path.name.endswith(_NIFTI_SUFFIXES) and not nifti_is_whole(part):
            raise no_space_error(path)


def check_writable_name(path: Path) -> None:
    """Refuses a name whose suffix stands for no format that is written.

    Raises:
        InputError: the suffix is none of :data:`WRITABLE_SUFFIXES`.
    """
    if not path.name.endswith(WRITABLE_SUFFIXES):
        raise InputError(
            f"'{path}' cannot be written; choose a name in {', '.join(WRITABLE_SUFFIXES)}."
        )


def _read_existing(path: Path) -> sitk.Image:
    check_file(path)
    return _read_volume(path)


def _read_volume(path: Path) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        check_header(reader, path)
        image = reader.Execute() if is_whole(path) else None
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise
        if "orthonormal" in str(error):
            raise _sheared(path) from error
        raise InputError(
            f"'{path}' cannot be read as an image (NIfTI, NRRD or MetaImage); "
            "it is damaged, cut short or of another kind: get it again."
        ) from error
    if image is None:
        raise InputError(f"'{path}' is cut short or damaged; get it again from where it came.")
    while image.GetDimension() > 3:
        image = image[..., 0]
    # NRRD and MetaImage may hold any axes; NIfTI, as which results are written, cannot.
    axes = np.reshape(image.GetDirection(), (image.GetDimension(), -1))
    if not np.allclose(axes.T @ axes, np.eye(len(axes)), rtol=0, atol=_ORTHOGONAL):
        raise _sheared(path)
    return image


def _sheared(path: Path) -> InputError:
    return InputError(
        f"'{path}' has sheared axes, which no scanner makes; resample it to a regular grid."
    )


def _compact(image: sitk.Image) -> sitk.Image:
    if image.GetPixelID() == sitk.sitkInt16:
        return image
    if image.GetPixelID() in _INTEGERS:
        values = sitk.GetArrayViewFromImage(image)
        limits = np.iinfo(np.int16)
        if values.min() >= limits.min and values.max() <= limits.max:
            return sitk.Cast(image, sitk.sitkInt16)
    return sitk.Cast(image, sitk.sitkFloat32)


def _without_metadata(image: sitk.Image) -> sitk.Image:
    """Headers may name the patient; nothing of them goes further than here."""
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    return image
