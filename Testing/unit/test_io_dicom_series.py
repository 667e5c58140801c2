"""What a series is taken for, from headers alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.io.dicom import list_series
from jssr.io.dicom_series import DicomSeries
from jssr.spatial.linear import rotation
from sample_scans import (
    scan_image,
    write_dicom_series,
    write_enhanced_dicom,
    write_localizer,
    write_screen_capture,
)


def _turned(degrees: float) -> sitk.Image:
    image = scan_image()
    turn = rotation(np.array([np.radians(degrees), 0.0, 0.0]), np.zeros(3))[:3, :3]
    image.SetDirection(turn.ravel().tolist())
    return image


def _listed(folder: Path) -> DicomSeries:
    (series,) = list_series(folder)
    return series


@pytest.mark.parametrize("degrees", [0, 30, 180])
def test_axial_series_are_scans_also_where_they_are_tilted(tmp_path: Path, degrees: float) -> None:
    write_dicom_series(_turned(degrees), tmp_path)
    assert _listed(tmp_path).no_scan == ""


@pytest.mark.parametrize("degrees", [60, 90, -90])
def test_reformats_along_other_axes_are_none(tmp_path: Path, degrees: float) -> None:
    write_dicom_series(_turned(degrees), tmp_path)
    assert _listed(tmp_path).no_scan == "not axial"


def test_localizers_and_pictures_of_the_screen_are_none(tmp_path: Path) -> None:
    write_localizer(tmp_path / "scout", count=5)
    write_screen_capture(tmp_path / "dose")
    assert _listed(tmp_path / "scout").no_scan == "localizer"
    assert _listed(tmp_path / "dose").no_scan == "screen capture"


def test_another_modality_is_none(tmp_path: Path) -> None:
    write_dicom_series(scan_image(), tmp_path, modality="MR")
    assert _listed(tmp_path).no_scan == "no CT"


def test_few_slices_are_none(tmp_path: Path) -> None:
    write_dicom_series(scan_image()[:, :, :3], tmp_path / "three")
    write_dicom_series(scan_image()[:, :, :4], tmp_path / "four", positions_mm=_stack(4, 5.0))
    assert _listed(tmp_path / "three").no_scan == "too few slices"
    assert _listed(tmp_path / "four").no_scan == ""


def test_slices_that_watch_one_place_are_none(tmp_path: Path) -> None:
    write_dicom_series(scan_image(), tmp_path, positions_mm=_stack(12, 0.0))
    assert _listed(tmp_path).no_scan == "slices at one place"


def test_slices_in_several_directions_or_nowhere_are_none(tmp_path: Path) -> None:
    write_dicom_series(scan_image(), tmp_path)
    series = _listed(tmp_path)
    first, *others = series.slices
    turned = replace(first, orientation=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0))
    lost = replace(first, position_mm=())
    assert replace(series, slices=(*others, turned)).no_scan == "slices in several directions"
    assert replace(series, slices=(*others, lost)).no_scan == "without positions"


def test_a_multi_frame_file_is_a_scan(tmp_path: Path) -> None:
    write_enhanced_dicom(scan_image(), tmp_path / "scan.dcm")
    assert _listed(tmp_path).no_scan == ""


def test_the_title_is_made_of_what_there_is(tmp_path: Path) -> None:
    write_dicom_series(scan_image(), tmp_path, description="arterial")
    series = _listed(tmp_path)
    assert series.title == "3 arterial"
    assert replace(series, number="").title == "arterial"
    assert replace(series, number="", description="").title == "unnamed"


def _stack(count: int, step_mm: float) -> np.ndarray:
    return np.array([(0.0, 0.0, step_mm * number) for number in range(count)])
