"""The slice views of one result: fixed behind, moving in front, fade, link, grid."""

from typing import Any

import slicer

GRID_SPACING_MM = 15.0
GRID_RESOLUTION_MM = 5.0


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
    display.SetGridSpacingMm(GRID_SPACING_MM)
    display.SetGridResolutionMm(GRID_RESOLUTION_MM)
    display.SetVisibility2D(visible)
    display.SetVisibility3D(False)
    display.SetVisibility(visible)
