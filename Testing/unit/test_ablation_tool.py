"""``make ablation``: equal budgets, and a table of what was measured."""

import subprocess
import sys
from pathlib import Path

import pytest

from jssr.training.monitor import read_figures
from jssr.training.settings import load_config
from sample_tool import TOOLS, load_tool

TOOL = TOOLS / "ablation.py"
ablation = load_tool(TOOL)

ROW = {
    "tre_liver_mm": 3.0,
    "tre_body_mm": 2.5,
    "tre_liver_identity_mm": 9.0,
    "tre_body_identity_mm": 8.0,
    "warped_dice_liver": 0.9,
    "warped_dice_liver_identity": 0.6,
    "warped_dice": 0.7,
    "warped_dice_identity": 0.5,
    "folding": 0.0,
    "log_jacobian_sd": 0.1,
}


@pytest.mark.parametrize(
    ("arm", "synthesizes", "segments"),
    [
        ("reg", False, False),
        ("jsynr", True, False),
        ("jsegr", False, True),
        ("jssr", True, True),
    ],
)
def test_every_arm_is_a_shipped_configuration_without_truth(
    arm: str, synthesizes: bool, segments: bool
) -> None:
    assert arm in ablation.ARMS
    config = load_config(arm)
    assert (config.method.synthesis, config.method.segmentation) == (synthesizes, segments)
    assert config.loss.true_field == config.loss.true_synthesis == config.loss.true_labels == 0.0


def test_every_arm_makes_as_many_steps_of_registration() -> None:
    for arm in ablation.ARMS:
        made = ablation.stages(arm, 100)
        assert sum(s["steps"] for s in made if s["name"] != "segmentor") == 100
        assert (made[0]["name"] == "segmentor") == (arm in ("jsegr", "jssr"))


def test_the_table_names_the_unregistered_first() -> None:
    lines = ablation.table({"reg": ROW, "jssr": {**ROW, "dice_mean": 0.8}}).splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == [
        "unregistered",
        "reg",
        "jssr",
    ]
    assert lines[2].startswith("| unregistered | 9 | 8 | 0.6 | 0.5 | – |")
    assert lines[4].endswith("| 0.8 |")


@pytest.mark.slow
def test_a_small_study_runs_and_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, TOOL, "--output", tmp_path, "--steps", "4", "--pairs", "2"]
    for _ in range(2):
        subprocess.run(command, check=True, capture_output=True)
    assert len((tmp_path / "table.md").read_text(encoding="utf-8").splitlines()) == 7
    for arm in ablation.ARMS:
        rows = read_figures(tmp_path / arm, "validation")
        # Each stage is validated once, at its end; the second run trains nothing anew.
        wanted = [stage["name"] for stage in ablation.stages(arm, 4)]
        assert [row["stage"] for row in rows] == wanted
