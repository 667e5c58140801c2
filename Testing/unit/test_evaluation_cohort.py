"""Cohorts of both layouts are read, and what is wrong with one is said in a sentence."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.evaluation.cohort import load_case, read_cohort
from jssr.labels import Phase
from sample_cohort import GRID, SHIFT_MM, write_case_folder, write_manifest_cohort


def test_manifest_cohort(tmp_path: Path) -> None:
    cases = read_cohort(write_manifest_cohort(tmp_path / "cohort"))
    assert [case.name for case in cases] == ["pair0", "pair1"]
    assert cases[0].moving_phase is Phase.ARTERIAL
    data = load_case(cases[0])
    assert data.truth_mm is not None and data.liver is not None
    np.testing.assert_allclose(data.truth_mm[:, data.body].mean(axis=1), SHIFT_MM, atol=1e-4)
    assert not data.body[0].any() and data.body[5].any()
    assert data.liver.sum() > 500
    assert data.fixed_labels is not None
    labels = sitk.GetArrayFromImage(data.fixed_labels)
    known = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "cohort/pair0/mask.nii.gz"))) > 0
    # A lesion is part of the liver, and neither counts where the truth is unknown.
    assert np.array_equal(data.liver, ((labels == 1) | (labels == 2)) & known)
    assert (data.liver & (labels == 2)).any()
    assert np.array_equal(data.body, (sitk.GetArrayFromImage(data.fixed) > -300) & known)


def test_what_the_truth_does_not_know_counts_neither_as_liver_nor_as_body(tmp_path: Path) -> None:
    folder = write_manifest_cohort(tmp_path / "cohort", pairs=1)
    (case,) = read_cohort(folder)
    assert case.truth_mask is not None
    known = np.zeros(GRID.shape_zyx, np.uint8)
    known[:, :, 14:] = 1
    sitk.WriteImage(GRID.image(known), str(case.truth_mask))
    fixed = sitk.ReadImage(str(case.fixed))
    fixed[20, 16, 12] = -500  # fat does not reach so low: gas, which is no tissue
    sitk.WriteImage(fixed, str(case.fixed))
    data = load_case(case)
    assert data.liver is not None and data.liver.any() and data.body.any()
    assert not data.liver[:, :, :14].any() and not data.body[:, :, :14].any()
    assert not data.body[12, 16, 20]


def test_case_folders_leave_the_border_out_of_the_body(tmp_path: Path) -> None:
    (case,) = read_cohort(write_case_folder(tmp_path))
    data = load_case(case)
    outer = data.body.copy()
    outer[6:-6, 6:-6, 6:-6] = False
    assert data.body.any() and not outer.any()
    assert data.liver is None and data.truth_mm is not None
    np.testing.assert_allclose(
        data.truth_mm[:, data.body].T, [SHIFT_MM] * data.body.sum(), rtol=1e-5
    )


@pytest.mark.parametrize("key", ["fixed_segmentation", "moving_segmentation"])
def test_a_segmentation_on_another_grid_is_refused(tmp_path: Path, key: str) -> None:
    folder = write_manifest_cohort(tmp_path / "cohort", pairs=1)
    (case,) = read_cohort(folder)
    path = getattr(case, key)
    drawn = sitk.ReadImage(str(path))
    for wrong, reason in (
        (sitk.Flip(drawn, (True, False, False)), "lies elsewhere"),
        (drawn[:, :, 4:], "voxels"),
    ):
        sitk.WriteImage(wrong, str(path))
        with pytest.raises(InputError, match=f"{path.name}.*{reason}"):
            load_case(case)


def test_segments_are_known_by_name_whatever_the_file_is_called(tmp_path: Path) -> None:
    folder = write_manifest_cohort(tmp_path / "cohort", pairs=1)
    (case,) = read_cohort(folder)
    assert case.fixed_segmentation is not None
    expected = load_case(case).liver
    drawn = sitk.ReadImage(str(case.fixed_segmentation))
    renumbered = drawn + sitk.Cast(drawn == 1, sitk.sitkUInt8) * 20
    for key in drawn.GetMetaDataKeys():
        renumbered.SetMetaData(key, drawn.GetMetaData(key))
    renumbered.SetMetaData("Segment0_LabelValue", "21")
    sitk.WriteImage(renumbered, str(tmp_path / "fixed.nrrd"))
    found = load_case(replace(case, fixed_segmentation=tmp_path / "fixed.nrrd")).liver
    assert expected is not None and found is not None and np.array_equal(found, expected)


def test_unknown_segments_are_refused_unless_the_classes_are_there(tmp_path: Path) -> None:
    (case,) = read_cohort(write_manifest_cohort(tmp_path / "cohort", pairs=1))
    path = case.moving_segmentation
    assert path is not None
    drawn = sitk.ReadImage(str(path))
    drawn.SetMetaData("Segment2_Name", "Milz")
    sitk.WriteImage(drawn, str(path))
    for classes in ((), ("liver", "spleen")):
        with pytest.raises(InputError, match=r"moving\.seg\.nrrd' has .* \('Milz'\)"):
            load_case(replace(case, moving_classes=classes))
    assert load_case(replace(case, moving_classes=("liver",))).moving_labels is not None


def test_landmarks_are_read(tmp_path: Path) -> None:
    folder = write_manifest_cohort(tmp_path / "cohort", pairs=1)
    (folder / "points.csv").write_text("fx,fy,fz,mx,my,mz\n0,0,80,5,-2.5,83\n")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["pairs"][0]["landmarks"] = "points.csv"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    landmarks = load_case(read_cohort(folder)[0]).landmarks
    assert landmarks is not None
    np.testing.assert_allclose(landmarks[1] - landmarks[0], [SHIFT_MM])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "no JSON"),
        ('{"schema": 7, "pairs": []}', "schema"),
        ('{"schema": 1}', "no pairs"),
        ('{"schema": 1, "pairs": []}', "holds no pairs"),
        ('{"schema": 1, "pairs": [{"name": "a", "fixed": "f.nii.gz"}]}', "lacks"),
        (
            '{"schema": 1, "pairs": [{"name": "a", "fixed": "f", "moving": "m", '
            '"fixed_phase": "late"}]}',
            "phase 'late'",
        ),
    ],
)
def test_a_broken_manifest_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=words):
        read_cohort(tmp_path)


def test_a_folder_without_pairs_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no pairs"):
        read_cohort(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        read_cohort(tmp_path / "missing")
