"""The body is found without table and air; its centre is known in closed form."""

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.registration.body import body_mask, centroid_mm, patient_mask
from jssr.spatial.geometry import Geometry

GRID = Geometry((60, 50, 30), (4.0, 4.0, 4.0), (-110.0, 30.0, 500.0))
_Z, _Y, _X = np.indices(GRID.shape_zyx)
ELLIPSE = ((_X - 29) / 22) ** 2 + ((_Y - 20) / 14) ** 2 < 1


def scan(*, table: bool = True, lungs: bool = False) -> sitk.Image:
    """An elliptic cylinder of soft tissue in air, on a table one voxel thick, with two lungs."""
    hu = np.full(GRID.shape_zyx, -1000, np.int16)
    hu[ELLIPSE] = 40
    if lungs:
        for x in (19, 39):
            hu[((_X - x) ** 2 + (_Y - 20) ** 2 < 36) & (_Z > 15)] = -850
    if table:
        hu[:, 42, :] = 200
        hu[:, 34:42, 29] = 200  # the foot that joins it to the body
    return GRID.image(hu)


def test_a_thin_table_is_not_body_even_where_it_touches() -> None:
    mask = sitk.GetArrayFromImage(body_mask(scan()))
    assert mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 1}
    wrong = mask.astype(bool) ^ ELLIPSE
    # The foot's first voxels touch the body, and opening rounds the outline.
    assert wrong.sum() < 0.02 * ELLIPSE.sum()
    assert not mask[:, 42].any()


def test_only_the_largest_piece_is_body() -> None:
    image = scan(table=False)
    values = sitk.GetArrayFromImage(image)
    values[5:15, 40:48, 2:12] = 40  # an arm
    mask = sitk.GetArrayFromImage(body_mask(GRID.image(values)))
    assert not mask[5:15, 40:48, 2:12].any()
    assert mask[ELLIPSE].mean() > 0.98


def test_lungs_are_not_body() -> None:
    mask = sitk.GetArrayFromImage(body_mask(scan(lungs=True)))
    assert mask[20, 20, 19] == 0 and mask[20, 20, 39] == 0
    assert mask[5, 20, 19] == 1


def test_the_patient_holds_lungs_but_neither_table_nor_air() -> None:
    mask = sitk.GetArrayFromImage(patient_mask(scan(lungs=True))) > 0
    # Opening rounds the outline, and the foot's first voxels touch it.
    assert (mask ^ ELLIPSE).sum() < 0.02 * ELLIPSE.sum()
    assert mask[20, 20, 19] and mask[20, 20, 39]
    assert not mask[:, 42].any()


def test_a_lung_that_the_field_of_view_cuts_open_is_in_the_patient() -> None:
    cut = scan(lungs=True, table=False)[19:]
    values = sitk.GetArrayFromImage(cut)
    mask = sitk.GetArrayFromImage(patient_mask(cut)) > 0
    # Opening rounds the corners between lung, chest wall and border.
    assert mask[values == -850].mean() > 0.9
    assert mask[values == -1000].mean() < 0.01


def test_a_cushion_under_the_table_is_not_the_patient() -> None:
    image = scan(lungs=True)
    values = sitk.GetArrayFromImage(image)
    values[:, 44:, :] = -850  # as dense as lung
    mask = sitk.GetArrayFromImage(patient_mask(GRID.image(values))) > 0
    assert not mask[:, 44:].any()
    assert mask[20, 20, 19] and mask[20, 20, 39]


def test_air_has_no_body_and_no_centre() -> None:
    mask = body_mask(GRID.image(np.full(GRID.shape_zyx, -1000, np.int16)))
    assert not sitk.GetArrayViewFromImage(mask).any()
    assert centroid_mm(mask) is None


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.2, -0.1, 0.4)])
def test_the_centre_is_that_of_simpleitk(angles: tuple[float, float, float]) -> None:
    mask = sitk.Cast(GRID.image(ELLIPSE.astype(np.uint8)), sitk.sitkUInt8)
    mask.SetDirection(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix())
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    found = centroid_mm(mask)
    assert found is not None
    np.testing.assert_allclose(found, shape.GetCentroid(1), atol=1e-6)
