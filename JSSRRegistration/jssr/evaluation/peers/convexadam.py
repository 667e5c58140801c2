"""ConvexAdam through the package ``convexAdam``."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.hounsfield import AIR_HU
from jssr.spatial.geometry import Geometry


def register_convexadam(fixed: sitk.Image, moving: sitk.Image, scratch: Path) -> sitk.Transform:
    """Coupled convex search and Adam on MIND features, the defaults of the package."""
    import torch
    from convexAdam.convex_adam_MIND import convex_adam_pt

    aligned = sitk.Resample(
        moving, fixed, sitk.Transform(3, sitk.sitkIdentity), sitk.sitkLinear, AIR_HU
    )
    voxels_zyx = convex_adam_pt(
        img_fixed=sitk.GetArrayFromImage(fixed),
        img_moving=sitk.GetArrayFromImage(aligned),
        dtype=torch.float32,
        device=torch.device("cpu"),
    )
    geometry = Geometry.of(fixed)
    index_shift = np.moveaxis(np.flip(voxels_zyx, axis=-1), -1, 0)
    displacement_mm = np.tensordot(geometry.index_to_world[:3, :3], index_shift, axes=1)
    return sitk.DisplacementFieldTransform(geometry.vector_image(displacement_mm))
