"""Results as nodes: every coordinate against SimpleITK, every file against what was saved."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from made_result import answer, smooth_transform
from mrml_scene import add_linear, resample_by_vtk, rigid

from jssr.io.segmentation import terminology_entry
from jssr.labels import LABELS
from jssr.registration.result import Output
from jssr.service.protocol import RegisterJob
from JSSRRegistrationLib.frames import LPS_TO_RAS
from JSSRRegistrationLib.outputs import NODE_CLASSES, SceneOutput, workerOutput
from JSSRRegistrationLib.results import Finished, Pair, makeNodes
from JSSRRegistrationLib.scene import readScan, worldFromParent

FIXED_PARENT = rigid((4, -9, 16), (8, 5, -11))
MOVING_PARENT = rigid((-7, 3, 5), (-6, 14, 9))
ALL = frozenset(SceneOutput)


@pytest.fixture(params=["free", "parents"])
def pair(request: pytest.FixtureRequest, scene: Any, fixed: Any, moving: Any) -> tuple[Any, Any]:
    """Both volumes, once at the root and once under transforms of their own."""
    if request.param == "parents":
        fixed.SetAndObserveTransformNodeID(add_linear(scene, "fp", FIXED_PARENT).GetID())
        moving.SetAndObserveTransformNodeID(add_linear(scene, "mp", MOVING_PARENT).GetID())
    return fixed, moving


def make(
    scene: Any,
    pair: tuple[Any, Any],
    folder: Path,
    outputs: frozenset[SceneOutput] = ALL,
    given: dict[SceneOutput, Any] | None = None,
) -> tuple[dict[SceneOutput, Any], Finished]:
    """The nodes of a made-up registration of the two volumes."""
    scans = [readScan(node) for node in pair]
    paths = [folder / "fixed.nrrd", folder / "moving.nrrd"]
    for scan, path in zip(scans, paths, strict=True):
        sitk.WriteImage(scan.image, str(path))
    wanted = frozenset(workerOutput(output) for output in outputs)
    message = answer(RegisterJob("1", *paths, folder / "result", outputs=wanted))
    files = {Output(name): Path(path) for name, path in message["files"].items()}
    finished = Finished(files, message)
    state = Pair(
        *pair,
        fixedOnNodeGrid=scans[0].onNodeGrid,
        movingOnNodeGrid=scans[1].onNodeGrid,
        worldFromFixed=worldFromParent(pair[0]),
        worldFromMoving=worldFromParent(pair[1]),
    )
    return makeNodes(scene, state, finished, outputs, given or {}), finished


def random_points(node: Any, count: int = 300) -> np.ndarray:
    """World LPS points inside a volume."""
    image = readScan(node).image
    random = np.random.default_rng(0)
    indices = random.uniform(0, np.array(image.GetSize()) - 1, (count, 3))
    return np.array([image.TransformContinuousIndexToPhysicalPoint(i.tolist()) for i in indices])


def through_node(transform: Any, points: np.ndarray) -> np.ndarray:
    """LPS points through a node's transform from world."""
    general = vtk.vtkGeneralTransform()
    transform.GetTransformFromWorld(general)
    flip = np.diag(LPS_TO_RAS)[:3]
    return np.array([general.TransformPoint(p * flip) for p in points]) * flip


def world_lps(node: Any) -> np.ndarray:
    return LPS_TO_RAS @ worldFromParent(node) @ LPS_TO_RAS


@pytest.mark.parametrize("inverse", [False, True])
def test_points_through_the_node_equal_points_through_simpleitk(
    scene: Any, pair: tuple[Any, Any], tmp_path: Path, inverse: bool
) -> None:
    output = SceneOutput.INVERSE_TRANSFORM if inverse else SceneOutput.TRANSFORM
    nodes, finished = make(scene, pair, tmp_path, frozenset({output}))
    here, there = reversed(pair) if inverse else pair
    points = random_points(here)
    saved = sitk.ReadTransform(str(finished.files[workerOutput(output)]))
    expected = np.array([saved.TransformPoint(p.tolist()) for p in points])
    local = through_node(nodes[output], points)
    matrix = world_lps(there)
    found = local @ matrix[:3, :3].T + matrix[:3, 3]
    assert np.abs(found - expected).max() < 1e-3
    assert np.abs(expected - points).max() > 5


def test_the_moving_volume_under_the_node_is_the_warped_volume(
    scene: Any, pair: tuple[Any, Any], tmp_path: Path
) -> None:
    fixed, moving = pair
    nodes, _ = make(scene, pair, tmp_path)
    moving.SetAndObserveTransformNodeID(nodes[SceneOutput.TRANSFORM].GetID())
    warped = slicer.util.arrayFromVolume(nodes[SceneOutput.WARPED]).astype(float)
    resliced = resample_by_vtk(moving, fixed)
    inside = (resliced > -1000) & (warped > -1000)
    assert inside.mean() > 0.25
    assert np.abs(resliced - warped)[inside].max() <= 1.0


def test_results_on_the_fixed_grid_share_its_voxels_and_parent(
    scene: Any, pair: tuple[Any, Any], tmp_path: Path
) -> None:
    fixed, _ = pair
    nodes, _ = make(scene, pair, tmp_path)
    for output in (SceneOutput.WARPED, SceneOutput.DIFFERENCE):
        node = nodes[output]
        assert node.GetParentTransformNode() is fixed.GetParentTransformNode()
        assert node.GetImageData().GetDimensions() == fixed.GetImageData().GetDimensions()
        assert matrix_of(node) == matrix_of(fixed)
    difference = slicer.util.arrayFromVolume(fixed) - slicer.util.arrayFromVolume(
        nodes[SceneOutput.WARPED]
    )
    np.testing.assert_array_equal(
        slicer.util.arrayFromVolume(nodes[SceneOutput.DIFFERENCE]), difference
    )


def matrix_of(node: Any) -> list[float]:
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return [matrix.GetElement(i, j) for i in range(4) for j in range(4)]


def test_the_synthesized_volume_lies_in_the_world_and_says_what_it_is(
    scene: Any, pair: tuple[Any, Any], tmp_path: Path
) -> None:
    nodes, finished = make(scene, pair, tmp_path)
    node = nodes[SceneOutput.SYNTHESIZED]
    assert node.GetParentTransformNode() is None
    assert "not for diagnosis" in node.GetName()
    assert node.GetAttribute("JSSR.Synthetic") == "not for diagnosis"
    image = readScan(node).image
    saved = sitk.ReadImage(str(finished.files[Output.SYNTHESIZED]))
    assert image.GetOrigin() == pytest.approx(saved.GetOrigin())
    assert image.GetDirection() == pytest.approx(saved.GetDirection())


@pytest.mark.parametrize("side", [0, 1], ids=["fixed", "moving"])
def test_segmentations_have_names_colors_codes_and_geometry(
    scene: Any, pair: tuple[Any, Any], tmp_path: Path, side: int
) -> None:
    nodes, finished = make(scene, pair, tmp_path)
    output = (SceneOutput.FIXED_SEGMENTATION, SceneOutput.MOVING_SEGMENTATION)[side]
    volume, node = pair[side], nodes[output]
    segmentation = node.GetSegmentation()
    labels = [label for label in LABELS if label.index in (1, 2, 4)]
    assert [segmentation.GetNthSegmentID(i) for i in range(3)] == [label.name for label in labels]
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(finished.files[workerOutput(output)])))
    for label in labels:
        segment = segmentation.GetSegment(label.name)
        assert segment.GetName() == label.title
        assert segment.GetColor() == pytest.approx([c / 255 for c in label.color])
        assert tag(segment) == terminology_entry(label)
        voxels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, label.name)
        np.testing.assert_array_equal(voxels == label.index, expected == label.index)
    assert node.GetParentTransformNode() is volume.GetParentTransformNode()
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is volume
    geometry = segmentation.GetConversionParameter("Reference image geometry")
    assert f"{volume.GetImageData().GetDimensions()[0] - 1};" in geometry
    oriented = segmentation.GetSegment("liver").GetRepresentation("Binary labelmap")
    matrix = vtk.vtkMatrix4x4()
    oriented.GetImageToWorldMatrix(matrix)
    found = [matrix.GetElement(i, j) for i in range(4) for j in range(4)]
    assert found == pytest.approx(matrix_of(volume), abs=1e-9)


def tag(segment: Any) -> str:
    value = vtk.reference("")
    assert segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), value)
    return str(value)


def test_a_segmentation_lies_on_its_scan_in_the_world(
    scene: Any, pair: tuple[Any, Any], tmp_path: Path
) -> None:
    nodes, _ = make(scene, pair, tmp_path)
    node = nodes[SceneOutput.MOVING_SEGMENTATION]
    centers = {}
    merged = slicer.vtkOrientedImageData()
    ids = vtk.vtkStringArray()
    ids.InsertNextValue("liver")
    slicer.vtkSlicerSegmentationsModuleLogic.GenerateMergedLabelmapInReferenceGeometry(
        node, pair[1], ids, slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY, merged
    )
    values = vtk.util.numpy_support.vtk_to_numpy(merged.GetPointData().GetScalars())
    z, y, x = slicer.util.arrayFromVolume(pair[1]).shape
    centers["merged"] = np.argwhere(values.reshape(z, y, x) > 0).mean(axis=0)
    box = [((n // 4) + (n // 2) - 1) / 2 for n in (z, y, x)]
    np.testing.assert_allclose(centers["merged"], box, atol=0.05)


def test_tables_tell_verdict_figures_and_intensities(
    scene: Any, pair: tuple[Any, Any], tmp_path: Path
) -> None:
    nodes, _ = make(scene, pair, tmp_path)
    quality = nodes[SceneOutput.QUALITY_TABLE].GetTable()
    rows = {
        quality.GetValue(row, 0).ToString(): quality.GetValue(row, 1).ToString()
        for row in range(quality.GetNumberOfRows())
    }
    assert rows["Verdict"] == "doubtful"
    assert rows["Reason"] == "The scans share little of the body."
    assert rows["Similarity before deformation"] == "0.3"
    assert rows["Liver: Dice before deformation"] == "0.91"
    assert rows["Liver: Dice after"] == "0.97"
    assert rows["Folded voxels"] == "0.01"
    assert rows["Lesion 1: volume change"] == "3"
    assert rows["Lesion 2: diameter"] == "12" and "Lesion 2: volume change" not in rows
    assert "Spleen: Dice after" not in rows
    intensity = nodes[SceneOutput.INTENSITY_TABLE].GetTable()
    names = [intensity.GetColumnName(i) for i in range(intensity.GetNumberOfColumns())]
    assert names[1] == "portal (portal-venous) mean HU"
    assert names[3] == "arterial (arterial) mean HU"
    assert intensity.GetNumberOfRows() == 1
    assert intensity.GetValueByName(0, names[3]).ToDouble() == 60.0


@pytest.mark.parametrize("output", list(SceneOutput), ids=lambda output: output.value)
def test_each_output_alone(
    scene: Any, fixed: Any, moving: Any, tmp_path: Path, output: SceneOutput
) -> None:
    before = {node.GetID() for node in nodes_of(scene)}
    nodes, finished = make(scene, (fixed, moving), tmp_path, frozenset({output}))
    assert list(nodes) == [output]
    assert len(finished.files) == 1
    new = [node for node in nodes_of(scene) if node.GetID() not in before]
    kinds = {node.GetClassName() for node in new if not node.IsA("vtkMRMLDisplayNode")}
    assert NODE_CLASSES[output] in kinds
    assert all(
        node is nodes[output] or node.GetName().startswith(("vtkMRML", "Volume", "Segm"))
        for node in new
        if node.IsA("vtkMRMLDisplayableNode")
    )


def nodes_of(scene: Any) -> list[Any]:
    return [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]


def test_given_nodes_are_overwritten(scene: Any, fixed: Any, moving: Any, tmp_path: Path) -> None:
    given = {output: scene.AddNewNodeByClass(NODE_CLASSES[output], "mine") for output in ALL}
    nodes, _ = make(scene, (fixed, moving), tmp_path, ALL, given)
    assert nodes == given
    assert nodes[SceneOutput.WARPED].GetImageData() is not None


def test_new_nodes_lie_beside_their_inputs(
    scene: Any, fixed: Any, moving: Any, tmp_path: Path
) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "study of today")
    earlier = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "study of last year")
    place(hierarchy, fixed, study)
    place(hierarchy, moving, earlier)
    nodes, _ = make(scene, (fixed, moving), tmp_path)
    for output, node in nodes.items():
        folder = earlier if output is SceneOutput.MOVING_SEGMENTATION else study
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
        names = (fixed.GetName(), moving.GetName())
        assert any(name in node.GetName() for name in names)


def place(hierarchy: Any, node: Any, folder: int) -> None:
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, folder)
    else:
        hierarchy.CreateItem(folder, node)


def test_inputs_stay_bit_identical(scene: Any, pair: tuple[Any, Any], tmp_path: Path) -> None:
    def state() -> list[Any]:
        return [
            (
                slicer.util.arrayFromVolume(node).tobytes(),
                matrix_of(node),
                node.GetName(),
                node.GetTransformNodeID(),
                node.GetNumberOfDisplayNodes(),
            )
            for node in pair
        ]

    before = state()
    make(scene, pair, tmp_path)
    assert state() == before


def test_roles_say_which_scan_moves(scene: Any, fixed: Any, moving: Any, tmp_path: Path) -> None:
    nodes, _ = make(scene, (fixed, moving), tmp_path)
    forward, inverse = nodes[SceneOutput.TRANSFORM], nodes[SceneOutput.INVERSE_TRANSFORM]
    assert forward.GetNodeReference("spatialRegistrationMoving") is moving
    assert forward.GetNodeReference("spatialRegistrationFixed") is fixed
    assert inverse.GetNodeReference("spatialRegistrationMoving") is fixed


def test_nothing_new_stays_when_a_file_is_missing(
    scene: Any, fixed: Any, moving: Any, tmp_path: Path
) -> None:
    scans = [readScan(node) for node in (fixed, moving)]
    state = Pair(fixed, moving)
    _, finished = make(scene, (fixed, moving), tmp_path, frozenset({SceneOutput.TRANSFORM}))
    before = {node.GetID() for node in nodes_of(scene)}
    finished.files[Output.WARPED] = tmp_path / "missing.nrrd"  # type: ignore[index]
    with pytest.raises(RuntimeError):
        makeNodes(
            scene, state, finished, frozenset({SceneOutput.TRANSFORM, SceneOutput.WARPED}), {}
        )
    assert {node.GetID() for node in nodes_of(scene)} == before
    assert scans


def test_a_saved_transform_reads_back_in_simpleitk_and_slicer(
    scene: Any, pair: tuple[Any, Any], tmp_path: Path
) -> None:
    nodes, finished = make(scene, pair, tmp_path, frozenset({SceneOutput.TRANSFORM}))
    node = nodes[SceneOutput.TRANSFORM]
    path = tmp_path / "saved.h5"
    storage = scene.AddNewNodeByClass("vtkMRMLTransformStorageNode")
    storage.SetFileName(str(path))
    assert storage.WriteData(node)
    again = scene.AddNewNodeByClass("vtkMRMLTransformNode", "again")
    assert storage.ReadData(again)
    points = random_points(pair[0])
    expected = through_node(node, points)
    # What Slicer reads is interpolated by cubics, what is in memory linearly.
    assert np.abs(through_node(again, points) - expected).max() < 0.1
    itk = sitk.ReadTransform(str(path))
    by_itk = np.array([itk.TransformPoint(p.tolist()) for p in points])
    assert np.abs(by_itk - expected).max() < 1e-3
    assert finished.files


def test_the_outer_region_follows_the_linear_part(
    scene: Any, fixed: Any, moving: Any, tmp_path: Path
) -> None:
    nodes, _ = make(scene, (fixed, moving), tmp_path, frozenset({SceneOutput.TRANSFORM}))
    far = np.array([[400.0, 10, 20], [-30, -500, 0], [0, 10, 600]])
    truth = smooth_transform(readScan(fixed).image).apply(far)
    found = through_node(nodes[SceneOutput.TRANSFORM], far)
    assert np.abs(found - truth).max() < 1e-3
