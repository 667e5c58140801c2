"""Figures on held-out pairs, in millimetres and Dice, and the pictures that go with them."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d

from jssr.labels import LABELS, is_liver, label_index
from jssr.registration.body import BODY_THRESHOLD_HU
from jssr.spatial.fields import resample_field
from jssr.spatial.jacobian import folding_fraction, jacobian_determinant, log_jacobian_sd
from jssr.spatial.warp import warp
from jssr.training.data.batch import PairBatch, Truth, to_device
from jssr.training.leakage import geometry_leakage
from jssr.training.objective import Objective, Views


@torch.no_grad()
def validate_segmentor(
    objective: Objective, pairs: Iterable[PairBatch], device: torch.device
) -> dict[str, float]:
    """Mean ``dice_<organ>`` of S over the fixed scans of annotated ``pairs``, and ``dice_mean``."""
    collected: dict[str, list[float]] = {}
    for compact in pairs:
        pair = to_device(compact, device)
        if pair.fixed_labels is not None:
            logits = objective.segmentor(objective.network_values(pair.fixed_hu))
            for name, value in _segmentation_figures(logits, pair.fixed_labels).items():
                collected.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in collected.items()}


@torch.no_grad()
def validate(
    objective: Objective, pairs: Iterable[PairBatch], device: torch.device
) -> dict[str, float]:
    """Mean figures over ``pairs``.

    Args:
        objective: holds the (averaged) networks in evaluation mode.
        pairs: batches of one.
        device: where to compute.

    Returns:
        ``tre_body_mm`` and ``tre_liver_mm`` beside ``tre_*_identity_mm`` (doing nothing) where
        truth exists; ``dice_<organ>`` of S; ``warped_dice``, the mean over the organs that both
        scans show, and ``warped_dice_liver`` of the moving labels after registration, with
        ``_identity`` before it; ``folding``, ``log_jacobian_sd``,
        ``synthesis_mae_hu`` where truth exists, ``synthesis_contrast_ratio`` (standard deviation of
        G's output over that of the fixed scan: none is left when G collapses),
        ``leakage_percent`` (G's geometry leakage, on the first pair).
    """
    collected: dict[str, list[float]] = {}
    for number, compact in enumerate(pairs):
        pair = to_device(compact, device)
        views = objective.views(pair)
        for name, value in pair_figures(objective, pair, views).items():
            collected.setdefault(name, []).append(value)
        if number == 0 and objective.synthesizes:
            percent = geometry_leakage(
                objective.synthesizer(pair), views.fixed, objective.spacing_mm
            )
            collected["leakage_percent"] = [percent]
    return {name: float(np.mean(values)) for name, values in collected.items()}


def pair_figures(objective: Objective, pair: PairBatch, views: Views) -> dict[str, float]:
    """The figures of one pair (batch size one)."""
    fixed_to_moving_mm = views.levels[-1][0].float()
    coarse = objective.field_spacing_mm
    body = avg_pool3d(pair.fixed_valid.float(), 2)[:, 0] > 0.5
    determinant = jacobian_determinant(fixed_to_moving_mm, coarse)
    figures = {
        "folding": folding_fraction(determinant, body),
        "log_jacobian_sd": log_jacobian_sd(determinant, body),
    }
    if objective.synthesizes:
        made, real = (
            _spread(views.synthesized, pair.moving_valid),
            _spread(views.fixed, pair.fixed_valid),
        )
        figures["synthesis_contrast_ratio"] = made / max(real, 1e-6)
    if pair.truth is not None:
        figures.update(_truth_figures(objective, pair, pair.truth, views))
    if pair.fixed_labels is not None and pair.moving_labels is not None:
        full = resample_field(fixed_to_moving_mm, list(pair.fixed_hu.shape[2:]))
        moving = pair.moving_labels[:, None].float()
        warped = warp(moving, full, objective.spacing_mm, mode="nearest")
        figures.update(_label_figures(pair.fixed_labels, pair.moving_labels, warped[:, 0]))
        if views.fixed_logits is not None:
            figures.update(_segmentation_figures(views.fixed_logits, pair.fixed_labels))
    return figures


def pictures(
    objective: Objective, compact: PairBatch, device: torch.device
) -> dict[str, np.ndarray]:
    """Middle coronal slices of what the networks make of a pair: arrays in 0 to 1, head up."""
    with torch.no_grad():
        pair = to_device(compact, device)
        views = objective.views(pair)
        fixed_to_moving_mm = views.levels[-1][0].float()
        full = resample_field(fixed_to_moving_mm, list(views.fixed.shape[2:]))
        warped = warp(views.synthesized.float(), full, objective.spacing_mm)
        determinant = jacobian_determinant(fixed_to_moving_mm, objective.field_spacing_mm)[:, None]
    shown = {
        "fixed": _gray(views.fixed),
        "moving": _gray(views.moving),
        "synthesized": _gray(views.synthesized),
        "warped": _gray(warped),
        "jacobian": _slice(determinant.clamp(0, 2) / 2),
        "field_z": _slice(fixed_to_moving_mm[:, 2:].clamp(-20, 20) / 40 + 0.5),
    }
    if views.fixed_logits is not None:
        shown["labels"] = _colored(views.fixed_logits.argmax(1, keepdim=True))
    return shown


def _truth_figures(
    objective: Objective, pair: PairBatch, truth: Truth, views: Views
) -> dict[str, float]:
    fixed_to_moving_mm = views.levels[-1][0].float()
    error = (fixed_to_moving_mm - truth.fixed_to_moving_mm).square().sum(1).sqrt()
    still = truth.fixed_to_moving_mm.square().sum(1).sqrt()
    where = {"body": _body(pair, truth)}
    if pair.fixed_labels is not None:
        liver = is_liver(pair.fixed_labels)
        where["liver"] = (avg_pool3d(liver.float()[:, None], 2)[:, 0] > 0.5) & (
            truth.fixed_mask[:, 0] > 0
        )
    figures = {}
    for name, mask in where.items():
        if bool(mask.any()):
            figures[f"tre_{name}_mm"] = float(error[mask].mean())
            figures[f"tre_{name}_identity_mm"] = float(still[mask].mean())
    if objective.synthesizes:
        mask = (truth.synthesis_mask * pair.moving_valid) > 0
        difference = objective.hu(views.synthesized) - objective.clipped(truth.synthesis_hu)
        figures["synthesis_mae_hu"] = float(difference.abs()[mask].mean())
    return figures


def _spread(image: Tensor, valid: Tensor) -> float:
    """Standard deviation of the voxels that the scan has."""
    return float(image.detach().float()[valid > 0].std())


def _body(pair: PairBatch, truth: Truth) -> Tensor:
    """Field voxels of the patient's tissue (lung is judged by its vessels and wall)."""
    tissue = avg_pool3d(pair.fixed_hu.float(), 2)[:, 0] > BODY_THRESHOLD_HU
    return tissue & (truth.fixed_mask[:, 0] > 0)


def _label_figures(fixed: Tensor, moving: Tensor, warped: Tensor) -> dict[str, float]:
    """Dice of the fixed labels with the warped and, as ``_identity``, with the moving ones."""
    both = [
        label.index
        for label in LABELS
        if bool((fixed == label.index).any()) and bool((moving == label.index).any())
    ]
    if not both:
        return {}
    figures = {}
    for suffix, other in (("", warped), ("_identity", moving)):
        organs = [_dice(fixed == index, other == index) for index in both]
        figures[f"warped_dice{suffix}"] = float(np.mean(organs))
        if label_index("liver") in both:
            figures[f"warped_dice_liver{suffix}"] = _dice(is_liver(fixed), is_liver(other))
    return figures


def _segmentation_figures(logits: Tensor, labels: Tensor) -> dict[str, float]:
    predicted = logits.argmax(1)
    figures = {
        f"dice_{label.name}": _dice(labels == label.index, predicted == label.index)
        for label in LABELS
        if bool((labels == label.index).any())
    }
    if figures:
        figures["dice_mean"] = float(np.mean(list(figures.values())))
    return figures


def _dice(first: Tensor, second: Tensor) -> float:
    """Dice of two masks, one of which holds something."""
    return 2 * int((first & second).sum()) / (int(first.sum()) + int(second.sum()))


def _slice(volume: Tensor) -> np.ndarray:
    """Middle coronal slice of (1, 1, z, y, x), head up."""
    middle = volume.shape[3] // 2
    return volume[0, 0, :, middle].flip(0).float().cpu().numpy()


def _gray(image: Tensor) -> np.ndarray:
    return _slice((image.clamp(-1, 1) + 1) / 2)


def _colored(labels: Tensor) -> np.ndarray:
    colors = np.zeros((len(LABELS) + 1, 3), dtype=np.float32)
    for label in LABELS:
        colors[label.index] = np.asarray(label.color) / 255
    return colors[_slice(labels).astype(int)]
