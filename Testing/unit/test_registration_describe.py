"""Descriptions of bundles, scans, DICOM folders and results, as tables of text."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.errors import BundleError, InputError
from jssr.registration.describe import Section, describe
from jssr.registration.result import Output
from jssr.registration.write import write_result
from sample_bundle import write_untrained_bundle
from sample_results import make_result
from sample_scans import scan_image, write_dicom_series


def _values(section: Section) -> dict[str, str]:
    return {row[0]: row[1] for row in section.rows}


def test_a_scan(tmp_path: Path) -> None:
    image = scan_image()
    image[3, 4, 5] = 1500
    image[4, 4, 5] = -1024
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    (section,) = describe(tmp_path / "scan.nrrd")
    values = _values(section)
    assert values["size"] == "24 × 20 × 12"
    assert values["spacing"] == "2, 2, 3 mm"
    assert values["origin"] == "-20, 15, -300 mm (LPS)"
    assert values["values"] == "-1024 to 1500"
    assert values["Hounsfield units"] == "plausible"


def test_an_image_that_is_no_ct(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0, 1, (10, 12, 14)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / "mr.nrrd"))
    (section,) = describe(tmp_path / "mr.nrrd")
    assert _values(section)["Hounsfield units"] == "no"


def test_a_dicom_folder_of_one_series_is_its_scan(tmp_path: Path) -> None:
    write_dicom_series(scan_image(), tmp_path / "series")
    (section,) = describe(tmp_path / "series")
    assert section.title == "Image" and _values(section)["size"] == "24 × 20 × 12"


def test_a_dicom_folder_names_nobody(tmp_path: Path) -> None:
    write_dicom_series(scan_image(), tmp_path / "s", uid="1.1", prefix="a")
    write_dicom_series(scan_image(), tmp_path / "s", uid="1.2", prefix="b")
    (section,) = describe(tmp_path / "s")
    assert [row[2] for row in section.rows] == ["12", "12"]
    assert "Doe" not in str(section) and "4711" not in str(section)


@pytest.mark.parametrize("packed", [False, True])
def test_a_bundle_in_a_folder_and_in_a_zip(tmp_path: Path, packed: bool) -> None:
    path = write_untrained_bundle(tmp_path / "model")
    if packed:
        path = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", path))
    card, figures = describe(path)
    assert _values(card)["name"] == "untrained"
    assert _values(card)["limits"] == "knows nothing"
    assert _values(card)["labels"].startswith("1 liver, 2 lesion, 3 spleen")
    assert figures.rows == [("liver error", "1.25 mm", "no data at all")]


def test_a_bundle_that_was_altered_is_refused(tmp_path: Path) -> None:
    path = write_untrained_bundle(tmp_path / "model")
    (path / "training.yaml").write_text("stages: [other]\n")
    with pytest.raises(BundleError, match=r"training\.yaml"):
        describe(path)


def test_the_shipped_model_without_a_path() -> None:
    card, *_ = describe(None)
    assert _values(card)["files"] == "whole: every SHA-256 fits"


def _result(folder: Path) -> Path:
    folder.mkdir()
    fixed, moving = scan_image(seed=1), scan_image(seed=2)
    write_result(make_result(fixed, moving), fixed, moving, folder)
    return folder


def test_a_result(tmp_path: Path) -> None:
    overview, organs = describe(_result(tmp_path / "out"))
    values = _values(overview)
    assert values["verdict"] == "doubtful; the scans share little"
    assert values["fixed phase"] == "portal-venous (given)"
    assert values["moving phase"] == "arterial (guessed)"
    assert values["similarity before, after"] == "0.400, 0.800"
    assert values["time"] == "1.5 s on cpu"
    assert organs.rows == [("liver", "0.800", "0.900", "1500", "1510")]
    assert overview.note == organs.note == "Before: after the linear alignment, not yet deformed."


def test_a_result_tells_its_folder_and_its_files(tmp_path: Path) -> None:
    folder = _result(tmp_path / "out")
    (folder / "inverse_transform.h5").unlink()
    (folder / "notes.txt").write_text("mine")
    values = _values(describe(folder)[0])
    assert values["folder"] == str(folder)
    assert values["files"].split(", ") == [
        "transform.h5",
        "warped.nii.gz",
        "difference.nii.gz",
        "synthesized.nii.gz",
        "fixed_segmentation.seg.nrrd",
        "moving_segmentation.seg.nrrd",
        "metrics.json",
    ]


def test_a_result_without_figures(tmp_path: Path) -> None:
    fixed, moving = scan_image(seed=1), scan_image(seed=2)
    outputs = [Output.TRANSFORM, Output.WARPED]
    write_result(make_result(fixed, moving), fixed, moving, tmp_path, outputs)
    (section,) = describe(tmp_path)
    assert _values(section) == {
        "figures": "none: metrics.json is not there",
        "files": "transform.h5, warped.nii.gz",
    }


def test_several_results_in_their_folders(tmp_path: Path) -> None:
    for number in (1, 2):
        _result(tmp_path / f"moving_{number}")
    assert [section.title for section in describe(tmp_path)] == ["Registration", "Organs"] * 2


@pytest.mark.parametrize("text", ["no JSON", "[]", json.dumps({"verdict": "?"})])
def test_damaged_figures_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(InputError, match=r"metrics\.json' is no metrics file of JSSR"):
        describe(tmp_path)


def test_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file or folder"):
        describe(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no DICOM image"):
        describe(tmp_path)
