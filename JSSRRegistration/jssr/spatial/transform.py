"""The transform that JSSR hands out: one displacement field and one linear part."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from jssr.hounsfield import AIR_HU
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_to_sitk, apply_linear


@dataclass(frozen=True)
class SpatialTransform:
    """Maps LPS points in mm.

    With ``linear_first`` false: ``y = L(x + u(x))``, the order of fixed-to-moving. With it true:
    ``x = y' + u(y')`` where ``y' = L y``, the order of the inverse.

    Attributes:
        linear: ``(4, 4)`` matrix.
        displacement_mm: ``(3, z, y, x)`` on ``grid``, x, y, z order, zero outside; or ``None``.
        grid: the displacement's grid; ``None`` if and only if there is no displacement.
    """

    linear: np.ndarray
    displacement_mm: np.ndarray | None = None
    grid: Geometry | None = None
    linear_first: bool = False

    def __post_init__(self) -> None:
        if (self.displacement_mm is None) != (self.grid is None):
            raise ValueError("a displacement needs its grid, and a grid its displacement")
        if self.displacement_mm is None or self.grid is None:
            return
        if self.displacement_mm.shape != (3, *self.grid.shape_zyx):
            raise ValueError(
                f"displacement of shape {self.displacement_mm.shape} does not fit its grid"
            )

    def to_sitk(self) -> sitk.Transform:
        """The same map as a SimpleITK transform, which needs 24 bytes a grid voxel."""
        linear = affine_to_sitk(self.linear)
        if self.displacement_mm is None or self.grid is None:
            return linear
        field = sitk.DisplacementFieldTransform(self.grid.vector_image(self.displacement_mm))
        # ITK applies the transform that was added last first.
        order = [field, linear] if self.linear_first else [linear, field]
        return sitk.CompositeTransform(order)

    def apply(self, points_mm: np.ndarray) -> np.ndarray:
        """``points_mm`` ``(n, 3)`` mapped; the field is interpolated linearly."""
        if self.linear_first:
            points_mm = apply_linear(self.linear, points_mm)
            return points_mm + self.displacement_at(points_mm)
        return apply_linear(self.linear, points_mm + self.displacement_at(points_mm))

    def displacement_at(self, points_mm: np.ndarray) -> np.ndarray:
        """The displacement ``(n, 3)`` in mm at points of the field's own space; zero outside it."""
        if self.displacement_mm is None or self.grid is None:
            return np.zeros_like(points_mm)
        index = apply_linear(np.linalg.inv(self.grid.index_to_world), points_mm)
        return _interpolate(self.displacement_mm, index)


def _interpolate(field: np.ndarray, index_xyz: np.ndarray) -> np.ndarray:
    limit = np.array(field.shape[:0:-1]) - 1
    # As in ITK, a voxel reaches half its size beyond its centre, with the voxel's value there.
    inside = np.all((index_xyz >= -0.5) & (index_xyz <= limit + 0.5), axis=1)
    clamped = np.clip(index_xyz, 0, limit)
    low = np.minimum(np.floor(clamped).astype(int), np.maximum(limit - 1, 0))
    high = np.minimum(low + 1, limit)
    weight = clamped - low
    value = np.zeros((len(index_xyz), 3))
    for corner in range(8):
        upper = np.array([corner & 1, corner >> 1 & 1, corner >> 2 & 1], dtype=bool)
        x, y, z = np.where(upper, high, low).T
        factor = np.where(upper, weight, 1 - weight).prod(axis=1)
        value += factor[:, None] * field[:, z, y, x].T
    return value * inside[:, None]


def displacement_image(transform: sitk.Transform, grid: Geometry) -> sitk.Image:
    """Where a transform moves a grid's voxels: a vector image of float32, LPS mm."""
    return sitk.TransformToDisplacementField(
        transform,
        sitk.sitkVectorFloat32,
        grid.size,
        grid.origin_mm,
        grid.spacing_mm,
        grid.direction,
    )


def displacement_on(transform: sitk.Transform, grid: Geometry) -> np.ndarray:
    """A transform's displacement at a grid's voxels, ``(3, z, y, x)`` float32, LPS mm."""
    return np.moveaxis(sitk.GetArrayFromImage(displacement_image(transform, grid)), -1, 0)


def resample(
    image: sitk.Image,
    transform: SpatialTransform,
    reference: Geometry,
    default: float = AIR_HU,
    interpolator: int = sitk.sitkLinear,
) -> sitk.Image:
    """``image`` on the ``reference`` grid; ``transform`` maps reference points to image points."""
    return sitk.Resample(
        image,
        reference.empty_image(),
        transform.to_sitk(),
        interpolator,
        default,
        image.GetPixelID(),
    )
