"""The commands prepare, train and export: what they print and how they refuse."""

import pytest
import yaml
from typer.testing import CliRunner

from jssr.cli.main import app


def _run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_configuration_is_printed_with_overrides():
    result = _run("train", "smoke", "--print-config", "seed=7", "stages.0.steps=3")
    assert result.exit_code == 0
    values = yaml.safe_load(result.output)
    assert values["seed"] == 7 and values["stages"][0]["steps"] == 3
    assert values["optimizer"]["gradient_clip"] == 1.0


def test_without_a_name_the_shipped_configurations_are_named():
    result = _run("train")
    assert result.exit_code == 2
    assert "phantom-cpu" in result.output and "cohort" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "smoke", "loss.joint_l1=-1"), "loss.joint_l1"),
        (("train", "smoke", "--benchmark", "0"), "--benchmark"),
        (("train", "smok"), "did you mean 'smoke'"),
        (("train", "smoke", "hardware.device=cuda:99"), "cuda:99"),
        (("export", "nowhere", "--output", "bundle"), "holds no checkpoint"),
        (("prepare", "nowhere.csv", "--output", "cache"), "no table 'nowhere.csv'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    result = _run(*arguments)
    assert result.exit_code == 2
    assert said in result.output and "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["run #2", "20240601", "2024-06-01", "yes", "a: b", "[x", "'", "\x7f", "Läufe 😀"]
)
def test_a_run_may_be_put_in_a_folder_of_any_name(name):
    result = _run("train", "smoke", "output=other", "--output", name, "--print-config")
    assert result.exit_code == 0
    assert yaml.safe_load(result.output)["output"] == name


def test_the_time_budget_is_taken_and_checked():
    result = _run("train", "smoke", "--max-minutes", "1e-7", "--print-config")
    assert yaml.safe_load(result.output)["max_minutes"] == 1e-7
    result = _run("train", "smoke", "--max-minutes", "0", "--print-config")
    assert result.exit_code == 2 and "max_minutes: Input should be greater" in result.output
