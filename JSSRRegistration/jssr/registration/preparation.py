"""Both scans segmented, and brought onto working grids around the fixed body."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from jssr.bundle.load import Bundle
from jssr.bundle.manifest import Manifest
from jssr.errors import InputError
from jssr.registration.body import body_mask
from jssr.registration.field_of_view import Scan
from jssr.registration.inference import Pair, Scans
from jssr.registration.segment import Segmentation, carried, segment
from jssr.registration.working_grid import resample_to_grid, working_grid
from jssr.spatial.geometry import Geometry

BODY_MARGIN_MM = 6.0
"""Around the fixed body: the skin's own edge, and what breathing brings in from beside it."""

_LEAST_SHARED_ML = 10.0
_FINER = 2


@dataclass(frozen=True)
class PreparedScan:
    """One scan, with only what of it counts seen, and S's opinion."""

    scan: Scan
    segmentation: Segmentation

    @property
    def body_ml(self) -> float:
        """Volume of the body, as far as it counts seen."""
        grid = self.segmentation.grid
        body = body_mask(grid.image(self.segmentation.hu.numpy()))
        if self.scan.seen is not None:
            nearest = sitk.sitkNearestNeighbor
            body = sitk.And(body, sitk.Resample(self.scan.seen, body, sitk.Transform(), nearest))
        count = np.count_nonzero(sitk.GetArrayViewFromImage(body))
        return float(count) * grid.voxel_ml


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What the networks and the refinement see of two scans, whatever their linear alignment.

    ``linear`` is fixed-to-moving, 4x4 in LPS mm.
    """

    fixed: PreparedScan
    moving: PreparedScan
    grid: Geometry

    def pair(self, linear: np.ndarray) -> Pair:
        """On the working grid, with S's probabilities.

        Raises:
            InputError: the scans hardly overlap.
        """
        scans = self._scans(self.grid, linear)
        fixed, moving = self.fixed.segmentation, self.moving.segmentation
        return Pair(
            grid=scans.grid,
            fixed=scans.fixed,
            moving=scans.moving,
            fixed_probabilities=carried(fixed.probabilities, fixed.grid, self.grid, np.eye(4)),
            moving_probabilities=carried(moving.probabilities, moving.grid, self.grid, linear),
        )

    def finer(self, linear: np.ndarray) -> Scans:
        """On a grid with voxels of half the size over the same box."""
        return self._scans(self.grid.divided(_FINER), linear)

    def _scans(self, grid: Geometry, linear: np.ndarray) -> Scans:
        fixed = resample_to_grid(self.fixed.scan.image, grid, mask=self.fixed.scan.seen)
        moving = resample_to_grid(self.moving.scan.image, grid, linear, self.moving.scan.seen)
        shared_ml = float((fixed.valid & moving.valid).sum()) * grid.voxel_ml
        if shared_ml < _LEAST_SHARED_ML:
            raise InputError(
                "The fixed and the moving scan do not overlap in space from where the registration "
                "starts; check that both show the same region of one patient, and start with the "
                "rigid search or another initial transform."
            )
        return Scans(grid=grid, fixed=fixed, moving=moving)


def prepare(
    fixed: Scan,
    moving: Scan,
    bundle: Bundle,
    fixed_mask: sitk.Image | None = None,
    moving_mask: sitk.Image | None = None,
    check: Callable[[], None] = lambda: None,
) -> Preparation:
    """Segment both scans and find the working grid.

    Args:
        fixed, moving: scans in HU.
        fixed_mask, moving_mask: on the scans' grids; what is zero counts as not scanned.
        check: called between the scans; may raise to stop.
    """
    fixed_segmentation = segment(fixed.image, bundle)
    check()
    return Preparation(
        fixed=PreparedScan(fixed.within(fixed_mask), fixed_segmentation),
        moving=PreparedScan(moving.within(moving_mask), segment(moving.image, bundle)),
        grid=_grid_around_body(fixed_segmentation, bundle.manifest),
    )


def _grid_around_body(fixed: Segmentation, manifest: Manifest) -> Geometry:
    """The working grid: around the fixed body, or the whole scan where there is none.

    What lies outside of the body would cost as much time as what lies inside.
    """
    mask = body_mask(fixed.grid.image(fixed.hu.numpy()))
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    part = fixed.grid
    if shape.HasLabel(1):
        x, y, z, *size = shape.GetBoundingBox(1)
        part = part.part((x, y, z), (size[0], size[1], size[2]))
    return working_grid(part, manifest.spacing_mm, BODY_MARGIN_MM, manifest.size_divisor)
