"""A phantom cohort on disk, read back by SimpleITK."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from typer.testing import CliRunner

from jssr.cli.main import app
from jssr.labels import Phase
from jssr.phantom import PairOptions, gallery, make_pair, make_patient, make_shapes_pair
from jssr.phantom.benchmark import benchmark_table, time_phantom
from jssr.phantom.cohort import is_current, write_cohort

SHAPE, SPACING = (24, 28, 32), 8.0


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "cohort"
    options = PairOptions(contrast="physiological")
    write_cohort(folder, 2, 5, SHAPE, SPACING, pairs_per_patient=2, pair_options=options)
    return folder


def test_manifest_names_files_that_are_there(cohort: Path) -> None:
    manifest = json.loads((cohort / "manifest.json").read_text("utf-8"))
    assert manifest["schema"] == 1
    assert len(manifest["pairs"]) == 4
    assert len({pair["name"] for pair in manifest["pairs"]}) == 4
    assert len({pair["patient"] for pair in manifest["pairs"]}) == 2
    for pair in manifest["pairs"]:
        assert Phase(pair["fixed_phase"]) is not Phase(pair["moving_phase"])
        for key in (
            "fixed",
            "moving",
            "fixed_to_moving",
            "moving_to_fixed",
            "fixed_segmentation",
            "moving_segmentation",
            "fixed_truth_mask",
            "synthesis_truth",
        ):
            assert (cohort / pair[key]).is_file(), key


def test_files_hold_the_pair_of_the_seed(cohort: Path) -> None:
    options = PairOptions(contrast="physiological")
    pair = make_pair(make_patient(6, SHAPE, SPACING), 1, options=options)
    entry = json.loads((cohort / "manifest.json").read_text("utf-8"))["pairs"][3]
    fixed = sitk.ReadImage(str(cohort / entry["fixed"]))
    assert fixed.GetSpacing() == (SPACING,) * 3
    assert fixed.GetOrigin() == pytest.approx(pair.origin_mm)
    assert fixed.GetPixelID() == sitk.sitkInt16
    assert np.array_equal(sitk.GetArrayFromImage(fixed), pair.fixed_hu.numpy())
    transform = sitk.ReadTransform(str(cohort / entry["fixed_to_moving"]))
    for index in ((3, 4, 5), (16, 14, 12), (28, 20, 18)):
        point = fixed.TransformIndexToPhysicalPoint(index)
        moved = np.subtract(transform.TransformPoint(point), point)
        x, y, z = index
        assert moved == pytest.approx(pair.fixed_to_moving_mm[:, z, y, x].numpy(), abs=1e-3)


def test_command_writes_a_cohort_of_shapes_and_refuses_to_overwrite(tmp_path: Path) -> None:
    import typer

    from jssr.cli import phantom
    from jssr.errors import InputError

    app = typer.Typer()
    phantom.attach(app)
    call = ["--output", str(tmp_path / "out"), "--patients", "1", "--size", "16,16,16"]
    call += ["--spacing", "8", "--mode", "shapes"]
    assert CliRunner().invoke(app, call).exit_code == 0
    (entry,) = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["pairs"]
    assert not [key for key in entry if "segmentation" in key]
    assert not list((tmp_path / "out").rglob("*.seg.nrrd"))
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / entry["fixed"])))
    trained_on = make_shapes_pair(0, (16, 16, 16), 8.0)
    assert np.array_equal(written, trained_on.fixed_hu.numpy())
    assert isinstance(CliRunner().invoke(app, call).exception, InputError)
    assert isinstance(CliRunner().invoke(app, []).exception, InputError)
    bad = CliRunner().invoke(app, ["--output", str(tmp_path / "x"), "--size", "8"])
    assert "three numbers" in str(bad.exception)


def test_a_new_cohort_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_cohort(folder, 2, 0, (16, 16, 16), 8.0, shapes=True)
    (folder / "notes").mkdir()
    write_cohort(folder, 1, 7, (16, 16, 16), 8.0, shapes=True, overwrite=True)
    names = {entry.name for entry in folder.iterdir()}
    assert names == {"manifest.json", "notes", "patient00007_pair0"}


def test_overwriting_leaves_the_scans_of_a_cohort_that_is_no_phantoms(tmp_path: Path) -> None:
    folder = tmp_path / "cohort"
    (folder / "caseA").mkdir(parents=True)
    (folder / "manifest.json").write_text('{"pairs": [{"name": "caseA"}]}', "utf-8")
    (folder / "caseA" / "scan.nii.gz").touch()
    write_cohort(folder, 1, 7, (16, 16, 16), 8.0, shapes=True, overwrite=True)
    assert (folder / "caseA" / "scan.nii.gz").exists()


@pytest.mark.parametrize("content", ["[1, 2]", "{}", "no JSON", '{"generator": 0}'])
def test_what_is_no_manifest_of_this_generator_is_not_current(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content, "utf-8")
    assert not is_current(tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"), [("no/such/x.png", "does not exist"), ("x.txt", "name in .png")]
)
def test_a_gallery_that_cannot_be_saved_is_refused_before_anything_is_made(
    tmp_path: Path, name: str, reason: str
) -> None:
    call = ["phantom", "--output", str(tmp_path / "out"), "--gallery", str(tmp_path / name)]
    done = CliRunner().invoke(app, call)
    assert done.exit_code != 0 and reason in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_gallery_is_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "SHAPE_ZYX", (16, 16, 16))
    monkeypatch.setattr(gallery, "SPACING_MM", 12.0)
    gallery.draw_gallery(tmp_path / "sheet.png", seed=0, patients=1)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_benchmark_times_every_part() -> None:
    times = time_phantom((16, 16, 16), 12.0, torch.device("cpu"), repeats=1)
    assert {"liver", "vessels", "skeleton"} <= set(times["patient"])
    assert {"motion", "labels", "scanner"} <= set(times["pair"])
    assert "liver" in benchmark_table(times)
