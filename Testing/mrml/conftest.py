"""A real MRML scene for each test, and volumes in it."""

from collections.abc import Iterator
from typing import Any

import pytest
import slicer
from mrml_scene import add_volume, oblique


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty scene, also as ``slicer.mrmlScene``, with what Slicer registers in its own."""
    made = slicer.vtkMRMLScene()
    monkeypatch.setattr(slicer, "mrmlScene", made, raising=False)
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(made)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(made)
    yield made
    made.Clear(1)


@pytest.fixture
def fixed(scene: Any) -> Any:
    """An oblique, anisotropic volume."""
    return add_volume(
        scene, "portal", oblique((12, -8, 20), (1.7, 1.9, 3.1), (30, -42, -25)), (40, 36, 22), 1
    )


@pytest.fixture
def moving(scene: Any) -> Any:
    """Another one, left-handed, on another grid."""
    matrix = oblique((-5, 10, -15), (1.5, 2.2, 2.7), (38, -35, -20))
    matrix[:3, 2] *= -1
    matrix[:3, 3] += [0, 0, 55]
    return add_volume(scene, "arterial", matrix, (44, 30, 26), 2)
