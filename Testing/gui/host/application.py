"""Stand-ins for ``slicer.app``, ``slicer.modules`` and the scripted-module base classes."""

import importlib.util
import sys
import tempfile
import types
import unittest
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .mrml_widgets import qMRMLWidget


class Application(QtCore.QObject):
    """What the module asks of ``slicer.app``."""

    startupCompleted = QtCore.Signal()
    aboutToQuit = QtCore.Signal()
    applicationName = "Slicer"

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="slicer-host-")
        self._module_manager = ModuleManager()
        self._settings = QtCore.QSettings(
            str(Path(self._folder.name) / "Slicer.ini"), QtCore.QSettings.IniFormat
        )

    @property
    def temporaryPath(self) -> str:
        return self._folder.name

    @property
    def cachePath(self) -> str:
        return self._folder.name

    def processEvents(self) -> None:
        QtWidgets.QApplication.processEvents()

    def moduleManager(self) -> "ModuleManager":
        return self._module_manager

    def userSettings(self) -> QtCore.QSettings:
        return self._settings

    def topLevelWidgets(self) -> list[QtWidgets.QWidget]:
        return []

    def layoutManager(self) -> None:
        return None

    def testingEnabled(self) -> bool:
        return False

    def commandOptions(self) -> Any:
        return types.SimpleNamespace(
            noMainWindow=False, runPythonAndExit=False, testingEnabled=False
        )

    def translate(self, context: str, text: str) -> str:
        return text

    def setOverrideCursor(self, cursor: Any) -> None:
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        QtWidgets.QApplication.restoreOverrideCursor()


class ModuleManager(QtCore.QObject):
    """Finds a loaded module by its name, and announces that one goes away."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def module(self, name: str) -> Any:
        return getattr(slicer.modules, name.lower(), None)


class ScriptedLoadableModule:
    """Base of the module class: metadata on ``parent``."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)


class ScriptedLoadableModuleWidget:
    """Base of the module's panel."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect(
            "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
        )

    def resourcePath(self, filename: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        pass

    def cleanup(self) -> None:
        pass

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()


class ScriptedLoadableModuleLogic:
    """Base of the module's logic: one parameter node a scene."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        return node or slicer.mrmlScene.AddNode(self.createParameterNode())

    def createParameterNode(self) -> Any:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base of the module's self-test."""

    def delayDisplay(
        self, message: str, requestedDelay: int | None = None, msec: int | None = None
    ) -> None:
        slicer.app.processEvents()


class ModuleWidget(qMRMLWidget):
    """The panel that Slicer puts a scripted module's widget into."""

    def __init__(self, module: "LoadedModule") -> None:
        super().__init__()
        self._module = module
        self._instance: Any = None
        self._entered = False
        QtWidgets.QVBoxLayout(self)
        self.setMRMLScene(slicer.mrmlScene)

    @property
    def isEntered(self) -> bool:
        return self._entered

    def self(self) -> Any:
        return self._instance

    def reload(self) -> None:
        widget_class = getattr(sys.modules[self._module.name], self._module.name + "Widget")
        self._instance = widget_class(self)
        setattr(slicer.modules, self._module.name + "Widget", self._instance)
        self._instance.setup()

    def enter(self) -> None:
        self._entered = True
        self._instance.enter()

    def exit(self) -> None:
        self._entered = False
        self._instance.exit()


class LoadedModule:
    """A scripted module as ``slicer.modules.<name>`` shows it, loaded from its file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.name = path.stem
        self._panel: ModuleWidget | None = None
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(self.name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = module
        spec.loader.exec_module(module)
        setattr(slicer.modules, self.name.lower(), self)
        self.title, self.categories, self.dependencies, self.contributors = "", [], [], []
        self.helpText, self.acknowledgementText = "", ""
        self.instance = getattr(module, self.name)(self)

    def widgetRepresentation(self) -> ModuleWidget:
        if self._panel is None:
            self._panel = ModuleWidget(self)
            self._panel.reload()
        return self._panel
