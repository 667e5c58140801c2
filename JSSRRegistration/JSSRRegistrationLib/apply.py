"""Carry other nodes of the moving scan to the fixed one, as transformed copies."""

from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import slicer.util
import vtk

from jssr.errors import InputError
from jssr.hounsfield import AIR_HU
from jssr.io.checks import is_hounsfield
from JSSRRegistrationLib.placing import placeBeside
from JSSRRegistrationLib.scene import ijkToParent, parentTransforms
from JSSRRegistrationLib.transforms import movingToWorld
from JSSRRegistrationLib.volumes import copyDisplay


def applyTo(
    node: Any, transformNode: Any, referenceVolume: Any = None, outputNode: Any = None
) -> Any:
    """A copy of ``node`` where the transform brings it; ``node`` itself stays as it is.

    A volume is resampled onto the reference's voxels. Everything else is deformed point by point,
    or voxel by voxel in the case of a segmentation.

    Raises:
        InputError: there is nothing to resample onto, the node is of a kind that has no place, or
            it lies under the transform already.
    """
    if node is transformNode or not node.IsA("vtkMRMLTransformableNode"):
        raise InputError(f"'{node.GetName()}' has no place in space that could be transformed.")
    if transformNode in parentTransforms(node):
        raise InputError(
            f"'{node.GetName()}' lies under the transform already; take it out of there first."
        )
    if outputNode is not None and outputNode.GetClassName() != node.GetClassName():
        raise InputError(f"'{outputNode.GetName()}' is of another kind than '{node.GetName()}'.")
    if node.IsA("vtkMRMLVolumeNode"):
        return _applyToVolume(node, transformNode, referenceVolume, outputNode)
    copy = outputNode or _added(node)
    copy.CopyContent(node)
    copy.SetAndObserveTransformNodeID(None)
    copy.ApplyTransform(_toFixedWorld(node, transformNode))
    _copyLook(copy, node)
    return copy


def _applyToVolume(node: Any, transformNode: Any, referenceVolume: Any, outputNode: Any) -> Any:
    role = slicer.vtkMRMLTransformNode.GetFixedNodeReferenceRole()
    reference = referenceVolume or transformNode.GetNodeReference(role)
    if reference is None or reference.GetImageData() is None:
        raise InputError("Choose a reference volume that says where the voxels shall lie.")
    reslice = vtk.vtkImageReslice()
    source = vtk.vtkImageData()
    source.ShallowCopy(node.GetImageData())
    source.SetOrigin(0, 0, 0)
    source.SetSpacing(1, 1, 1)
    reslice.SetInputData(source)
    reslice.SetResliceTransform(_indexMap(reference, node, transformNode))
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.SetOutputSpacing(1, 1, 1)
    x, y, z = reference.GetImageData().GetDimensions()
    reslice.SetOutputExtent(0, x - 1, 0, y - 1, 0, z - 1)
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        reslice.SetInterpolationModeToNearestNeighbor()
    else:
        reslice.SetInterpolationModeToLinear()
        reslice.SetBackgroundLevel(_outside(node))
    reslice.Update()
    copy = outputNode or _added(node)
    image = vtk.vtkImageData()
    image.DeepCopy(reslice.GetOutput())
    copy.SetAndObserveImageData(image)
    copy.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijkToParent(reference)))
    copy.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
    copyDisplay(copy, node)
    return copy


def _outside(node: Any) -> float:
    """What a volume holds beyond its end: air if it is a CT, and else nothing."""
    single = node.GetImageData().GetNumberOfScalarComponents() == 1
    image = sitk.GetImageFromArray(slicer.util.arrayFromVolume(node)) if single else None
    return AIR_HU if image is not None and is_hounsfield(image) else 0.0


def _indexMap(reference: Any, node: Any, transformNode: Any) -> Any:
    """From the reference's voxel indices to the node's: through the fixed and the moving world."""
    general = vtk.vtkGeneralTransform()
    general.PostMultiply()
    general.Concatenate(slicer.util.vtkMatrixFromArray(ijkToParent(reference)))
    general.Concatenate(_between(reference.GetParentTransformNode(), transformNode))
    general.Concatenate(slicer.util.vtkMatrixFromArray(movingToWorld(transformNode)))
    general.Concatenate(_between(None, node.GetParentTransformNode()))
    general.Concatenate(slicer.util.vtkMatrixFromArray(np.linalg.inv(ijkToParent(node))))
    return general


def _toFixedWorld(node: Any, transformNode: Any) -> Any:
    """From the node's own coordinates to the fixed scan's world."""
    general = vtk.vtkGeneralTransform()
    general.PostMultiply()
    general.Concatenate(_between(node.GetParentTransformNode(), None))
    general.Concatenate(slicer.util.vtkMatrixFromArray(np.linalg.inv(movingToWorld(transformNode))))
    general.Concatenate(_between(transformNode, None))
    return general


def _between(source: Any, target: Any) -> Any:
    """From the coordinates under one transform node to those under another; ``None``: the world."""
    general = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, general)
    return general


def _added(node: Any) -> Any:
    copy = node.GetScene().AddNewNodeByClass(node.GetClassName(), f"{node.GetName()} registered")
    placeBeside(copy, node)
    return copy


def _copyLook(copy: Any, node: Any) -> None:
    copy.CreateDefaultDisplayNodes()
    if copy.GetDisplayNode() is not None and node.GetDisplayNode() is not None:
        copy.GetDisplayNode().CopyContent(node.GetDisplayNode())
