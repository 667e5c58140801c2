"""Where nodes of results go: named after their inputs, beside them in the subject hierarchy."""

from collections.abc import Mapping
from typing import Any

import slicer

from jssr.errors import InputError
from JSSRRegistrationLib.outputs import NODE_CLASSES, SceneOutput
from JSSRRegistrationLib.scene import parentTransforms

_NAMES: dict[SceneOutput, str] = {
    SceneOutput.TRANSFORM: "{moving} to {fixed} transform",
    SceneOutput.INVERSE_TRANSFORM: "{fixed} to {moving} transform",
    SceneOutput.WARPED: "{moving} registered to {fixed}",
    SceneOutput.DIFFERENCE: "{fixed} minus {moving}",
    SceneOutput.SYNTHESIZED: "{moving} synthesized as {fixed} (not for diagnosis)",
    SceneOutput.FIXED_SEGMENTATION: "{fixed} segmentation",
    SceneOutput.MOVING_SEGMENTATION: "{moving} segmentation",
    SceneOutput.QUALITY_TABLE: "{moving} to {fixed} quality",
    SceneOutput.INTENSITY_TABLE: "{fixed} HU by phase",
}


def outputName(output: SceneOutput, fixedVolume: Any, movingVolume: Any) -> str:
    """The name of a new node."""
    return _NAMES[output].format(fixed=fixedVolume.GetName(), moving=movingVolume.GetName())


def addNode(scene: Any, output: SceneOutput, fixedVolume: Any, movingVolume: Any) -> Any:
    """A new node for ``output``, beside the scan that it belongs to."""
    name = outputName(output, fixedVolume, movingVolume)
    node = scene.AddNewNodeByClass(NODE_CLASSES[output], name)
    beside = movingVolume if output is SceneOutput.MOVING_SEGMENTATION else fixedVolume
    placeBeside(node, beside)
    return node


def placeBeside(node: Any, neighbour: Any) -> None:
    """Put a node into the subject hierarchy folder (patient, study) of another one."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    if hierarchy is None:
        return
    neighbourItem = hierarchy.GetItemByDataNode(neighbour)
    parent = hierarchy.GetItemParent(neighbourItem) if neighbourItem else 0
    if not parent:
        return
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, node)


def checkOutputNodes(nodes: Mapping[SceneOutput, Any], inputs: list[Any]) -> None:
    """Whether nodes may be overwritten with the outputs that they are chosen for.

    Raises:
        InputError: one is an input, moves an input, is chosen twice, or is of another class.
    """
    inputs = [node for node in inputs if node is not None and not isinstance(node, str)]
    taken: list[Any] = []
    for output, node in nodes.items():
        _checkOutputNode(output, node, inputs)
        if any(node is each for each in taken):
            raise InputError(f"'{node.GetName()}' is chosen for two outputs; choose another.")
        taken.append(node)


def _checkOutputNode(output: SceneOutput, node: Any, inputs: list[Any]) -> None:
    if any(node is parent for each in inputs for parent in parentTransforms(each)):
        raise InputError(f"'{node.GetName()}' moves an input; choose another node for the output.")
    if any(node is each for each in inputs):
        raise InputError(f"'{node.GetName()}' is an input; choose another node for the output.")
    if node.GetClassName() != NODE_CLASSES[output]:
        raise InputError(
            f"'{node.GetName()}' cannot hold the {output.value.replace('_', ' ')}; "
            f"choose a node of class {NODE_CLASSES[output]}."
        )
