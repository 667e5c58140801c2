"""Deeds, if its programs ``linearBCV`` and ``deedsBCV`` are on the path."""

import subprocess
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.hounsfield import AIR_HU
from jssr.spatial.geometry import Geometry
from jssr.spatial.warp import isotropic

_ISOTROPIC_TOLERANCE = 1.1


def register_deeds(fixed: sitk.Image, moving: sitk.Image, scratch: Path) -> sitk.Transform:
    """Affine pre-alignment, then deeds, all parameters at their defaults.

    Deeds wants both scans on one grid and knows no spacing, so scans with oblong voxels are
    resampled to cubes first, as its documentation asks.
    """
    grid = _isotropic(Geometry.of(fixed))
    paths = []
    for name, image in (("fixed", fixed), ("moving", moving)):
        path = scratch / f"{name}.nii.gz"
        identity = sitk.Transform(3, sitk.sitkIdentity)
        placed = sitk.Resample(image, grid.empty_image(), identity, sitk.sitkLinear, AIR_HU)
        sitk.WriteImage(sitk.Cast(placed, sitk.sitkInt16), path)
        paths.append(str(path))
    pair = ["-F", paths[0], "-M", paths[1]]
    stem = str(scratch / "deeds")
    _run(["linearBCV", *pair, "-O", stem])
    _run(["deedsBCV", *pair, "-O", stem, "-A", f"{stem}_matrix.txt"])
    displacement_mm = read_displacement(
        scratch / "deeds_displacements.dat", scratch / "deeds_matrix.txt", grid
    )
    return sitk.DisplacementFieldTransform(grid.vector_image(displacement_mm))


def read_displacement(flow: Path, matrix: Path, grid: Geometry) -> np.ndarray:
    """The map that deeds wrote as ``(3, z, y, x)`` mm on ``grid``.

    The flow file holds three float32 volumes on a coarser grid: voxel shifts along y, x, z (deeds'
    axes 2, 1, 3), added to the affine map of voxel indices. The matrix file holds that map's 4x4
    matrix column by column.
    """
    values = np.fromfile(flow, np.float32)
    step = round((np.prod(grid.size) / (values.size / 3)) ** (1 / 3))
    along_y, along_x, along_z = values.reshape(3, *(n // step for n in grid.shape_zyx))
    z, y, x = np.indices(grid.shape_zyx, dtype=np.float32)
    affine = np.loadtxt(matrix).T
    source = np.stack([x, y, z])
    target = np.tensordot(affine[:3, :3], source, axes=1) + affine[:3, 3].reshape(3, 1, 1, 1)
    target += np.stack([_stretched(shift, grid.shape_zyx) for shift in (along_x, along_y, along_z)])
    return np.tensordot(grid.index_to_world[:3, :3], target - source, axes=1)


def _stretched(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    for axis, size in enumerate(shape):
        count = coarse.shape[axis]
        position = np.arange(size) * (count / size)
        low = np.floor(position).astype(int)
        weight = (position - low).reshape([-1 if a == axis else 1 for a in range(3)])
        upper = np.take(coarse, np.minimum(low + 1, count - 1), axis)
        coarse = np.take(coarse, low, axis) * (1 - weight) + upper * weight
    return coarse


def _isotropic(geometry: Geometry) -> Geometry:
    spacing = np.asarray(geometry.spacing_mm)
    if spacing.max() <= _ISOTROPIC_TOLERANCE * spacing.min():
        return geometry
    edge = float(np.prod(spacing) ** (1 / 3))
    sx, sy, sz = (int(n) for n in np.ceil(np.asarray(geometry.size) * spacing / edge))
    return Geometry((sx, sy, sz), isotropic(edge), geometry.origin_mm, geometry.direction)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with code {done.returncode}: {done.stderr[-500:]}")
