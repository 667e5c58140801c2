"""The figures of a registration that need no truth."""

import sys

import numpy as np
import torch

from jssr.registration.inference import Displacements, Pair
from jssr.registration.overlaid import Overlaid
from jssr.registration.result import Deformation, MeanIntensity, Metrics
from jssr.spatial.jacobian import folding_fraction, jacobian_determinant, log_jacobian_sd
from jssr.spatial.linear import stretch_of
from jssr.spatial.warp import Spacing, warp


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
        similarities: see :mod:`jssr.registration.similarity`; without and with the displacement.
    """
    spacing = pair.grid.spacing_mm
    displacement = pair.within(displacements.fixed_to_moving_mm)
    determinant = jacobian_determinant(displacement, spacing)
    body = pair.fixed_body
    seen = warp(pair.moving.valid.float(), displacement, spacing, padding="zeros")[0, 0] > 0.5
    seen &= pair.fixed.valid[0, 0]
    overlaid = Overlaid.of(pair, displacement, determinant[0], seen)
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
        organs=overlaid.organs(),
        lesions=overlaid.lesions(),
        intensities=intensities,
        synthesis_dice=synthesis_dice,
        seconds={},
        peak_memory_mb=peak_memory_mb(),
    )


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
