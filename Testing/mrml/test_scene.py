"""Volumes, masks and initial transforms from nodes, against VTK's own idea of the world."""

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from mrml_scene import add_linear, add_volume, oblique, rigid, rotation

from jssr.errors import InputError
from JSSRRegistrationLib.frames import LPS_TO_RAS
from JSSRRegistrationLib.scene import (
    checkVolume,
    readInitialTransform,
    readMask,
    readScan,
    worldFromParent,
)

RIGID = rigid((3, 14, -7), (12, -9, 21))


def world_of_voxel(node: Any, index: tuple[int, int, int]) -> np.ndarray:
    """RAS of a voxel as MRML itself says, parent transforms applied."""
    to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(to_ras)
    point = to_ras.MultiplyPoint((*index, 1.0))[:3]
    to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        node.GetParentTransformNode(), None, to_world
    )
    return np.array(to_world.TransformPoint(point))


@pytest.mark.parametrize("under", [None, RIGID, np.diag([1.1, 1.1, 1.1, 1.0]) @ RIGID])
def test_a_scan_lies_where_its_node_lies(scene: Any, moving: Any, under: Any) -> None:
    if under is not None:
        outer = add_linear(scene, "outer", rotation((0, 0, 30)))
        inner = add_linear(scene, "inner", under)
        inner.SetAndObserveTransformNodeID(outer.GetID())
        moving.SetAndObserveTransformNodeID(inner.GetID())
    scan = readScan(moving)
    assert scan.onNodeGrid
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(scan.image), slicer.util.arrayFromVolume(moving)
    )
    for index in [(0, 0, 0), (43, 0, 0), (0, 29, 0), (0, 0, 25), (43, 29, 25)]:
        lps = scan.image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(
            lps * np.diag(LPS_TO_RAS)[:3], world_of_voxel(moving, index), atol=1e-9
        )


def test_a_sheared_scan_is_resampled_to_the_same_place(scene: Any) -> None:
    ijk_to_ras = oblique((0, 0, 0), (2, 2, 2), (-30, -30, -30))
    node = add_volume(scene, "tilted", ijk_to_ras, (32, 32, 32), 3)
    ramp = np.broadcast_to(np.arange(32, dtype=np.float32), (32, 32, 32)).copy()
    slicer.util.updateVolumeFromArray(node, ramp)
    shear = np.eye(4)
    shear[1, 2] = 0.3
    node.SetAndObserveTransformNodeID(add_linear(scene, "gantry", shear).GetID())
    scan = readScan(node)
    assert not scan.onNodeGrid
    for index in [(5, 6, 7), (16, 16, 16), (25, 20, 12)]:
        lps = world_of_voxel(node, index) * np.diag(LPS_TO_RAS)[:3]
        value = scan.image.EvaluateAtPhysicalPoint(lps.tolist(), sitk.sitkLinear)
        assert value == pytest.approx(index[0], abs=1e-3)


def test_a_non_linear_parent_is_refused_by_name(scene: Any, moving: Any) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode", "breathing")
    spline = vtk.vtkThinPlateSplineTransform()
    points = vtk.vtkPoints()
    targets = vtk.vtkPoints()
    for corner in np.eye(4)[:, :3] * 30:
        points.InsertNextPoint(corner)
        targets.InsertNextPoint(corner[0], corner[1], corner[2] + corner[0] / 8)
    spline.SetSourceLandmarks(points)
    spline.SetTargetLandmarks(targets)
    spline.SetBasisToR()
    node.SetAndObserveTransformToParent(spline)
    moving.SetAndObserveTransformNodeID(node.GetID())
    with pytest.raises(InputError, match=r"arterial.*non-linear transform 'breathing'.*harden"):
        readScan(moving)


def test_what_is_no_scan_is_refused(scene: Any, fixed: Any) -> None:
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    flat = add_volume(scene, "flat", np.eye(4), (8, 8, 1), 0)
    squashed = add_volume(scene, "squashed", np.eye(4), (8, 8, 8), 0)
    under = add_linear(scene, "squash", np.diag([1, 1, 0, 1.0]))
    squashed.SetAndObserveTransformNodeID(under.GetID())
    for node, words in [
        (None, "Choose a scalar volume"),
        (empty, "'nothing' is empty"),
        (labels, "'labels' is a label map"),
        (flat, "'flat' is a single slice"),
        (squashed, "'squashed' has a spacing of zero"),
    ]:
        with pytest.raises(InputError, match=words):
            checkVolume(node)
    checkVolume(fixed)


def add_segmentation(scene: Any, volume: Any, array: np.ndarray, values: list[int]) -> Any:
    """A segmentation with one segment for each value, through Slicer's own import."""
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "temporary")
    slicer.util.updateVolumeFromArray(labels, array.astype(np.uint8))
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    labels.SetIJKToRASMatrix(matrix)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.ImportLabelmapToSegmentationNode(labels, node)
    assert node.GetSegmentation().GetNumberOfSegments() == len(values)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    scene.RemoveNode(labels)
    return node


@pytest.mark.parametrize("parent", [False, True])
def test_a_segmentation_is_a_mask_of_all_its_segments(scene: Any, fixed: Any, parent: bool) -> None:
    if parent:
        fixed.SetAndObserveTransformNodeID(add_linear(scene, "parent", RIGID).GetID())
    array = np.zeros((22, 36, 40), np.uint8)
    array[5:9, 10:20, 12:30] = 1
    array[12:15, 3:8, 30:39] = 2
    node = add_segmentation(scene, fixed, array, [1, 2])
    nodes_before = scene.GetNumberOfNodes()
    scan = readScan(fixed)
    mask = readMask(node, scan)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), array != 0)
    np.testing.assert_allclose(mask.GetOrigin(), scan.image.GetOrigin(), atol=1e-9)
    assert scene.GetNumberOfNodes() == nodes_before


def test_a_mask_under_another_transform_is_brought_over(scene: Any, fixed: Any) -> None:
    array = np.zeros((22, 36, 40), np.uint8)
    array[5:9, 10:20, 12:30] = 1
    node = add_segmentation(scene, fixed, array, [1])
    fixed.SetAndObserveTransformNodeID(add_linear(scene, "parent", RIGID).GetID())
    node.SetAndObserveTransformNodeID(None)
    there = readMask(node, readScan(fixed))
    fixed.SetAndObserveTransformNodeID(None)
    here = readMask(node, readScan(fixed))
    fixed_rigid = sitk.GetArrayFromImage(there)
    assert fixed_rigid.sum() > 0
    assert not np.array_equal(fixed_rigid, sitk.GetArrayFromImage(here))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(here), array)


def test_a_label_map_is_a_mask_also_on_another_grid(scene: Any, fixed: Any) -> None:
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "box")
    slicer.util.updateVolumeFromArray(labels, np.full((60, 60, 60), 3, np.uint8))
    labels.SetIJKToRASMatrix(
        slicer.util.vtkMatrixFromArray(oblique((0, 0, 0), (1, 1, 1), (0, -40, -30)))
    )
    scan = readScan(fixed)
    mask = readMask(labels, scan)
    assert mask.GetSize() == scan.image.GetSize()
    assert 0 < sitk.GetArrayFromImage(mask).mean() < 1
    slicer.util.updateVolumeFromArray(labels, np.zeros((60, 60, 60), np.uint8))
    with pytest.raises(InputError, match=r"'box' covers no voxel of 'portal'"):
        readMask(labels, scan)


def test_an_initial_transform_becomes_fixed_to_moving_in_lps(scene: Any, moving: Any) -> None:
    node = add_linear(scene, "hint", RIGID)
    matrix = readInitialTransform(node, moving)
    ras = np.array([11.0, -4.0, 30.0, 1.0])
    moved = RIGID @ ras
    np.testing.assert_allclose(matrix @ (LPS_TO_RAS @ moved), LPS_TO_RAS @ ras, atol=1e-9)


def test_an_initial_transform_that_acts_already_is_not_used_twice(scene: Any, moving: Any) -> None:
    node = add_linear(scene, "hint", RIGID)
    moving.SetAndObserveTransformNodeID(node.GetID())
    np.testing.assert_array_equal(readInitialTransform(node, moving), np.eye(4))
    np.testing.assert_allclose(worldFromParent(moving), RIGID)
