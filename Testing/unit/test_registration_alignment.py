"""The score of an alignment is a correlation over what is shared, and optimizing raises it."""

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.registration.alignment import Level, Side, alignment_score, optimized
from jssr.registration.field_of_view import Scan
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import (
    affine_to_sitk,
    apply_linear,
    rotation,
    stretch_along_z,
    stretch_of,
    translation,
)

GRID = Geometry((60, 48, 40), (4.0, 4.0, 4.0), (-120.0, -90.0, 300.0))
CENTER = GRID.corners_mm().mean(axis=0)
POINTS = CENTER + np.random.default_rng(0).uniform(-60, 60, (100, 3))
TRUTH = translation((9.0, -6.0, 12.0)) @ rotation(np.array([0.0, 0.05, 0.08]), CENTER)


@pytest.fixture(scope="module")
def body() -> sitk.Image:
    """An ellipsoid of soft tissue with random structure of two centimetres and a bright rod."""
    z, y, x = (
        (np.arange(n) - (n - 1) / 2).reshape([-1 if a == axis else 1 for a in range(3)]) / (n / 2)
        for axis, n in enumerate(GRID.shape_zyx)
    )
    noise = np.random.default_rng(1).normal(0, 3000, GRID.shape_zyx)
    hu = 40.0 + sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(GRID.image(noise), 10.0))
    hu += 400.0 * (np.hypot(x - 0.3 * z, y + 0.4) < 0.12)
    inside = (x / 0.8) ** 2 + (y / 0.7) ** 2 + (z / 0.85) ** 2 < 1
    return GRID.image(np.where(inside, hu, -1000.0).astype(np.float32))


def level_of(fixed: sitk.Image, moving: sitk.Image) -> Level:
    return Level(Side.of(Scan.of(fixed), None), Side.of(Scan.of(moving), None))


def moved(scan: sitk.Image, fixed_to_moving: np.ndarray) -> sitk.Image:
    inverse = affine_to_sitk(np.linalg.inv(fixed_to_moving))
    return sitk.Resample(scan, scan, inverse, sitk.sitkLinear, -1000.0)


def test_a_scan_scores_one_on_itself_and_less_elsewhere(body: sitk.Image) -> None:
    level = level_of(body, body)
    assert alignment_score(level, np.eye(4)) == pytest.approx(1.0, abs=1e-6)
    near, far = (alignment_score(level, translation((0.0, 0.0, mm))) for mm in (8.0, 24.0))
    assert 1.0 > near > far


def test_scans_that_do_not_meet_score_the_least(body: sitk.Image) -> None:
    level = level_of(body, body)
    assert alignment_score(level, translation((0.0, 0.0, 4000.0))) == -1.0


def test_a_part_that_fits_scores_the_root_of_what_it_covers(body: sitk.Image) -> None:
    """Scans of 24 slices each that share 8 scan the same there, a third of either body or so."""
    lower, upper = body[:, :, :24], body[:, :, 16:]
    voxels = [
        (sitk.GetArrayViewFromImage(part) > -300).sum() for part in (body[:, :, 16:24], lower)
    ]
    score = alignment_score(level_of(lower, upper), np.eye(4))
    assert score == pytest.approx((voxels[0] / voxels[1]) ** 0.5, abs=0.02)


@pytest.mark.parametrize("coarsened", [True, False])
def test_optimizing_finds_a_shift_that_simpleitk_made(body: sitk.Image, coarsened: bool) -> None:
    shift = translation((9.0, -6.0, 12.0))
    level = level_of(body, moved(body, shift))
    found = optimized(level.coarsened() if coarsened else level, np.eye(4))
    scores = [alignment_score(level, matrix) for matrix in (np.eye(4), found, shift)]
    assert scores[0] < scores[2] - 0.1 and scores[1] > scores[2] - 0.01
    error = np.linalg.norm(apply_linear(found, POINTS) - apply_linear(shift, POINTS), axis=1)
    assert error.max() < (4.0 if coarsened else 2.0)


def test_optimizing_a_stretched_start_turns_and_shifts_only(body: sitk.Image) -> None:
    start = stretch_along_z(1.2, CENTER)
    found = optimized(level_of(body, moved(body, start @ TRUTH)), start)
    assert stretch_of(np.linalg.inv(start) @ found) == pytest.approx([0.0] * 3, abs=1e-9)
