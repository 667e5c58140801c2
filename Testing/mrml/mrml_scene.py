"""Volumes and transforms for the tests on real MRML nodes."""

from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def rotation(degrees: tuple[float, float, float]) -> np.ndarray:
    transform = vtk.vtkTransform()
    for angle, axis in zip(degrees, np.eye(3), strict=True):
        transform.RotateWXYZ(angle, *axis)
    matrix = transform.GetMatrix()
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def rigid(degrees: tuple[float, float, float], offset: tuple[float, float, float]) -> np.ndarray:
    """A rotation followed by a shift, as RAS matrix."""
    matrix = rotation(degrees)
    matrix[:3, 3] = offset
    return matrix


def oblique(
    degrees: tuple[float, float, float],
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
) -> np.ndarray:
    """An IJK-to-RAS matrix with turned axes and unequal spacing."""
    matrix = rotation(degrees) @ np.diag([*spacing, 1.0])
    matrix[:3, 3] = origin
    return matrix


def add_volume(
    scene: Any, name: str, ijk_to_ras: np.ndarray, size: tuple[int, int, int], seed: int
) -> Any:
    """A volume of smooth random HU, so that interpolation has something to show."""
    random = np.random.default_rng(seed)
    x, y, z = size
    coarse = random.normal(0, 1, (z // 4 + 3, y // 4 + 3, x // 4 + 3))
    array = coarse.repeat(4, 0).repeat(4, 1).repeat(4, 2)
    for axis in range(3):
        array = (array + np.roll(array, 1, axis) + np.roll(array, 2, axis)) / 3
    array = (200 * array[:z, :y, :x]).astype(np.int16)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, array)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras))
    node.CreateDefaultDisplayNodes()
    return node


def add_linear(scene: Any, name: str, matrix: np.ndarray) -> Any:
    """A linear transform node."""
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


def resample_by_vtk(moving: Any, fixed: Any) -> np.ndarray:
    """The volume as it is shown in the scene, on the fixed voxels, by VTK alone."""
    general = vtk.vtkGeneralTransform()
    general.PostMultiply()
    matrix = vtk.vtkMatrix4x4()
    fixed.GetIJKToRASMatrix(matrix)
    general.Concatenate(matrix)
    between = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        fixed.GetParentTransformNode(), moving.GetParentTransformNode(), between
    )
    general.Concatenate(between)
    back = vtk.vtkMatrix4x4()
    moving.GetRASToIJKMatrix(back)
    general.Concatenate(back)
    source = vtk.vtkImageData()
    source.ShallowCopy(moving.GetImageData())
    source.SetSpacing(1, 1, 1)
    source.SetOrigin(0, 0, 0)
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(source)
    reslice.SetResliceTransform(general)
    reslice.SetInterpolationModeToLinear()
    reslice.SetOutputSpacing(1, 1, 1)
    reslice.SetOutputOrigin(0, 0, 0)
    x, y, z = fixed.GetImageData().GetDimensions()
    reslice.SetOutputExtent(0, x - 1, 0, y - 1, 0, z - 1)
    reslice.SetBackgroundLevel(-1024)
    reslice.SetOutputScalarType(vtk.VTK_FLOAT)
    reslice.Update()
    values = vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars())
    return values.reshape(z, y, x).astype(float)
