"""Carrying other nodes of the moving scan along: volumes, segmentations, markups, models."""

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from made_result import LINEAR
from mrml_scene import add_linear, add_volume, oblique, rigid

from jssr.errors import InputError
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_to_sitk
from jssr.spatial.transform import SpatialTransform
from JSSRRegistrationLib.apply import applyTo
from JSSRRegistrationLib.frames import LPS_TO_RAS, flipped
from JSSRRegistrationLib.scene import readScan, worldFromParent
from JSSRRegistrationLib.transforms import setFromParent, setMovingToWorld

PARENT = rigid((-7, 3, 5), (-6, 14, 9))
OTHER = rigid((2, 2, -8), (4, 0, -3))


@pytest.fixture
def truth(fixed: Any) -> SpatialTransform:
    """Gentle waves and a turn; gentle enough to be inverted point by point."""
    corners = Geometry.of(readScan(fixed).image).corners_mm()
    low = corners.min(axis=0) - 40
    x, y, z = (int(n) for n in np.ceil((corners.max(axis=0) + 40 - low) / 5) + 1)
    axes = np.meshgrid(*(np.linspace(0, np.pi, n) for n in (z, y, x)), indexing="ij")
    window = np.sin(axes[0]) * np.sin(axes[1]) * np.sin(axes[2])
    field = np.stack([4 * window, -3 * window, 5 * window]).astype(np.float32)
    return SpatialTransform(LINEAR, field, Geometry((x, y, z), (5.0,) * 3, tuple(low.tolist())))


@pytest.fixture(params=["free", "parent"])
def transform(
    request: pytest.FixtureRequest, scene: Any, fixed: Any, moving: Any, truth: SpatialTransform
) -> Any:
    """The node as the logic makes it, the moving volume at the root or under a parent."""
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode", "registration")
    if request.param == "parent":
        moving.SetAndObserveTransformNodeID(add_linear(scene, "parent", PARENT).GetID())
    matrix = worldFromParent(moving)
    setFromParent(node, truth.to_sitk(), np.linalg.inv(matrix))
    setMovingToWorld(node, matrix)
    node.SetNodeReferenceID("spatialRegistrationFixed", fixed.GetID())
    return node


def to_moving(truth: SpatialTransform, ras: np.ndarray) -> np.ndarray:
    signs = np.diag(LPS_TO_RAS)[:3]
    return truth.apply(np.atleast_2d(ras) * signs) * signs


def test_a_volume_lands_on_the_reference(
    scene: Any, fixed: Any, transform: Any, truth: SpatialTransform
) -> None:
    other = add_volume(scene, "venous", oblique((3, 3, 9), (2, 2, 2), (25, -40, -20)), (36,) * 3, 9)
    other.SetAndObserveTransformNodeID(add_linear(scene, "other", OTHER).GetID())
    copy = applyTo(other, transform)
    assert copy.GetName() == "venous registered"
    exact = sitk.Resample(
        sitk.Cast(readScan(other).image, sitk.sitkFloat32),
        readScan(fixed).image,
        truth.to_sitk(),
        sitk.sitkLinear,
        -1024.0,
    )
    expected = sitk.GetArrayFromImage(exact)
    found = slicer.util.arrayFromVolume(copy)
    inside = (expected > -1000) & (found > -1000)
    assert inside.mean() > 0.2
    assert np.abs(found - expected)[inside].max() <= 1.0


def test_a_map_that_is_no_ct_holds_nothing_beyond_its_end(
    scene: Any, fixed: Any, transform: Any
) -> None:
    uptake = add_volume(
        scene, "uptake", oblique((3, 3, 9), (2, 2, 2), (25, -40, -20)), (36,) * 3, 9
    )
    slicer.util.updateVolumeFromArray(uptake, np.full((36, 36, 36), 2.5, np.float32))
    values = slicer.util.arrayFromVolume(applyTo(uptake, transform))
    assert values.min() == 0.0 and values.max() == pytest.approx(2.5)


def test_a_label_map_keeps_its_labels(scene: Any, fixed: Any, transform: Any) -> None:
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    array = np.zeros((40, 40, 40), np.uint8)
    array[5:35, 5:20, 5:35] = 7
    array[5:35, 20:35, 5:35] = 200
    slicer.util.updateVolumeFromArray(labels, array)
    labels.SetOrigin(-20, -20, -20)
    copy = applyTo(labels, transform)
    assert copy.GetClassName() == "vtkMRMLLabelMapVolumeNode"
    assert set(np.unique(slicer.util.arrayFromVolume(copy))) == {0, 7, 200}


def test_markups_go_where_the_transform_brings_them(
    scene: Any, transform: Any, truth: SpatialTransform
) -> None:
    markups = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "lesions")
    fixed_points = np.array([[0.0, 0, 0], [12, -8, 20], [-15, 20, 5]])
    matrix = np.linalg.inv(OTHER)
    for point in to_moving(truth, fixed_points):
        local = matrix[:3, :3] @ point + matrix[:3, 3]
        markups.AddControlPoint(vtk.vtkVector3d(*local), "lesion")
    markups.SetAndObserveTransformNodeID(add_linear(scene, "other", OTHER).GetID())
    before = slicer.util.arrayFromMarkupsControlPoints(markups).copy()
    copy = applyTo(markups, transform)
    found = slicer.util.arrayFromMarkupsControlPoints(copy, world=True)
    np.testing.assert_allclose(found, fixed_points, atol=0.02)
    assert copy.GetNthControlPointLabel(1) == "lesion"
    np.testing.assert_array_equal(slicer.util.arrayFromMarkupsControlPoints(markups), before)


def test_a_model_is_deformed_as_a_copy(scene: Any, transform: Any, truth: SpatialTransform) -> None:
    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(15)
    sphere.Update()
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", "liver surface")
    model.SetAndObservePolyData(sphere.GetOutput())
    before = slicer.util.arrayFromModelPoints(model).copy()
    copy = applyTo(model, transform)
    found = slicer.util.arrayFromModelPoints(copy)
    np.testing.assert_allclose(to_moving(truth, found), before, atol=0.02)
    np.testing.assert_array_equal(slicer.util.arrayFromModelPoints(model), before)
    assert copy.GetName() == "liver surface registered"


def test_a_segmentation_is_deformed_voxel_by_voxel(
    scene: Any, transform: Any, truth: SpatialTransform
) -> None:
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "temporary")
    z, y, x = np.mgrid[-25:26, -25:26, -25:26]
    slicer.util.updateVolumeFromArray(labels, ((x**2 + y**2 + z**2) < 18**2).astype(np.uint8))
    labels.SetOrigin(-25, -25, -25)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "organ")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.ImportLabelmapToSegmentationNode(labels, node)
    identifier = node.GetSegmentation().GetNthSegmentID(0)
    copy = applyTo(node, transform)
    bounds = np.zeros(6)
    copy.GetRASBounds(bounds)
    merged = slicer.vtkOrientedImageData()
    assert copy.GetBinaryLabelmapRepresentation(identifier, merged)
    inside = world_points(merged)
    distance = np.linalg.norm(to_moving(truth, inside), axis=1)
    assert np.percentile(distance, 99) < 19
    volume = len(inside) * np.prod(merged.GetSpacing())
    assert volume == pytest.approx(4 / 3 * np.pi * 18**3, rel=0.08)


def world_points(image: Any) -> np.ndarray:
    values = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    extent = image.GetExtent()
    indices = np.argwhere(values.reshape(tuple(reversed(image.GetDimensions()))) > 0)[:, ::-1]
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    to_world = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
    return (indices + extent[::2]) @ to_world[:3, :3].T + to_world[:3, 3]


def test_parents_of_every_kind_are_gone_through(
    scene: Any, fixed: Any, transform: Any, truth: SpatialTransform
) -> None:
    """The volume under a linear transform under a bent one, the reference under a linear one."""
    other = add_volume(scene, "venous", oblique((3, 3, 9), (2, 2, 2), (25, -40, -20)), (36,) * 3, 9)
    own = sitk.Cast(readScan(other).image, sitk.sitkFloat32)
    waves = SpatialTransform(np.eye(4), truth.displacement_mm, truth.grid).to_sitk()
    bent = scene.AddNewNodeByClass("vtkMRMLTransformNode", "bent")
    setFromParent(bent, waves)
    turned = add_linear(scene, "turned", OTHER)
    turned.SetAndObserveTransformNodeID(bent.GetID())
    other.SetAndObserveTransformNodeID(turned.GetID())
    fixed.SetAndObserveTransformNodeID(
        add_linear(scene, "above", rigid((3, -2, 4), (2, 3, -1))).GetID()
    )
    back = affine_to_sitk(flipped(np.linalg.inv(OTHER)))
    whole = sitk.CompositeTransform([back, waves, truth.to_sitk()])
    exact = sitk.Resample(own, readScan(fixed).image, whole, sitk.sitkLinear, -1024.0)
    expected = sitk.GetArrayFromImage(exact)
    found = slicer.util.arrayFromVolume(applyTo(other, transform))
    inside = (expected > -1000) & (found > -1000)
    assert inside.mean() > 0.2
    assert np.abs(found - expected)[inside].max() <= 1.0


def test_markups_under_nested_parents_go_where_the_transform_brings_them(
    scene: Any, transform: Any, truth: SpatialTransform
) -> None:
    bent = scene.AddNewNodeByClass("vtkMRMLTransformNode", "bent")
    setFromParent(bent, SpatialTransform(np.eye(4), truth.displacement_mm, truth.grid).to_sitk())
    turned = add_linear(scene, "turned", OTHER)
    turned.SetAndObserveTransformNodeID(bent.GetID())
    markups = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "lesions")
    for point in ((0.0, 0.0, 0.0), (12.0, -8.0, 20.0), (-15.0, 20.0, 5.0)):
        markups.AddControlPoint(vtk.vtkVector3d(*point), "lesion")
    markups.SetAndObserveTransformNodeID(turned.GetID())
    seen = slicer.util.arrayFromMarkupsControlPoints(markups, world=True)
    found = slicer.util.arrayFromMarkupsControlPoints(applyTo(markups, transform), world=True)
    np.testing.assert_allclose(to_moving(truth, found), seen, atol=0.02)


def test_what_has_no_place_is_refused(scene: Any, transform: Any) -> None:
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "numbers")
    with pytest.raises(InputError, match="'numbers' has no place"):
        applyTo(table, transform)
    with pytest.raises(InputError, match="has no place"):
        applyTo(transform, transform)


def test_what_lies_under_the_transform_is_not_moved_twice(
    scene: Any, fixed: Any, moving: Any, transform: Any
) -> None:
    above = add_linear(scene, "above", OTHER)
    above.SetAndObserveTransformNodeID(transform.GetID())
    for parent in (transform, above):
        moving.SetAndObserveTransformNodeID(parent.GetID())
        with pytest.raises(InputError, match="'arterial' lies under the transform already"):
            applyTo(moving, transform, fixed)


def test_an_output_node_is_used(scene: Any, fixed: Any, moving: Any, transform: Any) -> None:
    mine = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "mine")
    assert applyTo(moving, transform, fixed, mine) is mine
    assert mine.GetName() == "mine"
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", "model")
    with pytest.raises(InputError, match="another kind"):
        applyTo(moving, transform, fixed, model)
