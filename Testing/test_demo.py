"""``jssr demo`` shows the errors before and after, and where the report is."""

import re
from pathlib import Path

import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from jssr.cli.main import app
from jssr.registration.write import OUTPUT_FILES


@pytest.mark.slow
def test_the_demonstration_helps(tmp_path: Path) -> None:
    output = tmp_path / "demo"
    done = CliRunner().invoke(
        app,
        ["demo", "--output", str(output), "--device", "cpu", "--refine", "off", "--ablation"],
        env={"COLUMNS": "120"},  # a narrower terminal breaks the titles of the rows
    )
    assert done.exit_code == 0, (done.output, done.exception)
    before, rigid, registered, alone, _, no_register = _row("body error, mm", done.stdout)
    assert registered < before / 2
    assert alone == registered
    assert no_register == rigid
    liver = _row("liver error, mm", done.stdout)
    assert liver[2] < liver[0] / 2
    dice = _row("Liver", done.stdout)
    assert dice[2] > dice[0]
    folding = _row("folding, % of body", done.stdout)
    assert folding[2] < 0.1
    report = output / "report.html"
    assert f"Report: {report}\n" in done.stdout
    page = report.read_text(encoding="utf-8")
    assert "portal-venous" in page and "arterial" in page and "delayed" not in page
    assert {path.name for path in output.iterdir()} == {"patient", *OUTPUT_FILES.values()}
    assert "Verdict: " in done.stdout.splitlines()[-1]


def _row(title: str, output: str) -> list[float]:
    """The numbers of the first table row with that title."""
    match = re.search(rf"^ ?{re.escape(title)} +([-0-9. ]+)$", output, re.MULTILINE)
    assert match is not None, output
    return [float(value) for value in match[1].split()]


@pytest.mark.slow
def test_the_patient_of_the_demonstration_is_stored(tmp_path: Path) -> None:
    from jssr.evaluation.demonstration import make_case

    case = make_case(tmp_path / "patient", seed=3)
    fixed, moving = sitk.ReadImage(str(case.fixed)), sitk.ReadImage(str(case.moving))
    truth = sitk.ReadTransform(str(case.truth_transform))
    pulled = sitk.Resample(moving, fixed, truth, sitk.sitkLinear, -1024)
    bone = sitk.ReadImage(str(case.fixed_segmentation)) == 13
    statistics = sitk.LabelStatisticsImageFilter()
    statistics.Execute(sitk.Cast(pulled, sitk.sitkFloat32), bone)
    assert statistics.GetMean(1) > 150  # the moving scan's bone comes to lie on the fixed one's
