"""The .ui file and the names that the module uses, against what Slicer has."""

import ast
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import qt
import slicer
import slicer.util
from panel_driver import MODULE

from JSSRRegistrationLib.outputs import SceneOutput
from JSSRRegistrationLib.parameters import JSSRRegistrationParameterNode, outputParameter

UI = ElementTree.parse(MODULE.parent / "Resources" / "UI" / "JSSRRegistration.ui").getroot()
SOURCES = [MODULE, *sorted((MODULE.parent / "JSSRRegistrationLib").glob("*.py"))]
SLICER_ONLY = {"app", "modules", "dicomDatabase", "util", "mrmlScene", "packaging"}
UNBOUND = {"fixedPhaseOf", "movingVolumes", "movingPhases"}


def widgets(class_name: str) -> list[ElementTree.Element]:
    return [w for w in UI.iter("widget") if w.get("class") == class_name]


def test_the_top_level_tells_the_scene_to_every_selector() -> None:
    top = UI.find("widget")
    assert top is not None and top.get("class") == "qMRMLWidget"
    connected = {
        c.findtext("receiver")
        for c in UI.iter("connection")
        if (c.findtext("sender"), c.findtext("signal"), c.findtext("slot"))
        == (top.get("name"), "mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)")
    }
    assert connected == {w.get("name") for w in widgets("qMRMLNodeComboBox")}


def test_custom_widgets_are_declared() -> None:
    declared = {c.findtext("class") for c in UI.iter("customwidget")}
    used = {w.get("class") for w in UI.iter("widget")}
    assert declared == {name for name in used if name.startswith(("qMRML", "ctk"))}


def test_widgets_and_parameters_have_the_same_names() -> None:
    bound = {
        p.findtext("string")
        for p in UI.iter("property")
        if p.get("name") == "SlicerParameterName" and p.get("stdset") == "0"
    }
    assert bound == set(JSSRRegistrationParameterNode.__annotations__) - UNBOUND


@pytest.mark.parametrize("output", SceneOutput)
def test_each_output_has_a_box_and_a_selector(output: SceneOutput) -> None:
    names = {w.get("name") for w in UI.iter("widget")}
    stem = outputParameter(output)
    assert {f"{stem}CheckBox", f"{stem}Selector"} <= names


def test_sections_stand_in_order_and_advanced_is_closed() -> None:
    sections = widgets("ctkCollapsibleButton")
    titles = [w.findtext("property[@name='text']/string") for w in sections]
    assert titles == ["Inputs", "Model", "Outputs", "Advanced", "Result", "Log"]
    closed = [w.findtext("property[@name='collapsed']/bool") for w in sections]
    assert closed == [None, None, None, "true", None, "true"]


def test_whatever_can_be_touched_has_a_tool_tip() -> None:
    kinds = ("QPushButton", "QCheckBox", "QComboBox", "QSpinBox", "qMRMLNodeComboBox")
    bare = [
        w.get("name")
        for kind in kinds
        for w in widgets(kind)
        if not w.findtext("property[@name='toolTip']/string")
    ]
    assert bare == ["registerButton"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_names_of_slicer_and_qt_exist(source: Path) -> None:
    missing = []
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if not isinstance(node, ast.Attribute):
            continue
        owner = ast.unparse(node.value)
        holder = {"slicer": slicer, "slicer.util": slicer.util, "qt": qt, "qt.Qt": qt.Qt}.get(owner)
        if holder is None or (owner == "slicer" and node.attr in SLICER_ONLY):
            continue
        if not hasattr(holder, node.attr):
            missing.append(f"{owner}.{node.attr}")
    assert missing == []
