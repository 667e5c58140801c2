"""Both scans' labels laid on each other: figures of organs and lesions."""

from dataclasses import dataclass

import SimpleITK as sitk
import torch
import torch.nn.functional as F

from jssr.labels import LABELS, Label, label_index
from jssr.registration.hard_labels import hard_labels
from jssr.registration.inference import Pair
from jssr.registration.result import LesionFigures, OrganFigures
from jssr.spatial.geometry import Geometry
from jssr.spatial.warp import warp

_LEAST_ORGAN_ML = 5.0
_LEAST_LESION_ML = 0.1


@dataclass(frozen=True)
class Overlaid:
    """S's labels on the working grid, ``(z, y, x)``, and what the deformation does to them.

    Attributes:
        fixed, moving: the labels of both scans before the deformation.
        carried: the moving ones after it.
        determinant: of the deformation's Jacobian.
        seen: what both scans show after it.
        fixed_edge, moving_edge: the voxels beside which the scan or the grid has none.
        grid: where all of these lie.
    """

    fixed: torch.Tensor
    moving: torch.Tensor
    carried: torch.Tensor
    determinant: torch.Tensor
    seen: torch.Tensor
    fixed_edge: torch.Tensor
    moving_edge: torch.Tensor
    grid: Geometry

    @staticmethod
    def of(
        pair: Pair, displacement_mm: torch.Tensor, determinant: torch.Tensor, seen: torch.Tensor
    ) -> "Overlaid":
        """From the displacement ``(1, 3, z, y, x)`` on the working grid."""
        moving = hard_labels(pair.moving_probabilities)
        spacing = pair.grid.spacing_mm
        carried = warp(moving[None, None].float(), displacement_mm, spacing, "nearest")[0, 0]
        return Overlaid(
            fixed=hard_labels(pair.fixed_probabilities),
            moving=moving,
            carried=carried,
            determinant=determinant,
            seen=seen,
            fixed_edge=_edge(pair.fixed.valid),
            moving_edge=_edge(pair.moving.valid),
            grid=pair.grid,
        )

    def organs(self) -> tuple[OrganFigures, ...]:
        """Of each label that either scan holds."""
        found = self.fixed.unique().tolist() + self.moving.unique().tolist()
        return tuple(self._organ(label) for label in LABELS if label.index in found)

    def lesions(self) -> tuple[LesionFigures, ...]:
        """The fixed scan's, the largest first."""
        whole = (self.seen & ~self.fixed_edge).numpy()
        determinant = self.determinant.numpy()
        mask = (self.fixed == label_index("lesion")).to(torch.uint8).numpy()
        pieces = sitk.ConnectedComponent(self.grid.image(mask))
        shape = sitk.LabelShapeStatisticsImageFilter()
        shape.Execute(pieces)
        numbers = sitk.GetArrayViewFromImage(pieces)
        found = []
        for piece in shape.GetLabels():
            volume_ml = shape.GetPhysicalSize(piece) / 1000
            if volume_ml < _LEAST_LESION_ML:
                continue
            x, y, z = shape.GetCentroid(piece)
            here = numbers == piece
            change = float(determinant[here].mean()) - 1.0 if whole[here].all() else None
            diameter = 2 * shape.GetEquivalentSphericalRadius(piece)
            found.append(LesionFigures((x, y, z), diameter, volume_ml, change))
        return tuple(sorted(found, key=lambda lesion: -lesion.volume_ml))

    def _organ(self, label: Label) -> OrganFigures:
        fixed, moving = self.fixed == label.index, self.moving == label.index
        cut = bool((fixed & self.fixed_edge).any() | (moving & self.moving_edge).any())
        volumes = [float(mask.sum()) * self.grid.voxel_ml for mask in (fixed, moving)]
        known = min(volumes) >= _LEAST_ORGAN_ML
        carried = self.carried.eq(label.index)
        return OrganFigures(
            name=label.name,
            dice_before=dice(fixed & self.seen, moving & self.seen) if known else None,
            dice_after=dice(fixed & self.seen, carried & self.seen) if known else None,
            fixed_volume_ml=volumes[0],
            moving_volume_ml=volumes[1],
            volume_change=(
                float(self.determinant[fixed].mean()) - 1.0 if known and not cut else None
            ),
            cut_by_field_of_view=cut,
        )


def dice(a: torch.Tensor, b: torch.Tensor) -> float:
    """Dice of two boolean masks; 1 where both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 1.0


def _edge(valid: torch.Tensor) -> torch.Tensor:
    """``(z, y, x)`` bool: the voxels beside which the scan or the grid has none."""
    beyond = F.pad(1.0 - valid.float(), [1] * 6, value=1.0)
    for size in ((3, 1, 1), (1, 3, 1), (1, 1, 3)):
        beyond = F.max_pool3d(beyond, size, stride=1)
    return beyond[0, 0] > 0
