"""The smoke configuration as it is shipped: minutes on two cores, and Phi has learned."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from jssr.cli.main import app
from jssr.training.monitor import read_figures


@pytest.mark.slow
def test_the_smoke_run_lowers_the_error_by_a_third(tmp_path: Path):
    run = tmp_path / "run"
    result = CliRunner().invoke(app, ["train", "smoke", "--output", str(run)])
    assert result.exit_code == 0, result.output
    last = read_figures(run, "validation")[-1]
    assert last["tre_body_mm"] < 2 / 3 * last["tre_body_identity_mm"]
    assert last["tre_liver_mm"] < 2 / 3 * last["tre_liver_identity_mm"]
    assert last["folding"] < 0.001
    assert abs(last["leakage_percent"]) < 20
