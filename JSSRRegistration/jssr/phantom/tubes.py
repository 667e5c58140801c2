"""Chains of round cones (vessels, bowel, ribs) drawn onto the grid, all segments at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from jssr.phantom.canvas import FAR_MM, Box, Canvas
from jssr.phantom.frame import Frame


@dataclass(frozen=True)
class Tubes:
    """Segments from ``starts`` to ``ends`` (N, 3) in body mm with their radii (N,)."""

    starts: Tensor
    ends: Tensor
    start_radii: Tensor
    end_radii: Tensor

    def __add__(self, other: "Tubes") -> "Tubes":
        return Tubes(
            torch.cat([self.starts, other.starts]),
            torch.cat([self.ends, other.ends]),
            torch.cat([self.start_radii, other.start_radii]),
            torch.cat([self.end_radii, other.end_radii]),
        )

    def select(self, keep: Tensor) -> "Tubes":
        """The segments for which ``keep`` is true."""
        return Tubes(
            self.starts[keep], self.ends[keep], self.start_radii[keep], self.end_radii[keep]
        )

    def grown(self, by_mm: float, scale: float = 1.0) -> "Tubes":
        """The same segments with every radius scaled, then changed by ``by_mm``."""
        return Tubes(
            self.starts,
            self.ends,
            (self.start_radii * scale + by_mm).clamp(min=0.05),
            (self.end_radii * scale + by_mm).clamp(min=0.05),
        )


def curve(points: Sequence[Sequence[float]], radii: Sequence[float], pieces: int = 4) -> Tubes:
    """A smooth tube through ``points`` (Catmull-Rom), with the given radius at each of them."""
    nodes = torch.tensor([[*p, r] for p, r in zip(points, radii, strict=True)])
    padded = torch.cat([2 * nodes[:1] - nodes[1:2], nodes, 2 * nodes[-1:] - nodes[-2:-1]])
    part = (torch.arange(pieces) / pieces)[None, :, None]
    a, b, c, d = (padded[k : len(padded) - 3 + k, None, :] for k in range(4))
    line = 0.5 * (
        2 * b
        + (c - a) * part
        + (2 * a - 5 * b + 4 * c - d) * part.square()
        + (3 * b - 3 * c + d - a) * part**3
    )
    line = torch.cat([line.reshape(-1, 4), nodes[-1:]])
    radius = line[:, 3].clamp(min=0.3)
    return Tubes(line[:-1, :3], line[1:, :3], radius[:-1], radius[1:])


def _split(frame: Frame, tubes: Tubes, longest_mm: float) -> tuple[Tensor, ...]:
    """Segments in physical mm, cut so that none is longer than ``longest_mm``."""
    count = len(tubes.starts)
    ends = frame.to_physical(torch.cat([tubes.starts, tubes.ends]))
    start, end = ends[:count], ends[count:]
    device = start.device
    radii = tubes.start_radii.to(device), tubes.end_radii.to(device)
    pieces = ((end - start).norm(dim=1) / longest_mm).ceil().clamp(min=1).long()
    owner = torch.repeat_interleave(torch.arange(count, device=device), pieces)
    before = torch.cumsum(pieces, 0) - pieces
    number = torch.arange(len(owner), device=device) - before[owner]
    low = (number / pieces[owner])[:, None]
    high = ((number + 1) / pieces[owner])[:, None]
    line, slope = (end - start)[owner], (radii[1] - radii[0])[owner, None]
    return (
        start[owner] + low * line,
        start[owner] + high * line,
        (radii[0][owner, None] + low * slope)[:, 0],
        (radii[0][owner, None] + high * slope)[:, 0],
    )


def _cone_distance(offset: Tensor, line: Tensor, r0: Tensor, r1: Tensor) -> Tensor:
    """Distance of ``offset`` (N, K, 3) from cones (N, 3) of radii r0 and r1."""
    length = line.square().sum(1).clamp(min=1e-6)
    along = torch.einsum("nki,ni->nk", offset, line).div_(length[:, None]).clamp_(0.0, 1.0)
    away = (offset - along[..., None] * line[:, None, :]).norm(dim=2)
    return away.sub_(r0[:, None]).sub_(along.mul_((r1 - r0)[:, None]))


def draw_tubes(
    frame: Frame, tubes: Tubes, band_mm: float | None = None
) -> tuple[Tensor, Box] | None:
    """Signed distance (mm) to the tubes and the index box that holds them.

    Beyond ``band_mm`` (default 1.5 voxels) from the surface the distance is just large. None
    when no tube touches the grid.
    """
    spacing = frame.spacing_mm
    band = 1.5 * spacing if band_mm is None else band_mm
    start, end, r0, r1 = _split(frame, tubes, 4.0 * spacing)
    origin = torch.tensor(frame.origin_mm, device=start.device)
    middle = ((0.5 * (start + end) - origin) / spacing).round()
    reach = 0.5 * (end - start).abs().amax(1) + torch.maximum(r0, r1) + band
    half = (reach / spacing).ceil().long() + 1
    size = torch.tensor([*reversed(frame.shape)], device=start.device)
    near = ((middle + half[:, None] >= 0) & (middle - half[:, None] < size)).all(1)
    if not bool(near.any()):
        return None
    start, end, r0, r1, half = (value[near] for value in (start, end, r0, r1, half))
    middle = middle[near]
    low = (middle - half[:, None]).amin(0).clamp(min=0).long()
    high = torch.minimum((middle + half[:, None]).amax(0).long() + 1, size)
    extent = high - low
    field = torch.full((int(extent.prod()),), FAR_MM, device=start.device)
    segments = (start - origin, end - start, r0, r1, middle)
    for reach_voxels in half.unique().tolist():
        chosen = half == reach_voxels
        _draw_bucket(
            field, low, extent, reach_voxels, spacing, [value[chosen] for value in segments]
        )
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    shape = [int(value) for value in reversed(extent.tolist())]
    return field.view(shape), (z, y, x)


def _draw_bucket(
    field: Tensor, low: Tensor, extent: Tensor, half: int, spacing: float, segments: list[Tensor]
) -> None:
    """Lower ``field`` to the distance of segments that all reach ``half`` voxels."""
    steps = torch.arange(-half, half + 1, device=field.device)
    cube = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), -1).flip(-1)
    cube = cube.reshape(-1, 3)
    at_once = max(1, 2_000_000 // len(cube))
    for first in range(0, len(segments[0]), at_once):
        start, line, r0, r1, middle = (value[first : first + at_once] for value in segments)
        index = middle.long()[:, None, :] + cube[None]
        offset = index * spacing - start[:, None, :]
        distance = _cone_distance(offset.float(), line, r0, r1)
        local = index - low
        valid = ((local >= 0) & (local < extent)).all(2)
        flat = (local[..., 2] * extent[1] + local[..., 1]) * extent[0] + local[..., 0]
        field.scatter_reduce_(0, flat[valid], distance[valid], "amin")


def paint_tubes(canvas: Canvas, frame: Frame, tissue: int, tubes: Tubes) -> None:
    """Paint tubes as one tissue; those thinner than a voxel fill only their share of it."""
    thinnest = 0.5 * frame.spacing_mm
    radius = 0.5 * (tubes.start_radii + tubes.end_radii)
    edges = [0.0, 0.35, 0.5, 0.7, 1.0, math.inf]
    for low, high in pairwise(edges):
        chosen = (radius >= low * thinnest) & (radius < high * thinnest)
        if not bool(chosen.any()):
            continue
        group = tubes.select(chosen)
        share = 1.0
        if high <= 1.0:
            mean = float(radius[chosen].mean())
            group = group.grown(thinnest, scale=0.0)
            share = (mean / thinnest) ** 2
        drawn = draw_tubes(frame, group)
        if drawn is not None:
            alpha = (0.5 - drawn[0] / frame.spacing_mm).clamp_(0.0, 1.0).mul_(share)
            canvas.paint_share(tissue, alpha, drawn[1])
