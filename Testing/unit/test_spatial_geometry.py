"""Grids agree with SimpleITK's."""

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.spatial.geometry import Geometry, same_geometry


@pytest.fixture
def oblique() -> sitk.Image:
    image = sitk.Image([12, 10, 8], sitk.sitkInt16)
    image.SetSpacing((0.8, 1.1, 2.5))
    image.SetOrigin((-40.0, 17.5, 300.25))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.4).GetMatrix())
    return image


def test_index_to_world_equals_simpleitk(oblique: sitk.Image) -> None:
    matrix = Geometry.of(oblique).index_to_world
    for index in ((0, 0, 0), (11, 0, 7), (3, 9, 5)):
        wanted = oblique.TransformIndexToPhysicalPoint(index)
        assert np.allclose(matrix @ [*index, 1], [*wanted, 1], atol=1e-9)


def test_corners_are_the_outermost_voxel_centres(oblique: sitk.Image) -> None:
    corners = Geometry.of(oblique).corners_mm()
    wanted = [
        oblique.TransformIndexToPhysicalPoint((x, y, z))
        for x in (0, 11)
        for y in (0, 9)
        for z in (0, 7)
    ]
    assert np.allclose(sorted(map(tuple, corners)), sorted(wanted), atol=1e-9)


def test_a_coarse_voxel_lies_at_the_mean_of_those_it_covers(oblique: sitk.Image) -> None:
    coarse = Geometry.of(oblique).coarsened(2)
    covered = [
        oblique.TransformIndexToPhysicalPoint((x, y, z))
        for x in (2, 3)
        for y in (4, 5)
        for z in (0, 1)
    ]
    assert coarse.size == (6, 5, 4)
    assert np.allclose(
        (coarse.index_to_world @ [1, 2, 0, 1])[:3], np.mean(covered, axis=0), atol=1e-9
    )


def test_dividing_a_grid_and_coarsening_it_again_changes_nothing(oblique: sitk.Image) -> None:
    geometry = Geometry.of(oblique)
    fine = geometry.divided(3)
    assert fine.size == (36, 30, 24)
    assert fine.spacing_mm == pytest.approx([s / 3 for s in geometry.spacing_mm])
    assert same_geometry(fine.coarsened(3), geometry, 1e-9)


def test_a_grid_that_cannot_be_divided_is_refused(oblique: sitk.Image) -> None:
    with pytest.raises(ValueError, match="divided by 3"):
        Geometry.of(oblique).coarsened(3)


def test_a_part_of_a_grid_is_what_simpleitk_crops(oblique: sitk.Image) -> None:
    cropped = oblique[3:8, 2:9, 4:7]
    assert same_geometry(
        Geometry.of(oblique).part((3, 2, 4), (5, 7, 3)), Geometry.of(cropped), 1e-9
    )


def test_images_go_there_and_back(oblique: sitk.Image) -> None:
    geometry = Geometry.of(oblique)
    image = geometry.image(np.zeros((8, 10, 12), np.float32))
    assert same_geometry(Geometry.of(image), geometry, 1e-9)
    vectors = geometry.vector_image(np.ones((3, 8, 10, 12), np.float32))
    assert vectors.GetNumberOfComponentsPerPixel() == 3
    assert same_geometry(Geometry.of(vectors), geometry, 1e-9)


def test_an_array_that_does_not_fit_is_refused(oblique: sitk.Image) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Geometry.of(oblique).image(np.zeros((12, 10, 8)))


@pytest.mark.parametrize(("shift_mm", "same"), [(0.5, False), (0.0011, False), (0.0009, True)])
def test_a_grid_that_is_shifted_by_a_micrometre_is_another_one(
    oblique: sitk.Image, shift_mm: float, same: bool
) -> None:
    moved = sitk.Image(oblique)
    moved.SetOrigin((-40.0, 17.5, 300.25 + shift_mm))
    assert same_geometry(Geometry.of(oblique), Geometry.of(moved)) is same


def test_a_grid_of_another_size_is_another_one(oblique: sitk.Image) -> None:
    # The corner that both have in common alone decides nothing.
    assert not same_geometry(Geometry.of(oblique), Geometry.of(oblique[:, :, :7]))
    x, y, z = oblique.GetSize()
    finer = Geometry.of(oblique)
    finer = Geometry(
        (2 * x - 1, 2 * y - 1, 2 * z - 1),
        tuple(s / 2 for s in finer.spacing_mm),
        finer.origin_mm,
        finer.direction,
    )
    assert np.allclose(finer.corners_mm(), Geometry.of(oblique).corners_mm())
    assert not same_geometry(Geometry.of(oblique), finer)


def test_the_volume_of_a_voxel_is_in_millilitres(oblique: sitk.Image) -> None:
    assert Geometry.of(oblique).voxel_ml == pytest.approx(0.8 * 1.1 * 2.5 / 1000)


def test_every_voxel_lies_where_simpleitk_puts_it(oblique: sitk.Image) -> None:
    points = Geometry.of(oblique).points_mm()
    assert points.shape == (3, 8, 10, 12)
    for x, y, z in ((0, 0, 0), (11, 0, 7), (3, 9, 5)):
        wanted = oblique.TransformIndexToPhysicalPoint((x, y, z))
        assert np.allclose(points[:, z, y, x], wanted, atol=1e-9)
