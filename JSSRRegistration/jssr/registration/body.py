"""The patient's body in a CT scan, without table and clothes."""

import numpy as np
import SimpleITK as sitk

BODY_THRESHOLD_HU = -300.0
_GAS_HU = -950.0
_LEAST_LUNG_MM = 12.0


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


def patient_mask(image: sitk.Image) -> sitk.Image:
    """The body with the gas that it holds: lungs, stomach, bowel.

    Gas is inside where tissue surrounds it in an axial slice; lungs also where the field of view
    cuts them open, since they are denser than air. So are cushions and blankets, but they lie
    beside the body's box.

    Args:
        image: a scan in HU on a grid along the patient's axes, voxels of about 2 to 5 mm.

    Returns:
        uint8 mask on the same grid.
    """
    body = body_mask(image)
    slices = [sitk.BinaryFillhole(body[:, :, z]) for z in range(body.GetSize()[2])]
    filled = sitk.JoinSeries(slices, body.GetOrigin()[2], body.GetSpacing()[2])
    filled.CopyInformation(body)
    porous = sitk.And(image > _GAS_HU, image <= BODY_THRESHOLD_HU)
    radius = [max(1, round(_LEAST_LUNG_MM / 2 / s)) for s in image.GetSpacing()]
    # Opened, since the rim of whatever is denser than air looks like lung as well.
    lung = sitk.BinaryMorphologicalOpening(sitk.And(porous, sitk.Not(filled)), radius)
    return sitk.Or(filled, sitk.And(lung, _box_of(body)))


def _box_of(mask: sitk.Image) -> sitk.Image:
    """The axis-aligned box around a mask, 1 inside; all zero of an empty one."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    box = mask * 0
    if shape.HasLabel(1):
        x, y, z, width, height, depth = shape.GetBoundingBox(1)
        box[x : x + width, y : y + height, z : z + depth] = 1
    return box


def centroid_mm(mask: sitk.Image) -> np.ndarray | None:
    """The mask's centre of mass in LPS mm, ``None`` for an empty mask."""
    points = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)
    if len(points) == 0:
        return None
    return np.array(
        mask.TransformContinuousIndexToPhysicalPoint(points.mean(axis=0)[::-1].tolist())
    )
