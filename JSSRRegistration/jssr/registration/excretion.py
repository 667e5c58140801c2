"""Contrast that the kidneys have excreted: bright urine in the renal pelvis."""

import numpy as np
import SimpleITK as sitk
import torch

from jssr.labels import label_index
from jssr.spatial.geometry import Geometry

_MEDIAL = {"right_kidney": 1.0, "left_kidney": -1.0}
"""The direction along x from each kidney's centre to its hilum."""

_LEAST_KIDNEY_ML = 40.0
# The hilum: as far from the kidney, and from its centre towards the spine, forwards and up or down.
_REACH_MM = 12.0
_MEDIAL_MM = (5.0, 34.0)
_FORWARD_MM = (-5.0, 22.0)
_HALF_HEIGHT_MM = 20.0
_BRIGHT_HU = 200.0
_BRIGHTER_THAN_KIDNEY_HU = 80.0
_LEAST_BRIGHT_ML = 0.25


def excreting_kidneys(
    hu: torch.Tensor, probabilities: torch.Tensor, grid: Geometry
) -> tuple[bool, ...]:
    """Whether urine is bright, for each kidney that S shows.

    The renal pelvis lies in the kidney's hilum: beside it, towards the spine, neither behind, where
    ribs are as bright, nor before it, where bowel is, and at its middle height. Renal vessels pass
    there as well, so in the arterial phase the answer says less.

    Args:
        hu: ``(z, y, x)``.
        probabilities: S's opinion ``(classes, z, y, x)``.
        grid: where both lie, along the patient's axes.
    """
    found = []
    values = hu.numpy()
    for name, medial in _MEDIAL.items():
        kidney = probabilities[label_index(name)].numpy() > 0.5
        if kidney.sum() * grid.voxel_ml < _LEAST_KIDNEY_ML:
            continue
        pelvis = values[_hilum(kidney, grid.spacing_mm, medial)]
        threshold = max(_BRIGHT_HU, float(np.median(values[kidney])) + _BRIGHTER_THAN_KIDNEY_HU)
        found.append(bool((pelvis > threshold).sum() * grid.voxel_ml >= _LEAST_BRIGHT_ML))
    return tuple(found)


def _hilum(kidney: np.ndarray, spacing_mm: tuple[float, float, float], medial: float) -> np.ndarray:
    """``(z, y, x)`` bool: where the renal pelvis of a kidney is to be looked for."""
    center_z, center_y, center_x = np.argwhere(kidney).mean(axis=0)
    z, y, x = np.indices(kidney.shape, sparse=True)
    medial_mm = (x - center_x) * spacing_mm[0] * medial
    forward_mm = (center_y - y) * spacing_mm[1]
    above_mm = (z - center_z) * spacing_mm[2]
    reach = [round(_REACH_MM / step) for step in spacing_mm]
    near = sitk.BinaryDilate(sitk.GetImageFromArray(kidney.astype(np.uint8)), reach)
    return (
        (sitk.GetArrayViewFromImage(near) > 0)
        & (medial_mm > _MEDIAL_MM[0])
        & (medial_mm < _MEDIAL_MM[1])
        & (forward_mm > _FORWARD_MM[0])
        & (forward_mm < _FORWARD_MM[1])
        & (np.abs(above_mm) < _HALF_HEIGHT_MM)
    )
