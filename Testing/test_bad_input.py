"""Every bad input ends the command with exit code 2, one sentence, and nothing left behind."""

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from typer.testing import CliRunner

from jssr.cli.main import app
from jssr.io.images import write_image
from sample_bundle import write_untrained_bundle
from sample_scans import body_array, scan_image, write_dicom_series

SHAPE = (24, 32, 32)


def refused(tmp_path: Path, *arguments: str | Path) -> str:
    """Runs ``jssr`` with the arguments, proves the refusal, and gives the sentence."""
    before = _tree(tmp_path)
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 2, (done.output, done.exception)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    sentence = lines[0]
    assert re.fullmatch(r"jssr: \S.*[^.]\.", sentence)
    assert "Traceback" not in done.output
    assert _tree(tmp_path) == before
    return sentence


def _tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def _scan(path: Path, seed: int = 0) -> Path:
    sitk.WriteImage(scan_image(SHAPE, seed), str(path))
    return path


def _array(values: np.ndarray, path: Path) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path))
    return path


def _cut(path: Path) -> Path:
    whole = _scan(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def _text(path: Path) -> Path:
    path.write_text("not an image\n" * 100, encoding="utf-8")
    return path


def _colour(path: Path) -> Path:
    sitk.WriteImage(sitk.Compose([sitk.Image(16, 16, 16, sitk.sitkUInt8)] * 3), str(path))
    return path


def _complex(path: Path) -> Path:
    real = sitk.Cast(scan_image(SHAPE), sitk.sitkFloat32)
    sitk.WriteImage(sitk.RealAndImaginaryToComplex(real, real), str(path))
    return path


def _with(value: float, path: Path) -> Path:
    values = body_array(SHAPE).astype(np.float32)
    values[5, 5, 5] = value
    return _array(values, path)


def _nifti_with(value: float, path: Path) -> Path:
    """By nibabel, as many programs do: ITK itself would write 0."""
    values = body_array(SHAPE).astype(np.float32)
    values[5, 5, 5] = value
    nibabel.Nifti1Image(values.transpose(), np.diag([3.0, 3.0, 3.0, 1.0])).to_filename(path)
    return path


def _small_crop(path: Path) -> Path:
    image = scan_image((19, 24, 24))
    image.SetSpacing((1.6, 1.6, 2.0))
    sitk.WriteImage(image, str(path))
    return path


def _time_series(path: Path) -> Path:
    sitk.WriteImage(sitk.JoinSeries([scan_image(SHAPE)] * 2), str(path))
    return path


def _empty_folder(path: Path) -> Path:
    path.mkdir()
    return path


def _two_series(path: Path) -> Path:
    write_dicom_series(scan_image(SHAPE), path, uid="1.2.1", description="arterial", prefix="a")
    write_dicom_series(scan_image(SHAPE), path, uid="1.2.2", description="delayed", prefix="b")
    return path


def _missing_slice(path: Path) -> Path:
    write_dicom_series(scan_image(SHAPE), path)[7].unlink()
    return path


def _uneven_slices(path: Path) -> Path:
    places = np.array([(0.0, 0.0, 3.0 * n + (n > 9)) for n in range(SHAPE[0])])
    write_dicom_series(scan_image(SHAPE), path, positions_mm=places)
    return path


def _mr_series(path: Path) -> Path:
    write_dicom_series(scan_image(SHAPE), path, modality="MR")
    return path


SCANS: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "missing": ("scan.nii.gz", lambda path: path, "There is no file or folder"),
    "folder without DICOM": ("folder", _empty_folder, "holds no DICOM image"),
    "two series": ("study", _two_series, "holds 2 series .*arterial.*delayed"),
    "missing slice": ("series", _missing_slice, "missing or unevenly spaced slices"),
    "uneven slices": ("series", _uneven_slices, "missing or unevenly spaced slices"),
    "2D": ("scan.nrrd", lambda path: _array(body_array()[0], path), "is a 2D image"),
    "4D": ("scan.nii.gz", _time_series, "is a 4D image"),
    "RGB": ("scan.nrrd", _colour, "3 values a voxel"),
    "complex": ("scan.nii.gz", _complex, "complex numbers"),
    "constant": ("scan.nrrd", lambda p: _array(np.full(SHAPE, 7, np.int16), p), "is 7 everywhere"),
    "NaN": ("scan.nrrd", lambda path: _with(np.nan, path), "NaN or infinite"),
    "infinite": ("scan.nrrd", lambda path: _with(np.inf, path), "NaN or infinite"),
    "NaN in NIfTI": ("scan.nii.gz", lambda path: _nifti_with(np.nan, path), "NaN or infinite"),
    "small crop": ("scan.nii.gz", _small_crop, "is only 38 mm long, and at least 40 mm"),
    "0 to 1": (
        "scan.nrrd",
        lambda path: _array((body_array(SHAPE) + 1024.0) / 2000, path),
        "not in Hounsfield units",
    ),
    "unsigned without rescale": (
        "scan.nrrd",
        lambda path: _array((body_array(SHAPE) + 1024).astype(np.uint16), path),
        "not in Hounsfield units",
    ),
    "MR values": (
        "scan.nrrd",
        lambda path: _array(np.random.default_rng(0).gamma(2, 150, SHAPE), path),
        "not in Hounsfield units",
    ),
    "MR series": ("series", _mr_series, "modality MR"),
    "7 slices": (
        "scan.nrrd",
        lambda path: _array(body_array((7, 32, 32)), path),
        "has 7 slices",
    ),
    "cut NIfTI": ("scan.nii.gz", _cut, "cut short"),
    "cut NRRD": ("scan.nrrd", _cut, "cut short"),
    "cut MetaImage": ("scan.mha", _cut, "cut short"),
    "text": ("scan.nii.gz", _text, "cannot be read as an image"),
}


@pytest.mark.parametrize("case", SCANS)
@pytest.mark.parametrize("role", ["fixed", "moving"])
def test_scans(tmp_path: Path, capfd: pytest.CaptureFixture[str], case: str, role: str) -> None:
    name, make, reason = SCANS[case]
    bad, good = make(tmp_path / name), _scan(tmp_path / "good.nii.gz")
    fixed, moving = (bad, good) if role == "fixed" else (good, bad)
    sentence = refused(
        tmp_path, "register", "--fixed", fixed, "--moving", moving, "--output", tmp_path / "out"
    )
    assert name in sentence
    assert re.search(reason, sentence)
    assert capfd.readouterr().err == ""  # libraries add no lines of their own


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained bundle: the refusals here come before it is asked anything."""
    return write_untrained_bundle(tmp_path_factory.mktemp("models") / "untrained")


def _pair(tmp_path: Path) -> list[str | Path]:
    fixed, moving = _scan(tmp_path / "fixed.nii.gz", 1), _scan(tmp_path / "moving.nii.gz", 2)
    return ["register", "--fixed", fixed, "--moving", moving, "--output", tmp_path / "out"]


def _copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "model"))


def _flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["generator.pt", "register.pt", "model.json", "training.yaml"])
def test_an_altered_bundle(tmp_path: Path, bundle: Path, name: str) -> None:
    model = _copy(bundle, tmp_path)
    _flip(model / name, -10)
    sentence = refused(tmp_path, *_pair(tmp_path), "--model", model)
    assert name in sentence and "model" in sentence


def test_a_bundle_cut_short(tmp_path: Path, bundle: Path) -> None:
    model = _copy(bundle, tmp_path)
    content = (model / "segmentor.pt").read_bytes()
    (model / "segmentor.pt").write_bytes(content[: len(content) // 2])
    assert "segmentor.pt" in refused(tmp_path, *_pair(tmp_path), "--model", model)


def test_a_missing_bundle(tmp_path: Path) -> None:
    sentence = refused(tmp_path, *_pair(tmp_path), "--model", tmp_path / "nowhere")
    assert "no model bundle" in sentence


def _resign(model: Path) -> None:
    text = (model / "model.json").read_bytes()
    (model / "model.json.sha256").write_text(f"{hashlib.sha256(text).hexdigest()}  model.json\n")


def test_a_bundle_of_a_newer_schema(tmp_path: Path, bundle: Path) -> None:
    model = _copy(bundle, tmp_path)
    manifest = json.loads((model / "model.json").read_text("utf-8"))
    (model / "model.json").write_text(json.dumps(manifest | {"schema_version": 99}))
    _resign(model)
    assert "schema 99" in refused(tmp_path, *_pair(tmp_path), "--model", model)


def test_a_bundle_that_is_no_torchscript(tmp_path: Path, bundle: Path) -> None:
    model = _copy(bundle, tmp_path)
    fake = b"not TorchScript"
    (model / "generator.pt").write_bytes(fake)
    manifest = json.loads((model / "model.json").read_text("utf-8"))
    manifest["files"]["generator.pt"] = {
        "bytes": len(fake),
        "sha256": hashlib.sha256(fake).hexdigest(),
    }
    (model / "model.json").write_text(json.dumps(manifest))
    _resign(model)
    sentence = refused(tmp_path, *_pair(tmp_path), "--model", model)
    assert "generator.pt" in sentence and "TorchScript" in sentence


def test_an_output_that_exists(tmp_path: Path) -> None:
    arguments = _pair(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    sentence = refused(tmp_path, *arguments)
    assert "already holds files; add --overwrite" in sentence


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there(tmp_path: Path, device: str) -> None:
    sentence = refused(tmp_path, *_pair(tmp_path), "--device", device)
    assert f"'{device}'" in sentence and "0 usable NVIDIA GPUs" in sentence


def test_an_unknown_device(tmp_path: Path) -> None:
    assert "'abacus' is unknown" in refused(tmp_path, *_pair(tmp_path), "--device", "abacus")


def test_scans_that_do_not_meet(tmp_path: Path, bundle: Path) -> None:
    fixed, moving = scan_image(SHAPE), scan_image(SHAPE)
    moving.SetOrigin((5000.0, 0.0, 0.0))
    write_image(fixed, tmp_path / "fixed.nii.gz")
    write_image(moving, tmp_path / "moving.nii.gz")
    arguments = ["--fixed", tmp_path / "fixed.nii.gz", "--moving", tmp_path / "moving.nii.gz"]
    more = ["--output", tmp_path / "out", "--model", bundle, "--initial", "none"]
    assert "overlap" in refused(tmp_path, "register", *arguments, *more)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are Unicode")
@pytest.mark.parametrize("option", ["--moving", "--output"])
def test_a_name_that_is_no_utf_8(tmp_path: Path, option: str) -> None:
    """On one that ITK cannot take it would end the whole process."""
    arguments = _pair(tmp_path)
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    folder.mkdir()
    given = arguments.index(option) + 1
    arguments[given] = shutil.copy(arguments[given], folder) if option == "--moving" else folder
    sentence = refused(tmp_path, *arguments)
    assert "M\ufffdller" in sentence and "not UTF-8; rename" in sentence


def test_an_output_inside_a_file(tmp_path: Path) -> None:
    arguments = _pair(tmp_path)
    (tmp_path / "file").write_text("mine")
    sentence = refused(tmp_path, *arguments[:-1], tmp_path / "file" / "out")
    assert "would lie inside a file" in sentence


def test_an_output_whose_name_is_too_long(tmp_path: Path) -> None:
    sentence = refused(tmp_path, *_pair(tmp_path)[:-1], tmp_path / ("long" * 100))
    assert "is too long; choose a shorter one" in sentence


def test_warping_into_a_file_of_another_kind(tmp_path: Path) -> None:
    image = _scan(tmp_path / "scan.nrrd")
    sitk.WriteTransform(sitk.AffineTransform(3), str(tmp_path / "t.tfm"))
    options = ["--transform", tmp_path / "t.tfm", "--reference", image]
    sentence = refused(tmp_path, "warp", image, *options, "--output", tmp_path / "out.jpeg")
    assert "choose a name in .nii.gz" in sentence


def test_a_deformable_initial_transform(tmp_path: Path) -> None:
    sitk.WriteTransform(sitk.BSplineTransform(3), str(tmp_path / "spline.tfm"))
    sentence = refused(tmp_path, *_pair(tmp_path), "--initial", tmp_path / "spline.tfm")
    assert "spline.tfm" in sentence and "not a linear transform" in sentence


def test_a_mask_that_marks_nothing(tmp_path: Path, bundle: Path) -> None:
    empty = scan_image(SHAPE) > 5000
    sitk.WriteImage(empty, str(tmp_path / "mask.nrrd"))
    more = ["--fixed-mask", tmp_path / "mask.nrrd", "--model", bundle]
    assert "marks no voxel" in refused(tmp_path, *_pair(tmp_path), *more)


def test_unknown_outputs(tmp_path: Path) -> None:
    sentence = refused(tmp_path, *_pair(tmp_path), "--outputs", "warped,everything")
    assert "'everything'" in sentence and "inverse_transform" in sentence


def test_phases_for_other_scans(tmp_path: Path) -> None:
    more = ["--moving-phase", "arterial", "--moving-phase", "delayed"]
    assert "--moving-phase stands 2 times" in refused(tmp_path, *_pair(tmp_path), *more)


def test_warping_into_an_existing_file(tmp_path: Path) -> None:
    image = _scan(tmp_path / "scan.nrrd")
    sitk.WriteTransform(sitk.AffineTransform(3), str(tmp_path / "t.tfm"))
    options = ["--transform", tmp_path / "t.tfm", "--reference", image, "--output", image]
    assert "scan.nrrd' exists" in refused(tmp_path, "warp", image, *options)


def test_information_on_nothing(tmp_path: Path) -> None:
    assert "There is no file or folder" in refused(tmp_path, "info", tmp_path / "nowhere")
