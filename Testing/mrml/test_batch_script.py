"""``Scripts/batch.py`` on six pairs, one of them broken, as Slicer would run it."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util

import JSSRRegistrationLib.batch as batch_module
from jssr.batch.summary import PAGE_NAME
from JSSRRegistrationLib.batch import BAD_INPUT, SOME_FAILED, SUCCESS
from sample_bundle import pretend_verified

SCRIPT = Path(batch_module.__file__).parents[1] / "Scripts" / "batch.py"
WORKER = Path(__file__).parent / "made_worker.py"

Script = Callable[..., int]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two phases of six patients; the fourth's arterial scan is cut short."""
    random = np.random.default_rng(0)
    rows = ["patient,image,phase"]
    for patient in range(1, 7):
        for phase in ("portal-venous", "arterial"):
            image = sitk.GetImageFromArray(random.integers(-100, 200, (24, 24, 24)).astype("int16"))
            image.SetSpacing([2.0, 2.0, 3.0])
            name = f"P{patient}-{phase}.nii"
            sitk.WriteImage(image, str(tmp_path / name))
            rows.append(f"P{patient},{name},{phase}")
    broken = tmp_path / "P4-arterial.nii"
    broken.write_bytes(broken.read_bytes()[:2000])
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join(rows))
    return path


@pytest.fixture
def script(scene: Any, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Runs the script with arguments after ``--`` and gives Slicer's exit code."""
    pretend_verified(monkeypatch)
    monkeypatch.setattr(batch_module, "worker_command", lambda python: [python, str(WORKER)])
    monkeypatch.setattr(sys, "path", list(sys.path))
    codes: list[int] = []
    monkeypatch.setattr(slicer.util, "exit", codes.append)

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--", *map(str, arguments)])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return codes.pop()

    return run


def test_five_results_one_named_failure_and_the_second_run_does_nothing(
    script: Script, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = table.parent / "results"
    assert script("--input", table, "--output", output) == SOME_FAILED
    lines = capsys.readouterr().out
    assert "P4/arterial: failed." in lines
    assert "6 cases, 1 failed" in lines
    done = sorted(path.parent.parent.name for path in output.glob("*/*/transform.h5"))
    assert done == ["P1", "P2", "P3", "P5", "P6"]
    stamps = {path: path.stat().st_mtime_ns for path in output.glob("*/*/*")}
    assert script("--input", table, "--output", output) == SOME_FAILED
    assert {path: path.stat().st_mtime_ns for path in output.glob("*/*/*")} == stamps
    assert "Register" not in capsys.readouterr().out
    assert "5 doubtful, 0 failed, 1 not registered" in (output / PAGE_NAME).read_text("utf-8")


def test_scenes_hold_the_scans_and_the_results(
    script: Script, scene: Any, table: Path, tmp_path: Path
) -> None:
    rows = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(rows[:3]), encoding="utf-8")
    output = tmp_path / "results"
    arguments = ("--input", table, "--output", output)
    assert script(*arguments) == SUCCESS
    assert script(*arguments, "--scene") == SUCCESS
    path = output / "P1/arterial/scene.mrb"
    assert path.is_file()
    assert scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0
    again = slicer.vtkMRMLScene()
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(str(tmp_path))
    again.SetCacheManager(cache)
    manager = slicer.vtkDataIOManager()
    manager.SetCacheManager(cache)
    again.SetDataIOManager(manager)
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(again)
    assert again.ReadFromMRB(str(path), True)
    names = {
        again.GetNthNodeByClass(i, "vtkMRMLVolumeNode").GetName()
        for i in range(again.GetNumberOfNodesByClass("vtkMRMLVolumeNode"))
    }
    assert {"portal-venous", "arterial", "arterial registered to portal-venous"} <= names
    segmentation = again.GetFirstNodeByClass("vtkMRMLSegmentationNode").GetSegmentation()
    assert [segmentation.GetNthSegmentID(i) for i in range(3)] == [
        "liver",
        "lesion",
        "right_kidney",
    ]
    liver = segmentation.GetSegment("liver")
    assert liver.GetName() == "Liver"


@pytest.mark.parametrize(
    "arguments",
    [("--input", "missing.csv", "--output", "out"), ("--output", "out"), ("--refine", "wild")],
)
def test_bad_input_ends_slicer_with_its_own_code(
    script: Script, arguments: tuple[str, ...]
) -> None:
    assert script(*arguments) == BAD_INPUT


def test_outputs_are_named_as_for_the_command(
    script: Script, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--input", table, "--output", table.parent / "results")
    assert script(*arguments, "--outputs", "transform,gold") == BAD_INPUT
    assert "--outputs does not know 'gold'" in capsys.readouterr().out
    assert script(*arguments, "--outputs", "transform,metrics") == SOME_FAILED


def test_the_fixed_phase_may_be_given_in_another_word(
    script: Script, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--input", table, "--output", table.parent / "results", "--fixed-phase")
    assert script(*arguments, "purple") == BAD_INPUT
    assert "the phase 'purple' is unknown" in capsys.readouterr().err
    assert script(*arguments, "ART") == SOME_FAILED
    assert (table.parent / "results/P1/portal-venous").is_dir()


def test_help_ends_slicer_too(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    assert script("--help") == SUCCESS
    assert "--scene" in capsys.readouterr().out


def test_slicer_ends_also_when_the_script_itself_breaks(
    script: Script, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(batch_module, "run_batch", broken)
    codes: list[int] = []
    monkeypatch.setattr(slicer.util, "exit", codes.append)
    with pytest.raises(ZeroDivisionError):
        script("--input", table, "--output", table.parent / "out")
    assert codes == [2]
