"""Spoilt pairs: what was done to the scan is what their truth says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.evaluation.cohort import Case, CaseData
from jssr.evaluation.provoked import KINDS, OFFSET_MM, SPACING_FACTOR, Provoked
from jssr.evaluation.verdicts import AS_IT_IS, REFUSED, Judged, summary
from jssr.spatial.geometry import Geometry

GRID = Geometry((12, 10, 8), (2.0, 2.0, 3.0), (-10.0, 5.0, 100.0))

OBLIQUE = replace(GRID, direction=(0.6, -0.8, 0.0, 0.48, 0.36, -0.8, 0.64, 0.48, 0.6))


def pair(seed: int, grid: Geometry = GRID) -> CaseData:
    """Scans of noise and a smooth true displacement."""
    rng = np.random.default_rng(seed)
    fixed, moving = rng.integers(-200, 300, (2, *GRID.shape_zyx)).astype(np.int16)
    truth = (np.indices(GRID.shape_zyx)[::-1] * 0.1 + 1.0).astype(np.float32)
    labels = GRID.empty_image()
    return CaseData(
        case=Case(f"case{seed}", Path("fixed.nii.gz"), Path("moving.nii.gz")),
        fixed=grid.image(fixed),
        moving=grid.image(moving),
        truth_mm=truth,
        body=np.ones(GRID.shape_zyx, bool),
        liver=np.ones(GRID.shape_zyx, bool),
        fixed_labels=labels,
        moving_labels=labels,
        synthesis_truth=None,
        landmarks=None,
    )


def spoilt(kind: str) -> tuple[CaseData, Provoked]:
    data = pair(0)
    return data, KINDS[kind](data, pair(1))


def moving_values(provoked: Provoked) -> np.ndarray:
    return sitk.GetArrayFromImage(provoked.moving)


@pytest.mark.parametrize("kind", KINDS)
def test_the_fixed_scan_stays_and_the_good_pair_is_untouched(kind: str) -> None:
    data, provoked = spoilt(kind)
    untouched = pair(0)
    for name in ("fixed", "moving"):
        a, b = (sitk.GetArrayViewFromImage(getattr(d, name)) for d in (data, untouched))
        assert np.array_equal(a, b)
    assert Geometry.of(data.moving) == Geometry.of(untouched.moving)
    assert np.array_equal(
        sitk.GetArrayViewFromImage(provoked.fixed), sitk.GetArrayViewFromImage(data.fixed)
    )
    changed = not np.array_equal(moving_values(provoked), sitk.GetArrayViewFromImage(data.moving))
    assert changed or Geometry.of(provoked.moving) != Geometry.of(data.moving)


@pytest.mark.parametrize("grid", [GRID, OBLIQUE])
@pytest.mark.parametrize("kind", ["huge offset", "wrong spacing"])
def test_truth_leads_to_the_voxel_that_it_led_to_before(kind: str, grid: Geometry) -> None:
    data = pair(0, grid)
    provoked = KINDS[kind](data, pair(1, grid))
    assert data.truth_mm is not None and provoked.truth_mm is not None
    for z, y, x in ((0, 0, 0), (7, 9, 11), (3, 4, 5)):
        point = np.array(data.fixed.TransformIndexToPhysicalPoint((x, y, z)))
        before = data.moving.TransformPhysicalPointToContinuousIndex(
            (point + data.truth_mm[:, z, y, x]).tolist()
        )
        after = provoked.moving.TransformPhysicalPointToContinuousIndex(
            (point + provoked.truth_mm[:, z, y, x]).tolist()
        )
        assert after == pytest.approx(before, abs=1e-4)


def test_what_is_done_to_the_scan() -> None:
    data, mirrored = spoilt("mirrored")
    values = sitk.GetArrayFromImage(data.moving)
    assert np.array_equal(moving_values(mirrored), values[:, :, ::-1])
    shuffled = moving_values(spoilt("shuffled slices")[1])
    assert sorted(map(bytes, shuffled)) == sorted(map(bytes, values))
    half = moving_values(spoilt("empty half")[1])
    assert np.array_equal(half[:4], values[:4]) and (half[4:] == -1024).all()
    offset = spoilt("huge offset")[1].moving.GetOrigin()
    assert offset == pytest.approx(np.add(GRID.origin_mm, OFFSET_MM))
    spacing = spoilt("wrong spacing")[1].moving.GetSpacing()
    assert spacing == pytest.approx((2.0, 2.0, 3.0 * SPACING_FACTOR))
    other = moving_values(spoilt("other patient")[1])
    assert np.array_equal(other, sitk.GetArrayViewFromImage(pair(1).moving))


def test_the_summary_counts_what_was_told_and_what_was_doubted() -> None:
    def row(kind: str, error_mm: float | None, level: str) -> Judged:
        return Judged("case", kind, error_mm, level, (), {})

    rows = [
        row(AS_IT_IS, 1.0, "good"),
        row(AS_IT_IS, 2.0, "doubtful"),
        row("huge offset", 0.8, "good"),
        row("empty half", 9.0, "good"),
        row("mirrored", None, "failed"),
        row("other patient", None, REFUSED),
    ]
    assert summary(rows) == {
        "failures": 3.0,
        "good": 3.0,
        "failures_told_percent": pytest.approx(100 * 2 / 3),
        "good_doubted_percent": pytest.approx(100 / 3),
    }
