"""A run is told from another by what decides its result, and by nothing else."""

from pathlib import Path

import pytest

from jssr.errors import InputError
from jssr.training.resuming import check_same_settings
from jssr.training.run_files import SETTINGS_NAME
from jssr.training.settings import load_config, to_yaml

BEGUN = ("seed=3", "data.source=cohort", "data.cohort.cache=there")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / SETTINGS_NAME).write_text(to_yaml(load_config("smoke", BEGUN)), "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        "seed=3",
        "output=elsewhere",
        "max_minutes=2",
        "tensorboard=false",
        "checkpoint.every_steps=7",
        "hardware.threads=1",
        "card.description=Mine",
        "validation.pictures=false",
        "data.cohort.cache=moved",
    ],
)
def test_what_changes_no_result_may_be_another(run: Path, change: str) -> None:
    check_same_settings(run, load_config("smoke", [*BEGUN, change]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("seed=7", r"seed=3 \(not 7\)"),
        ("loss.smoothness=9", r"loss\.smoothness=[0-9.]+ \(not 9\.0\)"),
        ("stages.0.steps=1", r"stages\.0\.steps=\d+ \(not 1\)"),
        ("augmentation.swap=0.125", r"augmentation\.swap=[0-9.]+ \(not 0\.125\)"),
        ("validation.pairs=1", r"validation\.pairs=\d+ \(not 1\)"),
        ("data.cohort.annotated_cache=more", r"annotated_cache=null \(not \"a cache\"\)"),
    ],
)
def test_what_decides_the_result_is_told(run: Path, change: str, told: str) -> None:
    with pytest.raises(InputError, match=f"cannot go on with other settings.*{told}.*: give these"):
        check_same_settings(run, load_config("smoke", [*BEGUN, change]))


def test_a_folder_without_settings_refuses_nothing(tmp_path: Path) -> None:
    check_same_settings(tmp_path, load_config("smoke"))
