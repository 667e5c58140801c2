"""How alike two scans of different contrast look."""

import torch

from jssr.networks.structure import box_mean
from jssr.registration.inference import Pair
from jssr.spatial.warp import warp


def similarity(pair: Pair, displacement_mm: torch.Tensor | None) -> float:
    """Mean absolute local correlation (5³ voxels) inside the fixed body, 0 to 1.

    The sign is dropped: between phases a vessel may be brighter or darker than its surroundings.

    Args:
        displacement_mm: ``(1, 3, z, y, x)`` on the working grid; ``None`` moves nothing.
    """
    moving, valid = pair.moving.hu.clamp(-200.0, 300.0), pair.moving.valid.float()
    if displacement_mm is not None:
        moving = warp(moving, displacement_mm, pair.grid.spacing_mm)
        valid = warp(valid, displacement_mm, pair.grid.spacing_mm, padding="zeros")
    correlation = local_correlation(moving, pair.fixed.hu.clamp(-200.0, 300.0))
    region = pair.fixed_body & (valid[0, 0] > 0.99) & pair.fixed.valid[0, 0]
    return float(correlation[0, 0][region].abs().mean()) if bool(region.any()) else 0.0


def local_correlation(a: torch.Tensor, b: torch.Tensor, floor: float = 25.0) -> torch.Tensor:
    """Correlation of ``a`` and ``b`` around each voxel, ``(batch, 1, z, y, x)``, in HU.

    Means are taken off first, so nothing is lost to cancellation; ``floor`` is the variance in HU²
    below which a patch counts as flat.
    """

    def smooth(volume: torch.Tensor) -> torch.Tensor:
        return box_mean(box_mean(volume))

    a, b = a - smooth(a), b - smooth(b)
    covariance, variance_a, variance_b = smooth(a * b), smooth(a * a), smooth(b * b)
    return covariance / ((variance_a + floor) * (variance_b + floor)).sqrt()
