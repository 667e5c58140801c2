"""What anatomy rules out among the segmentor's labels."""

import numpy as np
import SimpleITK as sitk
import torch

from jssr.labels import label_index
from jssr.registration.body import patient_mask
from jssr.registration.winners import winners
from jssr.spatial.fields import smooth_gaussian
from jssr.spatial.geometry import Geometry
from jssr.spatial.warp import Spacing

_FAT_HU = -20.0
_SOLID = (
    "liver",
    "lesion",
    "spleen",
    "right_kidney",
    "left_kidney",
    "aorta",
    "inferior_vena_cava",
    "portal_vein",
    "hepatic_vein",
    "pancreas",
)
"""What holds neither fat nor gas."""

_COMPACT = ("spleen", "right_kidney", "left_kidney")
"""What has no thin parts: bowel and muscle that merely touch it hang on by a neck."""

_NECK_MM = 12.0

_LEAST_PIECE = {
    "liver": 1.0,
    "spleen": 1.0,
    "right_kidney": 1.0,
    "left_kidney": 1.0,
    "aorta": 1.0,
    "inferior_vena_cava": 1.0,
    "gallbladder": 1.0,
    "pancreas": 1.0,
    "lung": 0.2,
}
"""Pieces smaller than this part of an organ's largest piece are no organ: of all but the lungs,
which are two, only the largest stays."""


def plausible(probabilities: torch.Tensor, hu: torch.Tensor, grid: Geometry) -> torch.Tensor:
    """S's opinion where anatomy allows it, and background elsewhere.

    Nothing is labelled outside of the patient, no solid organ holds fat or gas, and what lies
    apart from an organ, or hangs on a compact one by a thin neck, is not part of it.

    Args:
        probabilities: ``(1, classes, z, y, x)`` on ``grid``; changed in place.
        hu: ``(z, y, x)``, -1024 outside of the scan.
        grid: along the patient's axes.
    """
    inside = sitk.GetArrayFromImage(patient_mask(grid.image(hu.numpy()))) > 0
    probabilities[:, 1:] *= torch.from_numpy(inside)
    dense = smooth_gaussian(hu[None, None].clamp(-200.0, 300.0), 0.7)[:, 0] > _FAT_HU
    for name in _SOLID:
        probabilities[:, label_index(name)] *= dense
    _fill_background(probabilities)
    _dismiss_strays(probabilities[0], winners(probabilities).numpy(), grid.spacing_mm)
    _fill_background(probabilities)
    return probabilities


def _fill_background(probabilities: torch.Tensor) -> None:
    torch.sub(1.0, probabilities[:, 1:].sum(dim=1), out=probabilities[:, 0])


def _dismiss_strays(probabilities: torch.Tensor, labels: np.ndarray, spacing_mm: Spacing) -> None:
    """Zeroes organs ``(classes, z, y, x)`` where their labels are no part of them."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputePerimeterOff()
    shape.Execute(sitk.GetImageFromArray(labels))
    for name, least in _LEAST_PIECE.items():
        index = label_index(name)
        if not shape.HasLabel(index):
            continue
        x, y, z, width, height, depth = shape.GetBoundingBox(index)
        box = np.s_[z : z + depth, y : y + height, x : x + width]
        mask = sitk.GetImageFromArray((labels[box] == index).astype(np.uint8))
        mask.SetSpacing(spacing_mm)
        organ = _large_pieces(_without_necks(mask) if name in _COMPACT else mask, least)
        stray = (labels[box] == index) & (sitk.GetArrayViewFromImage(organ) == 0)
        probabilities[index][box][torch.from_numpy(stray)] = 0.0


def _large_pieces(mask: sitk.Image, least: float) -> sitk.Image:
    """The pieces that hold at least this part of the largest one's voxels."""
    pieces = sitk.RelabelComponent(sitk.ConnectedComponent(mask))
    sizes = np.bincount(sitk.GetArrayViewFromImage(pieces).ravel())[1:]
    count = int((sizes >= least * sizes[0]).sum())
    return sitk.And(pieces > 0, pieces <= count)


def _without_necks(mask: sitk.Image) -> sitk.Image:
    """What the largest piece of the mask's opening reaches; all of what is thin everywhere."""
    radius = [max(1, round(_NECK_MM / 2 / s)) for s in mask.GetSpacing()]
    pieces = sitk.RelabelComponent(
        sitk.ConnectedComponent(sitk.BinaryMorphologicalOpening(mask, radius))
    )
    core = pieces == 1
    if not sitk.GetArrayViewFromImage(core).any():
        return mask
    return sitk.And(mask, sitk.BinaryDilate(core, [r + 1 for r in radius]))
