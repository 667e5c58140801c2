"""JSSR: register the contrast phases of one patient's liver CT in 3D Slicer."""

import sys

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from jssr.errors import JSSRError
from JSSRRegistrationLib import sample_data
from JSSRRegistrationLib.job_panel import JobPanel
from JSSRRegistrationLib.logic import JSSRRegistrationLogic
from JSSRRegistrationLib.model_picker import ModelPicker
from JSSRRegistrationLib.moving_table import MovingTable
from JSSRRegistrationLib.outputs import SceneOutput
from JSSRRegistrationLib.parameters import (
    JSSRRegistrationParameterNode,
    PhaseChoice,
    chosenAlignment,
    chosenNodes,
    chosenOutputs,
    outputParameter,
    parameterWidgets,
    sceneParameters,
)
from JSSRRegistrationLib.readiness import reasonNotReady
from JSSRRegistrationLib.records import RegistrationJob, Settings
from JSSRRegistrationLib.result_panel import ResultPanel
from JSSRRegistrationLib.self_test import JSSRRegistrationTest
from JSSRRegistrationLib.stored_results import MADE_ATTRIBUTE, StoredResult
from JSSRRegistrationLib.terminology import registerTerminology

__all__ = [
    "JSSRRegistration",
    "JSSRRegistrationLogic",
    "JSSRRegistrationTest",
    "JSSRRegistrationWidget",
]

DEVICE_SETTING = "JSSRRegistration/Device"


class JSSRRegistration(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("JSSR Registration")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = []
        parent.contributors = ["JSSR contributors"]
        parent.helpText = _(
            "Registers the contrast phases (non-contrast, arterial, portal-venous, delayed) of one "
            "patient's liver CT, labels organs and lesions on both scans, and judges its own "
            "result. Choose a fixed volume, tick the moving volumes, press Register. "
            "For research only, not for diagnosis or treatment."
        )
        parent.acknowledgementText = _(
            "JSSR implements: Liu F., Cai J., Huo Y., et al. JSSR: A Joint Synthesis, "
            "Segmentation, and Registration System for 3D Multi-Modal Image Alignment of "
            "Large-scale Pathological "
            'CT Scans. ECCV 2020. <a href="https://doi.org/10.1007/978-3-030-58601-0_16">'
            "doi:10.1007/978-3-030-58601-0_16</a>. Please cite it when you publish results."
        )
        slicer.app.connect("startupCompleted()", onStartupCompleted)


def onStartupCompleted() -> None:
    """Tell other modules of Slicer, once they are there, what this one has for them."""
    sample_data.register()
    registerTerminology(slicer.modules.terminologies.logic())


class JSSRRegistrationWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel: puts its parts together and the scene's parameters into them."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._guiTag = None
        self._updating = False

    def setup(self) -> None:
        """Build the panel; called once, when the user opens the module."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/JSSRRegistration.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = JSSRRegistrationLogic()
        self.modelPicker = ModelPicker(self.ui, self.logic.modelInformation, self._update)
        self.movingTable = MovingTable(self.ui.movingTable, self._guessPhase, self._onMovingChanged)
        self.resultPanel = ResultPanel(self.ui, self.logic.applyTo)
        self.jobPanel = JobPanel(
            self.ui, self.logic, self._start, self._onJobFinished, self._onRunFinished
        )
        self._connect()
        self._fillDevices()
        self._showSetup()
        self.initializeParameterNode()

    def _connect(self) -> None:
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self._onSceneReplaced)
        self.addObserver(scene, scene.EndImportEvent, self._onSceneReplaced)
        self.addObserver(scene, scene.NodeAddedEvent, self._onSceneNodes)
        self.addObserver(scene, scene.NodeRemovedEvent, self._onSceneNodes)
        self.ui.installButton.connect("clicked(bool)", self._onInstall)
        self.ui.sampleButton.connect("clicked(bool)", self._onSample)
        self.ui.deviceComboBox.connect("currentIndexChanged(int)", self._onDevice)
        self.ui.advancedCollapsibleButton.connect("contentsCollapsed(bool)", self._onAdvanced)

    def cleanup(self) -> None:
        """The panel goes away: end job and worker, let go of the scene."""
        self.setParameterNode(None)
        self.removeObservers()
        self.jobPanel.abandon()

    def enter(self) -> None:
        """The user opened the module."""
        self.initializeParameterNode()
        self._showSetup()

    def exit(self) -> None:
        """The user went to another module; a running job goes on."""
        self._disconnectGui()

    def onReload(self) -> None:
        """Reload the module with its library, so that edits in both are seen."""
        for name in [n for n in sys.modules if n.split(".")[0] in ("JSSRRegistrationLib", "jssr")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    # Parameters

    def initializeParameterNode(self) -> None:
        """Show what the scene remembers, with sensible inputs where nothing was chosen yet."""
        self.setParameterNode(sceneParameters())
        volumes = self._scans()
        if self._parameterNode.fixedVolume is None and volumes:
            portal = [v for v in volumes if self._guessPhase(v) is PhaseChoice.PORTAL_VENOUS]
            self._parameterNode.fixedVolume = (portal or volumes)[0]
            if len(volumes) == 2:
                moving = [v for v in volumes if v is not self._parameterNode.fixedVolume]
                self.setMovingVolumes(moving)
        self._update()

    def setParameterNode(self, parameterNode: JSSRRegistrationParameterNode | None) -> None:
        """Bind the panel to ``parameterNode``, or to nothing."""
        self._disconnectGui()
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._guiTag = parameterNode.connectParametersToGui(parameterWidgets(self.ui))
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParameters)
        self.resultPanel.setParameters(parameterNode)
        self._update()

    def _disconnectGui(self) -> None:
        if self._parameterNode is not None and self._guiTag is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self._guiTag = None
            self.removeObserver(
                self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParameters
            )

    def _onParameters(self, caller=None, event=None) -> None:
        # What runs changes parameters too, and what it told must be there at its end.
        if not self.jobPanel.isRunning():
            self.jobPanel.clearMessage()
        self._update()

    def _update(self) -> None:
        """Bring table, notes and buttons in line with the parameters."""
        parameters = self._parameterNode
        if self._updating or parameters is None:
            return
        self._updating = True
        try:
            if parameters.fixedVolume is not parameters.fixedPhaseOf:
                parameters.fixedPhaseOf = parameters.fixedVolume
                parameters.fixedPhase = self._guessPhase(parameters.fixedVolume)
            chosen, phases = self._moving()
            candidates = [v for v in self._scans() if v is not parameters.fixedVolume]
            self.movingTable.fill(candidates, chosen, phases)
            self._updateOutputs(len(chosen))
            self.ui.sampleButton.visible = not self._scans()
            self.jobPanel.setReason(
                reasonNotReady(self.logic, parameters, chosen, self.modelPicker.error)
            )
        finally:
            self._updating = False

    def _updateOutputs(self, movingCount: int) -> None:
        for output in SceneOutput:
            stem = outputParameter(output)
            box = getattr(self.ui, f"{stem}CheckBox")
            getattr(self.ui, f"{stem}Selector").enabled = box.checked and movingCount <= 1
        self.ui.initialTransformSelector.enabled = not self.ui.alignedCheckBox.checked
        self.ui.movingMaskSelector.enabled = movingCount <= 1

    def _moving(self) -> tuple[list, list[PhaseChoice]]:
        parameters = self._parameterNode
        pairs = zip(parameters.movingVolumes, parameters.movingPhases, strict=False)
        kept = [(v, PhaseChoice[p]) for v, p in pairs if v and v is not parameters.fixedVolume]
        return [v for v, _phase in kept], [phase for _volume, phase in kept]

    def setMovingVolumes(self, volumes: list) -> None:
        """Tick these volumes, each with the phase that its name and DICOM series tell."""
        self._setMoving(volumes, [self._guessPhase(volume) for volume in volumes])

    def _setMoving(self, volumes: list, phases: list[PhaseChoice]) -> None:
        with slicer.util.NodeModify(self._parameterNode):
            self._parameterNode.movingPhases = [phase.name for phase in phases]
            self._parameterNode.movingVolumes = volumes

    def _onMovingChanged(self) -> None:
        self._setMoving(*self.movingTable.chosen())

    def _scans(self) -> list:
        """Volumes that can be registered: those of the scene that are not themselves results."""
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        return [
            v
            for v in volumes
            if v.GetClassName() == "vtkMRMLScalarVolumeNode"
            and not v.GetHideFromEditors()
            and v.GetAttribute(MADE_ATTRIBUTE) is None
        ]

    def _guessPhase(self, volume) -> PhaseChoice:
        return PhaseChoice(self.logic.guessPhase(volume) if volume else None)

    # Scene

    def _onSceneStartClose(self, caller, event) -> None:
        self.jobPanel.abandon()
        self.setParameterNode(None)

    def _onSceneReplaced(self, caller, event) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def _onSceneNodes(self, caller, event) -> None:
        if self._guiTag is not None and not slicer.mrmlScene.IsBatchProcessing():
            self._update()

    # Registration

    def _start(self, callbacks) -> None:
        parameters = self._parameterNode
        volumes, phases = self._moving()
        single = len(volumes) == 1
        self._firstResult = True
        self.logic.registerSeries(
            parameters.fixedVolume,
            volumes,
            settings=Settings(
                outputs=chosenOutputs(parameters),
                model=self.modelPicker.path(),
                device=self.ui.deviceComboBox.currentData,
                refine=parameters.refinement.value,
                seed=parameters.seed,
                keepWorker=parameters.keepWorker,
            ),
            outputNodes=chosenNodes(parameters) if single else None,
            fixedPhase=parameters.fixedPhase.value,
            movingPhases=[phase.value for phase in phases],
            initialTransform=chosenAlignment(parameters),
            fixedMask=parameters.fixedMask,
            movingMasks=[parameters.movingMask] if single and parameters.movingMask else None,
            callbacks=callbacks,
            waitForCompletion=False,
        )

    def _onJobFinished(self, job: RegistrationJob) -> None:
        if self._firstResult:
            self.resultPanel.clear()
            self._firstResult = False
        result = job.result
        self.resultPanel.add(
            StoredResult(job.fixedVolume, job.movingVolume, result.nodes, result.summary)
        )
        self.resultPanel.showOverlay()

    def _onRunFinished(self) -> None:
        self._fillDevices()
        self._update()

    # Set-up, device, sample

    def _showSetup(self) -> None:
        missing = self.logic.missingPackages()
        self.ui.setupFrame.visible = bool(missing)
        self.ui.setupLabel.text = _(
            "JSSR needs {packages} in Slicer's Python. "
            "This is installed once and takes some minutes."
        ).format(packages=", ".join(missing))

    def _onInstall(self) -> None:
        with slicer.util.tryWithErrorDisplay(_("The installation failed."), waitCursor=True):
            try:
                self.logic.installPackages(self.jobPanel.log)
            finally:
                self._showSetup()
                self._update()

    def _onSample(self) -> None:
        with self.jobPanel.waiting() as callbacks:
            self.logic.makeSamplePatient(sample_data.SEED, callbacks)
        self.initializeParameterNode()

    def _onAdvanced(self, collapsed: bool) -> None:
        if collapsed or self.jobPanel.isRunning() or self.logic.missingPackages():
            return
        try:
            self.logic.startWorker(self.jobPanel.log)
        except JSSRError as error:
            self.jobPanel.log("error", str(error))
            return
        self.jobPanel.watch()

    def _fillDevices(self) -> None:
        """Offer what the worker sees; before it said hello, leave the choice to it."""
        box = self.ui.deviceComboBox
        blocked = box.blockSignals(True)
        box.clear()
        box.addItem(_("Automatic: a GPU if there is one"), "auto")
        worker = self.logic.worker
        for device in worker["devices"] if worker else [{"name": "cpu", "free_bytes": None}]:
            text = device["name"]
            if device["free_bytes"] is not None:
                gigabytes = device["free_bytes"] / 1e9
                text = _("{name} ({free:.1f} GB free)").format(name=text, free=gigabytes)
            box.addItem(text, device["name"])
        wanted = slicer.util.settingsValue(DEVICE_SETTING, "auto")
        if worker is None and box.findData(wanted) < 0:
            box.addItem(wanted, wanted)
        box.currentIndex = max(box.findData(wanted), 0)
        box.blockSignals(blocked)

    def _onDevice(self) -> None:
        qt.QSettings().setValue(DEVICE_SETTING, self.ui.deviceComboBox.currentData)
