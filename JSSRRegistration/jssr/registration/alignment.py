"""How well two scans lie on each other, and the nearest rigid motion that makes it better."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from jssr.registration.body import body_mask, centroid_mm
from jssr.registration.field_of_view import Scan
from jssr.registration.working_grid import resample_to_grid, working_grid
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_from_sitk, affine_to_sitk

SEARCH_SPACING_MM = 8.0
FINE_SPACING_MM = 4.0
_FINE_SHARE = 0.2
_SEED = 20200823


@dataclass(frozen=True)
class Side:
    """One scan on a coarse axis-aligned grid: clipped intensity, body, and field of view."""

    intensity: sitk.Image
    body: sitk.Image
    field: sitk.Image

    @staticmethod
    def of(scan: Scan, mask: sitk.Image | None) -> "Side":
        """A scan at 4 mm; ``mask`` takes the body's place."""
        grid = working_grid(Geometry.of(scan.image), FINE_SPACING_MM, 0.0, 1)
        volume = resample_to_grid(scan.image, grid, mask=scan.seen)
        hu = grid.image(volume.hu[0, 0].numpy())
        field = grid.image(volume.valid[0, 0].numpy().astype(np.uint8))
        body = body_mask(hu) if mask is None else _nearest(mask > 0, grid.empty_image())
        # Contrast moves soft tissue by some 100 HU; between lung and bone that is little.
        intensity = sitk.Clamp(hu, sitk.sitkFloat32, -400.0, 400.0) / 400.0
        return Side(intensity, sitk.Cast(body, sitk.sitkUInt8), field)

    def coarsened(self) -> "Side":
        """The same at 8 mm."""
        grid = working_grid(Geometry.of(self.intensity), SEARCH_SPACING_MM, 0.0, 1).empty_image()
        smooth = sitk.SmoothingRecursiveGaussian(self.intensity, [SEARCH_SPACING_MM / 2] * 3)
        intensity = sitk.Resample(smooth, grid, sitk.Transform(), sitk.sitkLinear, -1.0)
        return Side(intensity, _nearest(self.body, grid), _nearest(self.field, grid))


@dataclass(frozen=True)
class Level:
    """Both scans at one resolution."""

    fixed: Side
    moving: Side

    @property
    def spacing_mm(self) -> float:
        """Of the grids."""
        return self.fixed.intensity.GetSpacing()[0]

    def coarsened(self) -> "Level":
        """Both at 8 mm."""
        return Level(self.fixed.coarsened(), self.moving.coarsened())


def alignment_score(level: Level, fixed_to_moving: np.ndarray) -> float:
    """Correlation of the clipped scans where they overlap, weighted by how much overlaps.

    The weight is the root of the part of the smaller body that the other scan covers, so that a
    small well-matching corner does not win against the whole. -1 where hardly anything overlaps.
    """
    transform = affine_to_sitk(fixed_to_moving)
    fixed, moving = level.fixed, level.moving
    moved = sitk.Resample(moving.intensity, fixed.intensity, transform, sitk.sitkLinear, -1.0)
    moved_body = _array(_nearest(moving.body, fixed.intensity, transform)) > 0
    seen = _array(_nearest(moving.field, fixed.intensity, transform)) > 0
    fixed_body = _array(fixed.body) > 0
    region = seen & (_array(_grown(fixed.body)) > 0)
    smaller = min(int(fixed_body.sum()), int((_array(moving.body) > 0).sum()))
    if smaller == 0 or region.sum() < 100:
        return -1.0
    covered = float((fixed_body & moved_body).sum()) / smaller
    a, b = _array(fixed.intensity)[region], _array(moved)[region]
    if a.std() == 0 or b.std() == 0:
        return -1.0
    return float(np.corrcoef(a, b)[0, 1]) * min(covered, 1.0) ** 0.5


def optimized(level: Level, start: np.ndarray) -> np.ndarray:
    """``start`` improved by Mattes mutual information over the fixed body, six parameters."""
    center = centroid_mm(level.fixed.body)
    if center is None or centroid_mm(level.moving.body) is None:
        return start
    euler = sitk.Euler3DTransform()
    euler.SetCenter(center.tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricFixedMask(_grown(level.fixed.body))
    method.SetMetricMovingMask(level.moving.field)
    # A fifth of the 4 mm voxels tells six parameters as well as all of them do.
    share = 1.0 if level.spacing_mm > FINE_SPACING_MM else _FINE_SHARE
    method.SetMetricSamplingStrategy(method.RANDOM if share < 1.0 else method.NONE)
    method.SetMetricSamplingPercentage(share, _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    # Smaller steps than an eightieth of a voxel find nothing that the deformation would not.
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=4.0,
        minStep=level.spacing_mm / 80.0,
        numberOfIterations=200,
        relaxationFactor=0.7,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    # The moving start carries the candidate, so the optimizer's rotation stays small and centred.
    method.SetMovingInitialTransform(affine_to_sitk(start))
    method.SetInitialTransform(euler, inPlace=True)
    try:
        with _one_thread():
            method.Execute(level.fixed.intensity, level.moving.intensity)
    except RuntimeError:
        # ITK refuses when too few samples overlap: the start is then the best that is known.
        return start
    return start @ affine_from_sitk(euler)


@contextmanager
def _one_thread() -> Iterator[None]:
    """ITK's metric in one thread: several sum in varying order, and the answer then varies."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _grown(body: sitk.Image) -> sitk.Image:
    """The body and 8 mm around it: skin and lung border are what aligns best."""
    return sitk.BinaryDilate(body, [max(1, round(8.0 / s)) for s in body.GetSpacing()])


def _nearest(
    mask: sitk.Image, reference: sitk.Image, transform: sitk.Transform | None = None
) -> sitk.Image:
    return sitk.Resample(
        mask, reference, transform or sitk.Transform(), sitk.sitkNearestNeighbor, 0
    )


def _array(image: sitk.Image) -> np.ndarray:
    # A copy: a view does not keep a temporary image alive.
    return sitk.GetArrayFromImage(image)
