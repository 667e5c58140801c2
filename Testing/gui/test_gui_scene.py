"""The panel and the scene: saving, reloading, closing, module reload."""

import sys
from collections.abc import Iterator

import pytest
import slicer
from panel_driver import Panel

from JSSRRegistrationLib.outputs import SceneOutput


def test_a_saved_scene_restores_the_panel(panel: Panel, phases: dict, tmp_path) -> None:
    panel.tick("CT delayed")
    panel.ui.synthesizedCheckBox.click()
    panel.ui.seedSpinBox.value = 11
    panel.ui.refineComboBox.currentIndex = 0
    panel.ui.fixedPhaseComboBox.currentIndex = 1
    panel.logic.script = [panel.logic.finish]
    panel.register()
    path = str(tmp_path / "scene.mrml")
    slicer.mrmlScene.SetURL(path)
    assert slicer.mrmlScene.Commit()
    slicer.mrmlScene.Clear(False)
    assert not panel.ui.resultsCollapsibleButton.visible and panel.ui.seedSpinBox.value == 0
    slicer.mrmlScene.SetURL(path)
    assert slicer.mrmlScene.Import()
    assert panel.ui.fixedSelector.currentNode().GetName() == "CT portal-venous"
    assert panel.ui.fixedPhaseComboBox.currentText == "Non-contrast"
    assert [v.GetName() for v in panel.widget._moving()[0]] == ["CT arterial", "CT delayed"]
    assert panel.ui.synthesizedCheckBox.checked and panel.ui.seedSpinBox.value == 11
    assert panel.ui.refineComboBox.currentIndex == 0
    results = panel.widget.resultPanel.results()
    assert [r.title() for r in results] == ["CT arterial", "CT delayed"]
    assert results[0].nodes[SceneOutput.WARPED].GetName() == "CT arterial warped"
    assert "Good" in panel.ui.verdictLabel.text and panel.ui.resultsCollapsibleButton.visible
    assert panel.ui.registerButton.enabled


def test_closing_the_scene_ends_the_job(panel: Panel, phases: dict) -> None:
    panel.ui.registerButton.click()
    slicer.mrmlScene.Clear(False)
    assert panel.logic.closed == 1 and not panel.widget.jobPanel.isRunning()
    assert (
        panel.ui.registerButton.text == "Register" and "fixed volume" in panel.ui.reasonLabel.text
    )
    assert panel.ui.fixedSelector.currentNode() is None and panel.movingNames() == []


def test_the_module_can_be_left_while_it_runs(panel: Panel, phases: dict) -> None:
    panel.ui.registerButton.click()
    panel.frame.exit()
    panel.logic.script = [panel.logic.finish]
    panel.waitUntil(lambda: not panel.widget.jobPanel.isRunning())
    panel.frame.enter()
    assert panel.ui.resultsCollapsibleButton.visible


@pytest.fixture
def modules_put_back() -> Iterator[None]:
    """A reload replaces the library's modules; the other tests hold on to the old ones."""
    before = dict(sys.modules)
    yield
    sys.modules.update(before)


def test_the_module_reloads_with_its_library(
    modules_put_back: None, panel: Panel, phases: dict
) -> None:
    before = panel.widget
    logic = panel.logic
    before.onReload()
    assert panel.widget is not before and logic.closed == 1
    assert type(panel.widget) is not type(before)
    panel.frame.enter()
    assert panel.ui.fixedSelector.currentNode() is phases["portal-venous"]
    assert panel.movingNames() == ["CT arterial", "CT delayed"]
