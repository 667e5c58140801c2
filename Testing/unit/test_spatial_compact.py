"""Compact fields: as few voxels as reproduce the field, as SimpleITK interpolates it."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.spatial.compact import TOLERANCE_MM, compact
from jssr.spatial.fields import smooth_gaussian
from jssr.spatial.geometry import Geometry

GRID = Geometry((64, 48, 80), (3.0, 3.0, 3.0), (-90.0, 20.0, 700.0))


def bump(height_mm: float) -> torch.Tensor:
    """A product of squared sines, zero in the outermost voxels of GRID, ``(1, 3, z, y, x)``."""
    z, y, x = (np.sin(np.pi * np.arange(n) / (n - 1)) ** 2 for n in GRID.shape_zyx)
    product = height_mm * z[:, None, None] * y[None, :, None] * x[None, None, :]
    return torch.from_numpy(np.stack([product, -0.5 * product, 0.3 * product])).float()[None]


def mapped(field_mm: torch.Tensor, grid: Geometry, points_mm: np.ndarray) -> np.ndarray:
    """``points_mm`` ``(n, 3)`` moved by the field, by SimpleITK."""
    transform = sitk.DisplacementFieldTransform(grid.vector_image(field_mm[0].numpy()))
    return np.array([transform.TransformPoint(point) for point in points_mm.tolist()])


@pytest.mark.parametrize(
    ("height_mm", "factor"), [(20.0, 1), (3.0, 2), (0.8, 4), (0.2, 8), (0.0, 8)]
)
def test_the_coarsest_grid_that_suffices(height_mm: float, factor: int) -> None:
    """Linear interpolation with voxels of h mm misses the bump by at most its curvature h² / 8.

    The curvature at the top is 2π² (1/189² + 1/141² + 1/237²) for a height of 1 mm, so with voxels
    of 6, 12 and 24 mm it misses 0.010, 0.040 and 0.159 of the height (all components together).
    """
    field = bump(height_mm)
    found, grid = compact(field, GRID)
    assert grid == (GRID.coarsened(factor) if factor > 1 else GRID)
    assert found.shape == (1, 3, *grid.shape_zyx)
    corners = GRID.corners_mm()
    points = np.random.default_rng(0).uniform(corners.min(0), corners.max(0), (20_000, 3))
    missed = np.linalg.norm(mapped(found, grid, points) - mapped(field, GRID, points), axis=1)
    assert missed.max() <= TOLERANCE_MM


def test_a_coarse_voxel_stands_for_its_centre_and_not_for_its_mean() -> None:
    """With voxels of 12 mm the two differ by more than is allowed where this field bends most."""
    noise = torch.randn(1, 3, *GRID.shape_zyx, generator=torch.Generator().manual_seed(0))
    waves = smooth_gaussian(noise, 3.0)
    field = waves / waves.abs().max() * bump(1.0)[:, :1].clamp_min(0.0).sqrt()
    found, grid = compact(field, GRID)
    assert grid == GRID.coarsened(4)
    corners = GRID.corners_mm()
    points = np.random.default_rng(0).uniform(corners.min(0), corners.max(0), (20_000, 3))
    missed = np.linalg.norm(mapped(found, grid, points) - mapped(field, GRID, points), axis=1)
    assert missed.max() <= TOLERANCE_MM


@pytest.mark.parametrize("height_mm", [20.0, 0.8])
def test_the_border_stays_zero(height_mm: float) -> None:
    found, _ = compact(bump(height_mm), GRID)
    found[..., 1:-1, 1:-1, 1:-1] = 0.0
    assert float(found.abs().max()) == 0.0


def test_values_are_whole_multiples_of_a_512th_of_a_millimetre() -> None:
    field = bump(20.0)
    found, _ = compact(field, GRID)
    assert found.dtype == torch.float32
    assert torch.equal(found * 512, (found * 512).round())
    assert float((found - field).abs().max()) <= 1 / 1024 + 1e-6


def test_a_grid_that_cannot_be_halved_stays() -> None:
    field = torch.zeros(1, 3, 9, 10, 12)
    found, grid = compact(field, Geometry((12, 10, 9), (3.0,) * 3, (0.0, 0.0, 0.0)))
    assert grid.size == (12, 10, 9) and torch.equal(found, field)
