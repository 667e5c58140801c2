"""A file is whole until the first byte is gone."""

from pathlib import Path

import pytest
import SimpleITK as sitk

from jssr.io.whole import nifti_is_whole
from sample_scans import scan_image


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    "image",
    [
        scan_image(),
        sitk.Cast(scan_image(), sitk.sitkFloat64),
        sitk.Compose([sitk.Image(9, 8, 10, sitk.sitkUInt8)] * 3),
        sitk.Compose([sitk.Image(9, 8, 10, sitk.sitkFloat32)] * 3),
    ],
    ids=["int16", "float64", "colour", "vectors"],
)
def test_a_nifti_file_lacks_nothing_until_a_byte_is_gone(
    tmp_path: Path, suffix: str, image: sitk.Image
) -> None:
    path = tmp_path / f"scan{suffix}"
    sitk.WriteImage(image, str(path))
    assert nifti_is_whole(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not nifti_is_whole(path)
