"""SimpleITK transforms as MRML transform nodes."""

from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from jssr.spatial.linear import affine_from_sitk
from JSSRRegistrationLib.frames import LPS_TO_RAS, flipped

MOVING_TO_WORLD = "JSSR.MovingToWorld"
"""Node attribute: the moving volume's parent transform, a RAS matrix as 16 numbers row by row."""


def setFromParent(
    transformNode: Any, transform: sitk.Transform, localFromWorld: np.ndarray | None = None
) -> None:
    """Store an LPS point map as the node's transform from its parent (fixed to moving).

    ``localFromWorld`` is a RAS matrix that follows the map: the inverse of the parent transform of
    the volume that shall be put under the node, which then leaves that parent.
    """
    matrix = np.eye(4) if localFromWorld is None else localFromWorld
    parts = _parts(transform)
    general = vtk.vtkGeneralTransform()
    general.PostMultiply()
    last = len(parts) - 1
    for index, part in enumerate(parts):
        if isinstance(part, np.ndarray):
            linear = flipped(part)
            general.Concatenate(_linear(matrix @ linear if index == last else linear))
        else:
            general.Concatenate(_grid(part))
    if not isinstance(parts[last], np.ndarray) and not np.allclose(matrix, np.eye(4), atol=1e-12):
        general.Concatenate(_linear(matrix))
    transformNode.SetAndObserveTransformFromParent(general)


def setMovingToWorld(transformNode: Any, worldFromMoving: np.ndarray) -> None:
    """Remember the parent transform that :func:`setFromParent` was given the inverse of."""
    if np.allclose(worldFromMoving, np.eye(4), atol=1e-12):
        transformNode.RemoveAttribute(MOVING_TO_WORLD)
        return
    numbers = " ".join(repr(float(number)) for number in worldFromMoving.ravel())
    transformNode.SetAttribute(MOVING_TO_WORLD, numbers)


def movingToWorld(transformNode: Any) -> np.ndarray:
    """The matrix that :func:`setMovingToWorld` stored; the identity if none."""
    text = transformNode.GetAttribute(MOVING_TO_WORLD)
    if not text:
        return np.eye(4)
    return np.array([float(number) for number in text.split()]).reshape(4, 4)


def _parts(transform: sitk.Transform) -> list[np.ndarray | sitk.Image]:
    """Matrices and displacement fields in the order in which they act on a point."""
    transform = transform.Downcast()
    if isinstance(transform, sitk.CompositeTransform):
        count = transform.GetNumberOfTransforms()
        inner = [_parts(transform.GetNthTransform(index)) for index in reversed(range(count))]
        return [part for parts in inner for part in parts]
    if isinstance(transform, sitk.DisplacementFieldTransform):
        return [transform.GetDisplacementField()]
    return [affine_from_sitk(transform)]


def _linear(matrix: np.ndarray) -> Any:
    transform = vtk.vtkTransform()
    transform.SetMatrix(slicer.util.vtkMatrixFromArray(matrix))
    return transform


def _grid(field: sitk.Image) -> Any:
    """A displacement field in LPS as ``vtkOrientedGridTransform`` in RAS, float32."""
    vectors = sitk.GetArrayViewFromImage(field).reshape(-1, 3)
    scalars = numpy_to_vtk((vectors * LPS_TO_RAS.diagonal()[:3]).astype(np.float32), deep=True)
    image = vtk.vtkImageData()
    image.SetDimensions(field.GetSize())
    image.SetSpacing(field.GetSpacing())
    image.SetOrigin((LPS_TO_RAS[:3, :3] @ field.GetOrigin()).tolist())
    image.GetPointData().SetScalars(scalars)
    direction = np.eye(4)
    direction[:3, :3] = LPS_TO_RAS[:3, :3] @ np.reshape(field.GetDirection(), (3, 3))
    grid = slicer.vtkOrientedGridTransform()
    grid.SetDisplacementGridData(image)
    grid.SetGridDirectionMatrix(slicer.util.vtkMatrixFromArray(direction))
    grid.SetInterpolationModeToLinear()
    return grid
