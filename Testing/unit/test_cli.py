"""The command line: what it passes on, what it shows, and how it ends."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from typer.testing import CliRunner, Result

import jssr
from jssr.cli.main import app
from jssr.registration import files
from jssr.registration.result import ALL_OUTPUTS, Output
from jssr.registration.write import OUTPUT_FILES
from sample_bundle import write_untrained_bundle
from sample_results import make_result
from sample_scans import forbidden, scan_image, write_dicom_series

SECRET = "Doe-Jane-4711"


@pytest.fixture
def calls(with_report: list, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """As ``with_report``, and the report's pictures are not drawn."""

    def write_report(result: Any, fixed: Any, moving: Any, path: Path) -> None:
        path.write_text("<html>", encoding="utf-8")

    monkeypatch.setattr("jssr.report.write_report", write_report)
    return with_report


@pytest.fixture
def with_report(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Registration is replaced by one that notes its options and gives a ready result."""
    noted: list[dict[str, Any]] = []

    def register(fixed: sitk.Image, moving: sitk.Image, bundle: Any, **options: Any) -> Any:
        noted.append({"fixed": fixed, "moving": moving, "bundle": bundle, **options})
        options["progress"]("Align", 0.5)
        return make_result(fixed, moving)

    monkeypatch.setattr(files, "register", register)
    monkeypatch.setattr(files, "load_bundle", lambda path, device: (path, device))
    return noted


def _jssr(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _scan(path: Path, seed: int) -> Path:
    sitk.WriteImage(scan_image(seed=seed), str(path))
    return path


def _pair(tmp_path: Path) -> list[str | Path]:
    fixed, moving = _scan(tmp_path / "f.nii.gz", 1), _scan(tmp_path / "m.nii.gz", 2)
    return ["--fixed", fixed, "--moving", moving, "--output", tmp_path / "out"]


def test_help_names_every_command() -> None:
    done = _jssr("--help")
    assert done.exit_code == 0
    for command in (
        "register",
        "warp",
        "info",
        "demo",
        "batch",
        "evaluate",
        "phantom",
        "train",
        "export",
    ):
        assert command in done.output
    assert "not a medical device" in done.output


def test_the_version() -> None:
    assert _jssr("--version").output == f"jssr {jssr.__version__}\n"


def test_everything_is_written_and_the_verdict_comes_last(tmp_path: Path, calls: list) -> None:
    done = _jssr("register", *_pair(tmp_path), "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "Verdict: doubtful (the scans share little)"
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(OUTPUT_FILES.values())
    (call,) = calls
    assert call["initial"] == "rigid" and call["seed"] == 0
    assert call["fixed_phase"] is None and call["moving_phase"] is None
    assert call["outputs"] == ALL_OUTPUTS


def test_options_reach_the_registration(tmp_path: Path, calls: list) -> None:
    rigid = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.1, 0.0, 0.0, (1.0, 2.0, 3.0))
    sitk.WriteTransform(rigid, str(tmp_path / "initial.tfm"))
    sitk.WriteImage(scan_image(seed=1) > 0, str(tmp_path / "mask.nrrd"))
    options = ["--fixed-phase", "portal-venous", "--moving-phase", "arterial", "--seed", "5"]
    options += ["--initial", tmp_path / "initial.tfm", "--fixed-mask", tmp_path / "mask.nrrd"]
    options += ["--refine", "off", "--outputs", "transform,warped", "--outputs", "metrics"]
    done = _jssr("register", *_pair(tmp_path), *options)
    assert done.exit_code == 0, done.output
    (call,) = calls
    assert call["fixed_phase"].value == "portal-venous"
    assert call["moving_phase"].value == "arterial"
    np.testing.assert_allclose(call["initial"][:3, 3], (1, 2, 3))
    assert call["fixed_mask"].GetSize() == (24, 20, 12) and call["moving_mask"] is None
    assert call["refine"].value == "off" and call["seed"] == 5
    wanted = {Output.TRANSFORM, Output.WARPED, Output.METRICS}
    assert call["outputs"] == wanted
    assert {p.name for p in (tmp_path / "out").iterdir()} == {OUTPUT_FILES[o] for o in wanted}


def test_phases_may_be_given_in_other_words(tmp_path: Path, calls: list) -> None:
    third = _scan(tmp_path / "third.nii.gz", 3)
    phases = ["--fixed-phase", "PV", "--moving-phase", "auto", "--moving-phase", "nativ"]
    done = _jssr("register", *_pair(tmp_path), "--moving", third, *phases)
    assert done.exit_code == 0, done.output
    assert [call["fixed_phase"].value for call in calls] == ["portal-venous"] * 2
    assert calls[0]["moving_phase"] is None
    assert calls[1]["moving_phase"].value == "non-contrast"


def test_an_unknown_phase_is_refused(tmp_path: Path, calls: list) -> None:
    done = _jssr("register", *_pair(tmp_path), "--moving-phase", "purple")
    assert done.exit_code == 2 and not calls
    assert "the phase 'purple' is unknown" in " ".join(done.output.split())


def test_several_moving_scans_have_a_folder_each(tmp_path: Path, calls: list) -> None:
    third = _scan(tmp_path / f"{SECRET}.nii.gz", 3)
    phases = ["--moving-phase", "arterial", "--moving-phase", "delayed"]
    done = _jssr("register", *_pair(tmp_path), "--moving", third, *phases)
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"moving_1", "moving_2"}
    assert [call["moving_phase"].value for call in calls] == ["arterial", "delayed"]
    assert done.stdout.splitlines()[-2:] == [
        "moving_1: doubtful (the scans share little)",
        "moving_2: doubtful (the scans share little)",
    ]


def test_each_moving_scan_needs_its_phase(tmp_path: Path, calls: list) -> None:
    pair = _pair(tmp_path)
    done = _jssr("register", *pair, *pair[2:4], "--moving-phase", "arterial")
    assert done.exit_code == 2 and not calls
    assert "--moving-phase stands 1 time, --moving 2 times; give one for each." in done.stderr


def test_overwriting_takes_away_what_is_stale(tmp_path: Path, calls: list) -> None:
    assert _jssr("register", *_pair(tmp_path)).exit_code == 0
    (tmp_path / "out" / "notes.txt").write_text("mine")
    done = _jssr("register", *_pair(tmp_path), "--overwrite", "--outputs", "warped")
    assert done.exit_code == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"warped.nii.gz", "notes.txt"}


def test_no_name_and_no_path_reaches_an_output(tmp_path: Path, with_report: list) -> None:
    folder = tmp_path / SECRET
    write_dicom_series(scan_image(), folder, patient=SECRET)
    noted = scan_image(seed=2)
    noted.SetMetaData("ITK_FileNotes", SECRET)
    noted.SetMetaData("PatientName", SECRET)
    sitk.WriteImage(noted, str(folder / f"{SECRET}.nrrd"))
    scans = ["--fixed", folder, "--moving", folder / f"{SECRET}.nrrd"]
    done = _jssr("register", *scans, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    _assert_nameless(tmp_path / "out")


def _assert_nameless(folder: Path) -> None:
    for path in folder.rglob("*"):
        content = path.read_bytes()
        for secret in (SECRET, "PATIENT-4711", str(folder.parent)):
            assert secret.encode() not in content, path.name
        if path.suffix in (".gz", ".nrrd"):
            image = sitk.ReadImage(str(path))
            values = " ".join(image.GetMetaData(key) for key in image.GetMetaDataKeys())
            assert SECRET not in values and "4711" not in values


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_when_it_breaks_off(
    tmp_path: Path, calls: list, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    arguments = _pair(tmp_path)
    monkeypatch.setattr(files, "register", _raising(error))
    before = set(tmp_path.rglob("*"))
    done = _jssr("register", *arguments)
    assert done.exit_code == (130 if error is KeyboardInterrupt else 1)
    assert set(tmp_path.rglob("*")) == before


def _raising(error: type[BaseException]) -> Callable[..., Any]:
    def register(*_: Any, **__: Any) -> Any:
        raise error

    return register


def test_a_gpu_that_is_too_small_gives_way_to_the_cpu(
    tmp_path: Path, calls: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = files.register

    def register(fixed: sitk.Image, moving: sitk.Image, bundle: Any, **options: Any) -> Any:
        if bundle[1].type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return ready(fixed, moving, bundle, **options)

    monkeypatch.setattr(files, "register", register)
    monkeypatch.setattr("jssr.device.choose_device", lambda name: torch.device("cuda"))
    done = _jssr("register", *_pair(tmp_path))
    assert done.exit_code == 0, done.output
    assert "The memory of cuda does not suffice; going on with the CPU" in done.stderr
    assert calls[0]["bundle"][1] == torch.device("cpu")


def test_too_little_main_memory_is_said(
    tmp_path: Path, calls: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = _pair(tmp_path)
    monkeypatch.setattr(files, "register", _raising(MemoryError))
    done = _jssr("register", *arguments)
    assert done.exit_code == 2
    assert "memory does not suffice" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_said(tmp_path: Path, calls: list, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = _pair(tmp_path)

    def write_result(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_result", write_result)
    done = _jssr("register", *arguments)
    assert done.exit_code == 2
    assert "There is no space left to write" in done.stderr
    assert not (tmp_path / "out").exists()


def test_warp_applies_a_transform(tmp_path: Path) -> None:
    image = _scan(tmp_path / "scan.nrrd", 1)
    shift = sitk.TranslationTransform(3, (2.0, 0.0, 0.0))
    sitk.WriteTransform(shift, str(tmp_path / "t.tfm"))
    output = tmp_path / "out.nii.gz"
    options = ["--transform", tmp_path / "t.tfm", "--reference", image, "--output", output]
    done = _jssr("warp", image, *options)
    assert done.exit_code == 0
    assert " ".join(done.output.split()).endswith("as an image, linearly")
    moved, stays = (sitk.GetArrayFromImage(sitk.ReadImage(str(p))) for p in (output, image))
    assert np.array_equal(moved[:, :, :-1], stays[:, :, 1:])


def test_warp_tells_that_a_folder_must_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = _scan(tmp_path / "scan.nrrd", 1)
    sitk.WriteTransform(sitk.TranslationTransform(3), str(tmp_path / "t.tfm"))
    output = tmp_path / "w.nrrd"
    options = ["--transform", tmp_path / "t.tfm", "--reference", image, "--output", output]
    monkeypatch.setattr(Path, "touch", forbidden)
    done = _jssr("warp", image, *options)
    assert done.exit_code != 0 and "w.nrrd' cannot be written for want of permission" in done.output


def test_information_on_a_scan(tmp_path: Path) -> None:
    done = _jssr("info", _scan(tmp_path / "scan.nrrd", 1))
    assert done.exit_code == 0
    assert "24 × 20 × 12" in done.output and "plausible" in done.output


def test_information_on_a_bundle(tmp_path: Path) -> None:
    done = _jssr("info", write_untrained_bundle(tmp_path / "model"))
    assert done.exit_code == 0
    assert "knows nothing" in done.output and "-160 to 240 HU" in done.output
    assert re.search(r"liver error +1\.25 mm +no data at all", done.output)


def test_information_on_several_series(tmp_path: Path) -> None:
    write_dicom_series(scan_image(), tmp_path / "s", uid="1.1", description="arterial", prefix="a")
    write_dicom_series(scan_image(), tmp_path / "s", uid="1.2", description="delayed", prefix="b")
    done = _jssr("info", tmp_path / "s")
    assert done.exit_code == 0
    assert re.search(r"3 +arterial +12", done.output) and re.search(r"3 +delayed +12", done.output)
    assert "a000.dcm" in done.output and "b000.dcm" in done.output


def test_information_on_results(tmp_path: Path, calls: list) -> None:
    _jssr("register", *_pair(tmp_path))
    done = _jssr("info", tmp_path / "out")
    assert done.exit_code == 0
    assert "doubtful; the scans share little" in done.output
    assert re.search(r"liver +0\.800 +0\.900", done.output)


def test_information_on_damaged_results(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"verdict": "?"}))
    done = _jssr("info", tmp_path)
    assert done.exit_code == 2
    assert "metrics.json' is no metrics file" in done.stderr
