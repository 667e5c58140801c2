"""Spoilt pairs: what was done to the scan is what their truth says."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.bundle.load import Bundle
from jssr.errors import InputError
from jssr.evaluation import verdicts
from jssr.evaluation.cohort import Case, CaseData
from jssr.evaluation.provoked import KINDS, OFFSET_MM, OTHER_PATIENT, SPACING_FACTOR, Provoked
from jssr.evaluation.verdicts import AS_IT_IS, REFUSED, SKIPPED, Judged, summary
from jssr.registration.result import Refine
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


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """The scans that were registered, each by its first voxel; every pair is refused."""
    seen: list[tuple[float, float]] = []

    def register(fixed: sitk.Image, moving: sitk.Image, *rest: object, **options: object) -> None:
        seen.append((fixed[0, 0, 0], moving[0, 0, 0]))
        raise InputError("not registered")

    monkeypatch.setattr(verdicts, "register", register)
    monkeypatch.setattr(verdicts, "load_case", lambda case: pair(int(case.name)))
    return seen


def judged(patients: str, kinds: list[str]) -> list[Judged]:
    """What is made of cases with the numbers 0, 1, ... and these patients, a letter each."""
    scan = Path("scan.nii.gz")
    cases = [Case(str(n), scan, scan, patient=one) for n, one in enumerate(patients)]
    return list(verdicts.judged_pairs(cases, kinds, cast(Bundle, None), Refine.OFF))


def test_another_patient_is_one_by_what_the_cohort_says(
    registered: list[tuple[float, float]],
) -> None:
    judged("AAB", [OTHER_PATIENT])
    first = [(data.fixed[0, 0, 0], data.moving[0, 0, 0]) for data in map(pair, range(3))]
    others = [(fixed, moving) for fixed, moving in registered if (fixed, moving) not in first]
    assert others == [
        (first[0][0], first[2][1]),
        (first[1][0], first[2][1]),
        (first[2][0], first[0][1]),
    ]


@pytest.mark.parametrize("patients", ["A", "AA"])
def test_without_another_patient_that_kind_is_refused(
    registered: list[tuple[float, float]], patients: str
) -> None:
    with pytest.raises(InputError, match="no other patient than that of '0'"):
        judged(patients, list(KINDS))
    assert not registered
    assert len(judged(patients, ["mirrored"])) == 2 * len(patients)


def test_a_pair_without_a_liver_in_view_counts_for_nothing(
    registered: list[tuple[float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = replace(pair(0), liver=np.zeros(GRID.shape_zyx, bool))
    monkeypatch.setattr(verdicts, "load_case", lambda case: nowhere)
    (skipped,) = judged("A", ["mirrored"])
    assert skipped.level == SKIPPED and not registered
    assert summary([skipped]) == {"failures": 0.0, "good": 0.0}
