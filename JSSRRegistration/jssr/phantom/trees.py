"""Vessel trees that reach everywhere inside an organ, with Murray's law for their radii."""

from collections.abc import Callable

import torch
from torch import Tensor

from jssr.phantom.draw import Draw
from jssr.phantom.tubes import Tubes


def points_inside(
    draw: Draw,
    distance: Callable[[Tensor], Tensor],
    low: list[float],
    high: list[float],
    count: int,
    depth_mm: float,
) -> Tensor:
    """Random points (N, 3), N at most ``count``, at least ``depth_mm`` below the surface.

    ``distance`` gives the signed distance in mm at points (3, N).
    """
    start, stop = torch.tensor(low), torch.tensor(high)
    trial = start + draw.uniforms(8 * count, 3) * (stop - start)
    return trial[distance(trial.T.contiguous()) < -depth_mm][:count]


def grow_tree(
    draw: Draw, root: Tubes, targets: Tensor, root_radius: float, straightness: float = 0.35
) -> Tubes:
    """A tree from the stem ``root`` to all targets (N, 3).

    Targets join one by one, nearest to the stem first, at the node where the way to the target
    plus ``straightness`` times the way back to the stem is shortest (a spanning tree balanced
    against path length). Radii follow Murray's law with exponent 2.7: a vessel that feeds n
    targets has the radius root_radius (n / N)^(1/2.7).
    """
    stem = torch.cat([root.starts, root.ends[-1:]])
    order = torch.cdist(targets, stem).amin(1).argsort()
    targets = targets[order]
    nodes = torch.cat([stem, targets])
    length = torch.zeros(len(nodes))
    parent = torch.arange(len(nodes)) - 1
    stems = len(stem)
    for index in range(stems, len(nodes)):
        way = (nodes[:index] - nodes[index]).norm(dim=1)
        best = int((way + straightness * length[:index]).argmin())
        parent[index] = best
        length[index] = length[best] + way[best]
    load = torch.zeros(len(nodes))
    load[stems:] = 1.0
    parents = parent.tolist()
    for index in range(len(nodes) - 1, 0, -1):
        load[parents[index]] += load[index]
    radius = root_radius * (load / max(1, len(targets))).clamp(max=1.0).pow(1.0 / 2.7)
    bent = nodes.clone()
    bent[stems:] += 1.2 * draw.normals(len(targets), 3)
    child = torch.arange(1, len(nodes))
    return Tubes(bent[parent[child]], bent[child], radius[child], radius[child])
