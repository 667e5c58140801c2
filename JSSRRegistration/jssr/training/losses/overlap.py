"""Terms on label probabilities: supervised Dice and cross-entropy, and Dice consistency."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d

from jssr.training.losses.reduce import full_precision


def label_fractions(labels: Tensor, classes: int) -> Tensor:
    """How much of each 2³ block of ``labels`` (B, z, y, x) a class fills, (B, K, z/2, y/2, x/2)."""
    one_hot = torch.zeros((len(labels), classes, *labels.shape[1:]), device=labels.device)
    return avg_pool3d(one_hot.scatter_(1, labels.long()[:, None], 1.0), 2)


def soft_dice(first: Tensor, second: Tensor, mask: Tensor | None = None) -> Tensor:
    """Soft Dice ``(2 sum pq + 1) / (sum p + sum q + 1)`` of every sample and class.

    The one voxel more lets a class that is absent from both agree.

    Args:
        first, second: probabilities, (B, K, z, y, x).
        mask: (B, 1, z, y, x), voxels that count.

    Returns:
        (B, K).
    """
    first, second = full_precision(first), full_precision(second)
    if mask is not None:
        first, second = first * mask, second * mask
    shared = (first * second).flatten(2).sum(2)
    total = first.flatten(2).sum(2) + second.flatten(2).sum(2)
    return (2 * shared + 1) / (total + 1)


def dice_consistency(
    warped: Tensor, fixed: Tensor, mask: Tensor | None = None, annotated: Tensor | None = None
) -> Tensor:
    """``1 - Dice[tau(S(G(x, y))), S(y)]``, ``L_dice^reg`` of the paper, over the organs.

    The background (class 0) is left out: it is nearly everywhere and would drown the organs. A
    class that neither image shows counts as agreement.

    Args:
        warped: probabilities of the synthesized scan after the transform, (B, K, z, y, x).
        fixed: probabilities of the fixed scan, same shape.
        mask: (B, 1, z, y, x), voxels that both scans really saw.
        annotated: (B, K), 1 where both images know the class; others are left out. ``None`` means
            all.
    """
    dice = soft_dice(warped[:, 1:], fixed[:, 1:], mask)
    if annotated is None:
        return 1 - dice.mean()
    known = annotated[:, 1:].to(dice.dtype)
    return ((1 - dice) * known).sum() / known.sum().clamp_min(1)


def supervised_segmentation(
    logits: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    annotated: Tensor | None = None,
) -> Tensor:
    """Dice loss plus cross-entropy on an annotated scan, ``L_dice^sup`` of the paper and more.

    Cross-entropy gives gradients from the first step, where soft Dice of small organs has nearly
    none. It is the mean over each class, and a class of ``n`` voxels counts ``sqrt(n)``: were every
    voxel to count alike, lesions (a thousandth of the scan) would stay at the chance of meeting
    one, where Dice has no gradient either, and never be found; were every class to count alike,
    they would be seen everywhere.

    Args:
        logits: (B, K, z, y, x).
        labels: (B, z, y, x) integers below K.
        mask: (B, 1, z, y, x), voxels that count.
        annotated: (B, K) booleans, the classes that a sample's annotation covers; classes it does
            not cover are merged with the background. ``None`` means all.

    Returns:
        A scalar; Dice is averaged over the organs that are present in the sample's labels.
    """
    logits, labels = full_precision(logits), labels.long()
    if annotated is not None and not bool(annotated.all()):
        logits, labels = _merge_unannotated(logits, labels, annotated)
    weight = (
        torch.ones_like(labels, dtype=logits.dtype) if mask is None else mask[:, 0].to(logits.dtype)
    )
    weight = weight.flatten(1)
    log_probabilities = logits.log_softmax(1)
    chosen = log_probabilities.gather(1, labels[:, None])[:, 0].flatten(1)
    probability_mass = torch.einsum("bkn,bn->bk", log_probabilities.exp().flatten(2), weight)
    nothing = torch.zeros_like(probability_mass)
    # Only the true class's probability enters the sums: no one-hot volume is needed.
    shared = nothing.scatter_add(1, labels.flatten(1), chosen.exp() * weight)
    count = nothing.scatter_add(1, labels.flatten(1), weight)
    entropy = nothing.scatter_add(1, labels.flatten(1), -chosen * weight)
    emphasis = count.sqrt()
    entropy = ((entropy / emphasis.clamp_min(1)).sum(1) / emphasis.sum(1).clamp_min(1)).mean()
    dice = (2 * shared + 1) / (probability_mass + count + 1)
    present = (count[:, 1:] > 0).to(dice.dtype)
    dice_loss = (((1 - dice[:, 1:]) * present).sum(1) / present.sum(1).clamp_min(1)).mean()
    return entropy + dice_loss


def _merge_unannotated(logits: Tensor, labels: Tensor, annotated: Tensor) -> tuple[Tensor, Tensor]:
    """Fold the probability of classes that were never drawn into the background's."""
    keep = annotated.to(torch.bool).clone()
    keep[:, 0] = True
    keep = keep[:, :, None, None, None]
    lowest = torch.finfo(logits.dtype).min / 4
    background = torch.where(keep, torch.full_like(logits, lowest), logits)
    background[:, :1] = logits[:, :1]
    merged = torch.where(keep, logits, torch.full_like(logits, lowest))
    merged = torch.cat([background.logsumexp(1, keepdim=True), merged[:, 1:]], dim=1)
    covered = keep.expand(-1, -1, *labels.shape[1:]).gather(1, labels[:, None])[:, 0]
    return merged, torch.where(covered, labels, torch.zeros_like(labels))
