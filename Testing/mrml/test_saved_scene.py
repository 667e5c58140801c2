"""A scene with results, saved as .mrb and read back."""

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk
from made_result import MadeUpRunner
from mrml_scene import add_linear, rigid

from JSSRRegistrationLib.logic import JSSRRegistrationLogic, Settings
from JSSRRegistrationLib.outputs import SceneOutput


def points_through(node: Any) -> np.ndarray:
    general = vtk.vtkGeneralTransform()
    node.GetTransformFromWorld(general)
    grid = np.stack(np.meshgrid(*[np.linspace(-25, 25, 5)] * 3), axis=-1).reshape(-1, 3)
    return np.array([general.TransformPoint(point) for point in grid])


def readable_scene(tmp_path: Path) -> tuple[Any, list[Any]]:
    """A scene that can read bundles, and what must live as long as it."""
    scene = slicer.vtkMRMLScene()
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(str(tmp_path))
    scene.SetCacheManager(cache)
    manager = slicer.vtkDataIOManager()
    manager.SetCacheManager(cache)
    scene.SetDataIOManager(manager)
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    return scene, [cache, manager, logic]


def test_everything_is_there_again(scene: Any, fixed: Any, moving: Any, tmp_path: Path) -> None:
    fixed.SetAndObserveTransformNodeID(add_linear(scene, "f", rigid((5, 0, 9), (4, 4, 4))).GetID())
    moving.SetAndObserveTransformNodeID(add_linear(scene, "m", rigid((0, 8, 0), (9, 1, 2))).GetID())
    logic = JSSRRegistrationLogic(MadeUpRunner())  # type: ignore[arg-type]
    result = logic.register(fixed, moving, settings=Settings(outputs=frozenset(SceneOutput)))
    nodes = result.nodes  # type: ignore[union-attr]
    bundle = tmp_path / "case.mrb"
    assert scene.WriteToMRB(str(bundle))

    again, alive = readable_scene(tmp_path)
    assert again.ReadFromMRB(str(bundle), True)
    for output, node in nodes.items():
        twin = again.GetFirstNodeByName(node.GetName())
        assert twin is not None and twin.GetClassName() == node.GetClassName(), output
    check_transform(nodes, again)
    check_volume(nodes, again)
    check_segmentation(nodes, again)
    table = nodes[SceneOutput.QUALITY_TABLE]
    twin = again.GetFirstNodeByName(table.GetName())
    assert twin.GetTable().GetNumberOfRows() == table.GetTable().GetNumberOfRows()
    assert alive


def check_transform(nodes: Any, again: Any) -> None:
    for output in (SceneOutput.TRANSFORM, SceneOutput.INVERSE_TRANSFORM):
        twin = again.GetFirstNodeByName(nodes[output].GetName())
        difference = points_through(twin) - points_through(nodes[output])
        # Read from a file, the field is interpolated by cubics, in memory linearly.
        assert np.abs(difference).max() < 0.1
        assert twin.GetNodeReference("spatialRegistrationMoving") is not None
        assert twin.GetAttribute("JSSR.MovingToWorld") == nodes[output].GetAttribute(
            "JSSR.MovingToWorld"
        )


def check_volume(nodes: Any, again: Any) -> None:
    warped = nodes[SceneOutput.WARPED]
    twin = again.GetFirstNodeByName(warped.GetName())
    np.testing.assert_array_equal(
        slicer.util.arrayFromVolume(twin), slicer.util.arrayFromVolume(warped)
    )
    assert twin.GetParentTransformNode().GetName() == "f"


def check_segmentation(nodes: Any, again: Any) -> None:
    name = slicer.vtkSegment.GetTerminologyEntryTagName()
    for output in (SceneOutput.FIXED_SEGMENTATION, SceneOutput.MOVING_SEGMENTATION):
        node = nodes[output]
        twin = again.GetFirstNodeByName(node.GetName())
        old, new = node.GetSegmentation(), twin.GetSegmentation()
        assert new.GetNumberOfSegments() == old.GetNumberOfSegments() == 3
        for index in range(3):
            identifier = old.GetNthSegmentID(index)
            before, after = old.GetSegment(identifier), new.GetSegment(identifier)
            assert after.GetName() == before.GetName()
            np.testing.assert_allclose(after.GetColor(), before.GetColor(), atol=1 / 255)
            codes = [vtk.reference(""), vtk.reference("")]
            before.GetTag(name, codes[0])
            after.GetTag(name, codes[1])
            assert str(codes[0]) == str(codes[1]) != ""
        role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
        assert twin.GetNodeReference(role).GetName() == node.GetNodeReference(role).GetName()
