"""The benchmark from cohort to page: resumed, with methods that are absent or fail."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from jssr.cli.main import app
from jssr.errors import InputError
from jssr.evaluation import benchmark as module
from jssr.evaluation.benchmark import Setup, read_outcomes, run_benchmark
from jssr.evaluation.cohort import Case, read_cohort
from jssr.evaluation.methods import DISPLACEMENT_FILE, METHODS, Method, choose_methods
from jssr.evaluation.outcome import OK, MethodOutcome
from jssr.evaluation.peers import deeds
from jssr.evaluation.process import MethodFailed, Usage
from jssr.io.images import write_image
from jssr.spatial.geometry import Geometry
from sample_bundle import write_untrained_bundle
from sample_cohort import GRID, SHIFT_MM, write_case_folder, write_manifest_cohort
from sample_scans import scan_image, write_dicom_series

(IDENTITY,) = choose_methods("identity")
ABSENT = replace(IDENTITY, name="elastix", title="Absent", package="no_such_package")
BROKEN = replace(IDENTITY, name="ants-syn", title="Broken", function="classical:no_such_function")


def quiet(step: str, fraction: float) -> None:
    assert 0.0 <= fraction <= 1.0


def outcomes_of(
    cases: Sequence[Case], methods: Sequence[Method], output: Path, threads: int = 1
) -> list[MethodOutcome]:
    """Runs the methods and gives what is kept of them."""
    run_benchmark(cases, methods, output, Setup(threads=threads), progress=quiet)
    return read_outcomes(cases, methods, output, Setup(threads=threads))


def test_command_writes_tables_and_page_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort, output = write_manifest_cohort(tmp_path / "cohort"), tmp_path / "output"
    arguments = ["benchmark", str(cohort), "--methods", "identity,affine", "--threads", "1"]
    arguments += ["--output", str(output), "--peer-limit", "1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    html = (output / "benchmark.html").read_text(encoding="utf-8")
    assert "No registration" in html and "Mattes mutual information" in html
    assert html.count("data:image/png") >= 2 and str(tmp_path) not in html
    results = json.loads((output / "results.json").read_text("utf-8"))["methods"]
    shift = float(np.linalg.norm(SHIFT_MM))
    assert results["identity"]["error_body_mm"]["mean"] == pytest.approx(shift, abs=1e-3)
    assert results["affine"]["error_body_mm"]["mean"] < 0.9 * shift
    assert results["affine"]["dice_liver"]["mean"] > results["identity"]["dice_liver"]["mean"]
    assert results["identity"]["wall_s"]["count"] == 1
    lines = (output / "results.csv").read_text("utf-8").splitlines()
    assert lines[0].startswith("pair,method,error_body_mm") and len(lines) == 3
    assert not list(output.glob(".*"))

    def must_not_run(*arguments: object, **options: object) -> None:
        raise AssertionError("ran again")

    monkeypatch.setattr(module, "run_measured", must_not_run)
    assert CliRunner().invoke(app, arguments).exit_code == 0


def test_cohort_output_and_model_may_be_named_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_case_folder(tmp_path / "cohort")
    write_untrained_bundle(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    arguments = ["benchmark", "cohort", "--methods", "jssr-noref,identity", "--output", "output"]
    done = CliRunner().invoke(app, [*arguments, "--model", "model", "--threads", "1"])
    assert done.exit_code == 0, done.output
    results = json.loads(Path("output/results.json").read_text("utf-8"))["methods"]
    assert {name: results[name]["wall_s"]["count"] for name in results} == {
        "jssr-noref": 1,
        "identity": 1,
    }
    assert not list(Path("output").glob(".*"))


def test_absent_and_failing_methods_are_rows(tmp_path: Path) -> None:
    cases = read_cohort(write_case_folder(tmp_path / "cohort"))
    output = tmp_path / "output"
    output.mkdir()
    absent, broken = outcomes_of(cases, [ABSENT, BROKEN], output)
    assert [o.method for o in (absent, broken)] == ["elastix", "ants-syn"]
    assert (absent.status, broken.status) == ("missing", "failed")
    assert "no_such_package" in absent.message and "no_such_function" in broken.message
    assert str(tmp_path) not in broken.message


def test_a_result_counts_only_for_the_same_files_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = read_cohort(write_case_folder(tmp_path / "cohort"))
    runs = []

    def run(data: object, method: object, output: Path, setup: Setup) -> MethodOutcome:
        runs.append(setup.threads)
        return MethodOutcome("identity", "case_1", OK, figures={"error_body_mm": 1.0})

    monkeypatch.setattr(module, "_run", run)
    for threads in (1, 1, 2):
        run_benchmark(cases, [IDENTITY], tmp_path, Setup(threads=threads), progress=quiet)
    assert runs == [1, 2]
    cases[0].moving.touch()
    run_benchmark(cases, [IDENTITY], tmp_path, Setup(threads=2), progress=quiet)
    assert runs == [1, 2, 2]


def test_a_slice_that_was_written_anew_makes_another_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = write_dicom_series(scan_image(), tmp_path / "dicom")
    write_image(scan_image(), tmp_path / "moving.nii.gz")
    case = Case("p", tmp_path / "dicom", tmp_path / "moving.nii.gz")
    runs = []

    def run(data: object, method: object, output: Path, setup: Setup) -> MethodOutcome:
        runs.append(setup.threads)
        return MethodOutcome("identity", "p", OK)

    monkeypatch.setattr(module, "_run", run)
    for _ in range(2):
        run_benchmark([case], [IDENTITY], tmp_path, Setup(threads=1), progress=quiet)
    assert len(runs) == 1
    later = slices[5].stat().st_mtime_ns + 10**9
    os.utime(slices[5], ns=(later, later))
    run_benchmark([case], [IDENTITY], tmp_path, Setup(threads=1), progress=quiet)
    assert len(runs) == 2


def test_a_page_holds_only_what_was_made_in_the_same_way(tmp_path: Path) -> None:
    cases = read_cohort(write_case_folder(tmp_path / "cohort"))
    setup = Setup(threads=1)
    run_benchmark(cases, [ABSENT], tmp_path, setup, progress=quiet)

    def found(setup: Setup) -> list[str]:
        return [outcome.method for outcome in read_outcomes(cases, [ABSENT], tmp_path, setup)]

    assert found(setup) == ["elastix"]
    assert found(Setup(threads=2)) == []
    cases[0].moving.touch()
    assert found(setup) == []


def test_results_of_a_method_that_is_gone_are_left_out(tmp_path: Path) -> None:
    cohort, output = write_case_folder(tmp_path / "cohort"), tmp_path / "output"
    gone = replace(ABSENT, name="gone")
    (output / "results").mkdir(parents=True)
    run_benchmark(read_cohort(cohort), [gone], output, Setup(threads=1), progress=quiet)
    arguments = ["benchmark", str(cohort), "--methods", "identity", "--threads", "1"]
    done = CliRunner().invoke(app, [*arguments, "--output", str(output)])
    assert done.exit_code == 0, done.output
    assert "no_such_package" not in (output / "benchmark.html").read_text("utf-8")


def test_a_pair_that_cannot_be_used_fails_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = write_manifest_cohort(tmp_path / "cohort", pairs=4)
    write_image(scan_image() + 2000, cohort / "pair0" / "moving.nii.gz")
    cropped = cohort / "pair1" / "fixed.seg.nrrd"
    sitk.WriteImage(sitk.ReadImage(str(cropped))[:, :, 4:], str(cropped))
    (cohort / "pair2" / "fixed.nii.gz").unlink()
    monkeypatch.chdir(tmp_path)
    arguments = ["benchmark", "cohort", "--methods", "identity", "--threads", "1"]
    for _ in range(2):
        done = CliRunner().invoke(app, [*arguments, "--output", "output"])
        assert done.exit_code == 0, done.output
    html = Path("output/benchmark.html").read_text("utf-8")
    for reason in (
        "failed: The moving scan is not in Hounsfield units",
        "failed: The fixed segmentation has",
        "failed: There is no file or folder for the fixed scan",
    ):
        assert reason in html
    assert "pair2/" not in html and str(tmp_path) not in html
    _, line = Path("output/results.csv").read_text("utf-8").splitlines()
    assert line.startswith("pair3,identity,")


def test_a_cohort_without_a_pair_that_can_be_used_still_has_a_page(tmp_path: Path) -> None:
    cohort = write_manifest_cohort(tmp_path / "cohort", pairs=1)
    (cohort / "pair0" / "moving.nii.gz").write_text("no image")
    arguments = ["benchmark", str(cohort), "--methods", "identity", "--threads", "1"]
    done = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / "output")])
    assert done.exit_code == 0, done.output
    html = (tmp_path / "output" / "benchmark.html").read_text("utf-8")
    assert "failed: The moving scan cannot be read" in html


def test_of_a_damaged_slice_only_the_name_is_told(tmp_path: Path) -> None:
    first, *_, last = write_dicom_series(scan_image(), tmp_path / "Doe")
    last.write_bytes(last.read_bytes()[:700])
    (outcome,) = outcomes_of([Case("p", first, first)], [IDENTITY], tmp_path)
    assert outcome.status == "failed" and "Doe" not in outcome.message
    assert outcome.message.startswith(f"The DICOM slice '{last.name}' is damaged")


@pytest.mark.parametrize("change", ["classes", "truth"])
def test_a_result_with_other_labels_compared_does_not_count(tmp_path: Path, change: str) -> None:
    (case,) = read_cohort(write_manifest_cohort(tmp_path / "cohort", pairs=1))
    unknown = replace(case, truth_transform=None)
    first, second = {
        "classes": (unknown, replace(unknown, moving_classes=("liver",))),
        "truth": (case, unknown),
    }[change]
    setup = Setup(threads=1)
    run_benchmark([first], [ABSENT], tmp_path, setup, progress=quiet)
    assert len(read_outcomes([first], [ABSENT], tmp_path, setup)) == 1
    assert not read_outcomes([second], [ABSENT], tmp_path, setup)


@pytest.mark.parametrize("shift_mm", [np.nan, None])
def test_a_method_that_writes_no_usable_transform_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift_mm: float | None
) -> None:
    (case,) = read_cohort(write_case_folder(tmp_path / "cohort"))

    def run(command: list[str], scratch: Path, **options: object) -> Usage:
        output = Path(command[-1])
        output.mkdir()
        if shift_mm is not None:
            shift = np.full((3, *GRID.shape_zyx), shift_mm)
            sitk.WriteImage(GRID.vector_image(shift), output / DISPLACEMENT_FILE)
        return Usage(1.0, 1.0, 1.0)

    monkeypatch.setattr(module, "run_measured", run)
    (outcome,) = outcomes_of([case], [IDENTITY], tmp_path)
    assert outcome.status == "failed" and not outcome.figures
    assert ("no finite error_body_mm" if shift_mm else "There is no file") in outcome.message
    assert str(tmp_path) not in outcome.message


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    cohort = write_case_folder(tmp_path / "cohort")
    (tmp_path / "file").write_text("")
    arguments = ["benchmark", str(cohort), "--output", str(tmp_path / "file")]
    assert "is a file; give a folder" in CliRunner().invoke(app, arguments).stderr


def test_no_path_of_the_source_reaches_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table's scans may lie anywhere, each in a folder with its patient's name."""
    (case,) = read_cohort(write_case_folder(tmp_path / "cohort"))
    patient = tmp_path / "Doe"
    patient.mkdir()
    moving = case.moving.rename(patient / "scan.nii.gz")
    table = patient / "table.csv"
    lines = [f"p,portal-venous,{case.fixed},test", f"p,arterial,{moving},test"]
    table.write_text("\n".join(["patient,phase,image,split", *lines]))

    def fail(command: list[str], *rest: object, **options: object) -> None:
        raise MethodFailed(f"ended with code 1: '{command[-2]}' is damaged")

    monkeypatch.setattr(module, "run_measured", fail)
    arguments = ["benchmark", str(table), "--methods", "identity", "--output", str(tmp_path / "o")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    html = (tmp_path / "o" / "benchmark.html").read_text("utf-8")
    assert "code 1: the moving scan is damaged" in html and "table.csv: 1 pair" in html
    texts = [html, *(path.read_text("utf-8") for path in (tmp_path / "o").rglob("*.json"))]
    assert not any("Doe" in text or str(tmp_path) in text for text in texts)


def test_peers_read_a_dicom_folder(tmp_path: Path) -> None:
    scan = sitk.Cast(scan_image(), sitk.sitkInt16)
    write_dicom_series(scan, tmp_path / "dicom")
    write_image(scan, tmp_path / "moving.nii.gz")
    case = Case("p", tmp_path / "dicom", tmp_path / "moving.nii.gz")
    (outcome,) = outcomes_of([case], [IDENTITY], tmp_path)
    assert outcome.status == "ok", outcome.message


def test_every_method_says_what_it_runs_with() -> None:
    assert len({method.name for method in METHODS}) == len(METHODS)
    for method in METHODS:
        assert method.settings and method.source
        assert (method.function is None) == (method.refine is not None)
        command = method.command(Path("f"), Path("m"), Path("o"), Path("model"), "cpu")
        assert command[0] == sys.executable
        assert ("--model" in command) == (method.refine is not None)
    with pytest.raises(InputError, match="'magic' is unknown"):
        choose_methods("identity,magic")


def test_displacement_of_deeds_is_read_in_its_order(tmp_path: Path) -> None:
    grid = Geometry((24, 20, 16), (1.5, 1.5, 1.5), (5.0, 6.0, 7.0))
    flow = np.zeros((3, 4, 5, 6), np.float32)
    flow[0], flow[1], flow[2] = 2.0, -1.0, 3.0  # along y, x, z
    flow.tofile(tmp_path / "flow.dat")
    matrix = np.eye(4)
    matrix[:3, 3] = (0.5, 0.0, -1.0)
    np.savetxt(tmp_path / "matrix.txt", matrix.T)
    found = deeds.read_displacement(tmp_path / "flow.dat", tmp_path / "matrix.txt", grid)
    expected = np.array([-1.0 + 0.5, 2.0, 3.0 - 1.0]) * 1.5
    np.testing.assert_allclose(found[:, 3, 4, 5], expected, atol=1e-5)


@pytest.mark.benchmark
@pytest.mark.parametrize("name", ["demons", "bspline", "elastix", "ants-syn", "convexadam"])
def test_peers_find_the_shift(tmp_path: Path, name: str) -> None:
    (method,) = choose_methods(name)
    assert method.missing() is None, "the extra `benchmark` brings it"
    cases = read_cohort(write_case_folder(tmp_path / "cohort"))
    (outcome,) = outcomes_of(cases, [method], tmp_path, threads=2)
    assert outcome.status == "ok", outcome.message
    error = outcome.figures["error_body_mm"]
    assert error is not None and error < 0.6 * float(np.linalg.norm(SHIFT_MM))
