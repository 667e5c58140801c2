"""A small Slicer around a real MRML scene: Qt off screen, enough of ``slicer``, ``qt`` and ``ctk``.

It cannot show PythonQt's conversions and ownership, Slicer's real node selectors and views, its
module factory or packaging; those are for the self-test inside Slicer.
"""

import ctypes
import os
import sys
import types
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from . import pythonqt

LOGICS = {
    "volumes": "vtkSlicerVolumesLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "transforms": "vtkSlicerTransformLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
}


def install() -> QtWidgets.QApplication:
    """Put the host's modules where the product imports them from; once a process."""
    if "qt" in sys.modules:
        return QtWidgets.QApplication.instance()
    _keep_none_alive()
    application = QtWidgets.QApplication(["Slicer"])
    pythonqt.patch_all()
    from . import application as app_module
    from . import ctk_widgets, mrml_widgets, parameter_node, ui_loader

    qt = types.ModuleType("qt")
    for source in (QtCore, QtGui, QtWidgets):
        for name in dir(source):
            if name.startswith("Q"):
                setattr(qt, name, getattr(source, name))
    qt.QUiLoader = ui_loader.QUiLoader
    ctk = types.ModuleType("ctk")
    for name, cls in vars(ctk_widgets).items():
        if name.startswith("ctk"):
            setattr(ctk, name, cls)
    sys.modules.update(qt=qt, ctk=ctk)
    slicer.qMRMLWidget = mrml_widgets.qMRMLWidget
    slicer.qSlicerScriptedLoadableModuleWidget = app_module.ModuleWidget
    slicer.qMRMLNodeComboBox = mrml_widgets.qMRMLNodeComboBox
    _install_submodules(app_module, parameter_node)
    return application


def _keep_none_alive() -> None:
    """Give ``None`` references enough for PySide, which drops one with each call that returns it.

    It takes ``None`` as immortal, as Python does since 3.12; an older one ends the process when the
    references run out.
    """
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


def _install_submodules(app_module: types.ModuleType, parameter_node: types.ModuleType) -> None:
    bases = {n: v for n, v in vars(app_module).items() if n.startswith("ScriptedLoadable")}
    wrapper = {n: getattr(parameter_node, n) for n in ("parameterNodeWrapper", "WithinRange")}
    contents = {
        "i18n": {"tr": lambda text: text, "translate": lambda context, text: text},
        "ScriptedLoadableModule": bases,
        "parameterNodeWrapper": wrapper,
    }
    for name, members in contents.items():
        module = types.ModuleType(f"slicer.{name}")
        vars(module).update(members, __all__=list(members))
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)


class Session:
    """One run of the application: its settings, its scene with the default slice views."""

    def __init__(self, settings_folder: Path) -> None:
        from .application import Application

        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        QtCore.QSettings.setPath(
            QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, str(settings_folder)
        )
        QtWidgets.QApplication.setOrganizationName("NA-MIC")
        self.mrmlScene = slicer.vtkMRMLScene()
        for name in ("Red", "Green", "Yellow"):
            for kind in ("Slice", "SliceComposite"):
                node = self.mrmlScene.CreateNodeByClass(f"vtkMRML{kind}Node")
                node.UnRegister(None)
                node.SetLayoutName(name)
                node.SetSingletonTag(name)
                node.SetName(name)
                self.mrmlScene.AddNode(node)
        self.modules = types.SimpleNamespace()
        for name, logic_class in LOGICS.items():
            logic = getattr(slicer, logic_class)()
            logic.SetMRMLScene(self.mrmlScene)
            setattr(self.modules, name, types.SimpleNamespace(logic=lambda logic=logic: logic))
        self.app = Application()
