"""The panel's states, with a logic that plays a script."""

from dataclasses import replace

import pytest
import slicer
from panel_driver import Panel, composites
from scripted_logic import RESULT

from jssr.errors import InputError
from jssr.registration.result import Verdict, VerdictLevel
from JSSRRegistrationLib.outputs import SceneOutput
from JSSRRegistrationLib.parameters import PhaseChoice


def finish(panel: Panel) -> None:
    """A registration that ends at once."""
    panel.logic.script = [panel.logic.finish]
    panel.register()


def test_an_empty_scene_asks_for_a_fixed_volume(panel: Panel) -> None:
    assert not panel.ui.registerButton.enabled
    assert "fixed volume" in panel.ui.reasonLabel.text
    assert panel.ui.registerButton.toolTip == panel.ui.reasonLabel.text
    assert panel.ui.sampleButton.visible
    assert not panel.ui.resultsCollapsibleButton.visible
    panel.screenshot("empty")


def test_each_missing_thing_is_named_in_turn(panel: Panel, addVolume) -> None:
    fixed = addVolume("CT portal-venous")
    panel.ui.fixedSelector.setCurrentNode(fixed)
    assert "moving volume" in panel.ui.reasonLabel.text
    addVolume("CT arterial")
    panel.tick("CT arterial")
    assert panel.ui.registerButton.enabled and not panel.ui.reasonLabel.visible
    for box in ("transform", "warped", "qualityTable"):
        getattr(panel.ui, f"{box}CheckBox").click()
    assert "output" in panel.ui.reasonLabel.text
    panel.ui.differenceCheckBox.click()
    assert panel.ui.registerButton.enabled
    panel.logic.notReady = "The two scans do not overlap."
    panel.ui.seedSpinBox.value = 3
    assert panel.ui.reasonLabel.text == "The two scans do not overlap."


def test_missing_packages_come_with_an_install_button(panel: Panel) -> None:
    assert not panel.ui.setupFrame.visible
    panel.logic.missing = ["torch"]
    panel.widget.enter()
    assert panel.ui.setupFrame.visible and "torch" in panel.ui.setupLabel.text
    assert "Install torch" in panel.ui.reasonLabel.text
    panel.screenshot("install")
    panel.ui.installButton.click()
    assert not panel.ui.setupFrame.visible and "fixed volume" in panel.ui.reasonLabel.text


def test_two_volumes_are_chosen_by_themselves(panel: Panel, addVolume) -> None:
    addVolume("CT arterial")
    portal = addVolume("CT portal-venous")
    panel.widget.initializeParameterNode()
    assert panel.ui.fixedSelector.currentNode() is portal
    assert panel.parameters.fixedPhase is PhaseChoice.PORTAL_VENOUS
    assert [v.GetName() for v in panel.parameters.movingVolumes] == ["CT arterial"]
    assert list(panel.parameters.movingPhases) == ["ARTERIAL"]
    assert panel.ui.registerButton.enabled


def test_phases_are_guessed_shown_and_changeable(panel: Panel, phases: dict) -> None:
    assert panel.ui.fixedPhaseComboBox.currentText == "Portal-venous"
    row = next(r for r in panel.widget.movingTable._rows if r[1].text == "CT arterial")
    assert row[2].currentText == "Arterial" and row[2].enabled
    row[2].currentIndex = list(PhaseChoice).index(PhaseChoice.DELAYED)
    assert list(panel.parameters.movingPhases) == ["DELAYED"]
    panel.ui.fixedSelector.setCurrentNode(phases["delayed"])
    assert panel.ui.fixedPhaseComboBox.currentText == "Delayed"
    assert panel.movingNames() == ["CT arterial", "CT portal-venous"]


def test_the_table_follows_the_scene(panel: Panel, phases: dict, addVolume) -> None:
    addVolume("CT non-contrast")
    assert "CT non-contrast" in panel.movingNames()
    addVolume("Labels", "vtkMRMLLabelMapVolumeNode")
    assert "Labels" not in panel.movingNames()
    slicer.mrmlScene.RemoveNode(phases["arterial"])
    assert "CT arterial" not in panel.movingNames()
    assert "moving volume" in panel.ui.reasonLabel.text


def test_what_is_chosen_reaches_the_logic(panel: Panel, phases: dict, addVolume) -> None:
    initial = addVolume("Initial", "vtkMRMLTransformNode")
    mask = addVolume("Mask", "vtkMRMLSegmentationNode")
    existing = addVolume("Existing", "vtkMRMLTransformNode")
    panel.ui.initialTransformSelector.setCurrentNode(initial)
    panel.ui.fixedMaskSelector.setCurrentNode(mask)
    panel.ui.transformSelector.setCurrentNode(existing)
    panel.ui.synthesizedCheckBox.click()
    panel.ui.refineComboBox.currentIndex = 2
    panel.ui.seedSpinBox.value = 7
    panel.ui.keepWorkerCheckBox.click()
    panel.ui.registerButton.click()
    call = panel.logic.calls[0]
    assert call["fixed"] is phases["portal-venous"] and call["moving"] == [phases["arterial"]]
    assert (call["fixedPhase"].value, call["movingPhases"][0].value) == (
        "portal-venous",
        "arterial",
    )
    assert (
        call["initialTransform"] is initial
        and call["fixedMask"] is mask
        and call["movingMasks"] is None
    )
    assert call["outputNodes"] == {SceneOutput.TRANSFORM: existing}
    settings = call["settings"]
    assert (
        SceneOutput.SYNTHESIZED in settings.outputs
        and SceneOutput.DIFFERENCE not in settings.outputs
    )
    assert (settings.refine, settings.seed, settings.keepWorker) == ("full", 7, False)
    assert (settings.model, settings.device) == (None, "auto")
    assert call["waitForCompletion"] is False


def test_aligned_scans_need_no_alignment(panel: Panel, phases: dict, addVolume) -> None:
    panel.ui.initialTransformSelector.setCurrentNode(addVolume("T", "vtkMRMLTransformNode"))
    panel.ui.alignedCheckBox.click()
    assert not panel.ui.initialTransformSelector.enabled
    panel.ui.registerButton.click()
    assert panel.logic.calls[0]["initialTransform"] == "none"


def test_existing_nodes_are_offered_only_for_one_moving_volume(panel: Panel, phases: dict) -> None:
    assert panel.ui.warpedSelector.enabled and not panel.ui.differenceSelector.enabled
    panel.tick("CT delayed")
    assert not panel.ui.warpedSelector.enabled and not panel.ui.movingMaskSelector.enabled
    panel.ui.registerButton.click()
    assert panel.logic.calls[0]["outputNodes"] is None
    assert [v.GetName() for v in panel.logic.calls[0]["moving"]] == ["CT arterial", "CT delayed"]


def test_register_becomes_cancel_and_progress_shows_the_step(panel: Panel, phases: dict) -> None:
    panel.ui.registerButton.click()
    assert panel.ui.registerButton.text == "Cancel" and panel.ui.progressBar.visible
    panel.logic.script = [lambda: panel.logic.progress("Refining", 0.62)]
    panel.waitUntil(lambda: panel.ui.progressBar.value == 620)
    assert panel.ui.progressBar.text == "Refining  –  62%"
    panel.screenshot("running")
    panel.logic.script = [panel.logic.finish]
    panel.waitUntil(lambda: panel.ui.registerButton.text == "Register")
    assert not panel.ui.progressBar.visible and panel.ui.resultsCollapsibleButton.visible
    panel.screenshot("result")


def test_cancel_leaves_the_panel_ready(panel: Panel, phases: dict) -> None:
    panel.ui.registerButton.click()
    panel.ui.registerButton.click()
    assert panel.ui.registerButton.text == "Cancelling…" and not panel.ui.registerButton.enabled
    panel.waitUntil(lambda: panel.ui.registerButton.text == "Register")
    assert panel.ui.registerButton.enabled and not panel.ui.reasonLabel.visible
    assert "Cancelled" in panel.ui.logText.toPlainText()
    assert not panel.ui.resultsCollapsibleButton.visible


def test_a_failure_is_told_in_the_panel_until_something_changes(panel: Panel, phases: dict) -> None:
    panel.ui.registerButton.click()
    panel.logic.script = [
        lambda: panel.logic.finish(InputError("The moving volume has gaps; load all its slices."))
    ]
    panel.waitUntil(lambda: panel.ui.registerButton.text == "Register")
    assert (
        panel.ui.reasonLabel.text == "CT arterial: The moving volume has gaps; load all its slices."
    )
    assert panel.ui.registerButton.enabled
    panel.screenshot("failure")
    panel.ui.seedSpinBox.value = 1
    assert not panel.ui.reasonLabel.visible


def test_an_early_failure_of_a_series_stays_told(panel: Panel, phases: dict) -> None:
    panel.tick("CT delayed")
    error = InputError("The moving volume has gaps; load all its slices.")
    panel.logic.script = [lambda: panel.logic.finish(error, failing=0)]
    panel.register()
    assert len(panel.widget.resultPanel.results()) == 1
    assert "has gaps" in panel.ui.reasonLabel.text and panel.ui.reasonLabel.visible


def test_an_error_at_the_start_is_told_in_the_panel(
    panel: Panel, phases: dict, monkeypatch
) -> None:
    def refuse(*_arguments, **_options):
        raise InputError("The disk is full; free some space.")

    monkeypatch.setattr(panel.logic, "registerSeries", refuse)
    panel.ui.registerButton.click()
    assert panel.ui.reasonLabel.text == "The disk is full; free some space."
    assert panel.ui.registerButton.text == "Register"


def test_devices_show_their_free_memory_and_are_remembered(panel: Panel) -> None:
    box = panel.ui.deviceComboBox
    assert [box.itemData(i) for i in range(box.count)] == ["auto", "cpu"]
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.waitUntil(lambda: box.count == 3)
    assert box.itemText(2) == "cuda:0 (21.5 GB free)"
    panel.screenshot("advanced")
    box.currentIndex = 2
    panel.widget._fillDevices()
    assert box.currentData == "cuda:0"
    panel.frame.reload()
    assert panel.ui.deviceComboBox.currentData == "cuda:0"


def test_results_are_overlaid_faded_and_switched(panel: Panel, phases: dict) -> None:
    finish(panel)
    warped = panel.widget.resultPanel.results()[0].nodes[SceneOutput.WARPED]
    assert {c.GetBackgroundVolumeID() for c in composites()} == {phases["portal-venous"].GetID()}
    assert {c.GetForegroundVolumeID() for c in composites()} == {warped.GetID()}
    assert {c.GetLinkedControl() for c in composites()} == {1}
    panel.ui.fadeSlider.value = 0.25
    assert {c.GetForegroundOpacity() for c in composites()} == {0.25}
    panel.ui.beforeButton.click()
    assert {c.GetForegroundVolumeID() for c in composites()} == {phases["arterial"].GetID()}
    assert panel.ui.beforeButton.checked and not panel.ui.afterButton.checked
    panel.ui.afterButton.click()
    assert {c.GetForegroundVolumeID() for c in composites()} == {warped.GetID()}
    panel.ui.linkCheckBox.click()
    assert {c.GetLinkedControl() for c in composites()} == {0}
    fixed_display, warped_display = (
        phases["portal-venous"].GetDisplayNode(),
        warped.GetDisplayNode(),
    )
    assert warped_display.GetWindow() == fixed_display.GetWindow()


def test_segmentations_are_outlined_where_they_fit(panel: Panel, phases: dict) -> None:
    panel.ui.fixedSegmentationCheckBox.click()
    panel.ui.movingSegmentationCheckBox.click()
    finish(panel)
    nodes = panel.widget.resultPanel.results()[0].nodes
    fixed = nodes[SceneOutput.FIXED_SEGMENTATION].GetDisplayNode()
    moving = nodes[SceneOutput.MOVING_SEGMENTATION].GetDisplayNode()
    assert not fixed.GetVisibility2DFill() and fixed.GetVisibility2DOutline()
    assert fixed.GetVisibility() and not moving.GetVisibility()
    panel.ui.beforeButton.click()
    assert fixed.GetVisibility() and moving.GetVisibility()
    panel.ui.outlinesCheckBox.click()
    assert not fixed.GetVisibility() and not moving.GetVisibility()
    panel.ui.afterButton.click()
    assert not fixed.GetVisibility()
    panel.ui.outlinesCheckBox.click()
    assert fixed.GetVisibility() and not moving.GetVisibility()


def test_the_grid_is_drawn_on_request(panel: Panel, phases: dict) -> None:
    finish(panel)
    transform = panel.widget.resultPanel.results()[0].nodes[SceneOutput.TRANSFORM]
    panel.ui.gridCheckBox.click()
    display = transform.GetDisplayNode()
    assert display.GetVisibility() and display.GetVisibility2D() and not display.GetVisibility3D()
    assert display.GetVisualizationMode() == slicer.vtkMRMLTransformDisplayNode.VIS_MODE_GRID
    panel.ui.gridCheckBox.click()
    assert not display.GetVisibility()


def test_without_a_warped_volume_only_before_can_be_seen(panel: Panel, phases: dict) -> None:
    panel.ui.warpedCheckBox.click()
    finish(panel)
    assert not panel.ui.afterButton.enabled and panel.ui.beforeButton.checked
    assert "warped volume" in panel.ui.afterButton.toolTip
    panel.ui.warpedCheckBox.click()
    finish(panel)
    assert panel.ui.afterButton.enabled and panel.ui.afterButton.checked


def test_the_verdict_and_figures_stand_in_plain_words(panel: Panel, phases: dict) -> None:
    finish(panel)
    assert "Good" in panel.ui.verdictLabel.text
    text = panel.ui.figuresLabel.text
    for words in (
        "0.76 → <b>0.93</b>",
        "Before → after deformation; the linear alignment is in both.",
        "4.2 mm on average",
        "every point has one partner",
        "Liver",
        "3 on the fixed scan, up to 18 mm; volume change up to 7 %",
        "cut off",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("level", "words"), [("doubtful", "look before"), ("failed", "do not use")]
)
def test_doubt_and_failure_are_told_with_reasons(
    panel: Panel, phases: dict, monkeypatch, level, words
) -> None:
    reason = "0.3 % of the body folds; the liver's edge is affected."
    folded = replace(RESULT.metrics.deformation, folding_fraction=0.003)
    doubt = replace(
        RESULT,
        verdict=Verdict(VerdictLevel(level), (reason,)),
        metrics=replace(RESULT.metrics, deformation=folded),
    )
    monkeypatch.setattr("scripted_logic.RESULT", doubt)
    finish(panel)
    assert words in panel.ui.verdictLabel.text and "the liver" in panel.ui.verdictLabel.text
    assert "0.3 % of the body folds" in panel.ui.figuresLabel.text
    panel.screenshot(level)


def test_many_reasons_are_cut_short(panel: Panel, phases: dict, monkeypatch) -> None:
    reasons = tuple(f"lesion {i} shrinks" for i in range(9))
    many = replace(RESULT, verdict=Verdict(VerdictLevel.FAILED, reasons))
    monkeypatch.setattr("scripted_logic.RESULT", many)
    finish(panel)
    assert "Lesion 4 shrinks<br>• and 4 more" in panel.ui.verdictLabel.text
    assert panel.ui.verdictLabel.toolTip.splitlines()[8] == "Lesion 8 shrinks"


def test_several_results_can_be_switched(panel: Panel, phases: dict) -> None:
    panel.tick("CT delayed")
    finish(panel)
    box = panel.ui.resultComboBox
    assert box.visible and [box.itemText(i) for i in range(2)] == ["CT arterial", "CT delayed"]
    box.currentIndex = 1
    warped = panel.widget.resultPanel.results()[1].nodes[SceneOutput.WARPED]
    assert {c.GetForegroundVolumeID() for c in composites()} == {warped.GetID()}
    assert not any("warped" in name for name in panel.movingNames())


def test_what_was_made_is_never_offered_as_a_scan(panel: Panel, phases: dict) -> None:
    finish(panel)
    panel.tick("CT arterial")
    panel.tick("CT delayed")
    finish(panel)
    assert [r.title() for r in panel.widget.resultPanel.results()] == ["CT delayed"]
    assert panel.movingNames() == ["CT arterial", "CT delayed"]


def test_apply_to_makes_a_transformed_copy(panel: Panel, phases: dict, addVolume) -> None:
    finish(panel)
    assert not panel.ui.applyButton.enabled
    points = addVolume("Landmarks", "vtkMRMLMarkupsFiducialNode")
    panel.ui.applySelector.setCurrentNode(points)
    panel.ui.applyButton.click()
    transform = panel.widget.resultPanel.results()[0].nodes[SceneOutput.TRANSFORM]
    assert panel.logic.applied == [(points, transform, phases["portal-venous"])]


def test_the_sample_patient_is_one_click_away(panel: Panel) -> None:
    panel.ui.sampleButton.click()
    assert panel.ui.fixedSelector.currentNode().GetName() == "Phantom portal-venous"
    assert len(panel.movingNames()) == 3 and not panel.ui.sampleButton.visible
    panel.screenshot("sample")
