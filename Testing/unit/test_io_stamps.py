"""What tells that an image's files were changed."""

import os
from pathlib import Path

from jssr.io.stamps import stamps
from sample_scans import scan_image, write_dicom_series


def test_a_changed_slice_shows_in_its_folder_and_in_a_slice_beside_it(tmp_path: Path) -> None:
    first, *_, last = write_dicom_series(scan_image(), tmp_path)
    before = stamps(tmp_path)
    assert stamps(first) == before and len(before) == 24
    later = last.stat().st_mtime_ns + 10**9
    os.utime(last, ns=(later, later))
    assert stamps(tmp_path) == stamps(first) == [*before[:-1], later]


def test_an_image_file_has_one_stamp_whether_it_is_there_or_not(tmp_path: Path) -> None:
    (tmp_path / "portal.nii").write_bytes(b"voxels")
    status = (tmp_path / "portal.nii").stat()
    assert stamps(tmp_path / "portal.nii") == [6, status.st_mtime_ns]
    assert stamps(tmp_path / "absent.nii") == [None]
