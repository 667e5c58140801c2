"""The error around a loop: nothing where registrations are right, and their errors added up."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import rotation, translation
from jssr.spatial.transform import SpatialTransform
from sample_tool import TOOLS, load_tool

TOOL = TOOLS / "loop_error.py"
loop_error = load_tool(TOOL)

GRID = Geometry((50, 40, 30), (4.0, 4.0, 5.0), (-100.0, -80.0, 10.0))
MIDDLE = np.array([0.0, 0.0, 80.0])
POINTS = MIDDLE + np.random.default_rng(0).uniform(-30, 30, (500, 3))


def loop(*matrices: np.ndarray, points: np.ndarray = POINTS) -> dict[str, float]:
    return loop_error.loop_figures([SpatialTransform(m) for m in matrices], [GRID] * 3, points)


def test_a_loop_that_closes_leaves_nothing() -> None:
    there, on = translation((6.0, -2.0, 3.0)), rotation(np.deg2rad([2.0, -1.0, 4.0]), MIDDLE)
    figures = loop(there, on, np.linalg.inv(on @ there))
    assert figures["points"] == len(POINTS)
    assert figures["moved_mm"] == pytest.approx(7.0)
    assert figures["loop_mean_mm"] == figures["loop_p95_mm"] == 0.0


def test_errors_add_up() -> None:
    figures = loop(*(translation((shift, 0.0, 0.0)) for shift in (3.0, -1.0, 0.5)))
    assert figures["loop_mean_mm"] == figures["loop_p95_mm"] == 2.5


def test_points_that_leave_a_scan_do_not_count() -> None:
    edge = np.array([[97.0, 0.0, 80.0], [80.0, 0.0, 80.0]])
    shift = 5.0  # the last voxel's centre is at 96 mm
    figures = loop(
        translation((shift, 0.0, 0.0)), translation((-shift, 0.0, 0.0)), np.eye(4), points=edge
    )
    assert figures["points"] == 1
    with pytest.raises(InputError, match="stays in view"):
        loop(translation((500.0, 0.0, 0.0)), np.eye(4), np.eye(4))


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TOOL, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    values = np.full(GRID.shape_zyx, -1000, np.int16)
    values[5:25, 5:35, 5:45] = 50
    path = tmp_path / "scan.nii.gz"
    sitk.WriteImage(GRID.image(values), path)
    return path


def test_without_registration_the_loop_of_real_files_closes(tmp_path: Path, scan: Path) -> None:
    done = run(scan, scan, scan, "--methods", "identity", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "out" / "loop.csv").read_text().splitlines()
    assert table[0] == "method,region,points,moved_mm,loop_mean_mm,loop_p95_mm"
    assert table[-1].startswith("identity,body,") and table[-1].endswith(",0.0,0.0,0.0")


def test_a_missing_scan_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    none = tmp_path / "none.nii.gz"
    done = run(none, none, none, "--output", tmp_path / "out")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "none.nii.gz" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_program_that_is_missing_is_told_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    none = tmp_path / "none.nii.gz"
    done = run(none, none, none, "--methods", "identity,deeds", "--output", tmp_path / "out")
    assert done.returncode == 1 and "linearBCV" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_program_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("linearBCV", "deedsBCV"):
        (programs / name).write_text("#!/bin/sh\necho out of order >&2\nexit 3\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    done = run(scan, scan, scan, "--methods", "deeds,identity", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "deeds: " in done.stderr and "out of order" in done.stderr
    rows = (tmp_path / "out" / "loop.csv").read_text().splitlines()[1:]
    assert {row.split(",")[0] for row in rows} == {"identity"}
    done = run(scan, scan, scan, "--methods", "deeds", "--output", tmp_path / "none")
    assert done.returncode == 1 and "No method" in done.stderr
    assert not (tmp_path / "none").exists()
