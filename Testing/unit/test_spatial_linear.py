"""4x4 matrices agree with SimpleITK's transforms."""

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.spatial.linear import (
    affine_from_sitk,
    affine_to_sitk,
    apply_linear,
    rigid_fit,
    rotation,
    stretch_along_z,
    stretch_of,
    translation,
)

POINTS = np.random.default_rng(3).uniform(-200, 200, (50, 3))


def through(transform: sitk.Transform) -> np.ndarray:
    return np.array([transform.TransformPoint(p.tolist()) for p in POINTS])


@pytest.mark.parametrize(
    "transform",
    [
        sitk.Euler3DTransform((10, -20, 30), 0.3, -0.2, 0.5, (4, 5, 6)),
        sitk.TranslationTransform(3, (1.5, -2.5, 9)),
        sitk.ScaleTransform(3, (1.1, 0.9, 1.3)),
    ],
)
def test_matrix_maps_points_as_the_transform_does(transform: sitk.Transform) -> None:
    matrix = affine_from_sitk(transform)
    assert np.abs(apply_linear(matrix, POINTS) - through(transform)).max() < 1e-9
    assert np.abs(through(affine_to_sitk(matrix)) - through(transform)).max() < 1e-9


def test_rotation_equals_simpleitk_versor() -> None:
    axis, center = np.array([0.2, -0.5, 0.9]), np.array([10.0, -4.0, 7.0])
    versor = sitk.VersorRigid3DTransform()
    versor.SetCenter(center.tolist())
    versor.SetRotation(axis.tolist(), float(np.linalg.norm(axis)))
    assert np.abs(apply_linear(rotation(axis, center), POINTS) - through(versor)).max() < 1e-9


def test_translation_adds() -> None:
    assert np.allclose(apply_linear(translation((1, 2, 3)), POINTS), POINTS + np.array((1, 2, 3)))


def test_a_displacement_field_is_no_linear_transform() -> None:
    field = sitk.DisplacementFieldTransform(sitk.Image([4, 4, 4], sitk.sitkVectorFloat64, 3))
    with pytest.raises(ValueError, match="not linear"):
        affine_from_sitk(field)


def test_a_stretch_is_told_whatever_the_rotation() -> None:
    center = np.array([10.0, -4.0, 7.0])
    scaling = sitk.ScaleTransform(3, (1.0, 1.0, 1.6))
    scaling.SetCenter(center.tolist())
    stretched = stretch_along_z(1.6, center)
    assert np.abs(apply_linear(stretched, POINTS) - through(scaling)).max() < 1e-9
    turned = rotation(np.array([0.1, -0.2, 0.15]), center) @ stretched
    assert stretch_of(turned) == pytest.approx([0.0, 0.0, 0.6], abs=1e-9)
    assert stretch_of(translation((1, 2, 3))) == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)


def test_a_rigid_motion_is_fitted_and_never_a_mirror_image() -> None:
    motion = translation((5, -3, 8)) @ rotation(np.array([0.3, -0.2, 0.5]), np.zeros(3))
    assert np.abs(rigid_fit(POINTS, apply_linear(motion, POINTS)) - motion).max() < 1e-9
    mirrored = POINTS * np.array([-1.0, 1.0, 1.0])
    fitted = rigid_fit(POINTS, mirrored)
    assert np.linalg.det(fitted[:3, :3]) == pytest.approx(1.0)
    # Of points in one plane the fit is a rotation too, though a mirror image fits as well.
    flat = POINTS * np.array([1.0, 1.0, 0.0])
    assert np.linalg.det(rigid_fit(flat, -flat)[:3, :3]) == pytest.approx(1.0)
