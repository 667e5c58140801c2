"""Slices through the body in the three anatomical planes, whatever the scans' own axes are."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from jssr.hounsfield import AIR_HU
from jssr.labels import is_liver
from jssr.registration.body import BODY_THRESHOLD_HU
from jssr.spatial.geometry import Geometry
from jssr.spatial.warp import isotropic

_LONGEST_SIDE = 300
_FINEST_MM = 0.7


@dataclass(frozen=True)
class Plane:
    """One anatomical plane through a point.

    Attributes:
        name: axial, coronal or sagittal.
        across: the LPS axis that the plane cuts (0, 1 or 2).
        grid: voxels of the plane, one thick, axis-aligned.
        edges: what is to the left, right, top and bottom of the picture.
    """

    name: str
    across: int
    grid: Geometry
    edges: tuple[str, str, str, str]

    @property
    def axes(self) -> tuple[int, int]:
        """LPS axes that run along a picture's columns and rows."""
        first, second = (axis for axis in range(3) if axis != self.across)
        return first, second

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a picture."""
        column, row = self.axes
        return self.grid.size[row], self.grid.size[column]

    @property
    def extent_mm(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of the picture in LPS mm along :attr:`axes`."""
        column, row = self.axes
        spacing, size, origin = self.grid.spacing_mm, self.grid.size, self.grid.origin_mm
        low = [origin[axis] - spacing[axis] / 2 for axis in range(3)]
        high = [low[axis] + size[axis] * spacing[axis] for axis in range(3)]
        if self.across == 2:  # anterior is up, and y points to posterior
            return low[column], high[column], high[row], low[row]
        return low[column], high[column], low[row], high[row]

    def cut(
        self, image: sitk.Image, outside: float = AIR_HU, interpolator: int = sitk.sitkLinear
    ) -> np.ndarray:
        """The image on this plane, ``(rows, columns)``, first row at the top of the picture."""
        reference = self.grid.empty_image()
        identity = sitk.Transform(3, sitk.sitkIdentity)
        plane = sitk.Resample(image, reference, identity, interpolator, outside, sitk.sitkFloat32)
        values = np.take(sitk.GetArrayFromImage(plane), 0, axis=2 - self.across)
        return values if self.across == 2 else values[::-1]

    def cut_labels(self, labels: sitk.Image) -> np.ndarray:
        """A label map on this plane, as :meth:`cut`."""
        return self.cut(labels, 0.0, sitk.sitkNearestNeighbor).astype(np.uint8)

    def points_mm(self) -> np.ndarray:
        """The plane's voxels ``(rows * columns, 3)`` in LPS mm, ordered as :meth:`cut` does."""
        points = self.grid.points_mm().squeeze(3 - self.across)
        if self.across != 2:
            points = points[:, ::-1]
        return points.reshape(3, -1).T


def anatomical_planes(scan: sitk.Image, center_mm: np.ndarray) -> tuple[Plane, Plane, Plane]:
    """Axial, coronal and sagittal planes through ``center_mm`` that cover the scan's box."""
    corners = Geometry.of(scan).corners_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    spacing = max(_FINEST_MM, float((high - low).max()) / _LONGEST_SIDE)
    sides = ("R", "L"), ("A", "P"), ("S", "I")
    planes = []
    for name, across in (("axial", 2), ("coronal", 1), ("sagittal", 0)):
        count = np.maximum(np.ceil((high - low) / spacing).astype(int), 1)
        origin = low + (high - low - (count - 1) * spacing) / 2
        count[across], origin[across] = 1, center_mm[across]
        grid = Geometry(
            (int(count[0]), int(count[1]), int(count[2])),
            isotropic(spacing),
            (float(origin[0]), float(origin[1]), float(origin[2])),
        )
        column, row = (axis for axis in range(3) if axis != across)
        planes.append(Plane(name, across, grid, (*sides[column], *sides[row])))
    return planes[0], planes[1], planes[2]


def center_of_interest(scan: sitk.Image, labels: sitk.Image | None) -> np.ndarray:
    """A point worth a look, LPS mm: the middle of the liver, else of the body, else of the scan."""
    center = None if labels is None else _middle_mm(is_liver(labels))
    if center is None:
        center = _middle_mm(scan > BODY_THRESHOLD_HU)
    return Geometry.of(scan).corners_mm().mean(axis=0) if center is None else center


def _middle_mm(mask: sitk.Image) -> np.ndarray | None:
    """The centroid in LPS mm, ``None`` of an empty mask; ITK needs no list of the voxels."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputePerimeterOff()
    shape.Execute(mask)
    return np.array(shape.GetCentroid(1)) if shape.HasLabel(1) else None
