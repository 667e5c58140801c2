"""The grid on which the networks see a pair, and the one way onto it.

Training and registration share these functions, so a network meets the same voxels in both.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch

from jssr.hounsfield import AIR_HU
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_to_sitk
from jssr.spatial.warp import isotropic


@dataclass(frozen=True)
class GridVolume:
    """A scan on a working grid.

    Attributes:
        hu: ``(1, 1, z, y, x)`` float32, -1024 where the scan has no voxel; of a scan of thin
            voxels the values may go on for less than a grid voxel beyond its end.
        valid: ``(1, 1, z, y, x)`` bool, where it has one.
    """

    hu: torch.Tensor
    valid: torch.Tensor


def working_grid(geometry: Geometry, spacing_mm: float, margin_mm: float, divisor: int) -> Geometry:
    """The axis-aligned isotropic grid around a volume's box plus a margin.

    Its size is a multiple of ``divisor`` along every axis; what that adds is split evenly.
    """
    corners = geometry.corners_mm()
    low, high = corners.min(axis=0) - margin_mm, corners.max(axis=0) + margin_mm
    blocks = np.ceil(((high - low) / spacing_mm + 1) / divisor).astype(int)
    size = np.maximum(blocks, 1) * divisor
    origin = (low + high - (size - 1) * spacing_mm) / 2
    return Geometry(
        (int(size[0]), int(size[1]), int(size[2])),
        isotropic(spacing_mm),
        (float(origin[0]), float(origin[1]), float(origin[2])),
    )


def resample_to_grid(
    image: sitk.Image,
    grid: Geometry,
    linear: np.ndarray | None = None,
    mask: sitk.Image | None = None,
    continued: bool = False,
) -> GridVolume:
    """A scan on ``grid``, grid points mapped to scan points by the 4x4 ``linear``.

    Where the scan is finer than the grid it is smoothed first to half a grid voxel, so that thin
    slices are averaged and not skipped. Voxels outside ``mask`` count as not valid. With
    ``continued`` the values of the scan's border go on beyond it, instead of air.
    """
    transform = affine_to_sitk(np.eye(4) if linear is None else linear)
    reference = grid.empty_image()
    smoothed = _antialiased(image, grid.spacing_mm)
    hu = sitk.Resample(
        smoothed, reference, transform, sitk.sitkLinear, AIR_HU, sitk.sitkFloat32, continued
    )
    if mask is None:
        # An image of ones costs a byte a voxel; its support is the scan's field of view.
        mask = sitk.Image(image.GetSize(), sitk.sitkUInt8) + 1
        mask.CopyInformation(image)
    valid = sitk.Resample(mask, reference, transform, sitk.sitkNearestNeighbor, 0)
    return GridVolume(
        torch.from_numpy(sitk.GetArrayFromImage(hu))[None, None],
        torch.from_numpy(sitk.GetArrayFromImage(valid) > 0)[None, None],
    )


def _antialiased(image: sitk.Image, spacing_mm: tuple[float, float, float]) -> sitk.Image:
    ratios = [min(spacing_mm) / spacing for spacing in image.GetSpacing()]
    # Whole voxels are averaged first, which is many times as fast on the thin slices of a clinic.
    counts = [max(1, int(ratio // 2)) for ratio in ratios]
    # Some scanners fill with far less than air, which smoothing would carry into the body.
    smoothed = _averaged(sitk.Clamp(image, sitk.sitkFloat32, AIR_HU), counts)
    for axis, (ratio, count) in enumerate(zip(ratios, counts, strict=True)):
        # In voxels; the mean over n of them has spread them by (n² - 1) / 12 already.
        variance = 0.25 * (ratio**2 - 1.0) - (count**2 - 1.0) / 12.0
        if variance > 0.0:
            sigma_mm = image.GetSpacing()[axis] * float(np.sqrt(variance))
            smoothed = sitk.RecursiveGaussian(
                smoothed, sigma_mm, False, sitk.RecursiveGaussianImageFilter.ZeroOrder, axis
            )
    return smoothed


def _averaged(image: sitk.Image, counts: list[int]) -> sitk.Image:
    """The means over blocks of ``counts`` voxels; the border goes on to fill the last ones."""
    missing = [-n % count for n, count in zip(image.GetSize(), counts, strict=True)]
    if any(missing):
        image = sitk.ZeroFluxNeumannPad(image, [0, 0, 0], missing)
    return image if max(counts) == 1 else sitk.BinShrink(image, counts)
