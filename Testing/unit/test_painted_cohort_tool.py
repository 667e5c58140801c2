"""Painted pairs: the truth is one, enhancement goes where it belongs, bad input is refused."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.evaluation.cohort import CaseData, load_case, read_cohort
from jssr.io.transforms import read_transform
from jssr.labels import Phase, label_index
from jssr.phantom.draw import Draw
from jssr.registration.apply import warp_labels, warp_scan
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import rotation
from jssr.spatial.transform import SpatialTransform
from sample_tool import TOOLS, load_tool

TOOL = TOOLS / "painted_cohort.py"
painted_cohort = load_tool(TOOL)

LIVER, AORTA, KIDNEY = 5, 52, 2
"""As TotalSegmentator numbers them."""

GRID = Geometry((48, 44, 40), (4.0, 4.0, 5.0), (-90.0, -80.0, -100.0))


def ball(center_mm: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    z, y, x = np.indices(GRID.shape_zyx)
    points = [i * s + o for i, s, o in zip((x, y, z), GRID.spacing_mm, GRID.origin_mm, strict=True)]
    away = [(p - c) ** 2 for p, c in zip(points, center_mm, strict=True)]
    return np.sqrt(np.sum(away, axis=0)) < radius_mm


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An unenhanced scan stored with the patient's axes turned, and its labels."""
    folder = tmp_path_factory.mktemp("scan")
    numbers = np.zeros(GRID.shape_zyx, np.uint8)
    numbers[ball((-40.0, 0.0, 0.0), 35.0)] = LIVER
    numbers[ball((40.0, 20.0, 0.0), 20.0)] = KIDNEY
    numbers[ball((10.0, 50.0, 0.0), 15.0)] = AORTA
    hu = np.full(GRID.shape_zyx, -100, np.int16)
    hu[numbers > 0] = 45
    hu[:, :3] = -1000
    for name, values in (("scan", hu), ("labels", numbers)):
        turned = sitk.DICOMOrient(GRID.image(values), "RAS")
        sitk.WriteImage(turned, str(folder / f"{name}.nii.gz"))
    return folder / "scan.nii.gz", folder / "labels.nii.gz"


@pytest.fixture(scope="module")
def cohort(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> list[CaseData]:
    folder = tmp_path_factory.mktemp("painted") / "cohort"
    painted_cohort.write_cohort(*files, folder, 2)
    return [load_case(case) for case in read_cohort(folder)]


def true_transforms(data: CaseData) -> tuple[SpatialTransform, SpatialTransform]:
    there = data.case.truth_transform
    assert there is not None
    return read_transform(there), read_transform(there.with_name("moving_to_fixed.h5"))


def test_all_pairs_are_one_patients(cohort: list[CaseData]) -> None:
    assert {data.case.patient for data in cohort} == {"painted"}


def test_the_two_true_maps_are_inverses(cohort: list[CaseData]) -> None:
    for data in cohort:
        there, back = true_transforms(data)
        corners = Geometry.of(data.fixed).corners_mm()
        share = np.random.default_rng(0).uniform(0.1, 0.9, (2000, 3))
        points = corners.min(axis=0) + share * np.ptp(corners, axis=0)
        moved = there.apply(points)
        assert np.linalg.norm(moved - points, axis=1).max() > 8.0
        assert np.linalg.norm(back.apply(moved) - points, axis=1).max() < 0.1


def test_the_true_maps_of_an_oblique_scan_are_inverses_along_its_axes() -> None:
    turn = rotation(np.radians([20.0, 0.0, 0.0]), np.zeros(3))[:3, :3]
    oblique = replace(GRID, direction=tuple(turn.ravel().tolist()))
    there, back = painted_cohort.draw_motion(oblique, Draw(0, "motion"))
    corners = oblique.corners_mm()
    share = np.random.default_rng(0).uniform(0.1, 0.9, (2000, 3))
    points = corners[0] + share * np.ptp(GRID.corners_mm(), axis=0) @ turn.T
    moved = there.apply(points)
    assert np.linalg.norm(moved - points, axis=1).max() > 8.0
    assert np.linalg.norm(back.apply(moved) - points, axis=1).max() < 0.1
    # The same motion as in the straight scan, turned with it.
    straight, _ = painted_cohort.draw_motion(GRID, Draw(0, "motion"))
    place = np.array(GRID.origin_mm) + (points - oblique.origin_mm) @ turn
    expected = (straight.apply(place) - place) @ turn.T
    np.testing.assert_allclose(moved - points, expected, atol=0.01)
    # What the ends lose is how far tissue moves along the scan's own axis.
    reach_mm = np.abs(expected @ turn[:, 2]).max()
    lost = (GRID.size[2] - painted_cohort._cropped(oblique, there).size[2]) / 2
    assert reach_mm / GRID.spacing_mm[2] <= lost
    assert lost == (GRID.size[2] - painted_cohort._cropped(GRID, straight).size[2]) / 2


def test_the_truth_brings_the_moving_scan_onto_the_fixed_one(cohort: list[CaseData]) -> None:
    for data in cohort:
        there, _ = true_transforms(data)
        assert data.synthesis_truth is not None
        assert data.fixed_labels is not None and data.moving_labels is not None
        grid = Geometry.of(data.fixed)
        liver = data.fixed_labels == label_index("liver")
        carried = warp_labels(data.moving_labels, there, grid) == label_index("liver")
        overlap = sitk.LabelOverlapMeasuresImageFilter()
        overlap.Execute(liver, carried)
        assert overlap.GetDiceCoefficient() > 0.95
        # Free of noise, the liver is even; two voxels inside it nothing of its surroundings shows.
        warped = sitk.GetArrayFromImage(warp_scan(data.synthesis_truth, there, grid))
        inside = sitk.GetArrayFromImage(sitk.BinaryErode(liver, [2, 2, 2])) > 0
        assert inside.sum() > 500 and np.ptp(warped[inside]) <= 2


def test_an_organ_is_painted_as_the_phases_differ(files: tuple[Path, Path]) -> None:
    painted = painted_cohort.paint(
        sitk.ReadImage(str(files[0])), sitk.ReadImage(str(files[1]), sitk.sitkUInt8)
    )
    # Whatever the axes were, right and left stay.
    assert (painted.labels == label_index("right_kidney")).sum() == ball((40, 20, 0), 20.0).sum()
    middle = ball((10.0, 50.0, 0.0), 8.0)
    arterial = painted.uptake_hu[Phase.ARTERIAL][middle]
    assert 290.0 < arterial.mean() < 345.0 and arterial.std() < 5.0
    assert painted.uptake_hu[Phase.NON_CONTRAST].any() == 0
    far = ball((-40.0, 0.0, 0.0), 50.0) | ball((40.0, 20.0, 0.0), 35.0)
    far |= ball((10.0, 50.0, 0.0), 30.0)
    assert painted.uptake_hu[Phase.ARTERIAL][~far].any() == 0


def test_seeds_differ_and_repeat(files: tuple[Path, Path], cohort: list[CaseData]) -> None:
    first, second = cohort
    assert true_transforms(first)[0].displacement_mm is not None
    assert not np.array_equal(
        true_transforms(first)[0].displacement_mm, true_transforms(second)[0].displacement_mm
    )
    painted = painted_cohort.paint(
        sitk.ReadImage(str(files[0])), sitk.ReadImage(str(files[1]), sitk.sitkUInt8)
    )
    again = first.case.fixed.parent.parent.parent / "again"
    again.mkdir()
    painted_cohort.write_pair(painted, 0, again, "painted00")
    repeated = sitk.GetArrayFromImage(sitk.ReadImage(str(again / "painted00" / "moving.nii.gz")))
    assert np.array_equal(repeated, sitk.GetArrayFromImage(first.moving))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TOOL, *arguments], capture_output=True, encoding="utf-8", check=False
    )


def test_unusable_files_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    labels = sitk.ReadImage(str(files[1]))
    scan = sitk.ReadImage(str(files[0]))
    made = {
        "other": labels[:-4],
        "empty": labels * 0,
        "short": scan[:, :, 8:30],
        "cut": labels[:, :, 8:30],
    }
    for name, image in made.items():
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    there = sorted(tmp_path.iterdir())
    for scan_path, label_name, named, reason in (
        (files[0], "other", "other", "another grid"),
        (files[0], "empty", "empty", "marks no liver"),
        (tmp_path / "short.nii.gz", "cut", "short", "covers 110 mm"),
    ):
        done = run(scan_path, tmp_path / f"{label_name}.nii.gz", "--output", tmp_path / "cohort")
        assert done.returncode == 1 and reason in done.stderr and f"{named}.nii" in done.stderr
        assert "Traceback" not in done.stderr
    assert sorted(tmp_path.iterdir()) == there
