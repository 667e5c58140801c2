"""Figures of merit. Lengths are millimetres, volumes millilitres; nothing is measured in voxels.

Arrays are ``(z, y, x)``, spacings ``(x, y, z)`` mm as in SimpleITK. A figure that does not exist
(an organ that is absent, an empty mask) is ``None``, never zero or NaN.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch

from jssr.spatial import jacobian
from jssr.spatial.warp import Spacing


def dice(a: np.ndarray, b: np.ndarray) -> float | None:
    """Dice overlap of two boolean masks; ``None`` if both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else None


@dataclass(frozen=True)
class SurfaceDistance:
    """Distances between two surfaces in mm."""

    hd95_mm: float
    mean_mm: float


def surface_distance(a: np.ndarray, b: np.ndarray, spacing_mm: Spacing) -> SurfaceDistance | None:
    """Surface distances between two boolean masks; ``None`` if either is empty.

    The surface of a mask are its voxels with a face neighbour outside it. ``hd95_mm`` is the larger
    of the two directed 95th percentiles, ``mean_mm`` averages the distances of both directions,
    as MONAI defines them.
    """
    if not a.any() or not b.any():
        return None
    box = _bounding_box(a | b)
    surface_a, surface_b = _surface(a[box]), _surface(b[box])
    to_b = _distance_to(surface_b, spacing_mm)[surface_a]
    to_a = _distance_to(surface_a, spacing_mm)[surface_b]
    return SurfaceDistance(
        hd95_mm=float(max(np.percentile(to_b, 95), np.percentile(to_a, 95))),
        mean_mm=float(np.concatenate([to_b, to_a]).mean()),
    )


@dataclass(frozen=True)
class RegistrationError:
    """Distance between where a transform sends points and where they belong, in mm."""

    mean_mm: float
    p95_mm: float


def displacement_error(
    found_mm: np.ndarray, truth_mm: np.ndarray, mask: np.ndarray
) -> RegistrationError | None:
    """Error of a displacement against the true one over ``mask``; ``None`` if that is empty.

    Args:
        found_mm, truth_mm: ``(3, z, y, x)`` displacements of the same points.
        mask: ``(z, y, x)`` boolean.
    """
    if not mask.any():
        return None
    error = np.linalg.norm(found_mm[:, mask].astype(np.float64) - truth_mm[:, mask], axis=0)
    return _summary(error)


def target_registration_error(
    found_mm: np.ndarray, truth_mm: np.ndarray
) -> RegistrationError | None:
    """Error between mapped landmarks and their partners, both ``(n, 3)``; ``None`` without any."""
    if not len(found_mm):
        return None
    return _summary(np.linalg.norm(found_mm - truth_mm, axis=1))


def folding_fraction(determinant: np.ndarray, mask: np.ndarray) -> float | None:
    """Part of the masked voxels where the map folds; ``None`` for an empty mask."""
    if not mask.any():
        return None
    return jacobian.folding_fraction(torch.from_numpy(determinant), torch.from_numpy(mask))


def log_jacobian_sd(determinant: np.ndarray, mask: np.ndarray) -> float | None:
    """Standard deviation of ``log J`` over the mask, ``None`` for an empty one."""
    if not mask.any():
        return None
    return jacobian.log_jacobian_sd(torch.from_numpy(determinant), torch.from_numpy(mask))


def mean_absolute_error(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> float | None:
    """Mean absolute difference over the mask, in the images' unit."""
    if not mask.any():
        return None
    return float(np.abs(a[mask].astype(np.float64) - b[mask]).mean())


def peak_signal_to_noise(
    a: np.ndarray, b: np.ndarray, mask: np.ndarray, data_range: float
) -> float | None:
    """PSNR in dB over the mask; ``None`` for an empty mask or equal images."""
    if not mask.any():
        return None
    squared = float(((a[mask].astype(np.float64) - b[mask]) ** 2).mean())
    return 10.0 * float(np.log10(data_range**2 / squared)) if squared else None


def structural_similarity(a: np.ndarray, b: np.ndarray, data_range: float) -> float:
    """Mean SSIM of two volumes, 11-voxel Gaussian window of sigma 1.5.

    Wang et al., IEEE TIP 2004. Windows that reach over the border are left out, so every side must
    have at least 11 voxels.
    """
    first, second = (
        torch.from_numpy(np.ascontiguousarray(v, np.float64))[None, None] for v in (a, b)
    )
    mean_a, mean_b = _window_mean(first), _window_mean(second)
    variance_a = _window_mean(first**2) - mean_a**2
    variance_b = _window_mean(second**2) - mean_b**2
    covariance = _window_mean(first * second) - mean_a * mean_b
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return float((luminance * structure).mean())


def _summary(error: np.ndarray) -> RegistrationError:
    return RegistrationError(float(error.mean()), float(np.percentile(error, 95)))


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    box = []
    for axis in range(mask.ndim):
        other = tuple(i for i in range(mask.ndim) if i != axis)
        (inside,) = np.nonzero(mask.any(axis=other))
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(box)


def _surface(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    inner = mask.copy()
    for axis in range(mask.ndim):
        for shift in (-1, 1):
            inner &= np.roll(padded, shift, axis)[1:-1, 1:-1, 1:-1]
    return mask & ~inner


def _distance_to(surface: np.ndarray, spacing_mm: Spacing) -> np.ndarray:
    image = sitk.GetImageFromArray(surface.astype(np.uint8))
    image.SetSpacing(spacing_mm)
    distance = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    # Inside a thick patch of surface the signed distance is negative; the surface is at zero.
    return np.maximum(sitk.GetArrayFromImage(distance), 0.0)


def _window_mean(volume: torch.Tensor) -> torch.Tensor:
    offsets = torch.arange(-5, 6, dtype=volume.dtype)
    weights = torch.exp(-(offsets**2) / (2 * 1.5**2))
    weights = weights / weights.sum()
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = 11
        volume = torch.nn.functional.conv3d(volume, weights.view(shape))
    return volume
