"""The worker's files as nodes of the scene."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer

from jssr.registration.result import Output
from JSSRRegistrationLib import placing
from JSSRRegistrationLib.outputs import SceneOutput, workerOutput
from JSSRRegistrationLib.tables import MovingSummary, fillIntensityTable, fillQualityTable
from JSSRRegistrationLib.transforms import setFromParent, setMovingToWorld
from JSSRRegistrationLib.volumes import copyDisplay, fillSegmentation, fillVolume, setWindow

SYNTHETIC = "JSSR.Synthetic"
"""Node attribute of volumes that no scanner made."""

_DIFFERENCE_WINDOW_HU = (-150.0, 250.0)


@dataclass(frozen=True)
class Pair:
    """The two volumes of a registration as they were when it began.

    Whether their own voxels were registered (see :class:`JSSRRegistrationLib.scene.WorldScan`), and
    the linear transforms they lay under, as RAS matrices. Unless told, their own voxels were, and
    they lay under none.
    """

    fixedVolume: Any
    movingVolume: Any
    fixedOnNodeGrid: bool = True
    movingOnNodeGrid: bool = True
    worldFromFixed: np.ndarray = field(default_factory=lambda: np.eye(4))
    worldFromMoving: np.ndarray = field(default_factory=lambda: np.eye(4))


@dataclass(frozen=True)
class Finished:
    """What the worker made: the file of each output, and the summary of the registration."""

    files: Mapping[Output, Path]
    summary: Mapping[str, Any]


def makeNodes(
    scene: Any,
    pair: Pair,
    finished: Finished,
    outputs: Collection[SceneOutput],
    given: Mapping[SceneOutput, Any],
    earlier: Sequence[MovingSummary] = (),
) -> dict[SceneOutput, Any]:
    """A node for each output, in the order of :class:`SceneOutput`; ``given`` ones are overwritten.

    ``earlier`` scans were registered to the same fixed one before: the intensity table tells of
    them as well.

    Nothing new stays in the scene if one of them fails.
    """
    nodes: dict[SceneOutput, Any] = {}
    made: list[Any] = []
    try:
        for output in SceneOutput:
            if output not in outputs:
                continue
            node = given.get(output)
            if node is None:
                node = placing.addNode(scene, output, pair.fixedVolume, pair.movingVolume)
                made.append(node)
            _fill(output, node, pair, finished, earlier)
            nodes[output] = node
    except BaseException:
        for node in made:
            scene.RemoveNode(node)
        raise
    return nodes


def _fill(
    output: SceneOutput,
    node: Any,
    pair: Pair,
    finished: Finished,
    earlier: Sequence[MovingSummary],
) -> None:
    if output is SceneOutput.QUALITY_TABLE:
        fillQualityTable(node, finished.summary)
    elif output is SceneOutput.INTENSITY_TABLE:
        scans = [*earlier, (pair.movingVolume.GetName(), finished.summary)]
        fillIntensityTable(node, pair.fixedVolume.GetName(), scans)
    elif output in (SceneOutput.TRANSFORM, SceneOutput.INVERSE_TRANSFORM):
        _fillTransform(output, node, pair, finished)
    else:
        image = sitk.ReadImage(str(finished.files[workerOutput(output)]))
        _fillImage(output, node, pair, image)


def _fillTransform(output: SceneOutput, node: Any, pair: Pair, finished: Finished) -> None:
    """Each node is made for the volume that shall be put under it, instead of its own parent."""
    transform = sitk.ReadTransform(str(finished.files[workerOutput(output)]))
    forward = output is SceneOutput.TRANSFORM
    moved = pair.movingVolume if forward else pair.fixedVolume
    worldFromMoved = pair.worldFromMoving if forward else pair.worldFromFixed
    node.SetAndObserveTransformNodeID(None)
    setFromParent(node, transform, np.linalg.inv(worldFromMoved))
    setMovingToWorld(node, worldFromMoved)
    other = pair.fixedVolume if forward else pair.movingVolume
    role = slicer.vtkMRMLTransformNode
    node.SetNodeReferenceID(role.GetMovingNodeReferenceRole(), moved.GetID())
    node.SetNodeReferenceID(role.GetFixedNodeReferenceRole(), other.GetID())


def _fillImage(output: SceneOutput, node: Any, pair: Pair, image: sitk.Image) -> None:
    onFixed = pair.fixedVolume if pair.fixedOnNodeGrid else None
    if output is SceneOutput.WARPED:
        fillVolume(node, image, onFixed)
        copyDisplay(node, pair.movingVolume)
    elif output is SceneOutput.DIFFERENCE:
        fillVolume(node, image, onFixed)
        setWindow(node, *_DIFFERENCE_WINDOW_HU)
    elif output is SceneOutput.SYNTHESIZED:
        fillVolume(node, image)
        copyDisplay(node, pair.fixedVolume)
        node.SetAttribute(SYNTHETIC, "not for diagnosis")
    elif output is SceneOutput.FIXED_SEGMENTATION:
        fillSegmentation(node, image, pair.fixedVolume, pair.fixedOnNodeGrid)
    elif output is SceneOutput.MOVING_SEGMENTATION:
        fillSegmentation(node, image, pair.movingVolume, pair.movingOnNodeGrid)
