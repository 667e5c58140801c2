"""``jssr register`` with the shipped model on phantoms, judged by SimpleITK and by the truth."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from jssr.cli.main import app
from jssr.io.images import write_image
from jssr.labels import LABELS, Phase
from jssr.phantom import PairOptions, PatientOptions, make_pair, make_patient
from jssr.registration.write import OUTPUT_FILES
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_to_sitk, rotation, translation
from jssr.spatial.transform import displacement_on

SHAPE_ZYX, SPACING_MM = (64, 80, 104), 3.5
BODY_HU = -300
SEEDS = range(700_000, 700_020)
"""Seeds of phantoms that no training draws."""


@dataclass(frozen=True)
class Phantom:
    """A phantom pair as images, with the true displacement at fixed voxels where it is known."""

    fixed: sitk.Image
    moving: sitk.Image
    truth_mm: np.ndarray
    known: np.ndarray


def phantom(seed: int, shape_zyx: tuple[int, int, int] = SHAPE_ZYX) -> Phantom:
    patient = make_patient(
        seed, shape_zyx, SPACING_MM, options=PatientOptions(center_z_mm=30.0, lesions=3)
    )
    options = PairOptions(
        contrast="physiological", fixed_phase=Phase.PORTAL_VENOUS, moving_phase=Phase.ARTERIAL
    )
    pair = make_pair(patient, seed, options=options)
    z, y, x = shape_zyx
    grid = Geometry((x, y, z), (SPACING_MM,) * 3, (-180.0, -140.0, 1000.0))
    fixed, moving = (
        grid.image(hu.round().clamp(-1024, 3071).numpy().astype(np.int16))
        for hu in (pair.fixed_hu, pair.moving_hu)
    )
    return Phantom(fixed, moving, pair.fixed_to_moving_mm.numpy(), pair.fixed_truth.bool().numpy())


def register(folder: Path, fixed: sitk.Image, moving: sitk.Image, *options: str) -> Path:
    """Registers by the command, networks alone, and gives the folder of the results."""
    write_image(fixed, folder / "fixed.nii.gz")
    write_image(moving, folder / "moving.nii.gz")
    scans = ["--fixed", str(folder / "fixed.nii.gz"), "--moving", str(folder / "moving.nii.gz")]
    more = ["--output", str(folder / "out"), "--device", "cpu", "--refine", "off", *options]
    done = CliRunner().invoke(app, ["register", *scans, *more])
    assert done.exit_code == 0, (done.output, done.exception)
    return folder / "out"


def body_of(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image) > BODY_HU


def inner(mask: np.ndarray, voxels: int = 4) -> np.ndarray:
    """The mask without the outermost voxels of the volume."""
    kept = np.zeros_like(mask)
    middle = (slice(voxels, -voxels),) * 3
    kept[middle] = mask[middle]
    return kept


def mean_error_mm(out: Path, image: sitk.Image, truth_mm: np.ndarray, where: np.ndarray) -> float:
    """Mean distance of the stored transform from the true displacement over ``where``."""
    stored = sitk.ReadTransform(str(out / "transform.h5"))
    found = displacement_on(stored, Geometry.of(image))
    return float(np.linalg.norm(found[:, where] - truth_mm[:, where], axis=0).mean())


@pytest.fixture(scope="module")
def case() -> Phantom:
    return phantom(SEEDS[0])


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, case: Phantom) -> Path:
    return register(tmp_path_factory.mktemp("pair"), case.fixed, case.moving)


def test_all_files_are_there(result: Path) -> None:
    assert {path.name for path in result.iterdir()} == set(OUTPUT_FILES.values())


def test_sitk_alone_makes_the_warped_scan(result: Path, case: Phantom) -> None:
    moving = sitk.ReadImage(str(result.parent / "moving.nii.gz"))
    stored = sitk.ReadTransform(str(result / "transform.h5"))
    expected = sitk.Resample(
        sitk.Cast(moving, sitk.sitkFloat32), case.fixed, stored, sitk.sitkLinear, -1024.0
    )
    warped = sitk.ReadImage(str(result / "warped.nii.gz"))
    assert warped.GetPixelID() == sitk.sitkInt16
    difference = sitk.GetArrayFromImage(warped) - sitk.GetArrayFromImage(expected)
    assert np.abs(difference).max() <= 1.0


def test_the_difference_is_fixed_minus_warped(result: Path, case: Phantom) -> None:
    warped, difference = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(result / f"{name}.nii.gz"))).astype(int)
        for name in ("warped", "difference")
    )
    fixed = sitk.GetArrayFromImage(case.fixed).astype(int)
    moving = sitk.ReadImage(str(result.parent / "moving.nii.gz"))
    stored = sitk.ReadTransform(str(result / "transform.h5"))
    filling = sitk.Resample(
        sitk.Cast(moving == -1024, sitk.sitkFloat32), case.fixed, stored, sitk.sitkLinear, 1.0
    )
    # What fills the box of a scan has the value of the darkest air.
    may_be_filled = (sitk.GetArrayFromImage(filling) > 0) | (fixed == -1024)
    exact = np.abs(difference - (fixed - warped)) <= 1
    assert exact[~may_be_filled].all()
    assert (exact | (difference == 0))[may_be_filled].all()
    corner = np.s_[:: fixed.shape[0] - 1, :: fixed.shape[1] - 1, :: fixed.shape[2] - 1]
    assert (fixed[corner] == -1024).all() and not difference[corner].any()


def test_transform_and_inverse_undo_each_other(result: Path, case: Phantom) -> None:
    there = sitk.ReadTransform(str(result / "transform.h5"))
    back = sitk.ReadTransform(str(result / "inverse_transform.h5"))
    grid = Geometry.of(case.fixed)
    residual = displacement_on(sitk.CompositeTransform([back, there]), grid)
    distance = np.linalg.norm(residual[:, body_of(case.fixed)], axis=0)
    assert np.percentile(distance, 99) < 0.1


def test_it_does_not_fold_and_it_helps(result: Path, case: Phantom) -> None:
    stored = json.loads((result / "metrics.json").read_text("utf-8"))
    assert stored["metrics"]["deformation"]["folding_fraction"] < 1e-3
    where = case.known & body_of(case.fixed)
    before = float(np.linalg.norm(case.truth_mm[:, where], axis=0).mean())
    assert mean_error_mm(result, case.fixed, case.truth_mm, where) < before / 2


def test_segmentations_lie_on_their_own_scans(result: Path) -> None:
    for role in ("fixed", "moving"):
        scan = sitk.ReadImage(str(result.parent / f"{role}.nii.gz"))
        labels = sitk.ReadImage(str(result / f"{role}_segmentation.seg.nrrd"))
        assert labels.GetSize() == scan.GetSize()
        np.testing.assert_allclose(labels.GetOrigin(), scan.GetOrigin(), atol=1e-3)
        values = set(np.unique(sitk.GetArrayFromImage(labels)))
        assert values <= {0, *(label.index for label in LABELS)}
        assert len(values) > 5


def test_the_report_shows_the_mean_intensities(result: Path) -> None:
    text = (result / "report.html").read_text("utf-8")
    assert "Liver" in text or "liver" in text
    assert "HU" in text


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    small = phantom(SEEDS[1], (24, 40, 56))  # so that there is time for all steps twice
    folders = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        one = register(tmp_path / name, small.fixed, small.moving, "--refine", "fast")
        folders.append(one)
    for name in set(OUTPUT_FILES.values()) - {"metrics.json", "report.html"}:
        first, second = ((folder / name).read_bytes() for folder in folders)
        assert first == second, name
    first, second = (_without_times(folder / "metrics.json") for folder in folders)
    assert first == second


def _without_times(path: Path) -> dict:
    stored = json.loads(path.read_text(encoding="utf-8"))
    del stored["metrics"]["seconds"], stored["metrics"]["peak_memory_mb"]
    return stored


def test_a_scan_is_registered_to_itself(tmp_path: Path, case: Phantom) -> None:
    out = register(tmp_path, case.fixed, case.fixed, "--outputs", "transform")
    where = inner(body_of(case.fixed))
    assert mean_error_mm(out, case.fixed, np.zeros_like(case.truth_mm), where) < 0.3


def test_the_synthesized_scan_lies_on_the_warped_one(tmp_path: Path, case: Phantom) -> None:
    shift_mm = (6.0, 6.0, 0.0)
    moving = sitk.Image(case.fixed)
    moving.SetOrigin(np.add(moving.GetOrigin(), shift_mm).tolist())
    outputs = ("--outputs", "transform,warped,synthesized")
    out = register(tmp_path, case.fixed, moving, "--initial", "none", *outputs)
    truth = np.broadcast_to(np.reshape(shift_mm, (3, 1, 1, 1)), case.truth_mm.shape)
    assert mean_error_mm(out, case.fixed, truth, inner(body_of(case.fixed))) < 0.5
    synthesized, warped = (
        sitk.ReadImage(str(out / f"{name}.nii.gz"), sitk.sitkFloat32)
        for name in ("synthesized", "warped")
    )
    warped = sitk.Resample(warped, synthesized, sitk.Transform(), sitk.sitkLinear, -1024.0)
    a, b = (
        sitk.GetArrayFromImage(sitk.Clamp(i, sitk.sitkFloat32, -200, 300))
        for i in (synthesized, warped)
    )
    body = inner(b > -150)
    assert np.corrcoef(a[body], b[body])[0, 1] > 0.97


def moved_copy(
    image: sitk.Image, spacing_mm: Sequence[float], axes: np.ndarray
) -> tuple[sitk.Image, sitk.Transform]:
    """A copy moved by a known rigid motion, on a grid with other spacing and axes.

    Gives the copy and the true map from points of ``image`` to points of the copy.
    """
    corners = Geometry.of(image).corners_mm()
    turn = rotation(np.deg2rad(3.0) * np.array([0.48, 0.6, 0.64]), corners.mean(axis=0))
    motion = translation((7.0, -4.0, 9.0)) @ turn
    placed = corners @ motion[:3, :3].T + motion[:3, 3]
    along = placed @ axes  # coordinates along the new axes
    low, high = along.min(axis=0), along.max(axis=0)
    size = np.ceil((high - low) / spacing_mm).astype(int) + 1
    grid = Geometry(
        (int(size[0]), int(size[1]), int(size[2])),
        (float(spacing_mm[0]), float(spacing_mm[1]), float(spacing_mm[2])),
        tuple(axes @ low),
        tuple(axes.ravel()),
    )
    back = affine_to_sitk(np.linalg.inv(motion))
    copy = sitk.Resample(image, grid.empty_image(), back, sitk.sitkLinear, -1024.0, sitk.sitkInt16)
    return copy, affine_to_sitk(motion)


ORIENTATIONS = {
    "as it is": ((3.0, 3.0, 5.0), np.eye(3)),
    "sagittal": ((5.0, 3.0, 3.0), np.array([[0, 0, 1.0], [1, 0, 0], [0, -1.0, 0]])),
    "oblique": ((2.5, 4.0, 3.0), rotation(np.array([0.3, -0.2, 0.4]), np.zeros(3))[:3, :3]),
}


@pytest.mark.parametrize(
    "orientation",
    [
        "sagittal",
        # Each takes its half minute; the fixed scan below is oblique too.
        pytest.param("as it is", marks=pytest.mark.slow),
        pytest.param("oblique", marks=pytest.mark.slow),
    ],
)
def test_a_moved_copy_is_found(tmp_path: Path, case: Phantom, orientation: str) -> None:
    copy, motion = moved_copy(case.fixed, *ORIENTATIONS[orientation])
    out = register(tmp_path, case.fixed, copy, "--outputs", "transform")
    truth = displacement_on(motion, Geometry.of(case.fixed))
    where = inner(body_of(case.fixed))
    assert mean_error_mm(out, case.fixed, truth, where) < 0.5


def test_an_oblique_fixed_scan(tmp_path: Path, case: Phantom) -> None:
    fixed, motion = moved_copy(case.fixed, *ORIENTATIONS["oblique"])
    out = register(tmp_path, fixed, case.fixed, "--outputs", "transform,warped")
    truth = displacement_on(motion.GetInverse(), Geometry.of(fixed))
    inside = sitk.GetArrayFromImage(
        sitk.Resample(case.fixed, fixed, motion.GetInverse(), sitk.sitkLinear, -1024.0)
    )
    assert mean_error_mm(out, fixed, truth, inner(inside > BODY_HU)) < 0.5
    assert sitk.ReadImage(str(out / "warped.nii.gz")).GetSize() == fixed.GetSize()


@pytest.mark.parametrize("how", ["masks", "a short moving scan"])
def test_a_part_of_the_body_is_enough(tmp_path: Path, case: Phantom, how: str) -> None:
    """The verdict does not blame a user for masks, or for a protocol of the liver alone."""
    depth = case.fixed.GetSize()[2]
    part = slice(2 * depth // 5, 4 * depth // 5)
    moving, options = case.moving, []
    if how == "masks":
        for role, image in (("fixed", case.fixed), ("moving", case.moving)):
            mask = image * 0
            mask[:, :, part] = 1
            write_image(mask, tmp_path / f"{role}_mask.nii.gz")
            options += [f"--{role}-mask", str(tmp_path / f"{role}_mask.nii.gz")]
    else:
        moving = case.moving[:, :, part]
    out = register(tmp_path, case.fixed, moving, "--outputs", "transform,metrics", *options)
    stored = json.loads((out / "metrics.json").read_text("utf-8"))
    assert stored["metrics"]["overlap_fraction"] < 0.5
    assert stored["metrics"]["shared_fraction"] > 0.7
    assert not any("share only" in reason for reason in stored["verdict"]["reasons"])


def test_ctrl_c_leaves_nothing(tmp_path: Path, case: Phantom) -> None:
    for role, image in (("fixed", case.fixed), ("moving", case.moving)):
        write_image(image, tmp_path / f"{role}.nii.gz")
    before = set(tmp_path.rglob("*"))
    scans = ["--fixed", tmp_path / "fixed.nii.gz", "--moving", tmp_path / "moving.nii.gz"]
    running = subprocess.Popen(
        [sys.executable, "-m", "jssr.cli", "register", *scans, "--output", tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "JSSRRegistration")},
        stderr=subprocess.PIPE,
        encoding="utf-8",
        # A shell without job control has its children ignore Ctrl-C; a terminal's does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while set(tmp_path.rglob("*")) == before and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, shown = running.communicate(timeout=300)
    assert running.returncode == 130, shown
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_twenty_unseen_phantoms(tmp_path: Path) -> None:
    """The mean error in the body falls to less than half; folding stays under 0.1 %."""
    ratios, foldings = [], []
    for seed in SEEDS:
        one = phantom(seed)
        (tmp_path / str(seed)).mkdir()
        out = register(
            tmp_path / str(seed), one.fixed, one.moving, "--outputs", "transform,metrics"
        )
        where = one.known & body_of(one.fixed)
        before = float(np.linalg.norm(one.truth_mm[:, where], axis=0).mean())
        ratios.append(mean_error_mm(out, one.fixed, one.truth_mm, where) / before)
        stored = json.loads((out / "metrics.json").read_text("utf-8"))
        foldings.append(stored["metrics"]["deformation"]["folding_fraction"])
    assert np.mean(ratios) < 0.5, ratios
    assert max(foldings) < 1e-3, foldings


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chest_upper_abdomen_1", "chest_upper_abdomen_2"])
def test_real_pairs(tmp_path: Path, name: str) -> None:
    """Real scans with a known deformation, from the folder that JSSR_REAL_PAIRS names."""
    if "JSSR_REAL_PAIRS" not in os.environ:
        pytest.skip("JSSR_REAL_PAIRS does not name a folder of real pairs")
    folder = Path(os.environ["JSSR_REAL_PAIRS"]) / name
    fixed, moving = (sitk.ReadImage(str(folder / f"{role}.nii.gz")) for role in ("fixed", "moving"))
    out = register(tmp_path, fixed, moving, "--outputs", "transform,metrics")
    coarse = sitk.ReadImage(str(folder / "fixed_to_moving_mm.nrrd"), sitk.sitkVectorFloat64)
    truth = displacement_on(sitk.DisplacementFieldTransform(coarse), Geometry.of(fixed))
    where = inner(body_of(fixed), 6)
    before = float(np.linalg.norm(truth[:, where], axis=0).mean())
    assert mean_error_mm(out, fixed, truth, where) < before / 2
    stored = json.loads((out / "metrics.json").read_text("utf-8"))
    assert stored["metrics"]["deformation"]["folding_fraction"] < 1e-3


@pytest.mark.slow
def test_memory_and_file_size_for_a_large_pair(tmp_path: Path) -> None:
    """512 × 512 × 400 voxels over 40 cm: less than 4 GB of memory, at most 60 MB a transform."""
    wide = phantom(SEEDS[0], (114, 114, 114))
    for role, image in (("fixed", wide.fixed), ("moving", wide.moving)):
        extent = [n * s for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
        size = (512, 512, 400)
        spacing = [e / n for e, n in zip(extent, size, strict=True)]
        large = sitk.Resample(
            image, size, sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), spacing
        )
        write_image(large, tmp_path / f"{role}.nii.gz")
        del large
    scans = ["--fixed", tmp_path / "fixed.nii.gz", "--moving", tmp_path / "moving.nii.gz"]
    before_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    subprocess.run(
        [sys.executable, "-m", "jssr.cli", "register", *scans, "--output", tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "JSSRRegistration")},
        check=True,
    )
    peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak_kb > before_kb, "an earlier child used more memory, so nothing was measured"
    assert peak_kb * 1024 < 4e9
    for name in ("transform.h5", "inverse_transform.h5"):
        assert (tmp_path / "out" / name).stat().st_size <= 60e6
