"""Signed distances (mm, negative inside) of simple bodies, and smooth ways to combine them."""

from collections.abc import Sequence

import torch
from torch import Tensor

Vector = Sequence[float]


def smooth_max(first: Tensor, second: Tensor | float, blend: float) -> Tensor:
    """Intersection of two bodies whose common edge is rounded over ``blend`` mm."""
    other = torch.as_tensor(second, dtype=first.dtype, device=first.device)
    overlap = (blend - (first - other).abs()).clamp_(min=0.0)
    return torch.maximum(first, other) + overlap.square_() * (0.25 / blend)


def smooth_min(first: Tensor, second: Tensor | float, blend: float) -> Tensor:
    """Union of two bodies whose common groove is filled over ``blend`` mm."""
    other = torch.as_tensor(second, dtype=first.dtype, device=first.device)
    overlap = (blend - (first - other).abs()).clamp_(min=0.0)
    return torch.minimum(first, other) - overlap.square_() * (0.25 / blend)


def rotation(x: float, y: float, z: float) -> Tensor:
    """Rotation matrix (3, 3) about the x, then y, then z axis; angles in degrees.

    Right-handed about x and z, but left-handed about y: a positive angle there turns x towards z.
    """
    matrix = torch.eye(3, dtype=torch.float64)
    for axis, degrees in enumerate((x, y, z)):
        angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
        first, second = [index for index in range(3) if index != axis]
        turn = torch.eye(3, dtype=torch.float64)
        turn[first, first] = turn[second, second] = torch.cos(angle)
        turn[first, second] = -torch.sin(angle)
        turn[second, first] = torch.sin(angle)
        matrix = turn @ matrix
    return matrix


def ellipsoid(points: Tensor, center: Vector, radii: Vector, turn: Tensor | None = None) -> Tensor:
    """Signed distance to an ellipsoid, exact to first order at its surface.

    points (3, ...), x y z in mm; ``turn`` rotates the ellipsoid's axes into the frame.
    """
    local = [points[axis] - center[axis] for axis in range(3)]
    if turn is not None:
        inverse = turn.T.tolist()
        local = [row[0] * local[0] + row[1] * local[1] + row[2] * local[2] for row in inverse]
    scaled = [value / radius for value, radius in zip(local, radii, strict=True)]
    level = (scaled[0].square() + scaled[1].square() + scaled[2].square()).sqrt_()
    slope = torch.zeros_like(level)
    for value, radius in zip(scaled, radii, strict=True):
        slope += (value / radius).square_()
    return level * (level - 1.0) / slope.sqrt_().clamp_(min=1e-4)


def lookup(table: Tensor, position: Tensor, start: float, step: float) -> Tensor:
    """Values of a table with entries every ``step`` from ``start``, nearest entry."""
    index = ((position - start) * (1.0 / step)).round_().to(torch.int32)
    index.clamp_(0, table.numel() - 1)
    return table.index_select(0, index.flatten()).view(position.shape)


def spline_table(knots: Vector, values: Vector, start: float, stop: float, step: float) -> Tensor:
    """Smooth interpolation of (knot, value) sampled every ``step`` on [start, stop].

    Between knots the curve eases in and out (cubic, flat at every knot), so that a drawn
    profile never overshoots what was drawn.
    """
    position = torch.arange(start, stop + step, step)
    nodes = torch.tensor(list(knots), dtype=torch.float32)
    heights = torch.tensor(list(values), dtype=torch.float32)
    index = torch.searchsorted(nodes, position).clamp(1, len(nodes) - 1)
    left, right = nodes[index - 1], nodes[index]
    part = ((position - left) / (right - left)).clamp(0.0, 1.0)
    part = 0.5 * part + 0.5 * part.square() * (3.0 - 2.0 * part)
    return heights[index - 1] + (heights[index] - heights[index - 1]) * part
