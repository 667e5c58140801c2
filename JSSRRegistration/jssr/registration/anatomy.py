"""What anatomy rules out among the segmentor's labels."""

import numpy as np
import SimpleITK as sitk
import torch

from jssr.labels import label_index
from jssr.registration.body import patient_mask
from jssr.registration.hard_labels import hard_labels
from jssr.registration.pieces import connected_pieces, large_pieces
from jssr.registration.places import Landmarks
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
    "liver": 0.2,
    "spleen": 1.0,
    "right_kidney": 0.1,
    "left_kidney": 0.1,
    "aorta": 1.0,
    "inferior_vena_cava": 1.0,
    "gallbladder": 1.0,
    "pancreas": 1.0,
    "lung": 0.2,
}
"""Pieces smaller than this part of an organ's largest piece are no organ: only the largest stays
but of the lungs, which are two, the liver, which clefts and surgery part, and the kidneys, which S
tears apart."""

_OF_THE_LIVER = ("lesion", "hepatic_vein")
_OFF_THE_LIVER_MM = 30.0


def plausible(probabilities: torch.Tensor, hu: torch.Tensor, grid: Geometry) -> torch.Tensor:
    """S's opinion where anatomy allows it, and background elsewhere.

    Nothing is labelled outside of the patient, no solid organ holds fat or gas, each lies in its
    place beside the others, and what lies apart from an organ, or hangs on a compact one by a thin
    neck, is not part of it. Lesions and hepatic veins far from the liver are none.

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
    _dismiss_strays(probabilities[0], hard_labels(probabilities).numpy(), grid.spacing_mm)
    _fill_background(probabilities)
    return probabilities


def _fill_background(probabilities: torch.Tensor) -> None:
    torch.sub(1.0, probabilities[:, 1:].sum(dim=1), out=probabilities[:, 0])


def _dismiss_strays(probabilities: torch.Tensor, labels: np.ndarray, spacing_mm: Spacing) -> None:
    """Zeroes organs ``(classes, z, y, x)`` where their labels are no part of them."""
    landmarks = Landmarks.of(labels, spacing_mm)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputePerimeterOff()
    shape.Execute(sitk.GetImageFromArray(labels))
    for name, least in _LEAST_PIECE.items():
        index = label_index(name)
        if not shape.HasLabel(index):
            continue
        x, y, z, width, height, depth = shape.GetBoundingBox(index)
        box = np.s_[z : z + depth, y : y + height, x : x + width]
        mask = labels[box] == index
        core = _without_necks(mask, spacing_mm) if name in _COMPACT else mask
        if landmarks is not None:
            core = landmarks.seen_from((z, y, x)).in_place(core, name)
        organ = large_pieces(core, least)
        if name in _COMPACT:
            organ = _grown(organ, spacing_mm)
        probabilities[index][box][torch.from_numpy(mask & ~organ)] = 0.0
    _dismiss_far_from_liver(probabilities, labels, spacing_mm)


def _dismiss_far_from_liver(
    probabilities: torch.Tensor, labels: np.ndarray, spacing_mm: Spacing
) -> None:
    """Zeroes pieces of what belongs to the liver that lie beyond 30 mm from what is left of it."""
    liver = (labels == label_index("liver")) & (probabilities[label_index("liver")].numpy() > 0)
    image = _image(liver)
    image.SetSpacing(spacing_mm)
    distance_mm = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    near = sitk.GetArrayFromImage(distance_mm) <= _OFF_THE_LIVER_MM if liver.any() else liver
    for name in _OF_THE_LIVER:
        mask = labels == label_index(name)
        pieces = connected_pieces(mask)
        kept = np.isin(pieces, pieces[near])
        probabilities[label_index(name)][torch.from_numpy(mask & ~kept)] = 0.0


def _without_necks(mask: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """The mask opened; as it is where it is thin everywhere."""
    opened = sitk.BinaryMorphologicalOpening(_image(mask), _neck_radius(spacing_mm))
    found = sitk.GetArrayFromImage(opened) > 0
    return found if found.any() else mask


def _grown(core: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    """What the opening took from around the core, and more."""
    radius = [r + 1 for r in _neck_radius(spacing_mm)]
    return sitk.GetArrayFromImage(sitk.BinaryDilate(_image(core), radius)) > 0


def _neck_radius(spacing_mm: Spacing) -> list[int]:
    return [max(1, round(_NECK_MM / 2 / s)) for s in spacing_mm]


def _image(mask: np.ndarray) -> sitk.Image:
    return sitk.GetImageFromArray(mask.astype(np.uint8))
