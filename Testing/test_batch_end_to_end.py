"""``jssr batch`` with the real worker on six pairs, one of them broken."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from jssr.service.client import worker_environment
from sample_bundle import write_untrained_bundle
from sample_pair import pair_images


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = ["patient,image,phase"]
    for patient in range(1, 7):
        for phase, image in zip(("portal-venous", "arterial"), pair_images(patient), strict=True):
            name = f"P{patient}-{phase}.nrrd"
            sitk.WriteImage(image, str(tmp_path / name))
            rows.append(f"P{patient},{name},{phase}")
    broken = tmp_path / "P4-arterial.nrrd"
    broken.write_bytes(broken.read_bytes()[:3000])
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join(rows))
    return path


@pytest.mark.slow
def test_five_results_one_failure_and_nothing_is_done_twice(table: Path, tmp_path: Path) -> None:
    bundle = write_untrained_bundle(tmp_path / "bundle", spacing_mm=8.0)
    output = tmp_path / "results"
    command = [sys.executable, "-m", "jssr.cli", "batch", "--input", table, "--output", output]
    command += ["--model", bundle, "--device", "cpu", "--refine", "off"]
    command += ["--outputs", "transform,warped,metrics"]
    environment = worker_environment({**os.environ, "OMP_NUM_THREADS": "2"})
    first = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    assert first.returncode == 1, first.stderr
    assert "5 of 6 registered" in first.stdout
    assert "P4/arterial failed: The moving scan" in first.stderr
    with (output / "summary.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["status"] for row in rows] == ["done"] * 3 + ["failed"] + ["done"] * 2
    assert {row["fixed_phase"] for row in rows if row["status"] == "done"} == {"portal-venous"}
    files = {path: path.stat().st_mtime_ns for path in output.glob("*/*/*")}
    assert len(files) == 15
    second = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    assert second.returncode == 1
    assert {path: path.stat().st_mtime_ns for path in output.glob("*/*/*")} == files
