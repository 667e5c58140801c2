"""Images and DICOM folders are told by their grid and values, or by their series."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.info import describe
from jssr.section import Section
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
