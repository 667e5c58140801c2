"""Figures of a synthesized scan against the noise-free answer that phantoms know."""

import numpy as np
import SimpleITK as sitk

from jssr.evaluation import metrics
from jssr.evaluation.cohort import CaseData
from jssr.evaluation.statistics import Row
from jssr.hounsfield import AIR_HU
from jssr.labels import LABELS
from jssr.registration.body import BODY_THRESHOLD_HU
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_to_sitk

PHASES_DIFFER_FROM_HU = 15.0
"""Organs whose mean differs less than this between the phases have nothing to be painted."""

_ORGANS = (
    "liver",
    "spleen",
    "right_kidney",
    "left_kidney",
    "aorta",
    "inferior_vena_cava",
    "portal_vein",
    "hepatic_vein",
)
_LEAST_VOXELS = 50


def synthesis_figures(
    data: CaseData,
    synthesized: sitk.Image,
    fixed_to_moving: np.ndarray,
    window_hu: tuple[float, float],
) -> Row:
    """MAE, PSNR and SSIM of the synthesized scan, and MAE of the unsynthesized one beside it.

    ``synthesis_ratio_<organ>`` is the organ's error after synthesis over that before, where the
    phases differ by at least 15 HU. Everything is clipped to the window the networks see.

    Args:
        synthesized: moving content in the fixed scan's phase on a grid in the fixed scan's space.
        fixed_to_moving: the linear part that brought it there, ``(4, 4)``.
    """
    if data.synthesis_truth is None or data.moving_labels is None:
        return {}
    truth = _placed(data.synthesis_truth, synthesized, fixed_to_moving, sitk.sitkLinear, AIR_HU)
    before = _placed(data.moving, synthesized, fixed_to_moving, sitk.sitkLinear, AIR_HU)
    labels = _placed(data.moving_labels, synthesized, fixed_to_moving, sitk.sitkNearestNeighbor, 0)
    found = sitk.GetArrayFromImage(synthesized).astype(np.float32)
    body = (before > BODY_THRESHOLD_HU) & (truth > BODY_THRESHOLD_HU)
    truth, before, found = (np.clip(values, *window_hu) for values in (truth, before, found))
    span = window_hu[1] - window_hu[0]
    row: Row = {
        "synthesis_mae_hu": metrics.mean_absolute_error(found, truth, body),
        "unsynthesized_mae_hu": metrics.mean_absolute_error(before, truth, body),
        "synthesis_psnr_db": metrics.peak_signal_to_noise(found, truth, body, span),
        "synthesis_ssim": metrics.structural_similarity(
            np.where(body, found, window_hu[0]), np.where(body, truth, window_hu[0]), span
        ),
    }
    for label in LABELS:
        organ = (labels == label.index) & body
        if label.name in _ORGANS and organ.sum() >= _LEAST_VOXELS:
            row |= _organ_figures(label.name, organ, found, before, truth)
    return row


def _organ_figures(
    name: str, organ: np.ndarray, found: np.ndarray, before: np.ndarray, truth: np.ndarray
) -> Row:
    after = metrics.mean_absolute_error(found, truth, organ)
    earlier = metrics.mean_absolute_error(before, truth, organ)
    row: Row = {f"synthesis_mae_{name}_hu": after, f"unsynthesized_mae_{name}_hu": earlier}
    differs = abs(float(before[organ].mean() - truth[organ].mean())) >= PHASES_DIFFER_FROM_HU
    if differs and after is not None and earlier:
        row[f"synthesis_ratio_{name}"] = after / earlier
    return row


def _placed(
    image: sitk.Image, reference: sitk.Image, linear: np.ndarray, interpolator: int, outside: float
) -> np.ndarray:
    grid = Geometry.of(reference).empty_image()
    placed = sitk.Resample(image, grid, affine_to_sitk(linear), interpolator, outside)
    return sitk.GetArrayFromImage(placed)
