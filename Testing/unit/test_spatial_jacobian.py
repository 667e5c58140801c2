"""Jacobians against closed forms and SimpleITK."""

import numpy as np
import SimpleITK as sitk
import torch

from jssr.spatial.geometry import Geometry
from jssr.spatial.jacobian import (
    folding_fraction,
    jacobian_determinant,
    jacobian_determinant_on,
    log_jacobian_sd,
)
from jssr.spatial.warp import voxel_coordinates

SPACING = (1.0, 2.0, 3.0)
SHAPE = [9, 10, 11]


def position() -> torch.Tensor:
    scale = torch.tensor(SPACING).view(1, 3, 1, 1, 1)
    return voxel_coordinates(SHAPE, torch.device("cpu")) * scale


def test_affine_map_has_the_matrix_determinant() -> None:
    matrix = torch.tensor([[1.1, 0.2, 0.0], [-0.1, 0.9, 0.3], [0.05, 0.0, 1.2]])
    field = torch.einsum("ij,bjzyx->bizyx", matrix - torch.eye(3), position())
    determinant = jacobian_determinant(field, SPACING)
    assert torch.allclose(
        determinant, torch.full_like(determinant, float(torch.det(matrix))), atol=1e-4
    )


def test_equals_simpleitk() -> None:
    field = torch.randn(1, 3, *SHAPE, generator=torch.Generator().manual_seed(0))
    grid = Geometry((11, 10, 9), SPACING, (0.0, 0.0, 0.0))
    wanted = sitk.GetArrayFromImage(
        sitk.DisplacementFieldJacobianDeterminant(grid.vector_image(field[0].numpy()))
    )
    got = jacobian_determinant(field, SPACING)[0].numpy()
    inside = (slice(1, -1),) * 3
    assert np.abs(got - wanted)[inside].max() < 1e-3


def test_equals_simpleitk_on_a_smooth_field() -> None:
    noise = sitk.GetImageFromArray(
        np.random.default_rng(3).normal(size=(16, 18, 20, 3)) * 8, isVector=True
    )
    noise.SetSpacing(SPACING)
    smooth = sitk.SmoothingRecursiveGaussian(noise, 3.0)
    truth = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(smooth))
    displacement = np.moveaxis(sitk.GetArrayFromImage(smooth), -1, 0)
    found = jacobian_determinant_on(Geometry.of(smooth), displacement)
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(found[inner], truth[inner], atol=1e-4)
    assert truth.std() > 0.01


def test_the_determinant_of_a_linear_map_does_not_depend_on_the_grid() -> None:
    rng = np.random.default_rng(4)
    direction = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    matrix = rng.normal(size=(3, 3)) * 0.1
    grid = Geometry((8, 7, 6), SPACING, (0.0, 0.0, 0.0), tuple(direction.ravel().tolist()))
    z, y, x = np.indices(grid.shape_zyx)
    points = np.tensordot(grid.index_to_world[:3, :3], np.stack([x, y, z]), axes=1)
    found = jacobian_determinant_on(grid, np.tensordot(matrix, points, axes=1))
    np.testing.assert_allclose(found, np.linalg.det(np.eye(3) + matrix), atol=1e-5)


def test_a_mirror_folds_everywhere_and_nothing_is_clipped() -> None:
    field = torch.zeros(1, 3, *SHAPE)
    field[:, 0] = -2 * position()[:, 0]
    determinant = jacobian_determinant(field, SPACING)
    assert torch.allclose(determinant, torch.full_like(determinant, -1.0), atol=1e-4)
    assert folding_fraction(determinant, torch.ones_like(determinant, dtype=torch.bool)) == 1.0


def test_what_loses_its_whole_volume_folds_and_only_what_is_asked_for_counts() -> None:
    determinant = torch.tensor([0.0, -1.0, 1e-6, 1.0]).view(1, 1, 1, 4)
    everywhere = torch.ones_like(determinant, dtype=torch.bool)
    assert folding_fraction(determinant, everywhere) == 0.5
    assert folding_fraction(determinant, determinant > 0) == 0.0
    assert folding_fraction(determinant, ~everywhere) == 0.0


def test_a_fold_counts_in_the_deviation_as_a_billionth() -> None:
    determinant = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    everywhere = torch.ones_like(determinant, dtype=torch.bool)
    assert abs(log_jacobian_sd(determinant, everywhere) + 0.5 * np.log(1e-9)) < 1e-4


def test_sd_of_the_logarithm() -> None:
    determinant = torch.tensor([1.0, float(np.e), 1.0, float(np.e)]).view(1, 1, 1, 4)
    everywhere = torch.ones_like(determinant, dtype=torch.bool)
    assert abs(log_jacobian_sd(determinant, everywhere) - 0.5) < 1e-6
    assert log_jacobian_sd(determinant, ~everywhere) == 0.0
