"""Warping agrees with SimpleITK's resampling."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import apply_linear, rotation, translation
from jssr.spatial.transform import SpatialTransform, resample
from jssr.spatial.warp import map_linear, resize, warp

SPACING = (1.5, 2.0, 2.5)
GRID = Geometry((14, 12, 10), SPACING, (0.0, 0.0, 0.0))


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(1, 1, 10, 12, 14, generator=torch.Generator().manual_seed(1)) * 100


def test_warp_equals_simpleitk_inside_the_image(image: torch.Tensor) -> None:
    field = 3 * torch.randn(1, 3, 10, 12, 14, generator=torch.Generator().manual_seed(2))
    got = warp(image, field, SPACING)[0, 0].numpy()
    transform = SpatialTransform(np.eye(4), field[0].numpy(), GRID)
    wanted = sitk.GetArrayFromImage(
        resample(GRID.image(image[0, 0].numpy()), transform, GRID, default=np.nan)
    )
    inside = np.isfinite(wanted)
    assert inside.mean() > 0.5
    assert np.abs(got - wanted)[inside].max() < 1e-3


def test_no_displacement_changes_nothing(image: torch.Tensor) -> None:
    assert torch.allclose(warp(image, torch.zeros(1, 3, 10, 12, 14), SPACING), image, atol=1e-3)


def test_one_voxel_along_each_axis(image: torch.Tensor) -> None:
    for component, (axis, spacing) in enumerate(zip((4, 3, 2), SPACING, strict=True)):
        field = torch.zeros(1, 3, 10, 12, 14)
        field[:, component] = spacing
        moved = warp(image, field, SPACING)
        count = image.shape[axis] - 1
        assert torch.allclose(moved.narrow(axis, 0, count), image.narrow(axis, 1, count), atol=1e-3)


def test_coordinates_stay_exact_for_half_precision_volumes() -> None:
    ramp = torch.arange(256, dtype=torch.bfloat16).view(1, 1, 1, 1, 256).expand(1, 1, 2, 2, 256)
    field = torch.zeros(1, 3, 2, 2, 256)
    field[:, 0] = 1.0
    assert torch.equal(warp(ramp, field, (1.0, 1.0, 1.0))[0, 0, 0, 0, :255], ramp[0, 0, 0, 0, 1:])


def test_resize_equals_interpolate(image: torch.Tensor) -> None:
    wanted = torch.nn.functional.interpolate(
        image, size=(20, 6, 7), mode="trilinear", align_corners=False
    )
    assert torch.allclose(resize(image, [20, 6, 7]), wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_matrix_maps_tensors_of_points_as_it_maps_arrays(dtype: torch.dtype) -> None:
    matrix = translation((1.0, -2.0, 3.0)) @ rotation(np.array([0.1, 0.2, -0.3]), np.full(3, 5.0))
    points = GRID.points_mm()
    wanted = apply_linear(matrix, points.reshape(3, -1).T).T.reshape(points.shape)
    mapped = torch.jit.script(map_linear)(
        torch.from_numpy(matrix), torch.from_numpy(points)[None].to(dtype)
    )
    assert mapped.dtype == dtype
    assert np.abs(mapped[0].numpy() - wanted).max() < 1e-5
