"""Contrast that the kidneys have excreted: bright urine in the renal pelvis."""

import numpy as np
import SimpleITK as sitk
import torch

from jssr.labels import label_index
from jssr.spatial.geometry import Geometry

_MEDIAL = {"right_kidney": 1.0, "left_kidney": -1.0}
"""The direction along x from each kidney's centre to its hilum."""

_LEAST_KIDNEY_ML = 40.0
_REACH_MM = 12.0
_HALF_HEIGHT_MM = 20.0
_BRIGHT_HU = 200.0
_BRIGHTER_THAN_KIDNEY_HU = 80.0
_LEAST_BRIGHT_ML = 0.25


def excreting_kidneys(
    hu: torch.Tensor, probabilities: torch.Tensor, grid: Geometry
) -> tuple[bool, ...]:
    """Whether urine is bright, for each kidney that S shows.

    The renal pelvis lies in the kidney's hilum: beside it, towards the spine, not behind its
    centre, where ribs are as bright, and at its middle height. Renal vessels pass there as well,
    so in the arterial phase the answer says little.

    Args:
        hu: ``(z, y, x)``.
        probabilities: S's opinion ``(classes, z, y, x)``.
        grid: where both lie, along the patient's axes.
    """
    found = []
    values = hu.numpy()
    voxel_ml = float(np.prod(grid.spacing_mm)) / 1000
    for name, medial in _MEDIAL.items():
        kidney = probabilities[label_index(name)].numpy() > 0.5
        if kidney.sum() * voxel_ml < _LEAST_KIDNEY_ML:
            continue
        pelvis = values[_hilum(kidney, grid.spacing_mm, medial)]
        threshold = max(_BRIGHT_HU, float(np.median(values[kidney])) + _BRIGHTER_THAN_KIDNEY_HU)
        found.append(bool((pelvis > threshold).sum() * voxel_ml >= _LEAST_BRIGHT_ML))
    return tuple(found)


def _hilum(kidney: np.ndarray, spacing_mm: tuple[float, float, float], medial: float) -> np.ndarray:
    """``(z, y, x)`` bool: where the renal pelvis of a kidney is to be looked for."""
    center_z, center_y, center_x = np.argwhere(kidney).mean(axis=0)
    z, y, x = np.indices(kidney.shape, sparse=True)
    towards_spine_mm = (x - center_x) * spacing_mm[0] * medial
    behind_mm = (y - center_y) * spacing_mm[1]
    above_mm = (z - center_z) * spacing_mm[2]
    reach = [round(_REACH_MM / step) for step in spacing_mm]
    near = sitk.BinaryDilate(sitk.GetImageFromArray(kidney.astype(np.uint8)), reach)
    return (
        (sitk.GetArrayViewFromImage(near) > 0)
        & (towards_spine_mm > 5.0)
        & (behind_mm < 5.0)
        & (np.abs(above_mm) < _HALF_HEIGHT_MM)
    )
