"""A bundle is evaluated on a cohort, and two evaluations are compared pair by pair."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

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


def test_figures_that_one_evaluation_lacks_are_left_out() -> None:
    first = {"a": {"x_mm": 1.0}, "b": {"x_mm": 3.0, "y_mm": 1.0}}
    second = {"a": {"x_mm": 2.0}, "b": {"x_mm": 5.0}}
    tests = paired_tests(first, second)
    assert set(tests) == {"x_mm"}
    assert tests["x_mm"].mean_difference == 1.5


def test_a_folder_without_evaluation_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cases.csv"):
        read_cases(tmp_path)
