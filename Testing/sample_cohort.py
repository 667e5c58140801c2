"""A small cohort of scan pairs that differ by a known shift, for the tests that measure."""

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.io.images import write_image
from jssr.io.segmentation import write_segmentation
from jssr.io.transforms import write_transform
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import SpatialTransform

GRID = Geometry((36, 32, 24), (2.5, 2.5, 3.0), (-40.0, -35.0, 50.0))
SHIFT_MM = (5.0, -2.5, 3.0)
LIVER_HU, LESION_HU, SOFT_HU = 110.0, 60.0, 40.0


def anatomy() -> tuple[np.ndarray, np.ndarray]:
    """HU and labels ``(z, y, x)`` on GRID: a body with a liver, a lesion of 12 mm and a spleen."""
    z, y, x = np.indices(GRID.shape_zyx).astype(float)
    hu = np.full(GRID.shape_zyx, -1000.0)
    hu[((x - 17.5) / 15) ** 2 + ((y - 15.5) / 13) ** 2 + ((z - 11.5) / 10.5) ** 2 < 1] = SOFT_HU
    labels = np.zeros(GRID.shape_zyx, np.uint8)
    labels[((x - 12) / 7) ** 2 + ((y - 14) / 7) ** 2 + ((z - 12) / 7) ** 2 < 1] = 1
    labels[((x - 11) * 2.5) ** 2 + ((y - 14) * 2.5) ** 2 + ((z - 12) * 3.0) ** 2 < 6.5**2] = 2
    labels[((x - 26) / 3) ** 2 + ((y - 20) / 4) ** 2 + ((z - 13) / 4) ** 2 < 1] = 3
    hu[labels == 1] = LIVER_HU
    hu[labels == 2] = LESION_HU
    hu[labels == 3] = 90.0
    return hu + np.random.default_rng(0).normal(0, 8, hu.shape), labels


def shift_transform(shift_mm: tuple[float, float, float] = SHIFT_MM) -> SpatialTransform:
    """Fixed to moving: every point goes by ``shift_mm``, as a displacement on GRID."""
    shift = np.asarray(shift_mm, np.float32).reshape(3, 1, 1, 1)
    displacement_mm = np.broadcast_to(shift, (3, *GRID.shape_zyx)).copy()
    return SpatialTransform(np.eye(4), displacement_mm, GRID)


def write_manifest_cohort(folder: Path, pairs: int = 2) -> Path:
    """Pairs with segmentations, true transform, mask and synthesis answer, and a manifest."""
    entries = []
    for number in range(pairs):
        name = f"pair{number}"
        (folder / name).mkdir(parents=True)
        fixed, moving, fixed_labels, moving_labels = _scans()
        write_image(fixed, folder / name / "fixed.nii.gz")
        write_image(moving, folder / name / "moving.nii.gz")
        write_image(moving, folder / name / "synthesis_truth.nii.gz")
        write_segmentation(fixed_labels, folder / name / "fixed.seg.nrrd")
        write_segmentation(moving_labels, folder / name / "moving.seg.nrrd")
        write_transform(shift_transform(), folder / name / "fixed_to_moving.h5")
        inner = np.zeros(GRID.shape_zyx, np.uint8)
        inner[3:-3, 3:-3, 3:-3] = 1
        write_image(GRID.image(inner), folder / name / "mask.nii.gz")
        entries.append(
            {
                "name": name,
                "fixed": f"{name}/fixed.nii.gz",
                "moving": f"{name}/moving.nii.gz",
                "fixed_phase": "portal-venous",
                "moving_phase": "arterial",
                "fixed_segmentation": f"{name}/fixed.seg.nrrd",
                "moving_segmentation": f"{name}/moving.seg.nrrd",
                "fixed_to_moving": f"{name}/fixed_to_moving.h5",
                "fixed_truth_mask": f"{name}/mask.nii.gz",
                "synthesis_truth": f"{name}/synthesis_truth.nii.gz",
            }
        )
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "pairs": entries}))
    return folder


def write_case_folder(folder: Path, name: str = "case_1") -> Path:
    """A cohort of one case folder: two scans and the true displacement on every third voxel."""
    (folder / name).mkdir(parents=True)
    fixed, moving, _, _ = _scans()
    write_image(fixed, folder / name / "fixed.nii.gz")
    write_image(moving, folder / name / "moving.nii.gz")
    x, y, z = (n // 3 for n in GRID.size)
    spacing = tuple(3 * s for s in GRID.spacing_mm)
    coarse = Geometry((x, y, z), (spacing[0], spacing[1], spacing[2]), GRID.origin_mm)
    shift = np.broadcast_to(np.reshape(SHIFT_MM, (3, 1, 1, 1)), (3, *coarse.shape_zyx))
    truth = sitk.Cast(coarse.vector_image(shift), sitk.sitkVectorFloat32)
    sitk.WriteImage(truth, folder / name / "fixed_to_moving_mm.nrrd")
    return folder


def _scans() -> tuple[sitk.Image, sitk.Image, sitk.Image, sitk.Image]:
    hu, labels = anatomy()
    fixed = sitk.Cast(GRID.image(hu), sitk.sitkInt16)
    fixed_labels = GRID.image(labels)
    back = sitk.TranslationTransform(3, [-s for s in SHIFT_MM])
    moving = sitk.Resample(fixed, fixed, back, sitk.sitkLinear, -1000)
    moving_labels = sitk.Resample(fixed_labels, fixed, back, sitk.sitkNearestNeighbor, 0)
    return fixed, moving, fixed_labels, moving_labels
