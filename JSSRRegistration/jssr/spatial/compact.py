"""Displacement fields on as few voxels as reproduce them."""

import torch
import torch.nn.functional as F

from jssr.spatial.fields import resample_field
from jssr.spatial.geometry import Geometry

TOLERANCE_MM = 0.05
_STEP_MM = 2.0**-9
_FACTORS = (2, 4, 8)
_ROUNDS = 8
_LEAST_VOXELS = 3
_LEAST_GAIN = 0.85


def compact(displacement_mm: torch.Tensor, grid: Geometry) -> tuple[torch.Tensor, Geometry]:
    """The field on the coarsest grid whose linear interpolation misses it by at most 0.05 mm.

    How much it misses is checked at the voxels of both grids; between them it may be a little more.
    Coarser grids are the given one with voxels 2, 4 or 8 times as large, over the same box; their
    border is zero as the field's is. Where none suffices the grid stays. The values are rounded to
    1/512 mm, since the last bits of a float are noise that no compression shrinks.

    Args:
        displacement_mm: ``(1, 3, z, y, x)`` mm on ``grid``, zero in its outermost voxels.

    Returns:
        The field ``(1, 3, z', y', x')`` float32, and its grid.
    """
    best, best_grid = _rounded(displacement_mm), grid
    for factor in _FACTORS:
        if any(n % factor or n // factor < _LEAST_VOXELS for n in grid.size):
            break
        coarse = _fitted(displacement_mm, factor)
        if coarse is None:
            break
        best, best_grid = coarse, grid.coarsened(factor)
    return best, best_grid


def _fitted(field_mm: torch.Tensor, factor: int) -> torch.Tensor | None:
    """The field on voxels ``factor`` times as large, ``None`` if they miss it.

    The mean over each coarse voxel is corrected by the mean of what is still missed, as often as
    that helps.
    """
    shape = list(field_mm.shape[2:])
    coarse_shape = [n // factor for n in shape]
    inside = _inside(coarse_shape, field_mm)
    coarse = F.avg_pool3d(field_mm, factor) * inside
    last = float("inf")
    for _ in range(_ROUNDS):
        rounded = _rounded(coarse)
        missed = field_mm - resample_field(rounded, shape)
        # Along a line, fields that are linear between voxels differ most at a voxel of one of them.
        between = resample_field(field_mm, coarse_shape) - rounded
        worst = max(_longest_mm(missed), _longest_mm(between))
        if worst <= TOLERANCE_MM:
            return rounded
        if worst > _LEAST_GAIN * last:
            return None
        last = worst
        coarse = coarse + F.avg_pool3d(missed, factor) * inside
    return None


def _longest_mm(field_mm: torch.Tensor) -> float:
    return float(field_mm.square().sum(dim=1).max().sqrt())


def _inside(shape_zyx: list[int], like: torch.Tensor) -> torch.Tensor:
    """1 inside, 0 in the outermost voxels, ``(1, 1, z, y, x)``."""
    middle = torch.ones([1, 1, *(n - 2 for n in shape_zyx)], device=like.device)
    return F.pad(middle, [1] * 6)


def _rounded(field_mm: torch.Tensor) -> torch.Tensor:
    return (field_mm.float() / _STEP_MM).round() * _STEP_MM
