"""Scans come back as they were stored; what is no CT volume is refused in one sentence."""

import errno
import gzip
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.io.images import read_image, read_label_map, read_mask, read_scan, write_image
from jssr.memory import is_out_of_memory
from jssr.spatial.geometry import Geometry, same_geometry
from jssr.spatial.linear import rotation
from sample_scans import body_array, forbidden, scan_image

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def _stored(array: np.ndarray, path: Path) -> Path:
    image = sitk.GetImageFromArray(array)
    if image.GetDimension() == 3:
        image.CopyInformation(scan_image(array.shape))
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_writing_and_reading_give_the_same_scan(tmp_path: Path, suffix: str) -> None:
    image = scan_image()
    direction = rotation(np.array([0.3, 0.1, -0.2]), np.zeros(3))[:3, :3]
    image.SetDirection(direction.ravel().tolist())
    path = tmp_path / f"scan{suffix}"
    write_image(image, path)
    again = read_scan(path)
    assert again.GetPixelID() == sitk.sitkInt16
    assert same_geometry(Geometry.of(again), Geometry.of(image))
    assert np.array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(image))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32, np.float64])
def test_other_number_types(tmp_path: Path, dtype: type) -> None:
    values = body_array()
    scan = read_scan(_stored(values.astype(dtype), tmp_path / "scan.nrrd"))
    whole = np.issubdtype(dtype, np.integer)
    assert scan.GetPixelID() == (sitk.sitkInt16 if whole else sitk.sitkFloat32)
    assert np.array_equal(sitk.GetArrayFromImage(scan), values)


def test_headers_do_not_pass(tmp_path: Path) -> None:
    image = scan_image()
    image.SetMetaData("ITK_FileNotes", "Doe, Jane")
    image.SetMetaData("PatientName", "Doe, Jane")
    for suffix in SUFFIXES:
        sitk.WriteImage(image, str(tmp_path / f"scan{suffix}"))
        assert read_scan(tmp_path / f"scan{suffix}").GetMetaDataKeys() == ()


def test_the_note_is_stored_and_the_image_stays_as_it_was(tmp_path: Path) -> None:
    image = scan_image()
    write_image(image, tmp_path / "scan.nii.gz", note="synthetic, not for diagnosis")
    stored = sitk.ReadImage(str(tmp_path / "scan.nii.gz"))
    assert stored.GetMetaData("descrip") == "synthetic, not for diagnosis"
    assert image.GetMetaDataKeys() == ()


def test_unit_length_fourth_dimensions_are_dropped(tmp_path: Path) -> None:
    four = sitk.JoinSeries([scan_image()])
    sitk.WriteImage(four, str(tmp_path / "scan.nrrd"))
    assert read_scan(tmp_path / "scan.nrrd").GetDimension() == 3


def _body(**changes) -> np.ndarray:
    values = body_array().astype(np.float32)
    for index, value in changes.values():
        values[index] = value
    return values


_REFUSED = {
    "2D image": body_array()[0],
    "has 7 slices": body_array((7, 20, 24)),
    "everywhere": np.full((12, 20, 24), 40, np.int16),
    "NaN or infinite": _body(hole=((3, 4, 5), np.nan)),
    "infinite voxels": _body(hole=((3, 4, 5), np.inf)),
    "go from 0 to 0.9": (body_array() + 1024.0).clip(0, 1200) / 1200,
    "not in Hounsfield units": (body_array().astype(np.int32) + 1024).astype(np.uint16),
    "is not in Hounsfield": np.abs(np.random.default_rng(0).normal(400, 300, (12, 20, 24))),
    "not in Hounsfield units .its values go from -": body_array() / 1000.0,
}


@pytest.mark.parametrize("reason", _REFUSED)
def test_what_is_no_ct_volume_is_refused(tmp_path: Path, reason: str) -> None:
    path = _stored(_REFUSED[reason], tmp_path / "input.nrrd")
    with pytest.raises(InputError, match=rf"input\.nrrd.*{reason}|{reason}.*input\.nrrd"):
        read_scan(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_sheared_axes_are_refused_where_the_format_holds_them(tmp_path: Path, suffix: str) -> None:
    image, angle = scan_image(), np.deg2rad(15.0)
    image.SetDirection([1, 0, 0, 0, 1, -np.sin(angle), 0, 0, np.cos(angle)])
    sitk.WriteImage(image, str(tmp_path / f"input{suffix}"))
    with pytest.raises(InputError, match=rf"input\{suffix}' has sheared axes"):
        read_image(tmp_path / f"input{suffix}")


def test_no_number_of_a_nifti_becomes_zero_unseen(tmp_path: Path) -> None:
    values = np.full((9, 9, 9), 0.7, np.float32)
    whole = _stored(values, tmp_path / "whole.nii.gz")
    assert read_image(whole).GetPixel(1, 1, 1) == np.float32(0.7)
    values[4, 4, 4] = np.nan
    with pytest.raises(InputError, match=r"map\.nii\.gz' holds NaN"):
        read_image(_stored(values, tmp_path / "map.nii.gz"))


def test_a_time_series_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.JoinSeries([scan_image()] * 2), str(tmp_path / "input.nii.gz"))
    with pytest.raises(InputError, match=r"input\.nii\.gz' is a 4D image of 24 × 20 × 12 × 2"):
        read_scan(tmp_path / "input.nii.gz")


def test_raw_values_with_padding_outside_the_field_of_view_are_refused(tmp_path: Path) -> None:
    values = body_array() + np.int16(1024)
    values[:, :2] = -2000
    with pytest.raises(InputError, match="not in Hounsfield units"):
        read_scan(_stored(values, tmp_path / "raw.nrrd"))


def test_an_image_of_the_liver_alone_passes(tmp_path: Path) -> None:
    """A tight crop has no air; some fat is enough."""
    values = np.random.default_rng(0).normal(60, 30, (16, 16, 16))
    values[:, :3] = np.random.default_rng(1).normal(-100, 20, (16, 3, 16))
    values[8:10, 8:10, 8:10] = 300
    assert read_scan(_stored(values, tmp_path / "crop.nrrd")).GetSize() == (16, 16, 16)


def test_colour_and_complex_images_are_refused(tmp_path: Path) -> None:
    colour = sitk.Compose([sitk.Cast(scan_image() > 0, sitk.sitkUInt8)] * 3)
    sitk.WriteImage(colour, str(tmp_path / "colour.nrrd"))
    with pytest.raises(InputError, match="3 values a voxel"):
        read_scan(tmp_path / "colour.nrrd")
    sitk.WriteImage(
        sitk.RealAndImaginaryToComplex(
            sitk.Cast(scan_image(), sitk.sitkFloat32), sitk.Cast(scan_image(), sitk.sitkFloat32)
        ),
        str(tmp_path / "complex.nii.gz"),
    )
    with pytest.raises(InputError, match="complex numbers"):
        read_scan(tmp_path / "complex.nii.gz")


@pytest.mark.parametrize(
    ("spacing_mm", "reason"),
    [((2000.0, 2000.0, 3000.0), "metres long"), ((0.002, 2.0, 3.0), r"0\.048 mm thick")],
)
def test_impossible_spacing_is_refused(
    tmp_path: Path, spacing_mm: tuple[float, float, float], reason: str
) -> None:
    image = scan_image()
    image.SetSpacing(spacing_mm)
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    with pytest.raises(InputError, match=rf"scan\.nrrd'.*{reason}.*correct the voxel spacing"):
        read_scan(tmp_path / "scan.nrrd")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("part", [0.5, 0.98])
def test_a_file_cut_short_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, part: float
) -> None:
    path = tmp_path / f"cut{suffix}"
    write_image(scan_image(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(InputError, match=r"cut(\.nii\.gz|\.nii|\.nrrd|\.mha)'.*cut short"):
        read_scan(path)
    assert capfd.readouterr().err == ""  # nor does ITK add lines of its own


@pytest.mark.parametrize(
    ("written", "given", "voxels"),
    [
        ("scan.nii", "SCAN.NII", "SCAN.NII"),
        ("scan.nii.gz", "SCAN.NII.GZ", "SCAN.NII.GZ"),
        ("scan.nii", "plain.nii.gz", "plain.nii.gz"),
        ("scan.hdr", "scan.hdr", "scan.img"),
        ("scan.hdr", "scan.img", "scan.img"),
        ("scan.img.gz", "scan.hdr.gz", "scan.img.gz"),
    ],
)
def test_nifti_under_other_names_is_read_whole_or_refused(
    tmp_path: Path, written: str, given: str, voxels: str
) -> None:
    sitk.WriteImage(scan_image(), str(tmp_path / written))
    if not (tmp_path / given).exists():
        (tmp_path / written).rename(tmp_path / given)
    assert np.array_equal(sitk.GetArrayFromImage(read_scan(tmp_path / given)), body_array())
    (tmp_path / voxels).write_bytes((tmp_path / voxels).read_bytes()[:-500])
    with pytest.raises(InputError, match=f"{given}' is cut short"):
        read_scan(tmp_path / given)
    (tmp_path / voxels).unlink()
    with pytest.raises(InputError):
        read_scan(tmp_path / given)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_metaimage_in_two_files(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], compressed: bool
) -> None:
    path = tmp_path / "scan.mhd"
    sitk.WriteImage(scan_image(), str(path), useCompression=compressed)
    assert np.array_equal(sitk.GetArrayFromImage(read_scan(path)), body_array())
    voxels = tmp_path / ("scan.zraw" if compressed else "scan.raw")
    voxels.write_bytes(voxels.read_bytes()[:-500])
    with pytest.raises(InputError, match=r"scan\.mhd' is cut short"):
        read_scan(path)
    voxels.unlink()
    with pytest.raises(InputError, match=r"scan\.mhd' is cut short"):
        read_scan(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32, np.float32, np.float64])
def test_metaimages_of_any_number_type_are_whole(tmp_path: Path, dtype: type) -> None:
    values = np.arange(8 * 9 * 10).reshape(8, 9, 10).astype(dtype)
    path = tmp_path / "scan.mha"
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path), useCompression=False)
    assert np.array_equal(sitk.GetArrayFromImage(read_image(path)), values)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut short"):
        read_image(path)


def test_a_metaimage_of_one_file_a_slice(tmp_path: Path) -> None:
    array = body_array((9, 20, 24))
    for number, plane in enumerate(array):
        (tmp_path / f"{number}.raw").write_bytes(plane.tobytes())
    names = "".join(f"{number}.raw\n" for number in range(len(array)))
    header = "ObjectType = Image\nNDims = 3\nDimSize = 24 20 9\nElementType = MET_SHORT\n"
    (tmp_path / "scan.mhd").write_text(f"{header}ElementDataFile = LIST\n{names}")
    assert np.array_equal(sitk.GetArrayFromImage(read_image(tmp_path / "scan.mhd")), array)


def test_a_stream_that_unpacks_whole_but_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.nii.gz"
    write_image(scan_image(), path)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-100]))
    with pytest.raises(InputError, match="cut short"):
        read_scan(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_text_file_with_an_images_name_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"letter{suffix}"
    path.write_text("Dear colleague,\n" * 300)
    with pytest.raises(InputError, match=r"letter.*cannot be read as an image"):
        read_scan(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for read in (read_scan, read_label_map):
        with pytest.raises(InputError, match=r"no file.*nowhere\.nii\.gz"):
            read(tmp_path / "nowhere.nii.gz")


@pytest.mark.parametrize("read", [read_scan, read_label_map])
def test_a_file_that_must_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], sitk.Image]
) -> None:
    path = _stored(body_array(), tmp_path / "scan.nrrd")
    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(InputError, match=r"scan\.nrrd' cannot be read for want of permission"):
        read(path)


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "exists", fail)
    with pytest.raises(InputError, match=r"scan\.nrrd' cannot be read \(Input/output error\)"):
        read_scan(tmp_path / "scan.nrrd")


def test_masks_come_onto_the_scans_grid(tmp_path: Path) -> None:
    scan = scan_image()
    mask = scan > 0
    sitk.WriteImage(mask * 7, str(tmp_path / "mask.nrrd"))
    same = read_mask(tmp_path / "mask.nrrd", scan)
    assert np.array_equal(sitk.GetArrayFromImage(same), sitk.GetArrayFromImage(mask))
    sitk.WriteImage(mask[4:20, 4:16, 2:9], str(tmp_path / "cropped.nrrd"))
    cropped = sitk.GetArrayFromImage(read_mask(tmp_path / "cropped.nrrd", scan))
    expected = np.zeros_like(cropped)
    inside = np.s_[2:9, 4:16, 4:20]
    expected[inside] = sitk.GetArrayFromImage(mask)[inside]
    assert np.array_equal(cropped, expected)


def test_a_mask_whose_grid_was_rounded_lies_on_the_scans_grid(tmp_path: Path) -> None:
    """As NIfTI rounds it; images on both grids could not be joined by ITK otherwise."""
    scan = scan_image()
    scan.SetOrigin((-163.1234567891, -287.7654321, 1024.333333333))
    sitk.WriteImage(scan > 0, str(tmp_path / "mask.nii.gz"))
    mask = read_mask(tmp_path / "mask.nii.gz", scan)
    assert mask.GetOrigin() == scan.GetOrigin()
    joined = sitk.GetArrayFromImage(sitk.And(mask, scan > 0))
    assert joined.any() and np.array_equal(joined, sitk.GetArrayFromImage(scan > 0))


def test_want_of_memory_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _stored(np.zeros((8, 9, 10), np.int16), tmp_path / "scan.nrrd")

    def fail(reader: sitk.ImageFileReader) -> None:
        raise RuntimeError("itk::ERROR: Image: Failed to allocate memory for image.")

    monkeypatch.setattr(sitk.ImageFileReader, "Execute", fail)
    with pytest.raises(RuntimeError) as caught:
        read_image(path)
    assert is_out_of_memory(caught.value)


def test_an_empty_mask_is_refused(tmp_path: Path) -> None:
    scan = scan_image()
    sitk.WriteImage(scan > 5000, str(tmp_path / "mask.nrrd"))
    with pytest.raises(InputError, match=r"mask\.nrrd' marks no voxel"):
        read_mask(tmp_path / "mask.nrrd", scan)


def test_label_maps_keep_their_numbers(tmp_path: Path) -> None:
    values = np.arange(10 * 9 * 8).reshape(10, 9, 8) % 200
    labels = read_label_map(_stored(values.astype(np.float32), tmp_path / "labels.nrrd"))
    assert labels.GetPixelID() == sitk.sitkUInt8
    assert np.array_equal(sitk.GetArrayFromImage(labels), values)
    large = read_label_map(_stored((values + 900).astype(np.int32), tmp_path / "large.nrrd"))
    assert large.GetPixelID() == sitk.sitkUInt16
    assert np.array_equal(sitk.GetArrayFromImage(large), values + 900)


def test_what_is_no_label_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="from -"):
        read_label_map(_stored(body_array(), tmp_path / "scan.nrrd"))
    with pytest.raises(InputError, match="broken numbers"):
        read_label_map(_stored(body_array() + 0.5, tmp_path / "scan.nrrd"))


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"choose a name in \.nii\.gz"):
        write_image(scan_image(), tmp_path / "scan.jpeg")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_without_permission_is_not_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(Path, "touch", forbidden)
    with pytest.raises(InputError, match="cannot be written for want of permission"):
        write_image(scan_image(), tmp_path / f"scan{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    """A limit on the size of files stands for the full disk: the system refuses to write on."""
    script = (
        "import sys; from pathlib import Path; import numpy as np; import SimpleITK as sitk\n"
        "from jssr.io.images import write_image; from jssr.errors import InputError\n"
        "noise = np.random.default_rng(0).integers(-1000, 1000, (20, 60, 60)).astype(np.int16)\n"
        "try:\n    write_image(sitk.GetImageFromArray(noise), Path(sys.argv[1]))\n"
        "except InputError as error:\n    print(error)\n"
    )
    limit = 20_000  # -B: of Python's caches it would leave broken ones
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(tmp_path / f"scan{suffix}")],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "JSSRRegistration")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        encoding="utf-8",
    )
    assert "There is no space left to write" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []
