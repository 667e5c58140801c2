"""Transforms to and from disk, as SimpleITK and Slicer read them (LPS, millimetres)."""

import io
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.io.atomic import whole_file
from jssr.io.reading import check_file
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_from_sitk
from jssr.spatial.transform import SpatialTransform

_IMAGE_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
_PACKED = {"compression": "gzip", "compression_opts": 4, "shuffle": True}


def write_transform(transform: SpatialTransform, path: Path) -> None:
    """Writes ``transform`` as an ITK composite in HDF5, whole or not at all.

    The displacement is stored in float32 and compressed, a fraction of what ITK itself writes.
    There are no time stamps, so equal transforms make equal files.

    Raises:
        InputError: the disk is full.
    """
    # ITK's queue: the transform that is stored last is applied first.
    parts = [_linear_part(transform.linear)]
    if transform.displacement_mm is not None and transform.grid is not None:
        field = _field_part(transform.displacement_mm, transform.grid)
        parts = [field, *parts] if transform.linear_first else [*parts, field]
    with whole_file(path) as part:
        part.write_bytes(_composite(parts))


def read_transform(path: Path) -> SpatialTransform:
    """The transform in an ITK file, or the LPS displacement field (mm) in an image file.

    Understood are linear transforms, one displacement field, and composites of one field with
    linear transforms before or after it.

    Raises:
        InputError: the file is missing, damaged, or holds another kind of transform.
    """
    check_file(path)
    if path.suffix in _IMAGE_SUFFIXES:
        return _read_field(path)
    before, after = np.eye(4), np.eye(4)
    field: sitk.Image | None = None
    for one in reversed(_flatten(_read(path))):  # in the order in which they are applied
        if one.IsLinear():
            matrix = affine_from_sitk(one)
            before, after = (matrix @ before, after) if field is None else (before, matrix @ after)
        elif field is None and one.GetTransformEnum() == sitk.sitkDisplacementField:
            field = sitk.DisplacementFieldTransform(one).GetDisplacementField()
        else:
            raise InputError(
                f"'{path}' holds a transform that is not one displacement field with linear parts; "
                "give one that JSSR wrote, or a displacement field."
            )
    if field is None:
        return SpatialTransform(before)
    if np.allclose(before, np.eye(4), atol=1e-12):
        return _with_field(after, field, linear_first=False)
    if np.allclose(after, np.eye(4), atol=1e-12):
        return _with_field(before, field, linear_first=True)
    raise InputError(
        f"'{path}' has linear parts on both sides of its field; give one with one side."
    )


def read_linear(path: Path) -> np.ndarray:
    """The 4x4 LPS matrix of the linear transform in an ITK file (.tfm, .txt, .mat, .h5).

    Raises:
        InputError: the file is missing or damaged, or the transform is not 3D, linear, invertible.
    """
    check_file(path)
    parts = _flatten(_read(path))
    if not all(one.IsLinear() for one in parts):
        raise InputError(
            f"'{path}' is not a linear transform; an initial transform must be rigid or affine."
        )
    matrix = np.eye(4)
    for one in reversed(parts):
        matrix = affine_from_sitk(one) @ matrix
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-6:
        raise InputError(f"'{path}' holds a linear transform that cannot be inverted; correct it.")
    return matrix


def _linear_part(matrix: np.ndarray) -> tuple[str, np.ndarray, np.ndarray]:
    parameters = np.concatenate([matrix[:3, :3].ravel(), matrix[:3, 3]])
    return "AffineTransform_double_3_3", np.zeros(3), parameters


def _field_part(displacement_mm: np.ndarray, grid: Geometry) -> tuple[str, np.ndarray, np.ndarray]:
    fixed = np.array([*grid.size, *grid.origin_mm, *grid.spacing_mm, *grid.direction], np.float64)
    interleaved = np.moveaxis(displacement_mm, 0, -1).astype(np.float32).ravel()
    return "DisplacementFieldTransform_double_3_3", fixed, interleaved


def _composite(parts: list[tuple[str, np.ndarray, np.ndarray]]) -> bytes:
    """The file's bytes, made in memory: h5py on a full disk drops data without a word."""
    import h5py

    buffer = io.BytesIO()
    text = h5py.string_dtype("ascii")
    with h5py.File(buffer, "w") as file:
        root = file.create_group("TransformGroup")
        kind = root.create_group("0")
        kind.create_dataset("TransformType", data=["CompositeTransform_double_3_3"], dtype=text)
        for number, (name, fixed, parameters) in enumerate(parts, start=1):
            group = root.create_group(str(number))
            group.create_dataset("TransformType", data=[name], dtype=text)
            group.create_dataset("TransformFixedParameters", data=fixed)
            options = _PACKED if parameters.dtype == np.float32 else {}
            group.create_dataset("TransformParameters", data=parameters, **options)
    return buffer.getvalue()


def _read(path: Path) -> sitk.Transform:
    try:
        transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError(
            f"'{path}' cannot be read as a transform (.h5, .tfm, .txt, .mat); it is damaged or of "
            "another kind."
        ) from error
    if transform.GetDimension() != 3:
        raise InputError(f"'{path}' is a {transform.GetDimension()}D transform; give a 3D one.")
    return transform


def _flatten(transform: sitk.Transform) -> list[sitk.Transform]:
    """The parts of nested composites, in the order in which they are stored."""
    if transform.GetTransformEnum() != sitk.sitkComposite:
        return [transform]
    composite = sitk.CompositeTransform(transform)
    parts = [composite.GetNthTransform(i) for i in range(composite.GetNumberOfTransforms())]
    return [leaf for part in parts for leaf in _flatten(part)]


def _read_field(path: Path) -> SpatialTransform:
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"'{path}' cannot be read; it is damaged or of another kind.") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 3:
        raise InputError(
            f"'{path}' is no displacement field; it needs three values a voxel in three dimensions."
        )
    return _with_field(np.eye(4), image, linear_first=False)


def _with_field(linear: np.ndarray, field: sitk.Image, *, linear_first: bool) -> SpatialTransform:
    values = np.moveaxis(sitk.GetArrayViewFromImage(field), -1, 0).astype(np.float32, order="C")
    return SpatialTransform(linear, values, Geometry.of(field), linear_first)
