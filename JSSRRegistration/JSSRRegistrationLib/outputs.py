"""What a registration can put into the scene."""

from enum import Enum

from jssr.registration.result import Output


class SceneOutput(str, Enum):
    """One thing that a registration makes in the scene; scripts may write the values."""

    TRANSFORM = "transform"
    INVERSE_TRANSFORM = "inverse_transform"
    WARPED = "warped"
    DIFFERENCE = "difference"
    SYNTHESIZED = "synthesized"
    FIXED_SEGMENTATION = "fixed_segmentation"
    MOVING_SEGMENTATION = "moving_segmentation"
    QUALITY_TABLE = "quality_table"
    INTENSITY_TABLE = "intensity_table"


NODE_CLASSES: dict[SceneOutput, str] = {
    SceneOutput.TRANSFORM: "vtkMRMLTransformNode",
    SceneOutput.INVERSE_TRANSFORM: "vtkMRMLTransformNode",
    SceneOutput.WARPED: "vtkMRMLScalarVolumeNode",
    SceneOutput.DIFFERENCE: "vtkMRMLScalarVolumeNode",
    SceneOutput.SYNTHESIZED: "vtkMRMLScalarVolumeNode",
    SceneOutput.FIXED_SEGMENTATION: "vtkMRMLSegmentationNode",
    SceneOutput.MOVING_SEGMENTATION: "vtkMRMLSegmentationNode",
    SceneOutput.QUALITY_TABLE: "vtkMRMLTableNode",
    SceneOutput.INTENSITY_TABLE: "vtkMRMLTableNode",
}

DEFAULT_OUTPUTS = frozenset({SceneOutput.TRANSFORM, SceneOutput.WARPED, SceneOutput.QUALITY_TABLE})

_TABLES = frozenset({SceneOutput.QUALITY_TABLE, SceneOutput.INTENSITY_TABLE})


def workerOutput(output: SceneOutput) -> Output:
    """The output that the worker must make so that ``output`` can be shown."""
    return Output.METRICS if output in _TABLES else Output(output.value)
