"""The slice views of one result: fixed behind, moving in front, fade, link, grid."""

import itertools
from typing import Any

import numpy as np
import slicer
import vtk

GRID_SPACING_MM = 15.0
GRID_RESOLUTION_MM = 5.0
GRID_COLORS = ((0.15, 0.45, 0.95), (0.2, 0.8, 0.75), (1.0, 0.9, 0.2))
"""From the least to the largest displacement in the fixed scan; none of them means danger."""
_SAMPLES_AN_AXIS = 9


def showOverlay(background: Any, foreground: Any, fade: float, fit: bool = False) -> None:
    """Put ``foreground`` over ``background`` in every slice view.

    ``fade`` 0 hides it, 1 shows it alone.
    """
    slicer.util.setSliceViewerLayers(
        background=background, foreground=foreground, foregroundOpacity=fade, fit=fit
    )


def setFade(fade: float) -> None:
    """Opacity of the foreground in every slice view, 0 to 1."""
    slicer.util.setSliceViewerLayers(foregroundOpacity=fade)


def setLinked(linked: bool) -> None:
    """Whether the slice views scroll, zoom and fade together."""
    for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        node.SetLinkedControl(linked)
        node.SetHotLinkedControl(linked)


def matchWindow(source: Any, target: Any) -> None:
    """Show ``target`` in the grey window of ``source``, so that a fade compares like with like."""
    for volume in (source, target):
        if volume.GetDisplayNode() is None:
            volume.CreateDefaultDisplayNodes()
    window, level = source.GetDisplayNode().GetWindow(), source.GetDisplayNode().GetLevel()
    target.GetDisplayNode().SetAutoWindowLevel(False)
    target.GetDisplayNode().SetWindowLevel(window, level)


def showOutlines(segmentationNode: Any, visible: bool) -> None:
    """Show a segmentation by its outlines alone, which leave the scans to be seen, or hide it."""
    if segmentationNode.GetDisplayNode() is None:
        segmentationNode.CreateDefaultDisplayNodes()
    display = segmentationNode.GetDisplayNode()
    if display is None:  # the node was taken out of its scene
        return
    display.SetVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    display.SetVisibility(visible)


def setGrid(transformNode: Any, visible: bool) -> None:
    """Draw the deformation as a grid in the slice views, or stop doing so."""
    if visible and transformNode.GetDisplayNode() is None:
        transformNode.CreateDefaultDisplayNodes()
    display = transformNode.GetDisplayNode()
    if display is None:
        return
    display.SetVisualizationMode(slicer.vtkMRMLTransformDisplayNode.VIS_MODE_GRID)
    if visible:
        _colorByDisplacement(transformNode, display)
    display.SetGridSpacingMm(GRID_SPACING_MM)
    display.SetGridResolutionMm(GRID_RESOLUTION_MM)
    display.SetVisibility2D(visible)
    display.SetVisibility3D(False)
    display.SetVisibility(visible)


def _colorByDisplacement(transformNode: Any, display: Any) -> None:
    """Span the grid's colors over the displacements that occur in the fixed scan.

    The displacement holds the rigid part too, often larger than all that Slicer's own scale, which
    ends at 10 mm, tells apart.
    """
    role = slicer.vtkMRMLTransformNode.GetFixedNodeReferenceRole()
    fixed = transformNode.GetNodeReference(role)
    if fixed is None or fixed.GetImageData() is None:
        return
    lengths = _displacementsMm(transformNode, fixed)
    colors = vtk.vtkColorTransferFunction()
    steps = np.linspace(min(lengths), max(max(lengths), min(lengths) + 0.1), len(GRID_COLORS))
    for length, color in zip(steps, GRID_COLORS, strict=True):
        colors.AddRGBPoint(float(length), *color)
    display.SetColorMap(colors)


def _displacementsMm(transformNode: Any, fixed: Any) -> list[float]:
    """How far the transform moves points all over the fixed scan."""
    general = vtk.vtkGeneralTransform()
    transformNode.GetTransformFromWorld(general)
    bounds = [0.0] * 6
    fixed.GetRASBounds(bounds)
    axes = [np.linspace(bounds[2 * i], bounds[2 * i + 1], _SAMPLES_AN_AXIS) for i in range(3)]
    points = [tuple(map(float, point)) for point in itertools.product(*axes)]
    moved = np.array([general.TransformPoint(point) for point in points])
    return np.linalg.norm(moved - np.array(points), axis=1).tolist()
