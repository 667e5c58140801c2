"""A file is whole until the first byte is gone."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from jssr.io.whole import nifti_is_finite, nifti_is_whole
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


def _written(path: Path, values: np.ndarray, kind: str) -> Path:
    """A NIfTI of this type and byte order by nibabel, which keeps what is no number."""
    header = nibabel.Nifti1Header(endianness=kind[0])
    header.set_data_dtype(kind)
    kept = nibabel.Nifti1Pair if path.suffix == ".img" else nibabel.Nifti1Image
    kept(values.transpose().astype(kind), np.eye(4), header).to_filename(path)
    return path


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.img"])
def test_a_voxel_that_is_no_number_is_found(
    tmp_path: Path, name: str, kind: str, value: float
) -> None:
    values = np.random.default_rng(0).normal(0, 100, (9, 11, 13))
    path = _written(tmp_path / name, values, kind)
    assert np.allclose(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), values, atol=1e-4)
    assert nifti_is_finite(path)
    values[-1, -1, -1] = value
    assert not nifti_is_finite(_written(path, values, kind))
