"""How unlike two aligned images are: the joint L1 term and local correlation."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d

from jssr.training.losses.reduce import full_precision, masked_mean

FLAT_VARIANCE = 1e-4
"""In squared intensity of the networks, where the window spans 2: patches that vary less are flat
and have no correlation."""


def joint_l1(warped: Tensor, fixed: Tensor, mask: Tensor | None = None) -> Tensor:
    """``E || tau(G(x, y)) - y ||_1``: synthesis and registration loss of the paper in one.

    The paper writes a synthesis L1 and a registration L1; without aligned phases both are computed
    through the same warp, so they are the same term and G and Phi share its gradient.

    Args:
        warped: the synthesized image after the transform, (B, C, z, y, x).
        fixed: the fixed image, same shape.
        mask: (B, 1, z, y, x), voxels that both scans really saw.
    """
    return masked_mean((full_precision(warped) - full_precision(fixed)).abs(), mask)


def local_correlation_loss(
    first: Tensor,
    second: Tensor,
    mask: Tensor | None = None,
    radius: int = 2,
) -> Tensor:
    """One minus the mean squared local correlation coefficient over cubes.

    ``cc = cov(a, b)^2 / (var a * var b + e^2)`` in cubes of ``2 radius + 1`` voxels, ``e`` being
    ``FLAT_VARIANCE``. Means are taken off globally before squaring and variances are held at zero
    from below: ``E[a^2] - E[a]^2`` of a flat patch must not turn negative.

    Args:
        first, second: (B, 1, z, y, x).
        mask: (B, 1, z, y, x), centres of cubes that count.
        radius: half width of the cube, voxels.

    Returns:
        A scalar between 0 (related everywhere) and 1.
    """
    a = full_precision(first)
    b = full_precision(second)
    a = a - a.mean(dim=(2, 3, 4), keepdim=True)
    b = b - b.mean(dim=(2, 3, 4), keepdim=True)
    moments = avg_pool3d(
        torch.cat([a, b, a * a, b * b, a * b], dim=1),
        kernel_size=2 * radius + 1,
        stride=1,
        padding=radius,
        count_include_pad=False,
    )
    mean_a, mean_b, square_a, square_b, product = moments.split(1, dim=1)
    variance_a = (square_a - mean_a.square()).clamp_min(0)
    variance_b = (square_b - mean_b.square()).clamp_min(0)
    covariance = product - mean_a * mean_b
    correlation = covariance.square() / (variance_a * variance_b + FLAT_VARIANCE * FLAT_VARIANCE)
    return masked_mean(1 - correlation.clamp_max(1), mask)
