"""Rigid pre-alignment that never makes things worse, and undoes a wrong slice distance."""

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from jssr.registration.alignment import Level, Side, alignment_score, optimized
from jssr.registration.body import centroid_mm
from jssr.registration.field_of_view import Scan
from jssr.registration.slice_distance import with_slice_distance
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import translation

_SLIDES_MM = (-120.0, -80.0, -40.0, 40.0, 80.0, 120.0)
_LEAST_GAIN = 0.01


def prealign(
    fixed: Scan,
    moving: Scan,
    fixed_mask: sitk.Image | None = None,
    moving_mask: sitk.Image | None = None,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """The rigid fixed-to-moving transform as a 4x4 matrix in LPS mm.

    Starts from several candidates (the headers' own frame, bodies' centres, slides along the
    body), scores them on 8 mm grids, optimizes the best by mutual information at 8 and 4 mm, and
    keeps the headers' frame unless the result scores better. Where a header's slice distance is
    clearly wrong, the matrix also stretches from head to feet. Masks come last: the search for one
    organ in a whole body goes astray, from the alignment of the bodies it does not.

    Args:
        fixed, moving: scans in HU.
        fixed_mask, moving_mask: what shall lie on each other; default: the body.
        check: called between steps; may raise to stop.
    """
    found = _bodies_aligned(fixed, moving, check)
    if fixed_mask is None and moving_mask is None:
        return found
    check()
    masked = Level(Side.of(fixed, fixed_mask), Side.of(moving, moving_mask))
    return max([found, optimized(masked, found)], key=lambda m: alignment_score(masked, m))


def _bodies_aligned(fixed: Scan, moving: Scan, check: Callable[[], None]) -> np.ndarray:
    fine = Level(Side.of(fixed, None), Side.of(moving, None))
    coarse = fine.coarsened()
    candidates = sorted(_candidates(coarse), key=lambda m: -alignment_score(coarse, m))
    identity = np.eye(4)
    starts = [identity, *[m for m in candidates if not np.allclose(m, identity)][:2]]
    found = []
    for start in starts:
        check()
        found.append(optimized(coarse, start))
    best = max([*found, identity], key=lambda m: alignment_score(coarse, m))
    check()
    best = with_slice_distance(coarse, best)
    refined = optimized(fine, best)
    gain = alignment_score(fine, refined) - alignment_score(fine, identity)
    return refined if gain > _LEAST_GAIN * _magnitude(refined) else identity


def _candidates(level: Level) -> list[np.ndarray]:
    candidates = [np.eye(4)]
    fixed_center, moving_center = centroid_mm(level.fixed.body), centroid_mm(level.moving.body)
    if fixed_center is None or moving_center is None:
        return candidates
    centered = moving_center - fixed_center
    fixed_z, moving_z = _z_range(level.fixed.body), _z_range(level.moving.body)
    vertical = [centered[2], moving_z[1] - fixed_z[1], moving_z[0] - fixed_z[0]]
    for z in vertical + [centered[2] + s for s in _SLIDES_MM] + list(_SLIDES_MM):
        candidates.append(translation((float(centered[0]), float(centered[1]), float(z))))
    candidates += [translation((0.0, 0.0, float(s))) for s in _SLIDES_MM]
    return candidates


def _z_range(image: sitk.Image) -> tuple[float, float]:
    z = Geometry.of(image).corners_mm()[:, 2]
    return float(z.min()), float(z.max())


def _magnitude(matrix: np.ndarray) -> float:
    """1 for a substantial motion, towards 0 for a negligible one, which needs no proof."""
    moved = float(np.linalg.norm(matrix[:3, 3])) + 100.0 * float(
        np.abs(matrix[:3, :3] - np.eye(3)).max()
    )
    return min(moved / 10.0, 1.0)
