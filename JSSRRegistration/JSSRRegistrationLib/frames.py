"""Between Slicer's world (RAS, vtkMatrix4x4) and JSSR's (LPS, numpy)."""

from typing import Any

import numpy as np
import vtk

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns LPS points into RAS points; it is its own inverse."""


def toNumpy(matrix: Any) -> np.ndarray:
    """A ``vtkMatrix4x4`` as a ``(4, 4)`` array."""
    rows = [[matrix.GetElement(row, column) for column in range(4)] for row in range(4)]
    return np.array(rows)


def toVtk(matrix: np.ndarray) -> Any:
    """A ``(4, 4)`` array as a ``vtkMatrix4x4``."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, dtype=float).ravel().tolist())
    return result


def flipped(matrix: np.ndarray) -> np.ndarray:
    """A map of LPS points as the same map of RAS points, or the other way round."""
    return LPS_TO_RAS @ matrix @ LPS_TO_RAS
