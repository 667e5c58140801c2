"""DICOM folders become the volume that was cut into slices, or are refused with the reason."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.io.dicom import list_series
from jssr.io.images import read_scan
from jssr.spatial.geometry import Geometry, same_geometry
from jssr.spatial.linear import rotation
from sample_scans import (
    forbidden,
    scan_image,
    write_dicom_series,
    write_dose_report,
    write_enhanced_dicom,
    write_localizer,
    write_screen_capture,
)


def _tilted_scan() -> sitk.Image:
    image = scan_image()
    direction = rotation(np.array([0.2, 0.1, -0.3]), np.zeros(3))[:3, :3]
    image.SetDirection(direction.ravel().tolist())
    return image


@pytest.mark.parametrize("image", [scan_image(), _tilted_scan()], ids=["straight", "oblique"])
def test_a_series_becomes_its_volume(tmp_path: Path, image: sitk.Image) -> None:
    write_dicom_series(image, tmp_path / "series")
    scan = read_scan(tmp_path / "series")
    assert same_geometry(Geometry.of(scan), Geometry.of(image))
    assert np.array_equal(sitk.GetArrayFromImage(scan), sitk.GetArrayFromImage(image))
    assert scan.GetMetaDataKeys() == ()


def test_slices_are_sorted_by_place_and_not_by_name(tmp_path: Path) -> None:
    image = scan_image()
    paths = write_dicom_series(image, tmp_path / "series")
    for path, order in zip(paths, np.random.default_rng(0).permutation(len(paths)), strict=True):
        path.rename(path.with_name(f"{order:02d}"))
    scan = read_scan(tmp_path / "series")
    assert np.array_equal(sitk.GetArrayFromImage(scan), sitk.GetArrayFromImage(image))


def test_other_files_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    paths = write_dicom_series(scan_image(), tmp_path / "series")
    (tmp_path / "series" / "notes.txt").write_text("seen by radiology")
    (tmp_path / "series" / ".hidden").write_bytes(paths[0].read_bytes())
    assert read_scan(tmp_path / "series").GetSize()[2] == len(paths)


def test_one_file_chooses_its_series(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    write_dicom_series(scan_image(seed=1), folder, uid="1.2.1", prefix="a")
    wanted = scan_image(seed=2)
    second = write_dicom_series(wanted, folder, uid="1.2.2", prefix="b")
    scan = read_scan(second[4])
    assert np.array_equal(sitk.GetArrayFromImage(scan), sitk.GetArrayFromImage(wanted))


def test_two_series_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    write_dicom_series(scan_image(), folder, uid="1.2.1", description="arterial", prefix="a")
    write_dicom_series(scan_image(), folder, uid="1.2.2", description="delayed", prefix="b")
    assert [len(series.slices) for series in list_series(folder)] == [12, 12]
    with pytest.raises(InputError, match=r"2 series .*3 arterial.*a000.*3 delayed.*b000"):
        read_scan(folder)


def test_what_lies_beside_a_scan_is_left_out(tmp_path: Path) -> None:
    write_localizer(tmp_path)
    wanted = scan_image(seed=1)
    write_dicom_series(wanted, tmp_path, uid="1.2.2", prefix="axial")
    coronal = sitk.PermuteAxes(scan_image(seed=2), [0, 2, 1])
    write_dicom_series(coronal, tmp_path, uid="1.2.3", prefix="coronal")
    write_screen_capture(tmp_path)
    write_dose_report(tmp_path / "report")
    scan = read_scan(tmp_path)
    assert same_geometry(Geometry.of(scan), Geometry.of(wanted))
    assert np.array_equal(sitk.GetArrayFromImage(scan), sitk.GetArrayFromImage(wanted))


def test_several_scans_are_listed_with_what_is_left_out(tmp_path: Path) -> None:
    write_localizer(tmp_path)
    write_dicom_series(scan_image(), tmp_path, uid="1.2.2", description="arterial", prefix="a")
    write_dicom_series(scan_image(), tmp_path, uid="1.2.3", description="delayed", prefix="b")
    told = (
        r"3 series \('3 arterial', CT, 12 files as 'a000.dcm'; '3 delayed', .*; "
        r"'1 Topogram', CT, 2 files as 'scout000.dcm', localizer\), of which 2 may be the scan;"
    )
    with pytest.raises(InputError, match=told):
        read_scan(tmp_path)


def test_series_of_which_none_is_a_scan_are_listed(tmp_path: Path) -> None:
    write_localizer(tmp_path)
    write_screen_capture(tmp_path)
    told = r"2 series \('501 Patient Protocol', .*, screen capture; .* none is an axial scan"
    with pytest.raises(InputError, match=told):
        read_scan(tmp_path)


def test_a_single_series_is_told_what_it_lacks_itself(tmp_path: Path) -> None:
    write_localizer(tmp_path)
    with pytest.raises(InputError, match="has 2 slices"):
        read_scan(tmp_path)


def test_a_series_without_a_description_is_called_as_its_protocol(tmp_path: Path) -> None:
    protocol = {"0008|103e": "", "0018|1030": "Leber art"}
    write_dicom_series(scan_image(), tmp_path / "a", tags=protocol)
    write_dicom_series(scan_image(), tmp_path / "b", tags={**protocol, "0008|103e": "5.0 B30f"})
    names = [list_series(tmp_path / name)[0].description for name in ("a", "b")]
    assert names == ["Leber art", "5.0 B30f"]


@pytest.mark.parametrize("stored", ["venös".encode("latin-1"), "venös".encode()])
def test_descriptions_may_have_umlauts(tmp_path: Path, stored: bytes) -> None:
    blank = "x" * len(stored)
    for path in write_dicom_series(scan_image(), tmp_path, description=blank):
        path.write_bytes(path.read_bytes().replace(blank.encode(), stored))
    assert list_series(tmp_path)[0].description == "venös"


def test_damaged_slices_are_passed_over_where_that_is_asked_for(tmp_path: Path) -> None:
    paths = write_dicom_series(scan_image(), tmp_path)
    paths[5].write_bytes(paths[5].read_bytes()[:700])
    with pytest.raises(InputError, match="damaged or cut short"):
        list_series(tmp_path)
    (series,) = list_series(tmp_path, skip_damaged=True)
    assert [one.path for one in series.slices] == [path for path in paths if path != paths[5]]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing here")
    with pytest.raises(InputError, match="holds no DICOM image"):
        read_scan(tmp_path)


def test_a_missing_slice_is_refused(tmp_path: Path) -> None:
    paths = write_dicom_series(scan_image(), tmp_path / "series")
    paths[5].unlink()
    with pytest.raises(InputError, match=r"missing or unevenly spaced slices \(6\.00 mm"):
        read_scan(tmp_path / "series")


def _moved(offsets_mm: np.ndarray) -> np.ndarray:
    image = scan_image()
    places = [image.TransformIndexToPhysicalPoint((0, 0, n)) for n in range(image.GetSize()[2])]
    return np.array(places) + offsets_mm


def test_uneven_spacing_is_refused_and_rounding_is_not(tmp_path: Path) -> None:
    along = np.zeros((12, 3))
    along[7:, 2] = 1.0
    write_dicom_series(scan_image(), tmp_path / "uneven", positions_mm=_moved(along))
    with pytest.raises(InputError, match="unevenly spaced"):
        read_scan(tmp_path / "uneven")
    along[7:, 2] = 0.05
    write_dicom_series(scan_image(), tmp_path / "rounded", positions_mm=_moved(along))
    assert read_scan(tmp_path / "rounded").GetSize()[2] == 12


def test_two_slices_at_one_place_are_refused(tmp_path: Path) -> None:
    along = np.zeros((12, 3))
    along[6, 2] = -3.0
    write_dicom_series(scan_image(), tmp_path / "series", positions_mm=_moved(along))
    with pytest.raises(InputError, match="several slices at one place"):
        read_scan(tmp_path / "series")


def test_a_tilted_gantry_is_refused(tmp_path: Path) -> None:
    sideways = np.zeros((12, 3))
    sideways[:, 1] = np.arange(12)
    write_dicom_series(scan_image(), tmp_path / "series", positions_mm=_moved(sideways))
    with pytest.raises(InputError, match="tilted gantry"):
        read_scan(tmp_path / "series")


def test_slices_beside_the_others_are_refused(tmp_path: Path) -> None:
    aside = np.zeros((12, 3))
    for shift in (1.5, 20.0):
        aside[4:7, 1] = shift
        folder = tmp_path / f"{shift:g}"
        write_dicom_series(scan_image(), folder, positions_mm=_moved(aside))
        with pytest.raises(InputError, match=rf"has a slice {shift} mm beside the others"):
            read_scan(folder)
    aside[4:7, 1] = 0.05
    write_dicom_series(scan_image(), tmp_path / "rounded", positions_mm=_moved(aside))
    assert read_scan(tmp_path / "rounded").GetSize()[2] == 12


def test_slices_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    write_dicom_series(scan_image(), folder, prefix="a")
    write_dicom_series(scan_image((12, 30, 24)), folder, prefix="b")
    with pytest.raises(InputError, match="mixes slices of different size"):
        read_scan(folder)


def test_other_modalities_are_refused(tmp_path: Path) -> None:
    write_dicom_series(scan_image(), tmp_path / "series", modality="MR")
    with pytest.raises(InputError, match="modality MR"):
        read_scan(tmp_path / "series")


def test_a_slice_cut_short_is_refused(tmp_path: Path) -> None:
    paths = write_dicom_series(scan_image(), tmp_path / "series")
    paths[-1].write_bytes(paths[-1].read_bytes()[:700])
    with pytest.raises(InputError, match=r"slice011\.dcm' is damaged or cut short"):
        read_scan(tmp_path / "series")


@pytest.mark.parametrize("call", ["iterdir", "open"])
def test_what_must_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    write_dicom_series(scan_image(), tmp_path / "series")
    (tmp_path / "series" / "slice000.dcm").write_bytes(b"what GDCM cannot open looks like this")
    monkeypatch.setattr(Path, call, forbidden)
    with pytest.raises(InputError, match=r"series.*' cannot be read for want of permission"):
        read_scan(tmp_path / "series")


def test_a_damaged_slice_of_another_series_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    wanted = scan_image(seed=1)
    chosen = write_dicom_series(wanted, folder, uid="1.2.1", prefix="a")
    other = write_dicom_series(scan_image(seed=2), folder, uid="1.2.10", prefix="b")
    whole = other[3].read_bytes()
    named = whole.index(b"1.2.10", whole.index(b"\x20\x00\x0e\x00"))
    other[3].write_bytes(whole[: named + 20])
    scan = read_scan(chosen[0])
    assert np.array_equal(sitk.GetArrayFromImage(scan), sitk.GetArrayFromImage(wanted))
    for path in (folder, other[0], other[3]):
        with pytest.raises(InputError, match=r"b003\.dcm' is damaged or cut short"):
            read_scan(path)
    other[3].write_bytes(whole[: named - 20])  # whose it was cannot be known
    with pytest.raises(InputError, match=r"b003\.dcm' is damaged or cut short"):
        read_scan(chosen[0])


@pytest.mark.parametrize("image", [scan_image(), _tilted_scan()], ids=["straight", "oblique"])
def test_a_multi_frame_file_becomes_its_volume(tmp_path: Path, image: sitk.Image) -> None:
    scan = read_scan(write_enhanced_dicom(image, tmp_path / "scan.dcm"))
    assert np.allclose(scan.GetOrigin(), image.GetOrigin(), atol=1e-4)
    assert np.allclose(scan.GetDirection(), image.GetDirection(), atol=1e-4)
    assert scan.GetSpacing() == pytest.approx(image.GetSpacing(), abs=1e-4)
    assert np.array_equal(sitk.GetArrayFromImage(scan), sitk.GetArrayFromImage(image))


def _gap(places_mm: np.ndarray) -> np.ndarray:
    return np.concatenate([places_mm[:5], places_mm[5:] + np.array([0, 0, 3])])


@pytest.mark.parametrize(
    "moved",
    [
        _gap,
        lambda places_mm: places_mm + np.arange(12)[:, None] * [0, 1, 0],
        lambda places_mm: np.random.default_rng(0).permutation(places_mm),
        lambda places_mm: places_mm[:1],
    ],
    ids=["gap", "tilt", "shuffled", "one for all"],
)
def test_frames_that_make_no_even_volume_are_refused(
    tmp_path: Path, moved: Callable[[np.ndarray], np.ndarray]
) -> None:
    places = moved(_moved(np.zeros((12, 3))))
    path = write_enhanced_dicom(scan_image(), tmp_path / "scan.dcm", places)
    with pytest.raises(InputError, match=r"scan\.dcm' is a multi-frame file .* convert it"):
        read_scan(path)


def test_frames_that_say_their_rescale_one_by_one_are_read_if_they_agree(tmp_path: Path) -> None:
    image = scan_image()
    (tmp_path / "other").mkdir()
    scan = read_scan(write_enhanced_dicom(image, tmp_path / "a.dcm", intercepts=[-1024] * 12))
    assert np.array_equal(sitk.GetArrayFromImage(scan), sitk.GetArrayFromImage(image))
    path = tmp_path / "other" / "b.dcm"
    write_enhanced_dicom(image, path, intercepts=[-1024] * 11 + [-1000])
    with pytest.raises(InputError, match=r"b\.dcm' is .* frames differ in their rescale slope"):
        read_scan(path)


def test_voxels_that_look_like_a_rescale_are_none(tmp_path: Path) -> None:
    image = scan_image()
    values = sitk.GetArrayFromImage(image)
    stored = np.frombuffer(b"\x28\x00\x52\x10DS\x02\x005 ", "<i2")
    values[3, 4, : len(stored)] = stored - 1024
    hidden = sitk.GetImageFromArray(values)
    hidden.CopyInformation(image)
    scan = read_scan(write_enhanced_dicom(hidden, tmp_path / "a.dcm"))
    assert np.array_equal(sitk.GetArrayFromImage(scan), values)


def test_a_short_series_is_refused(tmp_path: Path) -> None:
    write_dicom_series(scan_image((7, 20, 24)), tmp_path / "series")
    with pytest.raises(InputError, match="has 7 slices"):
        read_scan(tmp_path / "series")
