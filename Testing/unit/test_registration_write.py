"""Results are written as files that SimpleITK reads, and that name nobody."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.registration.result import (
    ALL_OUTPUTS,
    Output,
    RegistrationResult,
)
from jssr.registration.write import OUTPUT_FILES, write_result
from sample_results import make_result
from sample_scans import scan_image


def _write(folder: Path, outputs=ALL_OUTPUTS) -> RegistrationResult:
    fixed, moving = scan_image(seed=1), scan_image(seed=2)
    result = make_result(fixed, moving)
    write_result(result, fixed, moving, folder, outputs, report=_write_report)
    return result


def _write_report(path: Path) -> None:
    path.write_text("<html>", encoding="utf-8")


def test_every_output_has_its_file(tmp_path: Path) -> None:
    _write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(OUTPUT_FILES.values())
    assert set(OUTPUT_FILES) == set(Output)


@pytest.mark.parametrize("output", list(Output))
def test_any_output_alone(tmp_path: Path, output: Output) -> None:
    _write(tmp_path, {output})
    assert [path.name for path in tmp_path.iterdir()] == [OUTPUT_FILES[output]]


def test_images_are_stored_as_they_are(tmp_path: Path) -> None:
    result = _write(tmp_path)
    for output in (Output.WARPED, Output.DIFFERENCE, Output.SYNTHESIZED):
        stored = sitk.ReadImage(str(tmp_path / OUTPUT_FILES[output]))
        assert stored.GetPixelID() == sitk.sitkInt16
        expected = sitk.GetArrayFromImage(result.images[output])
        assert np.array_equal(sitk.GetArrayFromImage(stored), expected)


def test_the_synthesized_scan_warns(tmp_path: Path) -> None:
    _write(tmp_path)
    stored = sitk.ReadImage(str(tmp_path / "synthesized.nii.gz"))
    assert stored.GetMetaData("descrip") == "synthetic, not for diagnosis"


@pytest.mark.parametrize("output", [Output.TRANSFORM, Output.INVERSE_TRANSFORM])
def test_sitk_applies_the_stored_transforms(tmp_path: Path, output: Output) -> None:
    result = _write(tmp_path)
    ours = result.fixed_to_moving if output is Output.TRANSFORM else result.moving_to_fixed
    stored = sitk.ReadTransform(str(tmp_path / OUTPUT_FILES[output]))
    points = np.random.default_rng(1).uniform((-15, 20, -295), (20, 45, -270), (50, 3))
    mapped = np.array([stored.TransformPoint(point.tolist()) for point in points])
    assert np.abs(mapped - ours.apply(points)).max() < 1e-4


def test_the_figures_are_json(tmp_path: Path) -> None:
    result = _write(tmp_path)
    stored = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert stored["verdict"] == {"level": "doubtful", "reasons": ["the scans share little"]}
    assert stored["fixed_grid"]["size"] == [24, 20, 12]
    assert stored["metrics"]["organs"][0]["dice_after"] == 0.9
    assert {key: stored[key] for key in result.summary()} == json.loads(
        json.dumps(result.summary())
    )


def test_figures_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    fixed = scan_image()
    result = make_result(fixed, fixed)
    broken = replace(result, metrics=replace(result.metrics, similarity_after=float("nan")))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result(broken, fixed, fixed, tmp_path, {Output.METRICS})


def test_equal_results_make_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        _write(tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name
