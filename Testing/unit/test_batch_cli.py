"""The command ``jssr batch``: exit codes, what it prints, what it refuses."""

import csv
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from jssr.cli.main import app
from jssr.service import runner as runner_module
from sample_bundle import pretend_verified
from sample_scans import write_localizer

WORKER = Path(__file__).parent / "batch_worker.py"


@pytest.fixture(autouse=True)
def made_up_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend_verified(monkeypatch)
    monkeypatch.setattr(runner_module, "worker_command", lambda: [sys.executable, str(WORKER)])
    monkeypatch.setenv("JSSR_TEST_LOG", str(tmp_path / "jobs.log"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = ["patient,image,phase"]
    for patient in ("P1", "P2"):
        for phase in ("portal", "arterial"):
            (tmp_path / f"{patient}-{phase}.nii").write_bytes(b"voxels")
            rows.append(f"{patient},{patient}-{phase}.nii,{phase}")
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join(rows))
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["batch", *map(str, arguments)])


def test_all_is_well(table: Path) -> None:
    output = table.parent / "out"
    result = invoke("--input", table, "--output", output)
    assert result.exit_code == 0, result.output
    assert f"2 of 2 registered; {output / 'summary.html'}" in result.output


def test_the_fixed_phase_may_be_given_in_another_word(table: Path) -> None:
    result = invoke("--input", table, "--output", table.parent / "out", "--fixed-phase", "ART")
    assert result.exit_code == 0, result.output
    assert (table.parent / "out/P1/portal-venous").is_dir()


def test_a_failure_is_named_and_told_by_the_exit_code(table: Path) -> None:
    (table.parent / "P2-arterial.nii").write_bytes(b"")
    result = invoke("--input", table, "--output", table.parent / "out")
    assert result.exit_code == 1
    assert "1 of 2 registered" in result.output
    assert "P2/arterial failed: The moving scan is cut short" in result.output


def test_a_patient_without_a_case_is_a_failure_among_the_others(table: Path) -> None:
    rows = table.read_text().replace("P1,P1-arterial.nii,arterial\n", "")
    table.write_text(rows)
    output = table.parent / "out"
    result = invoke("--input", table, "--output", output)
    assert result.exit_code == 1
    assert "1 of 2 registered" in result.output
    assert "P1 failed: The patient has a single scan; add another phase" in result.output
    with (output / "summary.csv").open() as stream:
        summary = {row["case"]: row for row in csv.DictReader(stream)}
    assert summary["P2/arterial"]["status"] == "done"
    assert (summary["P1"]["status"], summary["P1"]["patient"]) == ("failed", "P1")
    assert summary["P1"]["message"].startswith("The patient has a single scan")
    assert "1 not registered, 0 waiting" in (output / "summary.html").read_text("utf-8")


def test_what_is_left_out_of_a_folder_is_told_in_one_line(tmp_path: Path) -> None:
    for patient in ("P1", "P2"):
        write_localizer(tmp_path / "in" / patient / "SE1")
        for phase in ("portal", "arterial"):
            path = tmp_path / "in" / patient / f"{phase}.nii"
            path.write_bytes(b"voxels")
    result = invoke("--input", tmp_path / "in", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "Series left out: localizer (2).\n" in result.output


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--input", "absent.csv"], "no table or folder 'absent.csv'"),
        (["--input", "TABLE", "--outputs", "gold"], "--outputs does not know 'gold'"),
        (["--input", "TABLE", "--fixed-phase", "delayed"], "patient 'P1' has no scan"),
        (["--input", "TABLE", "--fixed-phase", "purple"], "phase 'purple' is unknown"),
    ],
)
def test_bad_input_ends_with_code_two(table: Path, arguments: list[str], part: str) -> None:
    arguments = [str(table) if text == "TABLE" else text for text in arguments]
    result = invoke(*arguments, "--output", table.parent / "out")
    assert result.exit_code == 2
    assert part in result.output


def test_an_output_that_is_a_file_is_refused(table: Path) -> None:
    result = invoke("--input", table, "--output", table)
    assert result.exit_code == 2
    assert "is a file; give a folder." in result.output
