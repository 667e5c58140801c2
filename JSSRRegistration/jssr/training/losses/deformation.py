"""Terms on the displacement itself: smoothness, folding, inverse consistency, lesion volume."""

import torch
from torch import Tensor
from torch.nn.functional import relu

from jssr.spatial.jacobian import jacobian_determinant
from jssr.spatial.warp import Spacing, warp
from jssr.training.losses.reduce import full_precision, masked_mean


def smoothness(displacement_mm: Tensor, spacing_mm: Spacing) -> Tensor:
    """Diffusion energy ``E || grad u ||^2`` of the displacement, without unit (mm per mm).

    The paper prints ``|| grad tau ||^2`` of the map; taken literally it punishes the identity
    (whose gradient is the unit matrix). The displacement's gradient is meant, and is taken here
    with forward differences.

    Args:
        displacement_mm: (B, 3, z, y, x).
        spacing_mm: grid spacing, x, y, z.
    """
    displacement_mm = full_precision(displacement_mm)
    energy = displacement_mm.new_zeros(())
    for axis, step_mm in zip((4, 3, 2), spacing_mm, strict=True):
        energy = energy + (displacement_mm.diff(dim=axis) / step_mm).square().sum(1).mean()
    return energy


def folding_penalty(displacement_mm: Tensor, spacing_mm: Spacing) -> Tensor:
    """Mean of ``max(0, 0.1 - J)``: zero where volumes keep at least a tenth of themselves."""
    return relu(0.1 - jacobian_determinant(full_precision(displacement_mm), spacing_mm)).mean()


def inverse_inconsistency(first_mm: Tensor, second_mm: Tensor, spacing_mm: Spacing) -> Tensor:
    """Mean length in mm of ``u(p) + w(p + u(p))``: where there and back again misses the start.

    Args:
        first_mm, second_mm: displacements that should undo each other, (B, 3, z, y, x).
        spacing_mm: grid spacing, x, y, z.
    """
    first_mm = full_precision(first_mm)
    returned = warp(full_precision(second_mm), first_mm, spacing_mm)
    return length_mm(first_mm + returned).mean()


def lesion_volume_change(displacement_mm: Tensor, lesions: Tensor, spacing_mm: Spacing) -> Tensor:
    """Mean ``|log J|`` inside lesions: a lesion should be moved, not squeezed or blown up.

    Args:
        displacement_mm: fixed to moving, (B, 3, z, y, x).
        lesions: (B, 1, z, y, x), lesions of the fixed scan on the displacement's grid, 0 to 1.
        spacing_mm: grid spacing, x, y, z.
    """
    determinant = jacobian_determinant(full_precision(displacement_mm), spacing_mm)[:, None]
    return masked_mean(torch.log(determinant.clamp_min(0.01)).abs(), lesions)


def endpoint_error(
    predicted_mm: Tensor, truth_mm: Tensor, mask: Tensor | None = None, softening_mm: float = 0.1
) -> Tensor:
    """Mean distance in mm between predicted and true displacement, for phantoms.

    Args:
        predicted_mm, truth_mm: (B, 3, z, y, x).
        mask: (B, 1, z, y, x), where the truth exists.
        softening_mm: rounds the cone's tip, so that the gradient fades near the truth.
    """
    return masked_mean(length_mm(full_precision(predicted_mm) - truth_mm, softening_mm), mask)


def length_mm(vectors_mm: Tensor, softening_mm: float = 1e-3) -> Tensor:
    """``sqrt(|v|^2 + s^2) - s``: the length with a gradient at zero. (B, 3, ...) to (B, 1, ...)."""
    squared = vectors_mm.square().sum(1, keepdim=True)
    return (squared + softening_mm * softening_mm).sqrt() - softening_mm
