"""The logic with the real worker and an untrained model, on turned volumes under transforms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
from mrml_scene import add_linear, resample_by_vtk, rigid

from jssr.labels import Phase
from JSSRRegistrationLib.logic import JSSRRegistrationLogic, Settings
from JSSRRegistrationLib.outputs import SceneOutput
from sample_bundle import write_untrained_bundle
from sample_pair import pair_arrays


@pytest.fixture
def logic() -> Iterator[JSSRRegistrationLogic]:
    made = JSSRRegistrationLogic()
    yield made
    made.close()


@pytest.fixture
def pair(scene: Any) -> tuple[Any, Any]:
    nodes = []
    names = ("Doe Jane fixed", "Doe Jane moving")
    turns = [rigid((0, 4, 9), (100, -90, -80)), rigid((0, 6, 12), (104, -86, -84))]
    for name, array, turn in zip(names, pair_arrays(), turns, strict=True):
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        slicer.util.updateVolumeFromArray(node, array)
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(turn @ np.diag([-5.0, -5, 5, 1])))
        node.CreateDefaultDisplayNodes()
        nodes.append(node)
    parent = add_linear(scene, "parent", rigid((3, 0, -5), (10, 5, 2)))
    nodes[1].SetAndObserveTransformNodeID(parent.GetID())
    return nodes[0], nodes[1]


@pytest.mark.slow
def test_every_output_of_a_real_registration(
    logic: JSSRRegistrationLogic, scene: Any, pair: tuple[Any, Any], tmp_path: Path
) -> None:
    fixed, moving = pair
    bundle = write_untrained_bundle(tmp_path / "bundle", spacing_mm=8.0)
    report = tmp_path / "report.html"
    result = logic.register(
        fixed,
        moving,
        settings=Settings(outputs=frozenset(SceneOutput), model=bundle, device="cpu", refine="off"),
        fixedPhase=Phase.PORTAL_VENOUS,
        reportPath=report,
    )
    assert set(result.nodes) == set(SceneOutput)  # type: ignore[union-attr]
    assert "Jane" not in report.read_text("utf-8")
    warped = result.node("warped")  # type: ignore[union-attr]
    moving.SetAndObserveTransformNodeID(result.node("transform").GetID())  # type: ignore[union-attr]
    expected = resample_by_vtk(moving, fixed)
    found = slicer.util.arrayFromVolume(warped).astype(float)
    inside = (expected > -1010) & (found > -1020)
    assert inside.mean() > 0.5
    assert np.abs(found - expected)[inside].max() <= 1.0
