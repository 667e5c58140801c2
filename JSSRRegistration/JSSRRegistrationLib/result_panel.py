"""The result section of the panel: verdict, figures, slice views, and applying the transform."""

from collections.abc import Callable
from html import escape
from typing import Any

import slicer
from slicer.i18n import tr as _

from JSSRRegistrationLib import stored_results, views
from JSSRRegistrationLib.outputs import SceneOutput
from JSSRRegistrationLib.result_text import (
    VERDICT_COLORS,
    card,
    figuresHtml,
    reasonsText,
    verdictHtml,
)


class ResultPanel:
    """Shows the results that the parameter node remembers.

    ``applyTo(node, transformNode, referenceVolume)`` makes a transformed copy and returns it.
    """

    def __init__(self, ui: Any, applyTo: Callable[[Any, Any, Any], Any]) -> None:
        self._ui = ui
        self._applyTo = applyTo
        self._parameters: Any = None
        self._results: list[stored_results.StoredResult] = []
        self._before = False
        ui.resultComboBox.connect("currentIndexChanged(int)", self._onChosen)
        ui.beforeButton.connect("clicked(bool)", lambda: self._onBeforeAfter(True))
        ui.afterButton.connect("clicked(bool)", lambda: self._onBeforeAfter(False))
        ui.fadeSlider.connect("valueChanged(double)", self._onFade)
        ui.linkCheckBox.connect("toggled(bool)", self._onLink)
        ui.outlinesCheckBox.connect("toggled(bool)", self._showSegmentations)
        ui.gridCheckBox.connect("toggled(bool)", self._onGrid)
        ui.applySelector.connect("currentNodeChanged(vtkMRMLNode*)", self._updateApply)
        ui.applyButton.connect("clicked(bool)", self._onApply)
        self._fillList()

    def setParameters(self, parameters: Any) -> None:
        """Show what ``parameters`` remembers; ``None`` while there is no scene to speak of."""
        self._parameters = parameters
        self._results = stored_results.read(parameters.parameterNode) if parameters else []
        self._fillList()

    def results(self) -> list[stored_results.StoredResult]:
        """What is shown, one a moving volume."""
        return list(self._results)

    def clear(self) -> None:
        """Forget the results; their nodes stay in the scene."""
        self._results, self._before = [], False
        stored_results.store(self._parameters.parameterNode, [])
        self._fillList()

    def add(self, result: stored_results.StoredResult) -> None:
        """Remember a finished registration in the scene, and mark what it made."""
        for output, node in result.nodes.items():
            node.SetAttribute(stored_results.MADE_ATTRIBUTE, output.value)
        self._results.append(result)
        stored_results.store(self._parameters.parameterNode, self._results)
        self._fillList()

    def showOverlay(self, fit: bool = True) -> None:
        """Overlay the chosen result in the slice views."""
        result = self._chosen()
        if result is None or result.fixedVolume is None:
            return
        front = self._foreground(result)
        if front is not None:
            views.matchWindow(result.fixedVolume, front)
        views.showOverlay(result.fixedVolume, front, self._ui.fadeSlider.value, fit)
        views.setLinked(self._ui.linkCheckBox.checked)
        self._showSegmentations()
        self._onGrid()

    def _showSegmentations(self) -> None:
        """Outline the organs if wanted; those of the moving scan lie right only *before*."""
        wanted, chosen = self._ui.outlinesCheckBox.checked, self._chosen()
        for result in self._results:
            for output, node in result.nodes.items():
                if output is SceneOutput.FIXED_SEGMENTATION:
                    views.showOutlines(node, wanted)
                elif output is SceneOutput.MOVING_SEGMENTATION:
                    before = result is chosen and self._showsBefore(result)
                    views.showOutlines(node, wanted and before)

    def _foreground(self, result: stored_results.StoredResult) -> Any:
        before = self._showsBefore(result)
        return result.movingVolume if before else result.nodes[SceneOutput.WARPED]

    def _showsBefore(self, result: stored_results.StoredResult) -> bool:
        """By the user's wish, or for want of a warped volume."""
        return self._before or SceneOutput.WARPED not in result.nodes

    def _chosen(self) -> stored_results.StoredResult | None:
        index = self._ui.resultComboBox.currentIndex
        return self._results[index] if 0 <= index < len(self._results) else None

    def _fillList(self) -> None:
        box = self._ui.resultComboBox
        blocked = box.blockSignals(True)
        chosen = box.currentIndex
        box.clear()
        for result in self._results:
            box.addItem(result.title())
        box.currentIndex = min(max(chosen, 0), len(self._results) - 1)
        box.blockSignals(blocked)
        box.visible = len(self._results) > 1
        self._ui.resultsCollapsibleButton.visible = bool(self._results)
        self._showFigures()

    def _showFigures(self) -> None:
        result = self._chosen()
        if result is None:
            return
        ui = self._ui
        ui.verdictLabel.text = verdictHtml(result.summary)
        ui.verdictLabel.toolTip = reasonsText(result.summary)
        ui.verdictLabel.styleSheet = card(VERDICT_COLORS[result.summary["verdict"]["level"]])
        ui.figuresLabel.text = figuresHtml(result.summary)
        ui.gridCheckBox.enabled = SceneOutput.TRANSFORM in result.nodes
        ui.afterButton.enabled = SceneOutput.WARPED in result.nodes
        ui.afterButton.toolTip = (
            _("The moving volume registered.")
            if ui.afterButton.enabled
            else _("Tick the warped volume among the outputs and register to see it.")
        )
        before = self._showsBefore(result)
        ui.beforeButton.checked, ui.afterButton.checked = before, not before
        self._updateApply()

    def _onChosen(self) -> None:
        for result in self._results:
            if result is not self._chosen() and SceneOutput.TRANSFORM in result.nodes:
                views.setGrid(result.nodes[SceneOutput.TRANSFORM], False)
        self._showFigures()
        self.showOverlay(fit=False)

    def _onBeforeAfter(self, before: bool) -> None:
        self._before = before
        self._showFigures()
        self.showOverlay(fit=False)

    def _onFade(self, value: float) -> None:
        if self._results:
            views.setFade(value)

    def _onLink(self, linked: bool) -> None:
        if self._results:
            views.setLinked(linked)

    def _onGrid(self) -> None:
        result = self._chosen()
        if result and SceneOutput.TRANSFORM in result.nodes:
            views.setGrid(result.nodes[SceneOutput.TRANSFORM], self._ui.gridCheckBox.checked)

    def _updateApply(self) -> None:
        result = self._chosen()
        transform = result and result.nodes.get(SceneOutput.TRANSFORM)
        node = self._ui.applySelector.currentNode()
        self._ui.applyButton.enabled = transform is not None and node is not None
        self._ui.applyButton.toolTip = (
            _("Make a copy that lies on the fixed volume; the original stays as it is.")
            if transform is not None
            else _("Tick the transform among the outputs and register to use this.")
        )

    def _onApply(self) -> None:
        result, node = self._chosen(), self._ui.applySelector.currentNode()
        message = _("{name} could not be transformed.").format(name=escape(node.GetName()))
        with slicer.util.tryWithErrorDisplay(message, waitCursor=True):
            self._applyTo(node, result.nodes[SceneOutput.TRANSFORM], result.fixedVolume)
