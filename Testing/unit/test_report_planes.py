"""Planes through the patient: where they lie, what they show, how readers expect it."""

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.registration.body import centroid_mm
from jssr.report.planes import anatomical_planes, center_of_interest
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import rotation

OBLIQUE = tuple(rotation(np.array([0.1, -0.2, 0.15]), np.zeros(3))[:3, :3].ravel().tolist())
GRID = Geometry((32, 28, 20), (2.5, 2.5, 4.0), (-40.0, -30.0, 100.0), OBLIQUE)


def scan() -> sitk.Image:
    """HU that grow along the world's axes, so each voxel tells where it lies."""
    index = np.stack(np.indices(GRID.shape_zyx)[::-1], axis=-1)
    points = index @ GRID.index_to_world[:3, :3].T + GRID.origin_mm
    return GRID.image((points @ [1.0, 3.0, -2.0]).astype(np.float32))


def labels() -> sitk.Image:
    values = np.zeros(GRID.shape_zyx, np.uint8)
    values[6:14, 8:20, 6:18] = 1
    values[9:11, 12:15, 9:12] = 2
    values[6:12, 8:14, 22:27] = 3
    return GRID.image(values)


def test_planes_pass_through_the_liver_and_cover_the_scan() -> None:
    label_map = labels()
    center = center_of_interest(scan(), label_map)
    index = label_map.TransformPhysicalPointToIndex(center.tolist())
    assert label_map[index] in (1, 2)
    for plane in anatomical_planes(scan(), center):
        low = np.array(plane.grid.origin_mm)
        high = low + (np.array(plane.grid.size) - 1) * plane.grid.spacing_mm
        corners = GRID.corners_mm()
        for axis in plane.axes:
            assert low[axis] <= corners[:, axis].min() + plane.grid.spacing_mm[axis]
            assert high[axis] >= corners[:, axis].max() - plane.grid.spacing_mm[axis]


def test_the_centre_of_the_liver_is_its_centroid() -> None:
    liver = (labels() == 1) | (labels() == 2)
    np.testing.assert_allclose(center_of_interest(scan(), labels()), centroid_mm(liver))


def test_without_a_liver_the_centre_is_that_of_the_body_and_without_a_body_of_the_box() -> None:
    values = np.full(GRID.shape_zyx, -1000, np.int16)
    values[5:10, 6:12, 20:30] = 40
    for segmentation in (None, GRID.image(np.zeros(GRID.shape_zyx, np.uint8))):
        found = center_of_interest(GRID.image(values), segmentation)
        np.testing.assert_allclose(found, centroid_mm(GRID.image(values) > 0))
    air = GRID.image(np.full(GRID.shape_zyx, -1000, np.int16))
    np.testing.assert_allclose(center_of_interest(air, None), GRID.corners_mm().mean(axis=0))


def test_each_pixel_shows_what_lies_at_its_point() -> None:
    """An image that is linear in the world, cut from an oblique grid, by hand."""
    center = GRID.corners_mm().mean(axis=0)
    for plane in anatomical_planes(scan(), center):
        picture = plane.cut(scan(), outside=-9999.0)
        points = plane.points_mm()
        assert np.allclose(points[:, plane.across], center[plane.across])
        seen = picture.ravel() > -9999.0
        assert 0.3 < seen.mean() < 1.0
        inner = seen & (np.abs(points - center) < 20).all(axis=1)
        expected = points[inner] @ [1.0, 3.0, -2.0]
        np.testing.assert_allclose(picture.ravel()[inner], expected, atol=1e-2)


@pytest.mark.parametrize(
    ("number", "edges"),
    [(0, ("R", "L", "A", "P")), (1, ("R", "L", "S", "I")), (2, ("A", "P", "S", "I"))],
)
def test_the_edges_are_named(number: int, edges: tuple[str, str, str, str]) -> None:
    assert anatomical_planes(scan(), np.zeros(3))[number].edges == edges


def test_the_extent_is_that_of_the_pixels() -> None:
    center = GRID.corners_mm().mean(axis=0)
    for plane in anatomical_planes(scan(), center):
        left, right, bottom, top = plane.extent_mm
        column, row = plane.axes
        rows, columns = plane.cut(scan()).shape
        first, last = plane.points_mm()[0], plane.points_mm()[-1]
        half_x, half_y = (right - left) / columns / 2, (bottom - top) / rows / 2
        np.testing.assert_allclose((left + half_x, top + half_y), (first[column], first[row]))
        np.testing.assert_allclose((right - half_x, bottom - half_y), (last[column], last[row]))


def test_planes_show_the_patient_as_radiologists_do() -> None:
    grid = Geometry((40, 40, 40), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    values = np.full(grid.shape_zyx, -1024, np.float32)
    values[35, 5, 30] = 500.0  # left, anterior, superior
    image = grid.image(values)
    axial, coronal, sagittal = anatomical_planes(image, np.array([60.0, 10.0, 70.0]))
    for plane, column_part, row_part in (
        (axial, "right", "top"),
        (coronal, "right", "top"),
        (sagittal, "left", "top"),
    ):
        picture = plane.cut(image)
        row, column = np.unravel_index(picture.argmax(), picture.shape)
        assert (row < picture.shape[0] / 2) == (row_part == "top")
        assert (column > picture.shape[1] / 2) == (column_part == "right")
        points = plane.points_mm().reshape(*picture.shape, 3)
        np.testing.assert_allclose(points[row, column], (60.0, 10.0, 70.0), atol=2.0)
