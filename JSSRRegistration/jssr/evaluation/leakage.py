"""Geometry leakage of a bundle's generator on a real pair of scans."""

import numpy as np
import SimpleITK as sitk
import torch

from jssr.bundle.load import Bundle
from jssr.registration.window import to_network
from jssr.registration.working_grid import resample_to_grid, working_grid
from jssr.spatial.geometry import Geometry
from jssr.training.leakage import geometry_leakage


def bundle_leakage(
    bundle: Bundle, fixed: sitk.Image, moving: sitk.Image, fixed_to_moving: np.ndarray
) -> float:
    """How far G(x, y) follows a shift of y by 10 mm, in percent of it; 0 is ideal, 100 a copy.

    See :func:`jssr.training.leakage.geometry_leakage`. S sees the shifted scan as well.

    Args:
        fixed_to_moving: the linear part, ``(4, 4)``.
    """
    manifest, device = bundle.manifest, bundle.device
    grid = working_grid(Geometry.of(fixed), manifest.spacing_mm, 0.0, manifest.size_divisor)
    window = manifest.window_hu
    still = to_network(resample_to_grid(fixed, grid).hu, window).to(device)
    content = to_network(resample_to_grid(moving, grid, fixed_to_moving).hu, window).to(device)
    with torch.inference_mode():
        content_probabilities = torch.softmax(bundle.segmentor(content), dim=1)

        def synthesize(style: torch.Tensor) -> torch.Tensor:
            style_probabilities = torch.softmax(bundle.segmentor(style), dim=1)
            return bundle.generator(content, content_probabilities, style, style_probabilities)

        return geometry_leakage(synthesize, still, grid.spacing_mm)
