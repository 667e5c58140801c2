"""Make pairs of contrast phases with a known deformation from one real, labelled scan.

The scan is unenhanced; its labels are those of TotalSegmentator. Each pair paints two contrast
phases into the labelled organs, deforms one of them by a smooth invertible motion like that of
breathing, gives both noise of their own, and crops them so far that tissue crosses the upper and
the lower border as it does between real scans. The cohort that is written is for `jssr benchmark`
and `jssr evaluate`.

Such pairs hold real anatomy and are easier than two real phases: vessels inside the liver are not
labelled and stay unenhanced, nothing slides, and the gut keeps its content.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from jssr.errors import InputError
from jssr.hounsfield import AIR_HU
from jssr.io.atomic import OutputFolder
from jssr.io.images import read_label_map, read_scan, write_image
from jssr.io.segmentation import write_segmentation
from jssr.io.transforms import write_transform
from jssr.labels import Phase, label_index
from jssr.phantom.cohort import MANIFEST, SCHEMA
from jssr.phantom.contrast import PHASES
from jssr.phantom.draw import Draw, smooth_noise
from jssr.phantom.options import PairOptions
from jssr.phantom.scanner import scan
from jssr.phantom.tissues import TISSUES, tissue_index
from jssr.registration.body import BODY_THRESHOLD_HU
from jssr.spatial.fields import exponentiate_mm, smooth_gaussian
from jssr.spatial.geometry import Geometry, same_geometry
from jssr.spatial.transform import SpatialTransform, resample
from jssr.spatial.warp import isotropic

ORGANS: tuple[tuple[tuple[int, ...], str | None, str | None], ...] = (
    ((5,), "liver", "liver"),
    ((1,), "spleen", "spleen"),
    ((2,), "right_kidney", "right_cortex"),
    ((3,), "left_kidney", "left_cortex"),
    ((52,), "aorta", "aorta"),
    ((63,), "inferior_vena_cava", "vena_cava"),
    ((64,), "portal_vein", "portal_vein"),
    ((4,), "gallbladder", None),
    ((6,), "stomach", None),
    ((7,), "pancreas", "pancreas"),
    ((8, 9), None, "adrenal"),
    ((65, 66), None, "artery"),
    ((67, 68), None, "vein_low"),
    ((51,), None, "right_heart"),
    (tuple(range(80, 90)), None, "muscle"),
    (tuple(range(10, 15)), "lung", None),
    ((*range(25, 51), *range(69, 79), *range(91, 117)), "bone", None),
)
"""Numbers of TotalSegmentator's task `total` (version 2), JSSR's label, tissue of the phantom."""

FIELD_SPACING_MM = 4.0
SQUARINGS = 7
SOFT_HU = (-20.0, 150.0)
BREATHING_MM = (10.0, 20.0)
LEAST_LENGTH_MM = 150.0


@dataclass(frozen=True)
class Painted:
    """The scan and its labels with JSSR's numbers, and what each phase adds to it.

    Attributes:
        hu: ``(z, y, x)`` float32.
        labels: ``(z, y, x)`` uint8.
        uptake_hu: ``(z, y, x)`` float32 by phase.
        grid: along the patient's axes, to the left, back and up.
    """

    hu: np.ndarray
    labels: np.ndarray
    uptake_hu: dict[Phase, np.ndarray]
    grid: Geometry


def paint(image: sitk.Image, numbers: sitk.Image) -> Painted:
    """Enhancement of every labelled organ in every phase, faded over its border voxels."""
    image, numbers = sitk.DICOMOrient(image, "LPS"), sitk.DICOMOrient(numbers, "LPS")
    hu = sitk.GetArrayFromImage(image).astype(np.float32)
    found = sitk.GetArrayViewFromImage(numbers)
    labels = np.zeros(hu.shape, np.uint8)
    uptake = {phase: np.zeros(hu.shape, np.float32) for phase in PHASES}
    soft = (hu > SOFT_HU[0]) & (hu < SOFT_HU[1])
    for members, label, tissue in ORGANS:
        mask = np.isin(found, members)
        if label is not None:
            labels[mask] = label_index(label)
        if tissue is None or not mask.any():
            continue
        share = smooth_gaussian(torch.from_numpy(mask).float()[None, None], 0.6)[0, 0].numpy()
        ranges = np.mean(TISSUES[tissue_index(tissue)].hu, axis=1)
        for phase, mean in zip(PHASES, ranges, strict=True):
            uptake[phase] += (mean - ranges[0]) * share * soft
    return Painted(hu, labels, uptake, Geometry.of(image))


def draw_motion(grid: Geometry, draw: Draw) -> tuple[SpatialTransform, SpatialTransform]:
    """A smooth deformation of the whole scan, fixed to moving, and its inverse.

    Breathing moves the tissue along the body, most at the top and nothing at the bottom and the
    back; smooth noise moves it everywhere.
    """
    extent = [n * s for n, s in zip(grid.size, grid.spacing_mm, strict=True)]
    x, y, z = (math.ceil(e / FIELD_SPACING_MM) + 3 for e in extent)
    origin = np.array(grid.origin_mm) - _axes(grid) @ np.full(3, FIELD_SPACING_MM)
    field_grid = Geometry(
        (x, y, z), isotropic(FIELD_SPACING_MM), tuple(origin.tolist()), grid.direction
    )
    shape = field_grid.shape_zyx
    height = torch.linspace(0.0, 1.0, shape[0]).view(-1, 1, 1)
    front = torch.linspace(1.0, 0.0, shape[1]).view(1, -1, 1)
    amount = torch.sigmoid((height - 0.35) / 0.1) * torch.sigmoid((front - 0.3) / 0.07)
    superior = draw.uniform(*BREATHING_MM) * (1.0 if draw.chance(0.5) else -1.0)
    direction = torch.tensor([draw.normal(0.0, 1.0), -0.3 * superior, superior])
    velocity = direction.view(3, 1, 1, 1) * amount
    waves = smooth_noise(draw, shape, draw.uniform(70.0, 140.0) / FIELD_SPACING_MM, 3)
    velocity = (velocity + draw.uniform(2.0, 4.0) * smooth_gaussian(waves[None], 1.4)[0])[None]
    # The motion is drawn along the axes of the grid, while a transform moves points in LPS.
    there, back = (
        _turned(_axes(grid), exponentiate_mm(v, field_grid.spacing_mm, SQUARINGS)[0].numpy())
        for v in (velocity, -velocity)
    )
    return (
        SpatialTransform(np.eye(4), there, field_grid),
        SpatialTransform(np.eye(4), back, field_grid),
    )


def write_pair(painted: Painted, seed: int, root: Path, name: str) -> dict[str, str]:
    """Write one pair; returns its entry in the manifest."""
    (root / name).mkdir()
    draw = Draw(seed, "painted pair")
    fixed_phase, moving_phase = _two_phases(draw)
    there, back = draw_motion(painted.grid, draw)
    grid = _cropped(painted.grid, there)
    labels = painted.grid.image(painted.labels)
    still = SpatialTransform(np.eye(4))

    def seen(phase: Phase, transform: SpatialTransform) -> np.ndarray:
        clean = painted.grid.image(painted.hu + painted.uptake_hu[phase])
        return sitk.GetArrayFromImage(resample(clean, transform, grid))

    fixed = _scanned(seen(fixed_phase, still), grid, Draw(seed, "fixed scanner"))
    moving = _scanned(seen(moving_phase, back), grid, Draw(seed, "moving scanner"))
    entry = {
        "name": name,
        "patient": "painted",
        "fixed_phase": fixed_phase.value,
        "moving_phase": moving_phase.value,
    }
    for key, values in (
        ("fixed", fixed),
        ("moving", moving),
        ("synthesis_truth", seen(fixed_phase, back)),
        ("fixed_truth_mask", fixed > BODY_THRESHOLD_HU),
    ):
        kind = np.uint8 if values.dtype == bool else np.int16
        write_image(grid.image(np.rint(values).astype(kind)), root / name / f"{key}.nii.gz")
        entry[key] = f"{name}/{key}.nii.gz"
    for key, transform in (("fixed_segmentation", still), ("moving_segmentation", back)):
        carried = resample(labels, transform, grid, 0, sitk.sitkNearestNeighbor)
        write_segmentation(carried, root / name / f"{key}.seg.nrrd")
        entry[key] = f"{name}/{key}.seg.nrrd"
    for key, transform in (("fixed_to_moving", there), ("moving_to_fixed", back)):
        write_transform(transform, root / name / f"{key}.h5")
        entry[key] = f"{name}/{key}.h5"
    return entry


def write_cohort(scan_path: Path, labels_path: Path, folder: Path, pairs: int) -> None:
    """Write pairs with the seeds 0, 1, ... and ``manifest.json``, whole or not at all.

    Raises:
        InputError: a file cannot be used, the labels are none of the scan, the scan is too short,
            or the folder exists.
    """
    image, numbers = read_scan(scan_path), read_label_map(labels_path)
    if not same_geometry(Geometry.of(image), Geometry.of(numbers)):
        raise InputError(
            f"The labels '{labels_path}' lie on another grid than '{scan_path}'; "
            "give the labels of this scan."
        )
    painted = paint(image, numbers)
    if not (painted.labels == label_index("liver")).any():
        raise InputError(
            f"'{labels_path}' marks no liver; give one image with all labels of "
            "TotalSegmentator's task 'total'."
        )
    length_mm = painted.grid.size[2] * painted.grid.spacing_mm[2]
    if length_mm < LEAST_LENGTH_MM:
        raise InputError(
            f"'{scan_path}' covers {length_mm:.0f} mm from head to foot; "
            f"at least {LEAST_LENGTH_MM:.0f} mm are needed, since the ends are cut off."
        )
    with OutputFolder(folder, overwrite=False) as root:
        entries = [write_pair(painted, n, root, f"painted{n:02d}") for n in range(pairs)]
        manifest = json.dumps({"schema": SCHEMA, "pairs": entries}, indent=1)
        (root / MANIFEST).write_text(manifest + "\n", encoding="utf-8")


def _two_phases(draw: Draw) -> tuple[Phase, Phase]:
    fixed = draw.choice(PHASES)
    return fixed, draw.choice([phase for phase in PHASES if phase is not fixed])


def _cropped(grid: Geometry, there: SpatialTransform) -> Geometry:
    """The grid without the slices above and below into which tissue may come from outside."""
    assert there.displacement_mm is not None
    along_axes = _turned(_axes(grid).T, there.displacement_mm)
    reach = math.ceil(float(np.abs(along_axes[2]).max()) / grid.spacing_mm[2])
    x, y, z = grid.size
    return grid.part((0, 0, reach), (x, y, z - 2 * reach))


def _axes(grid: Geometry) -> np.ndarray:
    """The directions of the grid's axes in LPS, one a column."""
    return np.reshape(grid.direction, (3, 3))


def _turned(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors ``(3, z, y, x)`` multiplied by a 3x3 matrix, float32."""
    return np.tensordot(matrix, vectors, axes=1).astype(np.float32)


def _scanned(clean: np.ndarray, grid: Geometry, draw: Draw) -> np.ndarray:
    options = PairOptions(artefacts=0.0, blur=False)
    image = scan(torch.from_numpy(clean), grid.spacing_mm[0], draw, options).numpy()
    return np.where(clean <= AIR_HU, AIR_HU, image)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description="Make pairs with a known deformation from a labelled scan."
    )
    parser.add_argument("scan", type=Path, help="an unenhanced CT scan of the abdomen")
    parser.add_argument("labels", type=Path, help="its labels by TotalSegmentator, one image")
    parser.add_argument("--output", type=Path, required=True, help="new folder for the cohort")
    parser.add_argument("--pairs", type=int, default=6)
    arguments = parser.parse_args()
    try:
        write_cohort(arguments.scan, arguments.labels, arguments.output, arguments.pairs)
    except InputError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
