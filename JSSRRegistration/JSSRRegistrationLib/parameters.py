"""What the panel remembers in the scene: one typed parameter node, bound to the widgets by name."""

import enum
from typing import Annotated, Any, Union

import slicer
from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
    vtkMRMLTransformNode,
)
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from jssr.labels import Phase
from jssr.registration.result import Refine
from JSSRRegistrationLib.outputs import SceneOutput

MAXIMUM_SEED = 2**31 - 1
MODULE_NAME = "JSSRRegistration"


class PhaseChoice(enum.Enum):
    """A contrast phase, or leave it to the model. Scenes store the names: never rename one."""

    AUTOMATIC = None
    NON_CONTRAST = Phase.NON_CONTRAST
    ARTERIAL = Phase.ARTERIAL
    PORTAL_VENOUS = Phase.PORTAL_VENOUS
    DELAYED = Phase.DELAYED

    def label(self) -> str:
        """What the user reads."""
        return {
            PhaseChoice.AUTOMATIC: _("Automatic"),
            PhaseChoice.NON_CONTRAST: _("Non-contrast"),
            PhaseChoice.ARTERIAL: _("Arterial"),
            PhaseChoice.PORTAL_VENOUS: _("Portal-venous"),
            PhaseChoice.DELAYED: _("Delayed"),
        }[self]


class RefinementChoice(enum.Enum):
    """How long instance optimization may run. Scenes store the member's name: never rename one."""

    OFF = Refine.OFF.value
    FAST = Refine.FAST.value
    FULL = Refine.FULL.value

    def label(self) -> str:
        """What the user reads."""
        return {
            RefinementChoice.OFF: _("Off: the networks' answer"),
            RefinementChoice.FAST: _("Fast"),
            RefinementChoice.FULL: _("Full: slower, closest"),
        }[self]


@parameterNodeWrapper
class JSSRRegistrationParameterNode:
    """Inputs, outputs and settings of the panel, named as ``SlicerParameterName`` in the .ui file.

    ``movingVolumes`` and ``movingPhases`` (names of :class:`PhaseChoice`) run side by side.
    ``fixedPhaseOf`` is the volume for which ``fixedPhase`` was chosen or guessed.
    """

    fixedVolume: vtkMRMLScalarVolumeNode
    fixedPhase: PhaseChoice = PhaseChoice.AUTOMATIC
    fixedPhaseOf: vtkMRMLScalarVolumeNode
    movingVolumes: list[vtkMRMLScalarVolumeNode]
    movingPhases: list[str]
    initialTransform: vtkMRMLTransformNode
    aligned: bool = False
    fixedMask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
    movingMask: Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007

    makeTransform: bool = True
    makeInverseTransform: bool = False
    makeWarped: bool = True
    makeDifference: bool = False
    makeSynthesized: bool = False
    makeFixedSegmentation: bool = False
    makeMovingSegmentation: bool = False
    makeQualityTable: bool = True
    makeIntensityTable: bool = False
    transformNode: vtkMRMLTransformNode
    inverseTransformNode: vtkMRMLTransformNode
    warpedNode: vtkMRMLScalarVolumeNode
    differenceNode: vtkMRMLScalarVolumeNode
    synthesizedNode: vtkMRMLScalarVolumeNode
    fixedSegmentationNode: vtkMRMLSegmentationNode
    movingSegmentationNode: vtkMRMLSegmentationNode
    qualityTableNode: vtkMRMLTableNode
    intensityTableNode: vtkMRMLTableNode

    refinement: RefinementChoice = RefinementChoice.FAST
    seed: Annotated[int, WithinRange(0, MAXIMUM_SEED)] = 0
    keepWorker: bool = True

    fade: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    linkViews: bool = True
    showOutlines: bool = True
    showGrid: bool = False


def sceneParameters() -> JSSRRegistrationParameterNode:
    """The scene's one parameter node of this module, made if it is not there yet."""
    scene = slicer.mrmlScene
    node = scene.GetSingletonNode(MODULE_NAME, "vtkMRMLScriptedModuleNode")
    if node is None:
        node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(MODULE_NAME)
        node.SetName(scene.GenerateUniqueName(MODULE_NAME))
        node = scene.AddNode(node)
    # Closing a scene takes the attribute away, and node selectors filter by it.
    node.SetAttribute("ModuleName", MODULE_NAME)
    return JSSRRegistrationParameterNode(node)


def parameterWidgets(ui: Any) -> dict[str, Any]:
    """The widgets of the panel by the name of the parameter that each shows.

    For ``connectParametersToGui``: ``connectGui`` finds them by itself, but does not return the tag
    that is needed to disconnect them.
    """
    named = {widget.property("SlicerParameterName"): widget for widget in vars(ui).values()}
    return {name: widget for name, widget in named.items() if name}


def chosenAlignment(parameters: JSSRRegistrationParameterNode) -> object:
    """The logic's ``initialTransform``: a node, ``"none"``, or ``None`` for automatic."""
    return "none" if parameters.aligned else parameters.initialTransform


def outputParameter(output: SceneOutput) -> str:
    """Stem of an output's parameter names: ``inverse_transform`` gives ``inverseTransform``."""
    first, *rest = output.value.split("_")
    return first + "".join(word.capitalize() for word in rest)


def chosenOutputs(parameters: JSSRRegistrationParameterNode) -> frozenset[SceneOutput]:
    """The outputs whose box is ticked."""
    ticked = []
    for output in SceneOutput:
        stem = outputParameter(output)
        if getattr(parameters, f"make{stem[0].upper()}{stem[1:]}"):
            ticked.append(output)
    return frozenset(ticked)


def chosenNodes(parameters: JSSRRegistrationParameterNode) -> dict[SceneOutput, object]:
    """The existing node to overwrite for each ticked output that names one."""
    nodes = {o: getattr(parameters, outputParameter(o) + "Node") for o in chosenOutputs(parameters)}
    return {output: node for output, node in nodes.items() if node is not None}
