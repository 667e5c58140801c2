"""Which files a scan is read from."""

from pathlib import Path

import pytest

from jssr.batch.study import ScanFile
from sample_scans import forbidden, scan_image, write_dicom_series


def test_a_folder_and_a_slice_stand_for_all_that_lie_there(tmp_path: Path) -> None:
    slices = write_dicom_series(scan_image(), tmp_path)
    (tmp_path / "below").mkdir()
    assert ScanFile("P1", slices[3]).files() == slices
    assert ScanFile("P1", tmp_path).files() == sorted([*slices, tmp_path / "below"])


def test_an_image_file_stands_for_itself(tmp_path: Path) -> None:
    for name in ("portal.nii", "arterial.nii"):
        (tmp_path / name).write_bytes(b"voxels")
    assert ScanFile("P1", tmp_path / "portal.nii").files() == [tmp_path / "portal.nii"]
    assert ScanFile("P1", tmp_path / "absent.nii").files() == [tmp_path / "absent.nii"]


def test_what_must_not_be_read_stands_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "iterdir", forbidden)
    assert ScanFile("P1", tmp_path).files() == [tmp_path]
