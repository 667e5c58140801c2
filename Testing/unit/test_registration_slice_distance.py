"""A slice distance that a header states wrongly is undone; a right one is left alone."""

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.phantom import PairOptions, PatientOptions, make_pair, make_patient
from jssr.registration.field_of_view import Scan
from jssr.registration.prealign import prealign
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import apply_linear, stretch_of

GRID = Geometry((104, 80, 64), (3.5, 3.5, 3.5), (-182.0, -140.0, 900.0))
POINTS = GRID.corners_mm().mean(axis=0) + np.random.default_rng(0).uniform(-60, 60, (100, 3))


@pytest.fixture(scope="module")
def phases() -> tuple[sitk.Image, sitk.Image]:
    """Two phases of a patient, in two breaths."""
    patient = make_patient(812_001, GRID.shape_zyx, 3.5, options=PatientOptions(center_z_mm=30.0))
    pair = make_pair(patient, 1, options=PairOptions(contrast="physiological"))
    fixed, moving = (
        GRID.image(hu.round().clamp(-1024, 3071).numpy().astype(np.int16))
        for hu in (pair.fixed_hu, pair.moving_hu)
    )
    return fixed, moving


def with_slices_apart(scan: sitk.Image, factor: float) -> sitk.Image:
    spoilt = sitk.Image(scan)
    x, y, z = scan.GetSpacing()
    spoilt.SetSpacing((x, y, z * factor))
    return spoilt


def lengthened(points: np.ndarray, scan: sitk.Image, factor: float) -> np.ndarray:
    """Where points of ``scan`` lie by the spoilt header, which keeps the first slice's place."""
    base = np.array([0.0, 0.0, scan.GetOrigin()[2]])
    return base + (points - base) * np.array([1.0, 1.0, factor])


@pytest.mark.parametrize("factor", [0.5, 1.3, 1.6, 2.0])
def test_a_wrong_slice_distance_is_undone(
    phases: tuple[sitk.Image, sitk.Image], factor: float
) -> None:
    fixed, moving = phases
    right = prealign(Scan.of(fixed), Scan.of(moving))
    found = prealign(Scan.of(fixed), Scan.of(with_slices_apart(moving, factor)))
    expected = lengthened(apply_linear(right, POINTS), moving, factor)
    # The stretch is found in steps of an eighth: the rest is left to the deformation.
    error = np.abs((apply_linear(found, POINTS) - expected) / np.array([1.0, 1.0, factor]))
    assert error.max() < 8.0
    assert stretch_of(found) == pytest.approx([0.0, 0.0, factor - 1], abs=0.07 * factor)


@pytest.mark.parametrize("part", [slice(None), slice(32), slice(32, None), slice(16, 48)])
def test_a_right_slice_distance_stays(phases: tuple[sitk.Image, sitk.Image], part: slice) -> None:
    fixed, moving = phases
    for a, b in ((fixed, moving[:, :, part]), (fixed[:, :, part], moving)):
        assert stretch_of(prealign(Scan.of(a), Scan.of(b))) == pytest.approx([0.0] * 3, abs=1e-6)
