"""Draws the slice views of a scene off screen, as Slicer would show them, for the documentation.

The pictures come from Slicer's own slice logic and displayable managers; the window is made up.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import slicer
import vtk
from PySide6 import QtGui
from vtkmodules.util.numpy_support import vtk_to_numpy

COLORS = {"Red": "#f34a33", "Green": "#6eb04b", "Yellow": "#edd54c"}
ORIENTATIONS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}


class SliceViews:
    """The three slice views of the scene; make it before the volumes are shown."""

    def __init__(self, sizes: Mapping[str, tuple[int, int]]) -> None:
        self._colors = slicer.vtkMRMLColorLogic()
        self._colors.SetMRMLScene(slicer.mrmlScene)
        self._colors.AddDefaultColorNodes()
        self._views = {name: _View(name, size) for name, size in sizes.items()}

    def fit(self, center_ras: tuple[float, float, float]) -> None:
        """Show the whole background, cut through ``center_ras``."""
        for view in self._views.values():
            view.logic.FitSliceToBackground(*view.size)
            view.logic.GetSliceNode().JumpSliceByOffsetting(*center_ras)

    def image(self, name: str) -> QtGui.QImage:
        """One view with its colored bar."""
        return _with_bar(self._views[name].draw(), name)


class _View:
    """One slice view: Slicer's slice logic and displayable managers in a window off screen."""

    def __init__(self, name: str, size: tuple[int, int]) -> None:
        self.size = size
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLScene(slicer.mrmlScene)
        node = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode")
        axes = vtk.vtkMatrix3x3()
        getattr(slicer.vtkMRMLSliceNode, f"Get{ORIENTATIONS[name]}SliceToRASMatrix")(axes)
        node.AddSliceOrientationPreset(ORIENTATIONS[name], axes)
        node.SetOrientation(ORIENTATIONS[name])
        node.SetDimensions(*size, 1)
        self.logic.SetSliceNode(node)
        self.logic.SetSliceCompositeNode(
            slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceCompositeNode")
        )
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetSize(*size)
        renderer = vtk.vtkRenderer()
        self._window.AddRenderer(renderer)
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        actor = vtk.vtkActor2D()
        actor.SetMapper(self._mapper)
        renderer.AddViewProp(actor)
        self._managers = _displayable_managers(renderer, node)

    def draw(self) -> QtGui.QImage:
        self.logic.UpdatePipeline()
        # The logic takes another pipeline when its layers change.
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())
        self._window.Render()
        return _grab(self._window)


def _displayable_managers(renderer: vtk.vtkRenderer, node: Any) -> Any:
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.SetRenderer(renderer)
    # They warn that the scene has no interaction node; nobody interacts here.
    vtk.vtkObject.GlobalWarningDisplayOff()
    for kind in (
        slicer.vtkMRMLSegmentationsDisplayableManager2D,
        slicer.vtkMRMLTransformsDisplayableManager2D,
    ):
        group.AddDisplayableManager(kind())
    group.SetMRMLDisplayableNode(node)
    vtk.vtkObject.GlobalWarningDisplayOn()
    return group


def _grab(window: vtk.vtkRenderWindow) -> QtGui.QImage:
    reader = vtk.vtkWindowToImageFilter()
    reader.SetInput(window)
    reader.Update()
    output = reader.GetOutput()
    width, height, _depth = output.GetDimensions()
    pixels = vtk_to_numpy(output.GetPointData().GetScalars()).reshape(height, width, -1)
    rows = np.ascontiguousarray(pixels[::-1, :, :3])
    image = QtGui.QImage(rows.data, width, height, 3 * width, QtGui.QImage.Format_RGB888)
    return image.copy()


def _with_bar(picture: QtGui.QImage, name: str) -> QtGui.QImage:
    bar = 16
    image = QtGui.QImage(picture.width(), picture.height() + bar, QtGui.QImage.Format_RGB32)
    painter = QtGui.QPainter(image)
    painter.fillRect(0, 0, image.width(), bar, QtGui.QColor(COLORS[name]))
    painter.drawText(6, 12, name[0])
    painter.drawImage(0, bar, picture)
    painter.end()
    return image
