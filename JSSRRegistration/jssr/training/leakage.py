"""Geometry leakage: how far G's picture of the moving scan follows its view of the fixed scan."""

from collections.abc import Callable

import torch
from torch import Tensor

from jssr.spatial.warp import Spacing, warp

_SHIFT_MM = 10.0
_STEP_MM = 1.0


@torch.no_grad()
def geometry_leakage(
    synthesize: Callable[[Tensor], Tensor], fixed: Tensor, spacing_mm: Spacing
) -> float:
    """The displacement that best aligns G(x, y) with G(x, shifted y), in percent of the shift.

    G should take phase and nothing else from the fixed scan y: 0 means that moving y moves nothing,
    100 that G's output moves along with y, as a copy of y would.

    Args:
        synthesize: gives G(x, y) in [-1, 1] from y, (B, 1, z, y, x) both.
        fixed: y, in [-1, 1]; it is shifted by 10 mm along z.
        spacing_mm: of the grid, x, y, z.
    """
    still = synthesize(fixed)
    pushed = synthesize(_shifted(fixed, _SHIFT_MM, spacing_mm))
    offsets = [_STEP_MM * k for k in range(-3, int(_SHIFT_MM / _STEP_MM) + 4)]
    margin = int(2 * _SHIFT_MM / spacing_mm[2]) + 1
    inner = slice(margin, still.shape[2] - margin) if still.shape[2] > 3 * margin else slice(None)
    errors = [
        float((_shifted(still, offset, spacing_mm) - pushed)[:, :, inner].square().mean())
        for offset in offsets
    ]
    return 100 * _lowest_point(offsets, errors) / _SHIFT_MM


def _shifted(image: Tensor, shift_mm: float, spacing_mm: Spacing) -> Tensor:
    displacement = torch.zeros((1, 3, *image.shape[2:]), device=image.device)
    displacement[:, 2] = shift_mm
    return warp(image, displacement.expand(len(image), -1, -1, -1, -1), spacing_mm)


def _lowest_point(positions: list[float], values: list[float]) -> float:
    """Where the parabola through the lowest value and its neighbours has its vertex.

    Of equal values, as of an empty picture, the one nearest to 0 is the lowest.
    """
    lowest = min(range(len(values)), key=lambda i: (values[i], abs(positions[i])))
    if lowest in (0, len(values) - 1):
        return positions[lowest]
    before, here, after = values[lowest - 1 : lowest + 2]
    curvature = before - 2 * here + after
    offset = 0.0 if curvature <= 0 else 0.5 * (before - after) / curvature
    return positions[lowest] + offset * (positions[1] - positions[0])
