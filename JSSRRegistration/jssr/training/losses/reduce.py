"""Means over masks that do not depend on how a batch is split over processes."""

import torch
from torch import Tensor


def full_precision(values: Tensor) -> Tensor:
    """``values`` in float32 at least: what networks compute in bfloat16 is summed without it."""
    return values if values.dtype == torch.float64 else values.float()


def masked_mean(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over mask and channels of each sample, then over the batch.

    Args:
        values: (B, C, z, y, x).
        mask: (B, 1, z, y, x), zero where a voxel does not count; weights between 0 and 1 are
            allowed. A sample with an empty mask contributes zero.

    Returns:
        A scalar.
    """
    values = full_precision(values)
    if mask is None:
        return values.mean()
    weight = mask.to(values.dtype)
    total = (values * weight).flatten(1).sum(1)
    count = weight.flatten(1).sum(1) * values.shape[1]
    return (total / count.clamp_min(1)).mean()
