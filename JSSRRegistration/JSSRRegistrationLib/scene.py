"""From MRML nodes to what JSSR computes with: scans, masks and linear transforms in the world."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from jssr.errors import InputError
from jssr.hounsfield import AIR_HU
from jssr.spatial.geometry import Geometry, same_geometry
from jssr.spatial.linear import affine_to_sitk
from JSSRRegistrationLib.frames import LPS_TO_RAS, flipped

# Rounded direction cosines stay below; they are passed on as they are.
_ORTHOGONAL = 1e-4
_SINGULAR = 1e-9


@dataclass(frozen=True)
class WorldScan:
    """A volume node's voxels where they lie in the world.

    ``node`` is where they come from. ``image`` is in LPS with the node's parent transforms applied.
    ``onNodeGrid`` is false where a shearing parent made it necessary to resample: then the image's
    voxels are not the node's own.
    """

    node: Any
    image: sitk.Image
    onNodeGrid: bool


def readScan(volumeNode: Any) -> WorldScan:
    """The volume as SimpleITK image in world coordinates; the node is left as it is.

    Raises:
        InputError: the node is no 3D scalar volume, is empty, or lies under a non-linear transform.
    """
    checkVolume(volumeNode)
    ijkToRas = worldFromParent(volumeNode) @ ijkToParent(volumeNode)
    array = slicer.util.arrayFromVolume(volumeNode)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    image = sitk.GetImageFromArray(array)
    if _isOrthogonal(ijkToRas):
        return WorldScan(volumeNode, _placed(image, LPS_TO_RAS @ ijkToRas), True)
    return WorldScan(volumeNode, _resampled(image, LPS_TO_RAS @ ijkToRas), False)


def checkVolume(volumeNode: Any) -> None:
    """Whether the node can be registered, without a look at its voxels.

    Raises:
        InputError: it cannot; the sentence says why.
    """
    if volumeNode is None or not volumeNode.IsA("vtkMRMLScalarVolumeNode"):
        raise InputError("Choose a scalar volume.")
    name = volumeNode.GetName()
    if volumeNode.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InputError(f"'{name}' is a label map; choose a CT volume.")
    imageData = volumeNode.GetImageData()
    if imageData is None or imageData.GetPointData().GetScalars() is None:
        raise InputError(f"'{name}' is empty; choose a volume with voxels.")
    if volumeNode.IsA("vtkMRMLVectorVolumeNode") or imageData.GetNumberOfScalarComponents() != 1:
        raise InputError(f"'{name}' has several values a voxel; choose a CT volume.")
    if min(imageData.GetDimensions()) < 2:
        raise InputError(f"'{name}' is a single slice; choose a 3D volume.")
    matrix = worldFromParent(volumeNode) @ ijkToParent(volumeNode)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < _SINGULAR:
        raise InputError(f"'{name}' has a spacing of zero or none at all; load it again.")


def readMask(maskNode: Any, scan: WorldScan) -> sitk.Image:
    """A segmentation (all its segments) or a label map as uint8 mask on the scan's grid.

    Raises:
        InputError: the mask covers no voxel of the volume, or is no mask.
    """
    name = maskNode.GetName()
    if maskNode.IsA("vtkMRMLSegmentationNode"):
        mask = _segmentationMask(maskNode, scan.node)
    elif maskNode.IsA("vtkMRMLLabelMapVolumeNode"):
        mask = _labelMask(maskNode)
    else:
        raise InputError(f"'{name}' is no mask; choose a segmentation or a label map.")
    if not same_geometry(Geometry.of(mask), Geometry.of(scan.image)):
        identity = sitk.Transform(3, sitk.sitkIdentity)
        mask = sitk.Resample(mask, scan.image, identity, sitk.sitkNearestNeighbor, 0)
    if not sitk.GetArrayViewFromImage(mask).any():
        raise InputError(
            f"The mask '{name}' covers no voxel of '{scan.node.GetName()}'; choose another."
        )
    return mask


def readInitialTransform(transformNode: Any, movingVolume: Any) -> np.ndarray:
    """Fixed-to-moving matrix in LPS from a node that brings the moving volume near the fixed one.

    A node that the moving volume lies under already moves it: then nothing is left to do, and
    the identity is returned.

    Raises:
        InputError: the transform is not linear.
    """
    if not transformNode.IsTransformToWorldLinear():
        raise InputError(
            f"The initial transform '{transformNode.GetName()}' is not linear; choose a linear one."
        )
    if transformNode in parentTransforms(movingVolume):
        return np.eye(4)
    matrix = vtk.vtkMatrix4x4()
    transformNode.GetMatrixTransformFromWorld(matrix)
    return flipped(slicer.util.arrayFromVTKMatrix(matrix))


def parentTransforms(node: Any) -> list[Any]:
    """The transform nodes that a node lies under, the nearest first."""
    parents = []
    parent = node.GetParentTransformNode()
    while parent is not None:
        parents.append(parent)
        parent = parent.GetParentTransformNode()
    return parents


def ijkToParent(volumeNode: Any) -> np.ndarray:
    """Voxel index to RAS of the node itself, its parent transforms left out."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def worldFromParent(node: Any) -> np.ndarray:
    """The linear transforms the node lies under, as one RAS matrix; the identity without any.

    Raises:
        InputError: one of them is not linear.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    matrix = vtk.vtkMatrix4x4()
    if not parent.IsTransformToWorldLinear() or not parent.GetMatrixTransformToWorld(matrix):
        raise InputError(
            f"'{node.GetName()}' lies under the non-linear transform '{parent.GetName()}'; "
            "harden the transform on a copy of it and choose that."
        )
    return slicer.util.arrayFromVTKMatrix(matrix)


def _isOrthogonal(matrix: np.ndarray) -> bool:
    axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() < _ORTHOGONAL)


def _placed(image: sitk.Image, indexToWorld: np.ndarray) -> sitk.Image:
    spacing = np.linalg.norm(indexToWorld[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((indexToWorld[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(indexToWorld[:3, 3].tolist())
    return image


def _resampled(image: sitk.Image, indexToWorld: np.ndarray) -> sitk.Image:
    """``image``, whose axes are sheared in the world, on an axis-aligned grid that covers it."""
    size = np.array(image.GetSize())
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    corners[:, :3] *= size - 1
    world = (corners @ indexToWorld.T)[:, :3]
    lengths = np.linalg.norm(indexToWorld[:3, :3], axis=0)
    order = np.abs(indexToWorld[:3, :3]).argmax(axis=1)
    spacing = lengths[order] if len(set(order)) == 3 else np.full(3, lengths.min())
    extent = world.max(axis=0) - world.min(axis=0)
    count = np.ceil(extent / spacing).astype(int) + 1
    return sitk.Resample(
        image,
        count.tolist(),
        affine_to_sitk(np.linalg.inv(indexToWorld)),
        sitk.sitkLinear,
        world.min(axis=0).tolist(),
        spacing.tolist(),
        np.eye(3).ravel().tolist(),
        AIR_HU,
        image.GetPixelID() if image.GetPixelID() != sitk.sitkUInt8 else sitk.sitkInt16,
    )


def _labelMask(labelNode: Any) -> sitk.Image:
    if labelNode.GetImageData() is None:
        raise InputError(f"The mask '{labelNode.GetName()}' is empty; choose another.")
    ijkToRas = worldFromParent(labelNode) @ ijkToParent(labelNode)
    return _mask(labelNode.GetImageData(), ijkToRas, labelNode.GetName())


def _segmentationMask(segmentationNode: Any, volumeNode: Any) -> sitk.Image:
    """All segments, merged on the volume's own voxels, where the volume lies in the world."""
    name = segmentationNode.GetName()
    segmentation = segmentationNode.GetSegmentation()
    if segmentation is None or segmentation.GetNumberOfSegments() == 0:
        raise InputError(f"The mask '{name}' holds no segment; choose another.")
    representation = (
        slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    )
    if not segmentation.CreateRepresentation(representation):
        raise InputError(f"The mask '{name}' has no voxels; choose another.")
    segmentIds = vtk.vtkStringArray()
    segmentation.GetSegmentIDs(segmentIds)
    merged = slicer.vtkOrientedImageData()
    slicer.vtkSlicerSegmentationsModuleLogic.GenerateMergedLabelmapInReferenceGeometry(
        segmentationNode,
        volumeNode,
        segmentIds,
        slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY,
        merged,
    )
    matrix = vtk.vtkMatrix4x4()
    merged.GetImageToWorldMatrix(matrix)
    return _mask(merged, worldFromParent(volumeNode) @ slicer.util.arrayFromVTKMatrix(matrix), name)


def _mask(imageData: Any, ijkToRas: np.ndarray, name: str) -> sitk.Image:
    if not _isOrthogonal(ijkToRas):
        raise InputError(f"The mask '{name}' is sheared; resample it to the volume's voxels.")
    extent = imageData.GetExtent()
    start = np.array([extent[0], extent[2], extent[4], 1.0])
    matrix = ijkToRas.copy()
    matrix[:, 3] = ijkToRas @ start
    values = vtk_to_numpy(imageData.GetPointData().GetScalars())
    shape = tuple(reversed(imageData.GetDimensions()))
    marked = (values.reshape(shape) != 0).astype(np.uint8)
    return _placed(sitk.GetImageFromArray(marked), LPS_TO_RAS @ matrix)
