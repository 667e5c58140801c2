"""Rigid pre-alignment finds known motions and never makes things worse."""

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.phantom import PairOptions, PatientOptions, make_pair, make_patient
from jssr.registration.body import body_mask, centroid_mm
from jssr.registration.field_of_view import Scan
from jssr.registration.prealign import prealign
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_to_sitk, apply_linear, rotation, translation

GRID = Geometry((104, 80, 64), (3.5, 3.5, 3.5), (-182.0, -140.0, 900.0))
CENTER = GRID.corners_mm().mean(axis=0)
POINTS = CENTER + np.random.default_rng(0).uniform(-60, 60, (100, 3))


@pytest.fixture(scope="module")
def scan() -> sitk.Image:
    patient = make_patient(812_001, GRID.shape_zyx, 3.5, options=PatientOptions(center_z_mm=30.0))
    pair = make_pair(patient, 1, options=PairOptions(contrast="physiological"))
    return GRID.image(pair.fixed_hu.round().clamp(-1024, 3071).numpy().astype(np.int16))


def moved(scan: sitk.Image, fixed_to_moving: np.ndarray, crop_z: int = 0) -> sitk.Image:
    """The scan after a rigid motion, on another grid that covers it."""
    corners = apply_linear(fixed_to_moving, GRID.corners_mm())
    low, size = corners.min(axis=0), np.ptp(corners, axis=0)
    spacing = (3.0, 3.2, 4.0)
    target = Geometry(tuple(int(n) for n in size / spacing), spacing, tuple(float(v) for v in low))
    inverse = affine_to_sitk(np.linalg.inv(fixed_to_moving))
    image = sitk.Resample(scan, target.empty_image(), inverse, sitk.sitkLinear, -1024.0)
    return image[:, :, crop_z:] if crop_z else image


def aligned(fixed: sitk.Image, moving: sitk.Image) -> np.ndarray:
    return prealign(Scan.of(fixed), Scan.of(moving))


def error_mm(found: np.ndarray, truth: np.ndarray) -> float:
    return float(
        np.linalg.norm(apply_linear(found, POINTS) - apply_linear(truth, POINTS), axis=1).max()
    )


@pytest.mark.parametrize(
    ("offset", "degrees"),
    [
        ((0.0, 0.0, 0.0), 0.0),
        ((7.0, -4.0, 9.0), 3.0),
        ((40.0, -20.0, 80.0), 0.0),
        ((10.0, 5.0, -30.0), 15.0),
    ],
)
def test_recovers_a_rigid_motion(
    scan: sitk.Image, offset: tuple[float, float, float], degrees: float
) -> None:
    truth = translation(offset) @ rotation(np.array([0.0, 0.0, np.deg2rad(degrees)]), CENTER)
    assert error_mm(aligned(scan, moved(scan, truth)), truth) < 2.0


def test_finds_a_part_of_the_trunk_inside_the_whole(scan: sitk.Image) -> None:
    truth = translation((5.0, 0.0, 60.0))
    assert error_mm(aligned(scan, moved(scan, truth, crop_z=25)), truth) < 3.0


@pytest.mark.parametrize("masked", ["fixed", "moving", "both"])
def test_a_mask_of_one_organ_does_not_lead_astray(scan: sitk.Image, masked: str) -> None:
    """A ball of 50 mm in the liver, as somebody gives who cares for one lesion."""
    truth = translation((7.0, -4.0, 9.0)) @ rotation(np.array([0.0, 0.0, 0.05]), CENTER)
    moving = moved(scan, truth)
    middle = CENTER + np.array([-60.0, -10.0, 10.0])
    fixed_ball = ball_around(scan, middle)
    moving_ball = ball_around(moving, apply_linear(truth, middle[None])[0])
    masks = {"fixed": (fixed_ball, None), "moving": (None, moving_ball)}
    given = masks.get(masked, (fixed_ball, moving_ball))
    found = prealign(Scan.of(scan), Scan.of(moving), *given)
    points = middle + np.random.default_rng(1).uniform(-20, 20, (100, 3))
    errors = apply_linear(found, points) - apply_linear(truth, points)
    assert np.linalg.norm(errors, axis=1).max() < 3.0


def ball_around(image: sitk.Image, middle_mm: np.ndarray) -> sitk.Image:
    grid = Geometry.of(image)
    z, y, x = np.indices(grid.shape_zyx)
    points = apply_linear(grid.index_to_world, np.stack([x, y, z], -1).reshape(-1, 3).astype(float))
    inside = np.linalg.norm(points - middle_mm, axis=1) < 25.0
    return grid.image(inside.reshape(grid.shape_zyx).astype(np.uint8))


@pytest.mark.parametrize(
    ("part", "offset"),
    [
        (np.s_[:24, :, :60], (40.0, -30.0, 50.0)),
        (np.s_[:24, :, :60], (-30.0, 20.0, -60.0)),
        (np.s_[15:45, 20:70, 30:85], (-30.0, 20.0, -60.0)),
    ],
)
def test_the_end_of_a_narrow_field_of_view_is_no_skin(
    scan: sitk.Image, part: tuple[slice, slice, slice], offset: tuple[float, float, float]
) -> None:
    truth = translation(offset)
    whole = moved(scan, truth)
    values = np.full(whole.GetSize()[::-1], -1024, np.int16)
    values[part] = sitk.GetArrayViewFromImage(whole)[part]
    moving = sitk.GetImageFromArray(values)
    moving.CopyInformation(whole)
    assert error_mm(aligned(scan, moving), truth) < 5.0


def test_a_scan_already_in_place_stays_there(scan: sitk.Image) -> None:
    assert error_mm(aligned(scan, scan), np.eye(4)) < 0.2


def test_the_same_pair_gives_the_same_matrix(scan: sitk.Image) -> None:
    moving = moved(scan, translation((7.0, -4.0, 9.0)))
    assert np.array_equal(aligned(scan, moving), aligned(scan, moving))


def test_scans_without_a_body_give_the_identity() -> None:
    air = GRID.image(np.full(GRID.shape_zyx, -1000, np.int16))
    assert np.array_equal(aligned(air, air), np.eye(4))


def test_the_caller_can_stop_it(scan: sitk.Image) -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        prealign(Scan.of(scan), Scan.of(scan), check=stop)


def test_the_body_is_the_largest_piece_without_a_thin_table() -> None:
    hu = np.full((20, 40, 40), -1000, np.float32)
    hu[:, 8:24, 8:32] = 40.0
    hu[:, 30:31, 2:38] = 100.0
    mask = body_mask(Geometry((40, 40, 20), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0)).image(hu))
    found = sitk.GetArrayFromImage(mask) > 0
    assert not found[:, 30].any()
    assert found[:, 10:22, 10:30].all()
    center = centroid_mm(mask)
    assert center is not None and np.abs(center - [19.5 * 4, 15.5 * 4, 9.5 * 4]).max() < 2.0
