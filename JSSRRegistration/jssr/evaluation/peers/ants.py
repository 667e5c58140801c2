"""SyN of ANTs through the package ``antspyx``."""

from pathlib import Path

import SimpleITK as sitk


def register_syn(fixed: sitk.Image, moving: sitk.Image, scratch: Path) -> sitk.Transform:
    """``antsRegistrationSyN[s]``: rigid, affine, then SyN, the stages of ANTs' own script."""
    import ants

    fixed_path, moving_path = scratch / "fixed.nii.gz", scratch / "moving.nii.gz"
    sitk.WriteImage(fixed, fixed_path)
    sitk.WriteImage(moving, moving_path)
    found = ants.registration(
        ants.image_read(str(fixed_path)),
        ants.image_read(str(moving_path)),
        type_of_transform="antsRegistrationSyN[s]",
        outprefix=str(scratch / "ants_"),
        random_seed=1,
    )
    warp_path, affine_path = found["fwdtransforms"]
    warp = sitk.Cast(sitk.ReadImage(warp_path), sitk.sitkVectorFloat64)
    return sitk.CompositeTransform(
        [sitk.ReadTransform(affine_path), sitk.DisplacementFieldTransform(warp)]
    )
