"""Local volume change of a deformation."""

import numpy as np
import torch

from jssr.spatial.geometry import Geometry
from jssr.spatial.warp import Spacing


def jacobian_matrix(displacement_mm: torch.Tensor, spacing_mm: Spacing) -> torch.Tensor:
    """``∂(p + u)/∂p`` as ``(batch, 3, 3, z, y, x)`` [component, direction], central differences."""
    columns = []
    for direction, axis in enumerate((4, 3, 2)):
        (slope,) = torch.gradient(
            displacement_mm.float(), spacing=spacing_mm[direction], dim=axis, edge_order=1
        )
        columns.append(slope)
    matrix = torch.stack(columns, dim=2)
    identity = torch.eye(3, device=matrix.device).view(1, 3, 3, 1, 1, 1)
    return matrix + identity


def jacobian_determinant(displacement_mm: torch.Tensor, spacing_mm: Spacing) -> torch.Tensor:
    """Volume ratio of the map ``p -> p + u(p)`` at each voxel, ``(batch, z, y, x)``.

    Below zero the map folds. Nothing is clipped.
    """
    # Unbound, not indexed: the gradient of each indexing is a whole matrix of zeros.
    rows = jacobian_matrix(displacement_mm, spacing_mm).unbind(dim=1)
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(dim=1) for row in rows)
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def jacobian_determinant_on(grid: Geometry, displacement_mm: np.ndarray) -> np.ndarray:
    """Volume ratio ``(z, y, x)`` of an LPS displacement ``(3, z, y, x)`` on a grid at any angle.

    The determinant does not change when the displacement is turned into the grid's axes, along
    which differences run.
    """
    axes = np.reshape(grid.direction, (3, 3))
    along_axes = np.tensordot(axes.T, displacement_mm, axes=1).astype(np.float32)
    return jacobian_determinant(torch.from_numpy(along_axes)[None], grid.spacing_mm)[0].numpy()


def folding_fraction(determinant: torch.Tensor, mask: torch.Tensor) -> float:
    """The part of the masked voxels where the determinant is not positive."""
    return float((determinant[mask] <= 0).float().mean()) if bool(mask.any()) else 0.0


def log_jacobian_sd(determinant: torch.Tensor, mask: torch.Tensor) -> float:
    """Standard deviation of ``log J`` over the masked voxels; a fold counts as ``J = 1e-9``."""
    if not bool(mask.any()):
        return 0.0
    return float(torch.log(determinant[mask].clamp_min(1e-9)).std(unbiased=False))
