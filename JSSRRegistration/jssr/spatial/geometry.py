"""Where the voxels of a volume lie in the world."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import SimpleITK as sitk

from jssr.spatial.linear import apply_linear

IDENTITY_DIRECTION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Geometry:
    """A voxel grid in LPS: ``size``, ``spacing_mm`` and ``origin_mm`` in x, y, z order.

    ``direction`` holds the 3x3 matrix of axis directions row by row, as SimpleITK does.
    """

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...] = IDENTITY_DIRECTION

    @staticmethod
    def of(image: sitk.Image) -> "Geometry":
        """The geometry of a 3D image."""
        x, y, z = image.GetSize()
        spacing, origin = image.GetSpacing(), image.GetOrigin()
        return Geometry(
            (x, y, z),
            (spacing[0], spacing[1], spacing[2]),
            (origin[0], origin[1], origin[2]),
            tuple(image.GetDirection()),
        )

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Array shape of a volume on this grid."""
        x, y, z = self.size
        return z, y, x

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(np.prod(self.spacing_mm)) / 1000

    @property
    def index_to_world(self) -> np.ndarray:
        """4x4 matrix from continuous x, y, z index to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(self.direction, (3, 3)) * np.asarray(self.spacing_mm)
        matrix[:3, 3] = self.origin_mm
        return matrix

    def corners_mm(self) -> np.ndarray:
        """The eight outermost voxel centres, ``(8, 3)`` in LPS mm."""
        ends = [(0, n - 1) for n in self.size]
        indices = np.array(list(product(*ends)), dtype=np.float64)
        return apply_linear(self.index_to_world, indices)

    def points_mm(self) -> np.ndarray:
        """The world position of every voxel, ``(3, z, y, x)`` float64 in LPS mm."""
        indices = np.indices(self.shape_zyx)[::-1].reshape(3, -1).T
        return apply_linear(self.index_to_world, indices).T.reshape(3, *self.shape_zyx)

    def coarsened(self, factor: int) -> "Geometry":
        """The grid whose voxels each cover ``factor``³ voxels of this one.

        Raises:
            ValueError: a size is no multiple of ``factor``.
        """
        if any(n % factor for n in self.size):
            raise ValueError(f"grid of {self.size} voxels cannot be divided by {factor}")
        x, y, z = self.size
        return self._revoxelled((x // factor, y // factor, z // factor))

    def divided(self, factor: int) -> "Geometry":
        """The grid over the same box of which ``factor``³ voxels fill one of this one."""
        x, y, z = self.size
        return self._revoxelled((x * factor, y * factor, z * factor))

    def part(self, start: tuple[int, int, int], size: tuple[int, int, int]) -> "Geometry":
        """The grid of the ``size`` voxels from index ``start`` on, both x, y, z."""
        x, y, z = (self.index_to_world @ np.array([*start, 1.0]))[:3].tolist()
        return Geometry(size, self.spacing_mm, (x, y, z), self.direction)

    def empty_image(self) -> sitk.Image:
        """A zero image on this grid: the reference that SimpleITK's resampling wants."""
        return self._placed(sitk.Image(self.size, sitk.sitkUInt8))

    def image(self, array_zyx: np.ndarray) -> sitk.Image:
        """``array_zyx`` ``(z, y, x)`` as an image on this grid."""
        if array_zyx.shape != self.shape_zyx:
            raise ValueError(f"array of shape {array_zyx.shape} does not fit grid {self.shape_zyx}")
        return self._placed(sitk.GetImageFromArray(array_zyx))

    def vector_image(self, displacement_mm: np.ndarray) -> sitk.Image:
        """``displacement_mm`` ``(3, z, y, x)`` as a float64 vector image on this grid."""
        channels_last = np.ascontiguousarray(np.moveaxis(displacement_mm, 0, -1), dtype=np.float64)
        return self._placed(sitk.GetImageFromArray(channels_last, isVector=True))

    def _revoxelled(self, size: tuple[int, int, int]) -> "Geometry":
        """The same box in ``size`` voxels."""
        ratio = np.divide(self.size, size)
        sx, sy, sz = (ratio * self.spacing_mm).tolist()
        shift = self.index_to_world[:3, :3] @ ((ratio - 1) / 2)
        x, y, z = (self.origin_mm + shift).tolist()
        return Geometry(size, (sx, sy, sz), (x, y, z), self.direction)

    def _placed(self, image: sitk.Image) -> sitk.Image:
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)
        return image


def same_geometry(a: Geometry, b: Geometry, tolerance_mm: float = 1e-3) -> bool:
    """Whether two grids have equal sizes and corners no further apart than the tolerance."""
    if a.size != b.size:
        return False
    return bool(np.abs(a.corners_mm() - b.corners_mm()).max() <= tolerance_mm)
