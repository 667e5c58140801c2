"""The figures of a pair whose answer is known exactly."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.evaluation.cohort import CaseData, load_case, read_cohort
from jssr.evaluation.figures import (
    compared_labels,
    covered_labels,
    lesions_of,
    registration_errors,
    registration_figures,
)
from jssr.labels import label_index
from jssr.spatial.linear import translation
from jssr.spatial.transform import SpatialTransform
from sample_cohort import GRID, SHIFT_MM, shift_transform, write_manifest_cohort


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CaseData:
    folder = write_manifest_cohort(tmp_path_factory.mktemp("cohort") / "one", pairs=1)
    return load_case(read_cohort(folder)[0])


def test_the_true_transform_is_without_fault(data: CaseData) -> None:
    row = registration_figures(data, shift_transform())
    assert row["error_body_mm"] == pytest.approx(0.0, abs=1e-4)
    assert row["error_liver_p95_mm"] == pytest.approx(0.0, abs=1e-4)
    assert row["folding_percent"] == 0.0
    assert row["log_jacobian_sd"] == pytest.approx(0.0, abs=1e-5)
    assert row["dice_liver"] > 0.93 and row["dice_spleen"] > 0.85
    assert row["surface_liver_mm"] < 1.0
    assert (row["lesions"], row["lesion_kept_fraction"]) == (1.0, 1.0)
    assert row["lesion_right_fraction"] == 1.0


def test_doing_nothing_is_wrong_by_the_shift(data: CaseData) -> None:
    row = registration_figures(data, SpatialTransform(np.eye(4)))
    shift = float(np.linalg.norm(SHIFT_MM))
    assert row["error_body_mm"] == pytest.approx(shift, abs=1e-3)
    assert row["error_liver_mm"] == pytest.approx(shift, abs=1e-3)
    assert row["dice_liver"] < 0.9
    errors = registration_errors(data, SpatialTransform(np.eye(4)))
    assert errors.items() <= row.items()


def test_a_growing_map_changes_the_lesions_volume(data: CaseData) -> None:
    z, y, x = np.indices(GRID.shape_zyx)
    points = np.stack([x * 2.5, y * 2.5, z * 3.0]) + np.reshape(GRID.origin_mm, (3, 1, 1, 1))
    growing = SpatialTransform(np.eye(4), (0.04 * points).astype(np.float32), GRID)
    row = registration_figures(data, growing)
    assert row["lesion_volume_change"] == pytest.approx(1.04**3 - 1, rel=1e-3)
    assert row["lesion_volume_error"] == pytest.approx(1.04**3 - 1, rel=1e-3)
    assert row["lesion_kept_fraction"] == row["lesion_right_fraction"] == 0.0


def test_a_lesion_that_truly_grew_must_not_keep_its_volume(data: CaseData) -> None:
    z, y, x = np.indices(GRID.shape_zyx)
    points = np.stack([x * 2.5, y * 2.5, z * 3.0]) + np.reshape(GRID.origin_mm, (3, 1, 1, 1))
    growth = (0.04 * points).astype(np.float32)
    grown = replace(data, truth_mm=growth)
    right = registration_figures(grown, SpatialTransform(np.eye(4), growth, GRID))
    assert (right["lesion_kept_fraction"], right["lesion_right_fraction"]) == (0.0, 1.0)
    kept = registration_figures(grown, SpatialTransform(np.eye(4)))
    assert (kept["lesion_kept_fraction"], kept["lesion_right_fraction"]) == (1.0, 0.0)


def test_lesions_are_told_apart_and_small_ones_left_out() -> None:
    labels = np.zeros(GRID.shape_zyx, np.uint8)
    labels[4:10, 4:10, 4:10] = 2
    labels[14:20, 14:20, 14:20] = 2
    labels[21, 2, 2] = 2
    found = list(lesions_of(GRID.image(labels)))
    assert [int(lesion.mask.sum()) for lesion in found] == [216, 216]
    volume_mm3 = 216 * 2.5 * 2.5 * 3.0
    assert found[0].diameter_mm == pytest.approx((6 * volume_mm3 / np.pi) ** (1 / 3), rel=1e-6)


def test_folds_are_counted_in_percent_and_a_lost_organ_overlaps_by_nothing(data: CaseData) -> None:
    x = np.indices(GRID.shape_zyx)[2]
    mirrored = np.zeros((3, *GRID.shape_zyx), np.float32)
    mirrored[0] = -2.0 * 2.5 * x
    row = registration_figures(data, SpatialTransform(np.eye(4), mirrored, GRID))
    assert row["folding_percent"] == pytest.approx(100.0)
    far = registration_figures(data, SpatialTransform(translation((500.0, 0.0, 0.0))))
    assert far["dice_liver"] == 0.0
    assert far["hd95_liver_mm"] is None and far["surface_liver_mm"] is None


def overlaps(data: CaseData) -> dict[str, float | None]:
    row = registration_figures(data, shift_transform())
    return {name: value for name, value in row.items() if name.startswith("dice_")}


def without_spleen(data: CaseData, *, truth: bool, fixed: str = "", moving: str = "") -> CaseData:
    """The pair without a spleen on the moving scan, and with these classes in its table."""
    assert data.moving_labels is not None
    labels = sitk.GetArrayFromImage(data.moving_labels)
    labels[labels == label_index("spleen")] = 0
    case = replace(
        data.case, fixed_classes=tuple(fixed.split()), moving_classes=tuple(moving.split())
    )
    if not truth:
        case, data = replace(case, truth_transform=None), replace(data, truth_mm=None)
    return replace(data, case=case, moving_labels=GRID.image(labels))


def test_an_organ_that_only_the_fixed_scan_shows_was_lost_if_the_truth_is_known(
    data: CaseData,
) -> None:
    assert overlaps(without_spleen(data, truth=True))["dice_spleen"] == 0.0


def test_only_what_both_annotations_cover_is_scored(data: CaseData) -> None:
    shown = overlaps(without_spleen(data, truth=False))
    assert set(shown) == {"dice_liver", "dice_lesion"}
    drawn = "liver spleen"
    both = overlaps(without_spleen(data, truth=False, fixed=drawn, moving=drawn))
    assert set(both) == {"dice_liver", "dice_spleen"} and both["dice_spleen"] == 0.0
    one = overlaps(without_spleen(data, truth=False, fixed=drawn, moving="liver lesion"))
    assert set(one) == {"dice_liver"}
    mixed = overlaps(without_spleen(data, truth=False, moving=drawn))
    assert set(mixed) == {"dice_liver", "dice_spleen"}


def test_an_annotation_covers_its_classes_or_what_it_shows(data: CaseData) -> None:
    assert data.fixed_labels is not None
    covered = {label.name for label in covered_labels(data.fixed_labels, ())}
    assert covered == {"liver", "lesion", "spleen"}
    assert [x.name for x in covered_labels(data.fixed_labels, ("lung", "liver"))] == [
        "liver",
        "lung",
    ]
    assert compared_labels(replace(data, moving_labels=None)) == ()
