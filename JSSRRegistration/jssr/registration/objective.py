"""The joint objective: how badly two scans lie on each other under fields in both directions."""

from dataclasses import dataclass

import torch

from jssr.registration.evidence import BothScans, Evidence
from jssr.spatial.jacobian import jacobian_determinant
from jssr.spatial.warp import Spacing, isotropic, sample

# How the weights were chosen: docs/model-development.md, "Registration" and "Both ways at once".
_LABEL_WEIGHT = 0.01
_LESION_WEIGHT = 0.002
# Depth is told in half precision and interpolated; its steps are a quarter and more.
_DEPTH_ROUNDING = 0.02

BothWays = tuple[torch.Tensor, torch.Tensor]
"""Of the fixed scan and of the moving one: fields to the other scan, or points."""


@dataclass(frozen=True)
class Objective:
    """Structure (MIND) and local correlation, soft Dice of labels, bending, volume of lesions.

    Fields are displacements in mm on one grid of cubic voxels. The answer is the same whichever
    scan is called fixed, but for the lesions, which are the fixed scan's.

    Attributes:
        evidence: of both scans.
        spacing_mm: of the fields' grid.
        margin_mm: by which that grid exceeds the evidence's on every side.
        bending_weight: of the squared second derivatives of the displacement, made free of units
            by the grid's spacing.
        lesion: ``(1, 1, z, y, x)`` on the fields' grid, S's lesions of the fixed scan.
        trust: of each scan's features, ``(1, features, z, y, x)`` on the fields' grid: factors of
            their weights, or None to trust all alike.
    """

    evidence: BothScans
    spacing_mm: float
    margin_mm: float
    bending_weight: float
    lesion: torch.Tensor
    trust: BothWays | tuple[None, None] = (None, None)

    def drawn(self, count: int, random: torch.Generator) -> BothWays:
        """Rows of the evidence of that many random points of each scan."""
        fixed, moving = (
            scan.body_rows[torch.randint(len(scan.body_rows), (count,), generator=random)]
            for scan in self.evidence
        )
        return fixed, moving

    def __call__(self, fields: BothWays, rows: BothWays) -> torch.Tensor:
        """The objective at the points that :meth:`drawn` gave the ``rows`` of; a scalar."""
        loss = fields[0].new_zeros(())
        spacing = isotropic(self.spacing_mm)
        matches = self.matches(fields, rows)
        for field, match, trust in zip(fields, matches, self.trust, strict=True):
            loss = loss + _difference(match, trust) / 2
            loss = loss + self.bending_weight * bending(field, spacing) / 2
        size = self.lesion.sum()
        if bool(size > 0):
            change = jacobian_determinant(fields[0], spacing).clamp_min(0.05).log().abs()
            loss = loss + _LESION_WEIGHT * (change * self.lesion[:, 0]).sum() / size
        return loss

    def matches(self, fields: BothWays, rows: BothWays) -> tuple["Match", "Match"]:
        """Where the fields send points of each scan, and what is found there."""
        there = self._match(self.evidence[0], self.evidence[1], fields[0], rows[0])
        return there, self._match(self.evidence[1], self.evidence[0], fields[1], rows[1])

    def _match(
        self, here: Evidence, other: Evidence, field: torch.Tensor, rows: torch.Tensor
    ) -> "Match":
        index = here.index_xyz(rows)
        place = ((index + 0.5) * here.spacing_mm + self.margin_mm) / self.spacing_mm - 0.5
        there = other.at(index + at_places(field, place) / here.spacing_mm)
        channels = here.values.index_select(0, rows).float()
        found, found_labels, found_depth = other.split(there)
        _, wanted_labels, wanted_depth = here.split(channels)
        return Match(
            here=here,
            place=place,
            wanted=channels[:, here.counterparts],
            found=found,
            wanted_labels=wanted_labels,
            found_labels=found_labels,
            seen=(found_depth.detach() > wanted_depth - _DEPTH_ROUNDING).float(),
        )


@dataclass(frozen=True)
class Match:
    """Points of one scan and what the other one shows where a field sends them.

    A point counts where the other scan is seen as deeply as here. Else those that a field of view
    cuts off would count once they are matched wrongly, inside of it, and not where they belong; of
    a place near the end of one scan the other's points tell as much.

    Attributes:
        here: what the scan itself shows.
        place: ``(n, 3)``, where on the fields' grid they lie, in voxels.
        wanted, found: ``(n, features)``, what is shown here, and there to compare with it.
        wanted_labels, found_labels: ``(n, organs)``, S's probabilities here and there.
        seen: ``(n,)``, 1 where a point counts.
    """

    here: Evidence
    place: torch.Tensor
    wanted: torch.Tensor
    found: torch.Tensor
    wanted_labels: torch.Tensor
    found_labels: torch.Tensor
    seen: torch.Tensor


def at_places(volume: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """A volume ``(1, c, z, y, x)``, trilinear, at ``(n, 3)`` indices: ``(n, c)``."""
    return sample(volume, place.t().reshape(1, 3, -1, 1, 1))[0, :, :, 0, 0].t()


def _difference(match: Match, trust: torch.Tensor | None) -> torch.Tensor:
    """How features and labels differ where they are seen."""
    seen = match.seen
    squared = (match.found - match.wanted).square()
    if trust is not None:
        squared = squared * at_places(trust, match.place)
    loss = (squared @ match.here.weights * seen).sum() / seen.sum().clamp_min(1.0)
    found, wanted = (p * seen[:, None] for p in (match.found_labels, match.wanted_labels))
    if found.shape[1] > 0:
        shared = 2 * (found * wanted).sum(dim=0) + 1.0
        loss = loss + _LABEL_WEIGHT * (1 - shared / (found.sum(0) + wanted.sum(0) + 1.0)).mean()
    return loss


def bending(displacement_mm: torch.Tensor, spacing: Spacing) -> torch.Tensor:
    """Mean squared second derivative times the spacing squared: free of units.

    Rueckert et al., IEEE TMI 1999, equation 5, on a grid with cubic voxels.
    """
    energy = displacement_mm.new_zeros(())
    for i in (2, 3, 4):
        for j in range(i, 5):
            second = torch.diff(torch.diff(displacement_mm, dim=i), dim=j) / spacing[0]
            energy = energy + (1.0 if i == j else 2.0) * second.square().mean()
    return energy
