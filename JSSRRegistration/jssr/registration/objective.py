"""The joint objective: how badly two scans lie on each other under fields in both directions."""

from dataclasses import dataclass

import torch

from jssr.registration.evidence import BothScans, Evidence
from jssr.spatial.jacobian import jacobian_determinant
from jssr.spatial.warp import Spacing, sample

_LABEL_WEIGHT = 0.01
_LESION_WEIGHT = 0.002
_DEPTH_NOISE = 0.02

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
    """

    evidence: BothScans
    spacing_mm: float
    margin_mm: float
    bending_weight: float
    lesion: torch.Tensor

    def drawn(self, count: int, random: torch.Generator) -> BothWays:
        """That many random points of each scan."""
        fixed, moving = (
            scan.points[torch.randint(len(scan.points), (count,), generator=random)]
            for scan in self.evidence
        )
        return fixed, moving

    def __call__(self, fields: BothWays, points: BothWays) -> torch.Tensor:
        """The objective at ``points``, as :meth:`drawn` draws them; a scalar."""
        loss = fields[0].new_zeros(())
        spacing = (self.spacing_mm, self.spacing_mm, self.spacing_mm)
        ways = (self.evidence, tuple(reversed(self.evidence)))
        for (here, other), field, chosen in zip(ways, fields, points, strict=True):
            loss = loss + self._difference(here, other, field, chosen) / 2
            loss = loss + self.bending_weight * bending(field, spacing) / 2
        size = self.lesion.sum()
        if bool(size > 0):
            change = jacobian_determinant(fields[0], spacing).clamp_min(0.05).log().abs()
            loss = loss + _LESION_WEIGHT * (change * self.lesion[:, 0]).sum() / size
        return loss

    def _difference(
        self, here: Evidence, other: Evidence, field: torch.Tensor, chosen: torch.Tensor
    ) -> torch.Tensor:
        """How points of one scan and where the field sends them differ, features and labels.

        A point counts where the other scan is seen as deeply as here. Else those that a field of
        view cuts off would count once they are matched wrongly, inside of it, and not where they
        belong; of a place near the end of one scan the other's points tell as much.

        Args:
            chosen: rows of ``here.values``.
        """
        points, wanted = here.index_xyz(chosen), here.values.index_select(0, chosen).float()
        on_field = ((points + 0.5) * here.spacing_mm + self.margin_mm) / self.spacing_mm - 0.5
        displacement = sample(field, on_field.t().reshape(1, 3, -1, 1, 1))[0, :, :, 0, 0].t()
        found = other.at(points + displacement / here.spacing_mm)
        seen = (found[:, -1].detach() > wanted[:, -1] - _DEPTH_NOISE).float()
        features = len(here.like)
        squared = (found[:, :features] - wanted[:, here.like]).square() @ here.weights
        loss = (squared * seen).sum() / seen.sum().clamp_min(1.0)
        labels, truth = (values[:, features:-1] * seen[:, None] for values in (found, wanted))
        if labels.shape[1] > 0:
            shared = 2 * (labels * truth).sum(dim=0) + 1.0
            loss = loss + _LABEL_WEIGHT * (1 - shared / (labels.sum(0) + truth.sum(0) + 1.0)).mean()
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
