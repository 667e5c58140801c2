"""The panel with its real logic, the real worker process and the default model."""

import math
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
import slicer
from panel_driver import Panel
from PySide6 import QtCore

from JSSRRegistrationLib.outputs import SceneOutput
from JSSRRegistrationLib.parameters import outputParameter
from JSSRRegistrationLib.self_test import PhantomNodes, addPhantom

pytestmark = pytest.mark.slow

JOB_SECONDS = 400.0
CANCEL_SECONDS = 2.0


@pytest.fixture
def opened(openModule: Callable[[], Panel]) -> tuple[Panel, PhantomNodes]:
    """The panel with a phantom's two phases chosen."""
    panel = openModule()
    phantom = addPhantom()
    panel.widget.initializeParameterNode()
    return panel, phantom


def wait_for_progress(panel: Panel, fraction: float = 0.0) -> None:
    value = 1000 * fraction
    panel.waitUntil(lambda: panel.ui.progressBar.value > value, JOB_SECONDS)


def worker_process(panel: Panel) -> int:
    return panel.logic.worker["pid"]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_pick_register_watch_and_get_the_nodes(opened) -> None:
    panel, phantom = opened
    assert panel.ui.fixedSelector.currentNode() is phantom.fixed
    assert panel.ui.registerButton.enabled, panel.ui.reasonLabel.text
    steps: list[str] = []
    bar = panel.ui.progressBar
    bar.connect("valueChanged(int)", lambda: steps.append(bar.format))
    for output in SceneOutput:
        box = getattr(panel.ui, f"{outputParameter(output)}CheckBox")
        if not box.checked:
            box.click()
    panel.register(JOB_SECONDS)
    assert panel.ui.reasonLabel.text == ""
    (result,) = panel.widget.resultPanel.results()
    assert set(result.nodes) == set(SceneOutput)
    assert len(set(steps)) > 4
    assert phantom.meanError(result.nodes[SceneOutput.TRANSFORM]) < 0.6 * phantom.meanMotion()
    assert "Dice" in panel.ui.figuresLabel.text
    panel.screenshot("registered")
    apply_to_markups(panel, phantom)


def apply_to_markups(panel: Panel, phantom: PhantomNodes) -> None:
    """Landmarks of the moving scan, carried over, lie at their partners in the fixed scan."""
    landmarks = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Landmarks")
    for partner in phantom.partners[:20]:
        landmarks.AddControlPoint(*partner)
    before = tuple(landmarks.GetNthControlPointPositionWorld(0))
    panel.ui.applySelector.setCurrentNode(landmarks)
    panel.ui.applyButton.click()
    copies = [
        n for n in slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode") if n is not landmarks
    ]
    assert len(copies) == 1
    assert tuple(landmarks.GetNthControlPointPositionWorld(0)) == before
    found = [copies[0].GetNthControlPointPositionWorld(i) for i in range(20)]
    errors = [math.dist(f, point) for f, point in zip(found, phantom.points, strict=False)]
    assert sum(errors) / len(errors) < 0.7 * phantom.meanMotion()


def test_cancel_ends_within_two_seconds(opened) -> None:
    panel, _phantom = opened
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    panel.ui.registerButton.click()
    wait_for_progress(panel, 0.05)
    panel.ui.registerButton.click()
    panel.waitUntil(lambda: not panel.widget.jobPanel.isRunning(), CANCEL_SECONDS)
    assert (
        panel.ui.registerButton.text == "Register" and not panel.ui.resultsCollapsibleButton.visible
    )
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes


def test_a_killed_worker_is_told_and_replaced(opened) -> None:
    panel, _phantom = opened
    panel.ui.registerButton.click()
    wait_for_progress(panel, 0.05)
    os.kill(worker_process(panel), signal.SIGKILL)
    panel.waitUntil(lambda: not panel.widget.jobPanel.isRunning())
    assert "phantom arterial" in panel.ui.reasonLabel.text and panel.ui.registerButton.enabled
    panel.screenshot("worker-killed")
    panel.ui.registerButton.click()
    wait_for_progress(panel, 0.05)
    panel.ui.registerButton.click()
    panel.waitUntil(lambda: not panel.widget.jobPanel.isRunning(), CANCEL_SECONDS)


def test_closing_the_scene_ends_job_and_worker(opened) -> None:
    panel, _phantom = opened
    panel.ui.registerButton.click()
    wait_for_progress(panel, 0.05)
    pid = worker_process(panel)
    slicer.mrmlScene.Clear(False)
    panel.waitUntil(lambda: not is_alive(pid), CANCEL_SECONDS)
    assert not panel.widget.jobPanel.isRunning() and "fixed volume" in panel.ui.reasonLabel.text


def test_devices_come_from_the_worker(opened) -> None:
    panel, _phantom = opened
    box = panel.ui.deviceComboBox
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.waitUntil(lambda: "GB free" in box.itemText(1), 60.0)
    assert box.itemData(1) == "cpu"


def test_a_bundle_that_is_none_is_refused(opened, tmp_path) -> None:
    panel, _phantom = opened
    panel.widget.modelPicker.add(str(tmp_path))
    assert "refused" in panel.ui.reasonLabel.text
    assert tmp_path.name in panel.ui.modelInfoLabel.text


def test_the_sample_patient_is_made_here(openModule: Callable[[], Panel]) -> None:
    panel = openModule()
    ticks: list[None] = []
    timer = QtCore.QTimer()
    timer.timeout.connect(lambda: ticks.append(None))
    timer.start(50)
    began = time.monotonic()
    panel.ui.sampleButton.click()
    assert len(ticks) > 2 * (time.monotonic() - began), "the window stood still meanwhile"
    assert panel.ui.fixedPhaseComboBox.currentText == "Portal-venous"
    assert len(panel.movingNames()) == 3
    fixed: Any = panel.ui.fixedSelector.currentNode()
    assert slicer.util.arrayFromVolume(fixed).max() > 200
