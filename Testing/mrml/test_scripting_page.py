"""The examples of docs/scripting.md, run in their order on real nodes."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import slicer
import vtk
from made_result import MadeUpRunner
from mrml_scene import add_volume, oblique

from JSSRRegistrationLib.logic import JSSRRegistrationLogic

PAGE = Path(__file__).parents[2] / "docs" / "scripting.md"


def test_the_examples_run(
    scene: Any, fixed: Any, moving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_volume(scene, "delayed", oblique((0, 5, 0), (2, 2, 3), (35, -40, -30)), (38, 36, 22), 5)
    lesions = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "lesions")
    lesions.AddControlPoint(vtk.vtkVector3d(1, 2, 3))
    module = ModuleType("JSSRRegistration")
    runner = MadeUpRunner()
    logic = JSSRRegistrationLogic(runner)  # type: ignore[arg-type]
    module.JSSRRegistrationLogic = lambda: logic  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "JSSRRegistration", module)
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(block, names)
    assert names["warped"].GetImageData() is not None
    assert len(names["result"].nodes) == 9
    assert names["copy"].GetName() == "lesions registered"
    assert len(runner.jobs) == 4
    assert slicer.mrmlScene is scene
