"""Linear transforms as 4x4 matrices that map LPS points, ``y = A x``."""

import numpy as np
import SimpleITK as sitk


def translation(offset_mm: np.ndarray | tuple[float, float, float]) -> np.ndarray:
    """The 4x4 matrix that adds ``offset_mm``."""
    matrix = np.eye(4)
    matrix[:3, 3] = offset_mm
    return matrix


def rotation(axis_angle_rad: np.ndarray, center_mm: np.ndarray) -> np.ndarray:
    """The 4x4 rotation about ``center_mm`` by the length of ``axis_angle_rad`` (Rodrigues)."""
    angle = float(np.linalg.norm(axis_angle_rad))
    matrix = np.eye(4)
    if angle > 0:
        x, y, z = np.asarray(axis_angle_rad) / angle
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        matrix[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    matrix[:3, 3] = center_mm - matrix[:3, :3] @ center_mm
    return matrix


def stretch_along_z(factor: float, center_mm: np.ndarray) -> np.ndarray:
    """The 4x4 matrix that lengthens by ``factor`` from head to feet and keeps ``center_mm``."""
    matrix = np.diag([1.0, 1.0, factor, 1.0])
    matrix[2, 3] = center_mm[2] * (1.0 - factor)
    return matrix


def stretch_of(matrix: np.ndarray) -> np.ndarray:
    """By how much the 4x4 ``matrix`` lengthens along x, y and z, its rotation undone; ``(3,)``."""
    _, lengths, axes = np.linalg.svd(matrix[:3, :3])
    return np.diag(axes.T @ np.diag(lengths) @ axes) - 1.0


def rigid_fit(points_mm: np.ndarray, targets_mm: np.ndarray) -> np.ndarray:
    """The rigid 4x4 matrix that brings ``points_mm`` ``(n, 3)`` nearest to ``targets_mm``.

    Least squares by singular values: Kabsch, Acta Crystallographica 1976.
    """
    center, target = points_mm.mean(axis=0), targets_mm.mean(axis=0)
    u, _, v = np.linalg.svd((points_mm - center).T @ (targets_mm - target))
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(v.T @ u.T))])
    matrix = np.eye(4)
    matrix[:3, :3] = v.T @ mirror @ u.T
    matrix[:3, 3] = target - matrix[:3, :3] @ center
    return matrix


def apply_linear(matrix: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    """``points_mm`` ``(n, 3)`` mapped by the 4x4 ``matrix``."""
    return points_mm @ matrix[:3, :3].T + matrix[:3, 3]


def affine_from_sitk(transform: sitk.Transform) -> np.ndarray:
    """The 4x4 matrix of a linear SimpleITK transform.

    Raises:
        ValueError: the transform is not linear.
    """
    if not transform.IsLinear():
        raise ValueError("the transform is not linear")
    zero = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    for axis, unit in enumerate(np.eye(3)):
        matrix[:3, axis] = np.array(transform.TransformPoint(unit.tolist())) - zero
    matrix[:3, 3] = zero
    return matrix


def affine_to_sitk(matrix: np.ndarray) -> sitk.AffineTransform:
    """A SimpleITK transform that maps points as the 4x4 ``matrix`` does."""
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform
