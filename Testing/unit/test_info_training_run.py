"""The folder of a training run is told as that, from its first step to its last."""

import shlex
from pathlib import Path

import pytest
import torch

from jssr.errors import InputError
from jssr.info import describe
from jssr.training.checkpoint import Position, save_checkpoint


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    (tmp_path / "metrics.jsonl").touch()
    return tmp_path


def values_of(folder: Path) -> dict[str, str]:
    (section,) = describe(folder)
    assert section.title == "Training run"
    return {row[0]: row[1] for row in section.rows}


def save(run: Path, position: Position) -> None:
    save_checkpoint(run, position, {"networks": torch.nn.Linear(2, 2)}, {}, keep=9)


def test_settings_checkpoints_and_how_to_go_on(run: Path) -> None:
    save(run, Position(step=40))
    save(run, Position(step=60, minutes=12.4, best_step=40, best_value=4.72661))
    assert values_of(run) == {
        "settings": str(run / "config.yaml"),
        "figures": str(run / "metrics.jsonl"),
        "last checkpoint": "step 60, after 12 min",
        "best checkpoint": "step 40, with 4.727 in validation",
        "make a model": f"jssr export {run} --output MODEL",
        "go on if it was stopped": f"jssr train {run / 'config.yaml'} --output {run} --resume",
    }


def test_commands_of_a_folder_with_blanks_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    folder.mkdir()
    (folder / "config.yaml").write_text("seed: 0\n")
    (folder / "metrics.jsonl").touch()
    save(folder, Position(step=40))
    values = values_of(folder)
    assert shlex.split(values["make a model"]) == [
        "jssr",
        "export",
        str(folder),
        "--output",
        "MODEL",
    ]
    assert shlex.split(values["go on if it was stopped"])[2:5] == [
        str(folder / "config.yaml"),
        "--output",
        str(folder),
    ]


def test_before_the_first_validation(run: Path) -> None:
    save(run, Position(step=40))
    assert values_of(run)["best checkpoint"] == "validation marked none yet"


def test_before_the_first_checkpoint(run: Path) -> None:
    values = values_of(run)
    assert values["last checkpoint"] == "none yet" and "make a model" not in values


def test_a_damaged_checkpoint_is_told(run: Path) -> None:
    save(run, Position(step=40))
    (run / "checkpoints" / "step-00000040" / "state.json").write_text("{}")
    with pytest.raises(InputError, match="step-00000040' is damaged"):
        describe(run)
