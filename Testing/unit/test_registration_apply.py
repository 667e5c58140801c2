"""Saved transforms warp images and label maps as SimpleITK does."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.io.segmentation import write_segmentation
from jssr.io.transforms import write_transform
from jssr.registration.apply import difference, warp_file, warp_labels, warp_scan
from jssr.registration.field_of_view import Scan
from jssr.registration.result import Interpolation
from jssr.spatial.geometry import Geometry, same_geometry
from jssr.spatial.linear import rotation, translation
from jssr.spatial.transform import SpatialTransform
from sample_scans import scan_image

SHIFT_MM = (4.0, -2.0, 3.0)
CENTER_MM = np.array([3.0, 34.0, -283.0])


def _files(folder: Path) -> tuple[Path, Path, Path]:
    reference = scan_image()
    image = scan_image(seed=5)
    image.SetSpacing((1.5, 2.5, 3.5))
    sitk.WriteImage(reference, str(folder / "reference.nrrd"))
    sitk.WriteImage(image, str(folder / "image.nrrd"))
    matrix = translation(SHIFT_MM) @ rotation(np.array([0.1, 0.0, 0.2]), CENTER_MM)
    write_transform(SpatialTransform(matrix), folder / "transform.h5")
    return folder / "image.nrrd", folder / "transform.h5", folder / "reference.nrrd"


def test_an_image_is_warped_as_by_sitk_and_rounded(tmp_path: Path) -> None:
    image, transform, reference = _files(tmp_path)
    warp_file(image, transform, reference, tmp_path / "out.nii.gz", Interpolation.LINEAR)
    expected = sitk.Resample(
        sitk.ReadImage(str(image), sitk.sitkFloat64),
        sitk.ReadImage(str(reference)),
        sitk.ReadTransform(str(transform)),
        sitk.sitkLinear,
        -1024,
    )
    out = sitk.ReadImage(str(tmp_path / "out.nii.gz"))
    assert out.GetPixelID() == sitk.ReadImage(str(image)).GetPixelID() == sitk.sitkInt16
    found = sitk.GetArrayFromImage(out)
    assert np.array_equal(found, np.rint(sitk.GetArrayFromImage(expected)))
    assert (found == -1024).any()


def test_fractions_stay_fractions(tmp_path: Path) -> None:
    image, transform, reference = _files(tmp_path)
    scan = sitk.ReadImage(str(image), sitk.sitkFloat32)
    sitk.WriteImage(scan * 0.01, str(image))
    warp_file(image, transform, reference, tmp_path / "out.nrrd", Interpolation.LINEAR)
    exact = sitk.Resample(
        scan * 0.01,
        sitk.ReadImage(str(reference)),
        sitk.ReadTransform(str(transform)),
        sitk.sitkLinear,
    )
    out = sitk.ReadImage(str(tmp_path / "out.nrrd"))
    assert out.GetPixelID() == sitk.sitkFloat32
    values = sitk.GetArrayFromImage(out)
    assert np.abs(values - sitk.GetArrayFromImage(exact)).max() < 1e-5
    assert np.abs(values - np.rint(values)).max() > 0.4


@pytest.mark.parametrize("slices", [7, 40, 64])  # less than a slab, not a whole number, whole ones
def test_a_scan_is_warped_as_by_sitk_and_rounded(slices: int) -> None:
    reference = Geometry(
        (20, 18, slices),
        (2.0, 2.5, 1.0),
        (-18.0, 17.0, -303.0),
        tuple(sitk.Euler3DTransform((0, 0, 0), 0.1, -0.2, 0.3).GetMatrix()),
    )
    field = np.random.default_rng(2).normal(0, 2, (3, *reference.shape_zyx)).astype(np.float32)
    matrix = translation(SHIFT_MM) @ rotation(np.array([0.1, 0.0, 0.2]), CENTER_MM)
    transform = SpatialTransform(matrix, field, reference)
    scan = scan_image()
    warped = warp_scan(scan, transform, reference)
    expected = sitk.Resample(
        sitk.Cast(scan, sitk.sitkFloat64),
        reference.empty_image(),
        transform.to_sitk(),
        sitk.sitkLinear,
        -1024.0,
    )
    assert warped.GetPixelID() == sitk.sitkInt16
    assert same_geometry(Geometry.of(warped), reference)
    values, exact = sitk.GetArrayFromImage(warped), sitk.GetArrayFromImage(expected)
    assert np.abs(values - exact).max() <= 0.501
    assert (values == -1024).any() and (values > 0).any()


def test_outside_an_image_that_is_no_ct_there_is_zero(tmp_path: Path) -> None:
    image, transform, reference = _files(tmp_path)
    sitk.WriteImage(sitk.ReadImage(str(image)) + 2000, str(image))
    warp_file(image, transform, reference, tmp_path / "out.nrrd", Interpolation.LINEAR)
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out.nrrd"))).min() == 0


def _labels() -> sitk.Image:
    values = np.zeros((12, 20, 24), np.uint8)
    values[2:9, 4:12, 4:18] = 1
    values[4:7, 6:9, 8:14] = 2
    values[9:, 14:, :] = 200
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(scan_image())
    return image


@pytest.mark.parametrize("interpolation", [Interpolation.LABELS, Interpolation.NEAREST])
def test_nothing_changes_under_the_identity(interpolation: Interpolation) -> None:
    labels = _labels()
    warped = warp_labels(labels, SpatialTransform(np.eye(4)), Geometry.of(labels), interpolation)
    assert np.array_equal(sitk.GetArrayFromImage(warped), sitk.GetArrayFromImage(labels))
    assert warped.GetPixelID() == labels.GetPixelID()


@pytest.mark.parametrize("interpolation", [Interpolation.LABELS, Interpolation.NEAREST])
def test_whole_voxels_of_shift_shift_the_labels(interpolation: Interpolation) -> None:
    labels = _labels()
    shift = SpatialTransform(translation((2.0, 4.0, 3.0)))  # one, two and one voxel
    warped = sitk.GetArrayFromImage(warp_labels(labels, shift, Geometry.of(labels), interpolation))
    expected = np.zeros_like(warped)
    expected[:-1, :-2, :-1] = sitk.GetArrayFromImage(labels)[1:, 2:, 1:]
    assert np.array_equal(warped, expected)


def test_each_label_wins_where_its_share_is_largest() -> None:
    """The rule computed by hand along a line: thirds between two voxels."""
    values = np.zeros((8, 8, 8), np.uint8)
    values[:, :, 4:] = 7
    labels = sitk.GetImageFromArray(values)
    fine = Geometry((22, 8, 8), (1 / 3, 1.0, 1.0), (0.0, 0.0, 0.0))
    warped = sitk.GetArrayFromImage(warp_labels(labels, SpatialTransform(np.eye(4)), fine))
    expected = np.where(np.arange(22) / 3 > 3.5, 7, 0)
    assert np.array_equal(warped[3, 3], expected)


def test_segmentations_stay_segmentations(tmp_path: Path) -> None:
    _, transform, reference = _files(tmp_path)
    write_segmentation(sitk.Mask(_labels(), _labels() < 10), tmp_path / "in.seg.nrrd")
    output = tmp_path / "out.seg.nrrd"
    warp_file(tmp_path / "in.seg.nrrd", transform, reference, output, Interpolation.LABELS)
    assert sitk.ReadImage(str(output)).GetMetaData("Segment0_Name") == "Liver"


def test_an_image_is_no_label_map(tmp_path: Path) -> None:
    image, transform, reference = _files(tmp_path)
    with pytest.raises(InputError, match=r"image\.nrrd' holds values from -"):
        warp_file(image, transform, reference, tmp_path / "out.nrrd", Interpolation.LABELS)
    assert not (tmp_path / "out.nrrd").exists()


def subtracted(fixed: sitk.Image, warped: sitk.Image) -> list:
    """The difference of scans that were scanned everywhere."""
    still = SpatialTransform(np.eye(4))
    image = difference(Scan(fixed, None), Scan(warped, None), warped, still)
    return sitk.GetArrayFromImage(image).tolist()


def test_values_beyond_the_type_stop_at_its_limits() -> None:
    values = np.array([[[-1e5, 4e4, 12.6]]], np.float32)
    image = sitk.GetImageFromArray(values)
    warped = warp_scan(image, SpatialTransform(np.eye(4)), Geometry.of(image))
    assert sitk.GetArrayFromImage(warped).tolist() == [[[-32768, 32767, 13]]]
    fixed = sitk.GetImageFromArray(np.array([[[-32768, 32767, -7]]], np.int16))
    minus = sitk.GetImageFromArray(np.array([[[100, -1000, 5]]], np.int16))
    assert subtracted(fixed, minus) == [[[-32768, 32767, -12]]]


def test_where_the_moving_scan_ends_no_contrast_is_seen() -> None:
    fixed = sitk.GetImageFromArray(np.array([[[50, 60, 70]]], np.int16))
    warped = sitk.GetImageFromArray(np.array([[[-1024, -3024, 40]]], np.int16))
    assert subtracted(fixed, warped) == [[[0, 0, 30]]]


def test_where_one_of_the_scans_was_not_scanned_no_contrast_is_seen() -> None:
    """Beside the field of view of the fixed scan, of the moving one, and of none."""
    fixed = sitk.GetImageFromArray(np.array([[[50, 60, 70, 80]]], np.int16))
    moving = sitk.GetImageFromArray(np.array([[[10, 20, 30, 40]]], np.int16))
    fixed_seen = sitk.GetImageFromArray(np.array([[[0, 1, 1, 1]]], np.uint8))
    moving_seen = sitk.GetImageFromArray(np.array([[[1, 1, 1, 0]]], np.uint8))
    there = SpatialTransform(translation((1.0, 0.0, 0.0)))
    warped = warp_scan(moving, there, Geometry.of(fixed))
    image = difference(Scan(fixed, fixed_seen), Scan(moving, moving_seen), warped, there)
    assert sitk.GetArrayFromImage(image).tolist() == [[[0, 30, 0, 0]]]


def test_a_segmentation_is_never_blurred_and_loses_no_segment(tmp_path: Path) -> None:
    _, transform, reference = _files(tmp_path)
    labels = sitk.Cast(scan_image() > 0, sitk.sitkUInt8) * 4
    write_segmentation(labels, tmp_path / "own.seg.nrrd")
    output = tmp_path / "out.seg.nrrd"
    warp_file(tmp_path / "own.seg.nrrd", transform, reference, output, Interpolation.LINEAR)
    assert set(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(output))))) == {0, 4}
    image = sitk.ReadImage(str(tmp_path / "own.seg.nrrd"))
    image.SetMetaData("Segment0_Name", "Tumor")
    sitk.WriteImage(image, str(tmp_path / "other.seg.nrrd"))
    with pytest.raises(InputError, match=r"other\.seg\.nrrd' has a segment 'Tumor'"):
        warp_file(tmp_path / "other.seg.nrrd", transform, reference, output, Interpolation.LABELS)


@pytest.mark.parametrize("interpolation", [None, *Interpolation])
def test_only_a_segmentation_names_segments(
    tmp_path: Path, interpolation: Interpolation | None
) -> None:
    """An image has none, and the numbers of a label map may be those of any program."""
    image, transform, reference = _files(tmp_path)
    sitk.WriteImage(_labels(), str(tmp_path / "labels.nrrd"))
    for source in (image, tmp_path / "labels.nrrd"):
        with pytest.raises(InputError, match="the name of a segmentation"):
            warp_file(source, transform, reference, tmp_path / "x.seg.nrrd", interpolation)
    assert not (tmp_path / "x.seg.nrrd").exists()


@pytest.mark.parametrize("kind", [sitk.sitkUInt8, sitk.sitkUInt16, sitk.sitkFloat32])
def test_a_label_map_is_not_blurred_unless_asked_for(tmp_path: Path, kind: int) -> None:
    _, transform, reference = _files(tmp_path)
    labels = sitk.Cast(scan_image() > 0, sitk.sitkUInt8) * 4
    labels[:10] = sitk.Cast(labels[:10] > 0, sitk.sitkUInt8) * 9
    sitk.WriteImage(sitk.Cast(labels, kind), str(tmp_path / "labels.nrrd"))
    write_transform(SpatialTransform(translation((1.1, 0.7, 0.9))), transform)
    output = tmp_path / "out.nrrd"
    taken = warp_file(tmp_path / "labels.nrrd", transform, reference, output)
    assert taken is Interpolation.LABELS
    assert set(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(output))))) == {0, 4, 9}
    blurred = warp_file(
        tmp_path / "labels.nrrd", transform, reference, output, Interpolation.LINEAR
    )
    assert blurred is Interpolation.LINEAR
    assert len(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(output))))) > 3


def test_an_image_is_interpolated_linearly(tmp_path: Path) -> None:
    image, transform, reference = _files(tmp_path)
    assert warp_file(image, transform, reference, tmp_path / "a.nrrd") is Interpolation.LINEAR


@pytest.mark.parametrize("interpolation", list(Interpolation))
def test_an_image_of_which_nothing_is_in_view_is_refused(
    tmp_path: Path, interpolation: Interpolation
) -> None:
    image, transform, reference = _files(tmp_path)
    if interpolation is not Interpolation.LINEAR:
        sitk.WriteImage(_labels(), str(image))
    write_transform(SpatialTransform(translation((5000.0, 0.0, 0.0))), transform)
    output = tmp_path / "out.nrrd"
    with pytest.raises(InputError, match=r"Nothing of '.*image\.nrrd' is in view: '.*transform"):
        warp_file(image, transform, reference, output, interpolation)
    assert not output.exists()


def test_air_and_background_may_be_all_that_is_in_view(tmp_path: Path) -> None:
    _, transform, _ = _files(tmp_path)
    write_transform(SpatialTransform(np.eye(4)), transform)
    scan, labels = scan_image(), _labels()
    scan[:, :, :4], labels[:, :, :4] = -1024, 0
    sitk.WriteImage(scan[:, :, :3], str(tmp_path / "reference.nrrd"))
    for image, interpolation, empty in (
        (scan, Interpolation.LINEAR, -1024),
        (labels, Interpolation.LABELS, 0),
    ):
        sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
        output = tmp_path / f"{interpolation.value}.nrrd"
        warp_file(
            tmp_path / "image.nrrd", transform, tmp_path / "reference.nrrd", output, interpolation
        )
        assert (sitk.GetArrayFromImage(sitk.ReadImage(str(output))) == empty).all()
