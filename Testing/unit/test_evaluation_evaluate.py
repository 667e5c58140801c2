"""A bundle is evaluated on a cohort, and two evaluations are compared pair by pair."""

import json
from pathlib import Path

import pytest
import SimpleITK as sitk
from typer.testing import CliRunner, Result

from jssr.cli.main import app
from jssr.errors import InputError
from jssr.evaluation.evaluate import paired_tests, read_cases
from sample_bundle import write_untrained_bundle
from sample_cohort import SHIFT_MM, write_manifest_cohort


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``first`` and, compared with it, ``second``."""
    folder = tmp_path_factory.mktemp("evaluation")
    bundle = write_untrained_bundle(folder / "bundle")
    cohort = write_manifest_cohort(folder / "cohort", pairs=1)
    common = ["evaluate", str(bundle), str(cohort), "--device", "cpu"]
    for extra in (
        ["--output", str(folder / "first")],
        ["--output", str(folder / "second"), "--against", str(folder / "first")],
    ):
        done = CliRunner().invoke(app, [*common, *extra])
        assert done.exit_code == 0, done.output
    return folder


def test_tables_hold_every_kind_of_figure(evaluated: Path) -> None:
    (row,) = read_cases(evaluated / "first").values()
    for name in (
        "error_body_mm",
        "before_error_liver_mm",
        "dice_liver",
        "hd95_liver_mm",
        "before_dice_liver",
        "before_hd95_liver_mm",
        "folding_percent",
        "lesion_volume_change",
        "segmentation_fixed_dice_liver",
        "segmentation_moving_surface_liver_mm",
        "lesions_found_fraction",
        "synthesis_mae_hu",
        "synthesis_ssim",
        "leakage_percent",
        "phase_right_fraction",
        "seconds",
        "peak_mb",
    ):
        assert name in row
    before = row["before_error_body_mm"]
    assert before is not None and before < 2 * max(map(abs, SHIFT_MM))


def test_summary_has_mean_deviation_and_median(evaluated: Path) -> None:
    summary = json.loads((evaluated / "first" / "summary.json").read_text("utf-8"))
    assert summary["pairs"] == 1 and summary["model"].startswith("untrained 0")
    assert set(summary["figures"]["error_body_mm"]) == {"count", "mean", "sd", "median"}
    assert summary["compared"] == {}


def test_the_same_evaluation_twice_gives_the_same(evaluated: Path) -> None:
    summary = json.loads((evaluated / "second" / "summary.json").read_text("utf-8"))
    test = summary["compared"]["error_body_mm"]
    assert (test["count"], test["mean_difference"], test["p_value"]) == (1, 0.0, 1.0)


def test_page_shows_tables_and_names_no_path(evaluated: Path) -> None:
    html = (evaluated / "second" / "evaluation.html").read_text(encoding="utf-8")
    for words in (
        "Registration error",
        "Overlap before, by the linear part alone",
        "Synthesis",
        "Wilcoxon",
        "leakage percent",
    ):
        assert words in html
    assert str(evaluated) not in html


@pytest.fixture(scope="module")
def refusing(evaluated: Path) -> Path:
    """Three pairs: the first is no image, the second's segmentation is cropped."""
    cohort = write_manifest_cohort(evaluated / "three", pairs=3)
    (cohort / "pair0" / "moving.nii.gz").write_text("no image")
    cropped = cohort / "pair1" / "fixed.seg.nrrd"
    sitk.WriteImage(sitk.ReadImage(str(cropped))[:, :, 4:], str(cropped))
    return cohort


def evaluate(cohort: str, output: Path, *more: str) -> Result:
    bundle = output.parent / "bundle"
    command = ["evaluate", str(bundle), cohort, "--device", "cpu", "--output", str(output)]
    return CliRunner().invoke(app, [*command, *more])


def test_a_refused_pair_is_told_and_the_others_go_on(
    evaluated: Path, refusing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(refusing)
    output = evaluated / "third"
    done = evaluate(".", output)
    assert done.exit_code == 0 and "pair 'pair0' was refused" in done.stderr
    assert list(read_cases(output)) == ["pair2"]
    summary = json.loads((output / "summary.json").read_text("utf-8"))
    assert summary["cohort"] == "three" and summary["pairs"] == 1
    assert summary["refused"]["pair0"].startswith("The moving scan cannot be read")
    assert "voxels" in summary["refused"]["pair1"]
    html = (output / "evaluation.html").read_text(encoding="utf-8")
    assert "Refused pairs" in html and "moving.nii" not in html


def test_a_cohort_of_refused_pairs_gives_its_first_reason(evaluated: Path, refusing: Path) -> None:
    done = evaluate(str(refusing), evaluated / "none", "--limit", "2")
    last = done.stderr.splitlines()[-1]
    assert done.exit_code != 0 and "Every pair" in last and "pair0/moving.nii.gz" in last
    assert not (evaluated / "none").exists()


def test_a_tables_classes_tell_what_is_scored_and_unknown_segments_are_told(
    evaluated: Path,
) -> None:
    pair = write_manifest_cohort(evaluated / "four", pairs=1) / "pair0"
    strange = sitk.ReadImage(str(pair / "moving.seg.nrrd"))
    strange.SetMetaData("Segment2_Name", "Milz")
    sitk.WriteImage(strange, str(pair / "strange.seg.nrrd"))
    (pair / "table.csv").write_text(
        "patient,phase,image,segmentation,split,classes\n"
        "p,pv,fixed.nii.gz,fixed.seg.nrrd,test,liver;spleen\n"
        "p,arterial,moving.nii.gz,moving.seg.nrrd,test,liver\n"
        "p,delayed,moving.nii.gz,strange.seg.nrrd,test,\n"
    )
    output = evaluated / "fourth"
    assert evaluate(str(pair / "table.csv"), output).exit_code == 0
    (row,) = read_cases(output).values()
    for kind, organs in (
        ("dice", {"liver"}),
        ("before_dice", {"liver"}),
        ("segmentation_fixed_dice", {"liver", "spleen"}),
        ("segmentation_moving_dice", {"liver"}),
    ):
        begin = f"{kind}_"
        assert {name.removeprefix(begin) for name in row if name.startswith(begin)} == organs
    (reason,) = json.loads((output / "summary.json").read_text("utf-8"))["refused"].values()
    assert reason.startswith("The moving segmentation has segments") and "'Milz'" in reason


def test_figures_that_one_evaluation_lacks_are_left_out() -> None:
    first = {"a": {"x_mm": 1.0}, "b": {"x_mm": 3.0, "y_mm": 1.0}}
    second = {"a": {"x_mm": 2.0}, "b": {"x_mm": 5.0}}
    tests = paired_tests(first, second)
    assert set(tests) == {"x_mm"}
    assert tests["x_mm"].mean_difference == 1.5


def test_a_folder_without_evaluation_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cases.csv"):
        read_cases(tmp_path)
