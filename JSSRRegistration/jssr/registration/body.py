"""The patient's body in a CT scan, without table and clothes."""

import numpy as np
import SimpleITK as sitk

BODY_THRESHOLD_HU = -300.0


def body_mask(image: sitk.Image) -> sitk.Image:
    """The largest piece of tissue after thin structures (table, clothes, tubes) are opened away.

    Args:
        image: a scan in HU with voxels of about 2 to 5 mm.

    Returns:
        uint8 mask on the same grid; all zero where nothing is denser than -300 HU. Lungs are not
        part of it.
    """
    tissue = image > BODY_THRESHOLD_HU
    radius = [max(1, round(4.0 / s)) for s in image.GetSpacing()]
    opened = sitk.BinaryMorphologicalOpening(tissue, radius)
    pieces = sitk.RelabelComponent(sitk.ConnectedComponent(opened))
    return sitk.And(sitk.BinaryDilate(pieces == 1, radius), tissue)


def centroid_mm(mask: sitk.Image) -> np.ndarray | None:
    """The mask's centre of mass in LPS mm, ``None`` for an empty mask."""
    points = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)
    if len(points) == 0:
        return None
    return np.array(
        mask.TransformContinuousIndexToPhysicalPoint(points.mean(axis=0)[::-1].tolist())
    )
