"""Local matching: where around each voxel does the other scan look alike?"""

import torch
import torch.nn.functional as F

from jssr.networks.structure import box_mean, window


def search_offsets(radius: int) -> list[list[int]]:
    """All ``(z, y, x)`` offsets of up to ``radius`` voxels along each axis."""
    reach = range(-radius, radius + 1)
    return [[z, y, x] for z in reach for y in reach for x in reach]


def matching_costs(
    moving: torch.Tensor,
    fixed: torch.Tensor,
    moving_valid: torch.Tensor,
    fixed_valid: torch.Tensor,
    kinds: int,
    radius: int,
    offsets: list[list[int]],
    neutral: float,
    pool: int,
) -> torch.Tensor:
    """Mean squared feature difference for each offset, averaged over the real voxels around.

    Around means 3³ voxels, and then each block of ``pool``³: pooling costs instead of features
    keeps a coarse search as exact as its features are fine.

    Args:
        moving, fixed: features ``(b, kinds * c, z, y, x)``, ``c`` channels of each kind.
        moving_valid, fixed_valid: ``(b, 1, z, y, x)`` in [0, 1].
        kinds: how many kinds of features there are; each has its own cost.
        radius, offsets: the candidates, offsets of the moving features, ``(z, y, x)`` voxels.
        neutral: the cost of an offset about which no real voxel says anything.
        pool: how many feature voxels one voxel of the answer spans along each axis.

    Returns:
        ``(b, kinds, offsets, z / pool, y / pool, x / pool)``.
    """
    b, channels = fixed.shape[0], fixed.shape[1]
    by_kind = [b, kinds, channels // kinds, fixed.shape[2], fixed.shape[3], fixed.shape[4]]
    around = [radius, radius, radius, radius, radius, radius]
    fixed_energy = fixed.square().view(by_kind).mean(dim=2)
    moving_shape = [b, kinds, channels // kinds] + [n + 2 * radius for n in fixed.shape[2:]]
    moving = F.pad(moving, around, mode="replicate")
    moving_energy = moving.square().view(moving_shape).mean(dim=2)
    moving_valid = F.pad(moving_valid, around)
    # As much as half a voxel of the 3³: where any are real, they decide.
    neutral_weight = 0.02
    costs: list[torch.Tensor] = []
    for o in offsets:
        product = window(moving, radius, o[0], o[1], o[2]) * fixed
        energy = window(moving_energy, radius, o[0], o[1], o[2]) + fixed_energy
        squared = energy - 2.0 * product.view(by_kind).mean(dim=2)
        valid = window(moving_valid, radius, o[0], o[1], o[2]) * fixed_valid
        pooled = F.avg_pool3d(box_mean(torch.cat((squared * valid, valid), dim=1)), pool)
        costs.append(
            (pooled[:, :-1] + neutral_weight * neutral) / (pooled[:, -1:] + neutral_weight)
        )
    return torch.stack(costs, dim=2)


def expected_offset(
    logits: torch.Tensor, offsets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean offset under ``softmax(logits)`` and how peaked that distribution is.

    Args:
        logits: ``(b, offsets, z, y, x)``.
        offsets: ``(offsets, 3)`` candidate displacements, x, y, z order.

    Returns:
        ``(b, 3, z, y, x)`` in the unit of ``offsets``, and the largest probability
        ``(b, 1, z, y, x)``.
    """
    probability = torch.softmax(logits, dim=1)
    # Sums, not a matrix product: autocast would run that in half precision.
    means: list[torch.Tensor] = []
    for axis in range(3):
        means.append((probability * offsets[:, axis].view(1, -1, 1, 1, 1)).sum(dim=1))
    return torch.stack(means, dim=1), probability.amax(dim=1, keepdim=True)
