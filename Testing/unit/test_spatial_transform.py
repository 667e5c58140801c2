"""The composite transform agrees with SimpleITK's."""

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import rotation, translation
from jssr.spatial.transform import SpatialTransform, displacement_on, resample

GRID = Geometry(
    (12, 10, 9),
    (2.0, 2.5, 3.0),
    (1.0, 2.0, 3.0),
    tuple(sitk.Euler3DTransform((0, 0, 0), 0.1, 0.2, 0.3).GetMatrix()),
)
LINEAR = rotation(np.array([0.1, 0.2, 0.05]), np.array([5.0, 5.0, 5.0])) @ translation((1, 2, 3))


def sample_transform(linear_first: bool) -> SpatialTransform:
    field = np.random.default_rng(0).normal(size=(3, *GRID.shape_zyx)).astype(np.float32)
    return SpatialTransform(LINEAR, field, GRID, linear_first)


@pytest.mark.parametrize("linear_first", [False, True])
def test_points_go_where_simpleitk_takes_them(linear_first: bool) -> None:
    transform = sample_transform(linear_first)
    points = np.random.default_rng(1).uniform(-10, 50, (400, 3))
    wanted = [transform.to_sitk().TransformPoint(p.tolist()) for p in points]
    assert np.abs(transform.apply(points) - wanted).max() < 1e-9


def test_without_a_field_it_is_the_linear_part() -> None:
    transform = SpatialTransform(LINEAR)
    assert np.allclose(transform.apply(np.zeros((1, 3)))[0], LINEAR[:3, 3])
    assert transform.to_sitk().IsLinear()


def test_a_field_needs_its_grid_and_its_shape() -> None:
    with pytest.raises(ValueError, match="needs its grid"):
        SpatialTransform(LINEAR, np.zeros((3, 4, 4, 4), np.float32))
    with pytest.raises(ValueError, match="does not fit"):
        SpatialTransform(LINEAR, np.zeros((3, 4, 4, 4), np.float32), GRID)


def test_resampling_by_a_translation_shifts_the_image() -> None:
    grid = Geometry((8, 8, 8), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    values = np.random.default_rng(2).integers(-500, 500, (8, 8, 8)).astype(np.int16)
    moved = resample(grid.image(values), SpatialTransform(translation((2.0, 0.0, 0.0))), grid)
    got = sitk.GetArrayFromImage(moved)
    assert np.array_equal(got[:, :, :-1], values[:, :, 1:])
    assert (got[:, :, -1] == -1024).all()


@pytest.mark.parametrize("linear_first", [False, True])
def test_the_displacement_on_a_grid_is_what_points_move_by(linear_first: bool) -> None:
    transform = sample_transform(linear_first)
    points = GRID.points_mm().reshape(3, -1).T
    moved = (transform.apply(points) - points).T.reshape(3, *GRID.shape_zyx)
    found = displacement_on(transform.to_sitk(), GRID)
    assert found.dtype == np.float32
    # At the border of a field, rounding decides on which side of it a point lies.
    inner = (slice(None),) + (slice(1, -1),) * 3
    assert np.abs(found - moved)[inner].max() < 1e-5
