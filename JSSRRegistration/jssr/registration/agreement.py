"""Where the contrast of two scans agrees, and so tells how they lie on each other.

Contrast agent turns some edges around and lets others appear: dark vessels of one phase are bright
in another. Compared as if they were alike, they push the scans off each other.
"""

from dataclasses import replace

import torch

from jssr.registration.objective import BothWays, Match, Objective, at_places
from jssr.spatial.fields import smooth_gaussian

_POINTS = 100_000
# Chosen by experiment: docs/model-development.md, "Contrast that agrees".
_LEAST_UNEXPLAINED = 0.1
_MEAN_TRUST = 2.0


def trusting(objective: Objective, fields: BothWays, random: torch.Generator) -> Objective:
    """``objective`` with local contrast weighed by how well it agrees around a place by now.

    Two signals of local correlation r, taken for Gaussian, share the information -log(1 - r²) / 2
    (Gelfand and Yaglom, Uspekhi Mat. Nauk 1957); its derivative, r / (1 - r²), makes much of edges
    that agree and little of noise. The weight is r / (1.1 - r²), which stays finite, times what
    makes it 2 on average over the points that both scans show. Contrast that is turned around
    counts nothing. "Around" is a Gaussian of one voxel of the fields' grid.
    """
    with torch.no_grad():
        matches = objective.matches(fields, objective.drawn(_POINTS, random))
        there, back = (_trust(match, fields[0].shape[2:]) for match in matches)
    return replace(objective, trust=(there, back))


def _trust(match: Match, shape_zyx: torch.Size) -> torch.Tensor:
    contrasts, seen = match.here.contrasts, match.seen > 0
    wanted, found = match.wanted[seen][:, contrasts], match.found[seen][:, contrasts]
    place = match.place[seen]
    products = torch.cat((wanted * found, wanted.square(), found.square()), dim=1)
    covariance, here, there = _around(products, place, shape_zyx).chunk(3, dim=1)
    correlation = (covariance / (here * there).sqrt().clamp_min(1e-6)).clamp(0.0, 1.0)
    weight = correlation / (1.0 + _LEAST_UNEXPLAINED - correlation.square())
    mean = at_places(weight, place).sum() / max(1, found.numel())
    weight = weight * (_MEAN_TRUST / mean.clamp_min(1e-3))
    trust = weight.new_ones((1, match.found.shape[1], *shape_zyx))
    trust[:, contrasts] = weight
    return trust


def _around(values: torch.Tensor, place: torch.Tensor, shape_zyx: torch.Size) -> torch.Tensor:
    """Sums of ``(n, c)`` values at ``(n, 3)`` places around each voxel, ``(1, c, z, y, x)``."""
    depth, height, width = shape_zyx
    x, y, z = (
        place[:, axis].round().long().clamp(0, size - 1)
        for axis, size in enumerate((width, height, depth))
    )
    sums = values.new_zeros((depth * height * width, values.shape[1]))
    sums.index_add_(0, (z * height + y) * width + x, values)
    return smooth_gaussian(sums.t().reshape(1, -1, depth, height, width), 1.0)
