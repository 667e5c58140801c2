"""The figures of a registration that need no truth."""

import sys

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F

from jssr.labels import LABELS, label_index
from jssr.networks.structure import box_mean
from jssr.registration.hard_labels import hard_labels
from jssr.registration.inference import Displacements, Pair
from jssr.registration.result import (
    Deformation,
    LesionFigures,
    MeanIntensity,
    Metrics,
    OrganFigures,
)
from jssr.spatial.geometry import Geometry
from jssr.spatial.jacobian import folding_fraction, jacobian_determinant, log_jacobian_sd
from jssr.spatial.linear import stretch_of
from jssr.spatial.warp import Spacing, warp

_LEAST_ORGAN_ML = 5.0
_LEAST_LESION_ML = 0.1


def measure(
    pair: Pair,
    moving_body_ml: float,
    linear: np.ndarray,
    displacements: Displacements,
    similarities: tuple[float, float],
    intensities: tuple[MeanIntensity, ...],
    synthesis_dice: float | None,
) -> Metrics:
    """All figures of one registration but its times, which are not over yet.

    Args:
        moving_body_ml: volume of the whole moving body, as far as it was scanned.
        linear: 4x4 fixed-to-moving, by which ``pair`` was brought together.
        displacements: finished, on the field's grid.
        similarities: :func:`similarity` without and with the displacement.
    """
    spacing = pair.grid.spacing_mm
    displacement = pair.within(displacements.fixed_to_moving_mm)
    determinant = jacobian_determinant(displacement, spacing)
    body = pair.fixed_body
    fixed_labels = hard_labels(pair.fixed_probabilities)
    moving_labels = hard_labels(pair.moving_probabilities)
    carried = warp(moving_labels[None, None].float(), displacement, spacing, "nearest")[0, 0]
    seen = warp(pair.moving.valid.float(), displacement, spacing, padding="zeros")[0, 0] > 0.5
    seen &= pair.fixed.valid[0, 0]
    edges = _edge(pair.fixed.valid), _edge(pair.moving.valid)
    x, y, z = stretch_of(linear).tolist()
    return Metrics(
        overlap_fraction=_fraction(seen, body),
        shared_fraction=_shared_fraction(pair, seen, moving_body_ml / abs(np.linalg.det(linear))),
        linear_stretch=(x, y, z),
        grid_spacing_mm=spacing[0],
        difference_before_hu=_difference(pair),
        similarity_before=similarities[0],
        similarity_after=similarities[1],
        deformation=_deformation(displacement, determinant, spacing, body & seen),
        organs=tuple(
            _organ(
                label.index,
                label.name,
                pair,
                fixed_labels,
                moving_labels,
                carried,
                determinant,
                seen,
                edges,
            )
            for label in LABELS
            if bool((fixed_labels == label.index).any() | (moving_labels == label.index).any())
        ),
        lesions=_lesions(fixed_labels, determinant[0], seen & ~edges[0], pair.grid),
        intensities=intensities,
        synthesis_dice=synthesis_dice,
        seconds={},
        peak_memory_mb=peak_memory_mb(),
    )


def similarity(pair: Pair, displacement_mm: torch.Tensor | None) -> float:
    """Mean absolute local correlation (5³ voxels) inside the fixed body, 0 to 1.

    The sign is dropped: between phases a vessel may be brighter or darker than its surroundings.

    Args:
        displacement_mm: ``(1, 3, z, y, x)`` on the working grid; ``None`` moves nothing.
    """
    moving, valid = pair.moving.hu.clamp(-200.0, 300.0), pair.moving.valid.float()
    if displacement_mm is not None:
        moving = warp(moving, displacement_mm, pair.grid.spacing_mm)
        valid = warp(valid, displacement_mm, pair.grid.spacing_mm, padding="zeros")
    correlation = local_correlation(moving, pair.fixed.hu.clamp(-200.0, 300.0))
    region = pair.fixed_body & (valid[0, 0] > 0.99) & pair.fixed.valid[0, 0]
    return float(correlation[0, 0][region].abs().mean()) if bool(region.any()) else 0.0


def local_correlation(a: torch.Tensor, b: torch.Tensor, floor: float = 25.0) -> torch.Tensor:
    """Correlation of ``a`` and ``b`` around each voxel, ``(batch, 1, z, y, x)``, in HU.

    Means are taken off first, so nothing is lost to cancellation; ``floor`` is the variance in HU²
    below which a patch counts as flat.
    """

    def smooth(volume: torch.Tensor) -> torch.Tensor:
        return box_mean(box_mean(volume))

    a, b = a - smooth(a), b - smooth(b)
    covariance, variance_a, variance_b = smooth(a * b), smooth(a * a), smooth(b * b)
    return covariance / ((variance_a + floor) * (variance_b + floor)).sqrt()


def dice(a: torch.Tensor, b: torch.Tensor) -> float:
    """Dice of two boolean masks; 1 where both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 1.0


def mean_intensities(
    fixed: tuple[torch.Tensor, torch.Tensor], moving: tuple[torch.Tensor, torch.Tensor]
) -> tuple[MeanIntensity, ...]:
    """Mean and standard deviation of each label on each scan, from (HU, labels), ``(z, y, x)``."""
    rows = []
    for label in LABELS:
        a = _moments(*fixed, label.index)
        b = _moments(*moving, label.index)
        if a != (None, None) or b != (None, None):
            rows.append(MeanIntensity(label.name, *a, *b))
    return tuple(rows)


def peak_memory_mb() -> float:
    """The most memory this process has held, in 10⁶ bytes; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _difference(pair: Pair) -> float | None:
    """Mean absolute difference in HU inside the fixed body, as far as both scans show it."""
    region = pair.fixed_body & pair.fixed.valid[0, 0] & pair.moving.valid[0, 0]
    if not bool(region.any()):
        return None
    return float((pair.fixed.hu - pair.moving.hu)[0, 0][region].abs().mean())


def _fraction(part: torch.Tensor, whole: torch.Tensor) -> float:
    return float(part[whole].float().mean()) if bool(whole.any()) else 0.0


def _shared_fraction(pair: Pair, seen: torch.Tensor, moving_body_ml: float) -> float:
    """What both scans show of the body, as a part of the smaller of both bodies.

    ``moving_body_ml`` is as large as the linear part makes it beside the fixed one.
    """
    voxel_ml = pair.grid.voxel_ml
    fixed_body_ml = float((pair.fixed_body & pair.fixed.valid[0, 0]).sum()) * voxel_ml
    shared_ml = float((pair.fixed_body & seen).sum()) * voxel_ml
    return min(1.0, shared_ml / max(min(fixed_body_ml, moving_body_ml), voxel_ml))


def _deformation(
    displacement: torch.Tensor, determinant: torch.Tensor, spacing: Spacing, region: torch.Tensor
) -> Deformation:
    length = displacement[0].norm(dim=0)[region].numpy()
    if length.size == 0:
        return Deformation(0.0, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0, 0.0))
    return Deformation(
        mean_mm=float(length.mean()),
        p95_mm=float(np.percentile(length, 95)),
        max_mm=float(length.max()),
        folding_fraction=folding_fraction(determinant[0], region),
        log_jacobian_sd=log_jacobian_sd(determinant[0], region),
        stretch=_stretch(displacement[0], spacing, region),
    )


def _stretch(
    displacement: torch.Tensor, spacing: Spacing, region: torch.Tensor
) -> tuple[float, float, float]:
    """The diagonal of the matrix that fits ``(3, z, y, x)`` best, by least squares."""
    places = region.nonzero().flip(1).double() * torch.tensor(spacing, dtype=torch.float64)
    moved = displacement[:, region].t().double()
    places, moved = places - places.mean(dim=0), moved - moved.mean(dim=0)
    # A body of one slice has no extent along z, which then stretches by nothing.
    spread = places.t() @ places + 1e-3 * torch.eye(3, dtype=torch.float64)
    x, y, z = torch.linalg.solve(spread, places.t() @ moved).diagonal().tolist()
    return x, y, z


def _organ(
    index: int,
    name: str,
    pair: Pair,
    fixed_labels: torch.Tensor,
    moving_labels: torch.Tensor,
    carried: torch.Tensor,
    determinant: torch.Tensor,
    seen: torch.Tensor,
    edges: tuple[torch.Tensor, torch.Tensor],
) -> OrganFigures:
    voxel_ml = pair.grid.voxel_ml
    fixed, moving = fixed_labels == index, moving_labels == index
    cut = bool((fixed & edges[0]).any() | (moving & edges[1]).any())
    volumes = float(fixed.sum()) * voxel_ml, float(moving.sum()) * voxel_ml
    known = min(volumes) >= _LEAST_ORGAN_ML
    return OrganFigures(
        name=name,
        dice_before=dice(fixed & seen, moving & seen) if known else None,
        dice_after=dice(fixed & seen, carried.eq(index) & seen) if known else None,
        fixed_volume_ml=volumes[0],
        moving_volume_ml=volumes[1],
        volume_change=float(determinant[0][fixed].mean()) - 1.0 if known and not cut else None,
        cut_by_field_of_view=cut,
    )


def _edge(valid: torch.Tensor) -> torch.Tensor:
    """``(z, y, x)`` bool: the voxels beside which the scan or the grid has none."""
    beyond = F.pad(1.0 - valid.float(), [1] * 6, value=1.0)
    for size in ((3, 1, 1), (1, 3, 1), (1, 1, 3)):
        beyond = F.max_pool3d(beyond, size, stride=1)
    return beyond[0, 0] > 0


def _lesions(
    labels: torch.Tensor, determinant: torch.Tensor, whole: torch.Tensor, grid: Geometry
) -> tuple[LesionFigures, ...]:
    """``whole``, ``(z, y, x)`` bool: where both scans show what there is."""
    mask = (labels == label_index("lesion")).to(torch.uint8).numpy()
    pieces = sitk.ConnectedComponent(grid.image(mask))
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
        change = None
        if whole.numpy()[here].all():
            change = float(determinant.numpy()[here].mean()) - 1.0
        diameter = 2 * shape.GetEquivalentSphericalRadius(piece)
        found.append(LesionFigures((x, y, z), diameter, volume_ml, change))
    return tuple(sorted(found, key=lambda lesion: -lesion.volume_ml))


def _moments(
    hu: torch.Tensor, labels: torch.Tensor, index: int
) -> tuple[float | None, float | None]:
    values = hu[labels == index]
    if len(values) < 2:
        return None, None
    return float(values.mean()), float(values.std())
