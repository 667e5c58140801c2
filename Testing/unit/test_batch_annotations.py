"""Segmentations, masks and label maps are told from scans without reading the scans."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.batch.annotations import (
    MASK_BY_NAME,
    MASK_BY_VALUES,
    SEGMENTATION,
    annotation_kind,
)
from jssr.io.images import write_image
from jssr.io.segmentation import write_segmentation
from sample_scans import body_array, scan_image


def labels(kind: type = np.uint8, highest: int = 14) -> sitk.Image:
    values = np.zeros((12, 20, 24), kind)
    values[3:9, 4:15, 5:18] = 1
    values[5, 6:9, 7:11] = highest
    return sitk.GetImageFromArray(values)


def stored(image: sitk.Image, path: Path, *, compress: bool = True) -> Path:
    sitk.WriteImage(image, str(path), useCompression=compress)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "portal_seg.nii.gz",
        "Liver Segmentation.mha",
        "liver-MASK.nii",
        "portalMask.nrrd",
        "labels.nii.gz",
        "p7.label.nii.gz",
        "tumour_roi_2.nii.gz",
        "segmentacio\u0301n.nii.gz",
    ],
)
def test_a_word_of_the_name_tells_an_annotation(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert annotation_kind(tmp_path / name) == MASK_BY_NAME


@pytest.mark.parametrize(
    "name", ["segal.nii.gz", "heroic.nii", "portal 70 seg.nii", "PV 70seg.nii"]
)
def test_other_words_tell_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert annotation_kind(tmp_path / name) == ""


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha", ".mhd"])
@pytest.mark.parametrize("compress", [True, False])
def test_values_tell_labels_from_a_scan(tmp_path: Path, suffix: str, compress: bool) -> None:
    for number, drawn in enumerate((labels(), labels(np.int16), labels(np.float64), labels() * 0)):
        path = stored(drawn, tmp_path / f"liver {number}{suffix}", compress=compress)
        assert annotation_kind(path) == MASK_BY_VALUES
    scans = (scan_image(), sitk.Cast(scan_image(), sitk.sitkFloat32))
    for number, scan in enumerate(scans):
        path = stored(scan, tmp_path / f"portal {number}{suffix}", compress=compress)
        assert annotation_kind(path) == ""


@pytest.mark.parametrize("compress", [True, False])
def test_what_is_no_ct_is_left_for_registration_to_refuse(tmp_path: Path, compress: bool) -> None:
    windowed = ((body_array().astype(float) + 1024) / 5).clip(0, 255).round()
    noisy = windowed + np.random.default_rng(0).integers(0, 40, windowed.shape)
    for number, values in enumerate(
        (noisy.clip(0, 255).astype(np.uint8), body_array() + 1024, windowed / 255)
    ):
        path = tmp_path / f"portal {number}.nii.gz"
        stored(sitk.GetImageFromArray(values), path, compress=compress)
        assert annotation_kind(path) == ""


def test_files_that_cannot_be_read_may_be_scans(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"no image")
    cut = stored(scan_image(), tmp_path / "cut.nii", compress=False)
    cut.write_bytes(cut.read_bytes()[:400])
    colour = sitk.Compose([labels(), labels(), labels()])
    stored(colour, tmp_path / "colour.nrrd")
    for name in ("a.nii.gz", "cut.nii", "colour.nrrd", "absent.nii"):
        assert annotation_kind(tmp_path / name) == "", name


def test_segments_in_the_header_tell_a_segmentation_whatever_it_is_called(tmp_path: Path) -> None:
    write_segmentation(labels(), tmp_path / "portal.seg.nrrd")
    assert annotation_kind(tmp_path / "portal.seg.nrrd") == SEGMENTATION
    named = (tmp_path / "portal.seg.nrrd").rename(tmp_path / "portal.nrrd")
    assert annotation_kind(named) == MASK_BY_VALUES


def test_of_a_compressed_scan_only_the_header_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(scan_image(), tmp_path / "portal.nii.gz")

    def must_not_read(reader: sitk.ImageFileReader) -> None:
        raise AssertionError("voxels were read")

    monkeypatch.setattr(sitk.ImageFileReader, "Execute", must_not_read)
    assert annotation_kind(tmp_path / "portal.nii.gz") == ""
