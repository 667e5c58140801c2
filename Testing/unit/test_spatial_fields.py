"""Algebra of displacement fields against closed forms and SimpleITK."""

import math

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.ndimage import gaussian_filter

from jssr.spatial.fields import (
    compose_mm,
    exponentiate_mm,
    invert_mm,
    resample_field,
    smooth_gaussian,
)
from jssr.spatial.geometry import Geometry
from jssr.spatial.warp import voxel_coordinates

SPACING = (2.0, 2.5, 3.0)
SHAPE = [24, 28, 32]


def smooth_field(seed: int, size_mm: float) -> torch.Tensor:
    """Smooth random motion that dies out at the border."""
    noise = torch.randn(1, 3, *SHAPE, generator=torch.Generator().manual_seed(seed))
    ramps = [torch.sin(torch.pi * (torch.arange(n) + 0.5) / n) for n in SHAPE]
    window = ramps[0].view(-1, 1, 1) * ramps[1].view(1, -1, 1) * ramps[2].view(1, 1, -1)
    field = smooth_gaussian(noise, 4.0) * window
    return field * (size_mm / field.abs().max())


def inner(field: torch.Tensor) -> torch.Tensor:
    return field[:, :, 4:-4, 4:-4, 4:-4]


def test_composition_of_translations_adds() -> None:
    first = torch.ones(1, 3, *SHAPE) * torch.tensor([1.0, -2.0, 3.0]).view(1, 3, 1, 1, 1)
    second = torch.ones(1, 3, *SHAPE) * torch.tensor([0.5, 4.0, -1.0]).view(1, 3, 1, 1, 1)
    assert torch.allclose(compose_mm(first, second, SPACING), first + second, atol=1e-5)


def test_composition_equals_simpleitk() -> None:
    first, second = smooth_field(1, 6.0), smooth_field(2, 6.0)
    grid = Geometry((32, 28, 24), SPACING, (0.0, 0.0, 0.0))
    composite = sitk.CompositeTransform(
        [
            sitk.DisplacementFieldTransform(grid.vector_image(second[0].numpy())),
            sitk.DisplacementFieldTransform(grid.vector_image(first[0].numpy())),
        ]
    )
    got = compose_mm(first, second, SPACING)[0].numpy()
    for x, y, z in np.random.default_rng(0).integers(6, 18, (40, 3)):
        point = (x * SPACING[0], y * SPACING[1], z * SPACING[2])
        wanted = np.array(composite.TransformPoint(point)) - point
        assert np.abs(got[:, z, y, x] - wanted).max() < 1e-3


def test_exponential_of_a_linear_velocity_is_the_matrix_exponential() -> None:
    rates = torch.tensor([0.05, -0.08, 0.1])
    scale = torch.tensor(SPACING).view(1, 3, 1, 1, 1)
    center = torch.tensor([16.0, 14.0, 12.0]).view(1, 3, 1, 1, 1)
    position = (voxel_coordinates(SHAPE, torch.device("cpu")) - center) * scale
    velocity = position * rates.view(1, 3, 1, 1, 1)
    wanted = position * (rates.exp() - 1).view(1, 3, 1, 1, 1)
    got = exponentiate_mm(velocity, SPACING, 7)
    assert (inner(got) - inner(wanted)).abs().max() < 0.02


def test_exponentials_of_opposite_velocities_are_inverse() -> None:
    velocity = smooth_field(3, 5.0)
    there, back = exponentiate_mm(velocity, SPACING, 7), exponentiate_mm(-velocity, SPACING, 7)
    assert compose_mm(there, back, SPACING).abs().max() < 0.2


def test_inverse_composes_to_the_identity_both_ways() -> None:
    field = smooth_field(4, 5.0)
    inverse = invert_mm(field, SPACING, 40)
    # Exact at the voxels where the inverse is stored; the other way it is interpolated between.
    assert compose_mm(inverse, field, SPACING).abs().max() < 1e-3
    assert compose_mm(field, inverse, SPACING).abs().max() < 0.25


def test_inverse_equals_simpleitk() -> None:
    field = smooth_field(5, 6.0)
    grid = Geometry((32, 28, 24), SPACING, (0.0, 0.0, 0.0))
    image = sitk.InvertDisplacementField(
        grid.vector_image(field[0].numpy()),
        maximumNumberOfIterations=100,
        meanErrorToleranceThreshold=1e-5,
        maxErrorToleranceThreshold=1e-4,
    )
    wanted = np.moveaxis(sitk.GetArrayFromImage(image), -1, 0)
    got = invert_mm(field, SPACING, 40)[0].numpy()
    assert np.abs(got - wanted)[:, 2:-2, 2:-2, 2:-2].max() < 0.02


def test_resampling_keeps_millimetres() -> None:
    field = torch.full((1, 3, 8, 8, 8), 2.5)
    assert torch.allclose(resample_field(field, [16, 16, 16]), torch.full((1, 3, 16, 16, 16), 2.5))


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0])
def test_smoothing_equals_scipy(sigma: float) -> None:
    volume = torch.randn(1, 2, *SHAPE, generator=torch.Generator().manual_seed(0))
    wanted = gaussian_filter(
        volume[0, 1].numpy(), sigma, mode="nearest", radius=max(1, math.ceil(3 * sigma))
    )
    assert np.abs(smooth_gaussian(volume, sigma)[0, 1].numpy() - wanted).max() < 1e-5


def test_smoothing_keeps_constants_to_the_border() -> None:
    assert torch.allclose(
        smooth_gaussian(torch.ones(1, 1, 5, 6, 7), 1.5), torch.ones(1, 1, 5, 6, 7)
    )
