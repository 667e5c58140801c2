"""The commands of docs/training.md, run in order with fewer steps and smaller volumes."""

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from jssr.bundle.load import load_bundle
from jssr.cli.main import app
from jssr.phantom import PairOptions, make_pair, make_patient
from jssr.phantom.cohort import pair_geometry
from sample_scans import write_dicom_series

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "training.md"
SMALL = [
    "networks={segmentor_channels: [4, 8], generator_channels: [4, 8], register_features: 4,"
    " register_channels: [4, 6, 8], register_head: 4, discriminator_channels: [4, 8]}",
    "spacing_mm=8",
    "data.shape_zyx=[32, 32, 32]",
    "data.phantoms={pool_size: 2, refresh_every: 8, first_pairs: 1}",
    "stages=[{name: segmentor, steps: 1}, {name: registration, steps: 1}, {name: joint, steps: 1}]",
    "validation.pairs=1",
    "hardware={device: cpu, threads: 1, precision: 32-true}",
]


def commands() -> list[list[str]]:
    """The commands in the tutorial's shell blocks, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text("utf-8"), flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line.strip()]


def _smaller(command: list[str]) -> list[str]:
    if "prepare" in command:
        return [*command, "--spacing", "8"]
    if "evaluate" in command:
        return [*command, "--device", "cpu"]
    if "train" not in command or command[:3] == ["jssr", "train", "--print-config"]:
        return command
    several = "hardware.devices=2"
    overrides = [*SMALL, several] if several in command else SMALL
    return [*[part for part in command if part != several], *overrides]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the cohort that the tutorial's table describes."""
    monkeypatch.chdir(tmp_path)
    table = re.search(r"```csv\n(.*?)```", TUTORIAL.read_text("utf-8"), flags=re.DOTALL)
    assert table is not None
    Path("cohort.csv").write_text(table.group(1), encoding="utf-8")
    options = PairOptions(artefacts=0, contrast="physiological")
    for number, other in ((1, "arterial"), (2, "native.nrrd"), (3, "arterial.nii.gz")):
        folder = Path(f"p{number}")
        folder.mkdir()
        pair = make_pair(make_patient(number, (40, 40, 48), 8.0), number, options=options)
        grid = pair_geometry(pair)
        sitk.WriteImage(grid.image(pair.fixed_hu.short().numpy()), str(folder / "portal.nii.gz"))
        moving = grid.image(pair.moving_hu.short().numpy())
        if number == 1:
            write_dicom_series(moving, folder / other)
        else:
            sitk.WriteImage(moving, str(folder / other))
        moving_name = other.partition(".")[0]
        for name, labels in (("portal", pair.fixed_labels), (moving_name, pair.moving_labels)):
            if f"{folder}/{name}-labels.nii.gz" in table.group(1):
                path = folder / f"{name}-labels.nii.gz"
                sitk.WriteImage(grid.image(labels.numpy()), str(path))
    return tmp_path


def test_the_tutorial_names_every_command_of_training():
    named = {command[1] for command in commands() if command[0] == "jssr"}
    assert {"prepare", "train", "export", "evaluate"} <= named


def test_the_best_checkpoint_can_be_chosen_by_the_tutorials_validation_scans(workplace):
    with Path("cohort.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "validation"]
    assert len(rows) > 1
    assert all(row["segmentation"] and Path(row["segmentation"]).is_file() for row in rows)


@pytest.mark.slow
def test_every_command_of_the_tutorial_works(workplace):
    for command in commands():
        arguments = _smaller(command)
        if command[0] == "torchrun":
            program = [sys.executable, "-m", "torch.distributed.run"]
            result = subprocess.run(
                [*program, *arguments[1:]],
                capture_output=True,
                encoding="utf-8",
                timeout=600,
                env={
                    "PATH": "/usr/bin:/bin",
                    "PYTHONPATH": str(ROOT / "JSSRRegistration"),
                    "OMP_NUM_THREADS": "1",
                    "HOME": str(workplace),
                },
            )
            assert result.returncode == 0, result.stderr[-3000:]
        else:
            result = CliRunner().invoke(app, arguments[1:])
            assert result.exit_code == 0, f"{command}: {result.output} {result.exception!r}"
    assert load_bundle(Path("cohort-model")).manifest.spacing_mm == 8
    assert (Path("cache") / "summary.html").is_file()
    assert Path("runs/cohort-2/checkpoints").is_dir()
    summary = json.loads(Path("evaluation/cohort/summary.json").read_text("utf-8"))
    assert summary["pairs"] == 1
    assert {"dice_liver", "hd95_liver_mm", "surface_liver_mm"} <= set(summary["compared"])
    page = Path("evaluation/cohort/evaluation.html").read_text("utf-8")
    assert "p3" not in page and str(workplace) not in page


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path):
    """SIGKILL in the middle of a run, then --resume: the same weights as without."""
    import os
    import signal
    import time

    from safetensors.torch import load_file

    from jssr.training.checkpoint import latest_checkpoint

    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT / "JSSRRegistration"),
        "OMP_NUM_THREADS": "1",
    }
    stages = "stages=[{name: segmentor, steps: 3}, {name: registration, steps: 6}]"
    often = ["checkpoint.every_steps=1", "validation.pictures=false", "tensorboard=false"]

    def start(name, *options):
        overrides = [*[field for field in SMALL if not field.startswith("stages")], stages, *often]
        program = [sys.executable, "-m", "jssr.cli", "train", "smoke", *overrides]
        return subprocess.Popen(
            [*program, "--output", str(tmp_path / name), *options],
            env=environment,
            stdout=subprocess.DEVNULL,
        )

    assert start("whole").wait(timeout=600) == 0
    victim = start("killed")
    wanted = tmp_path / "killed" / "checkpoints" / "step-00000005"
    for _ in range(6000):
        if wanted.is_dir() or victim.poll() is not None:
            break
        time.sleep(0.05)
    os.kill(victim.pid, signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert start("killed", "--resume").wait(timeout=600) == 0
    whole, resumed = (latest_checkpoint(tmp_path / name) for name in ("whole", "killed"))
    assert whole is not None and resumed is not None and whole.name == resumed.name
    for path in sorted(whole.glob("*.safetensors")):
        expected, found = load_file(path), load_file(resumed / path.name)
        assert all(bool((expected[key] == found[key]).all()) for key in expected), path.name
    shutil.rmtree(tmp_path)
