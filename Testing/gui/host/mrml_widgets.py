"""Stand-ins for Slicer's MRML widgets, working on a real MRML scene."""

from typing import Any

import slicer
from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal


def _option(kind: type | str, name: str) -> Property:
    def write(self: "qMRMLNodeComboBox", value: Any) -> None:
        self._options[name] = list(value) if kind == "QStringList" else value
        self._refresh()

    return Property(kind, lambda self: self._options[name], write)


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that knows the scene and tells its children when it changes."""

    mrmlSceneChanged = Signal(object)
    MRML_SIGNALS = ("mrmlSceneChanged(vtkMRMLScene*)",)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses a node of the scene: a visible one whose class and attributes fit."""

    currentNodeChanged = Signal(object)
    nodeAddedByUser = Signal(object)
    MRML_SIGNALS = ("currentNodeChanged(vtkMRMLNode*)", "nodeAddedByUser(vtkMRMLNode*)")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._box = QtWidgets.QComboBox()
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        layout.addWidget(self._box)
        self._scene: Any = None
        self._current: Any = None
        self._options: dict[str, Any] = {
            "nodeTypes": [],
            "hideChildNodeTypes": [],
            "showChildNodeTypes": True,
            "showHidden": False,
            "noneEnabled": False,
            "addEnabled": True,
            "removeEnabled": True,
            "renameEnabled": False,
            "editEnabled": False,
            "selectNodeUponCreation": True,
            "noneDisplay": "None",
            "baseName": "",
        }
        self._attributes: list[tuple[str, str, str | None]] = []
        self._box.currentIndexChanged.connect(self._chosen)
        self.setEnabled(False)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self.setEnabled(scene is not None)
        for event in (
            scene.NodeAddedEvent,
            scene.EndCloseEvent,
            scene.EndImportEvent,
            scene.EndBatchProcessEvent,
        ):
            scene.AddObserver(event, lambda *_: self._refresh())
        scene.AddObserver(scene.NodeRemovedEvent, lambda *_: self._refresh())
        self._refresh()

    def nodes(self) -> list[Any]:
        types = self._options["nodeTypes"]
        found = [self._scene.GetNthNode(i) for i in range(self._scene.GetNumberOfNodes())]
        return [node for node in found if any(self._fits(node, kind) for kind in types)]

    def _fits(self, node: Any, kind: str) -> bool:
        exact = node.GetClassName() == kind
        if not (exact or (self._options["showChildNodeTypes"] and node.IsA(kind))):
            return False
        if not exact and any(node.IsA(hidden) for hidden in self._options["hideChildNodeTypes"]):
            return False
        if node.GetHideFromEditors() and not self._options["showHidden"]:
            return False
        wanted = [a for a in self._attributes if a[0] == kind]
        return all(
            node.GetAttribute(n) is not None and v in (None, node.GetAttribute(n))
            for _, n, v in wanted
        )

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        self._attributes.append((node_type, name, value))
        self._refresh()

    def _refresh(self) -> None:
        if self._scene is None:
            return
        nodes = self.nodes()
        if self._current is not None and not any(self._current is n for n in nodes):
            self._select(None)
        self._box.blockSignals(True)
        self._box.clear()
        if self._options["noneEnabled"]:
            self._box.addItem(self._options["noneDisplay"], None)
        for node in nodes:
            self._box.addItem(node.GetName() or "", node.GetID())
        self._show_current()
        self._box.blockSignals(False)
        if self._current is None and not self._options["noneEnabled"] and nodes:
            self._select(nodes[0])

    def _show_current(self) -> None:
        wanted = None if self._current is None else self._current.GetID()
        found = [i for i in range(self._box.count) if self._box.itemData(i) == wanted]
        self._box.setCurrentIndex(found[0] if found else -1)

    def _chosen(self, index: int) -> None:
        identifier = self._box.itemData(index)
        self._select(self._scene.GetNodeByID(identifier) if identifier else None)

    def _select(self, node: Any) -> None:
        if node is self._current:
            return
        self._current = node
        self._show_current()
        self.currentNodeChanged.emit(node)

    def currentNode(self) -> Any:
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        if node is not None and not isinstance(node, slicer.vtkMRMLNode):
            raise ValueError(f"qMRMLNodeComboBox.setCurrentNode does not take {node!r}")
        self._select(node if node is None or any(node is n for n in self.nodes()) else None)

    def addNode(self) -> Any:
        name = self._options["baseName"] or self._options["nodeTypes"][0].removeprefix("vtkMRML")
        node = self._scene.AddNewNodeByClass(
            self._options["nodeTypes"][0], self._scene.GenerateUniqueName(name)
        )
        self._select(node)
        self.nodeAddedByUser.emit(node)
        return node

    currentNodeID = Property(
        str,
        lambda self: "" if self._current is None else self._current.GetID(),
        lambda self, value: self.setCurrentNode(self._scene.GetNodeByID(value) if value else None),
    )
    nodeTypes = _option("QStringList", "nodeTypes")
    hideChildNodeTypes = _option("QStringList", "hideChildNodeTypes")
    showChildNodeTypes = _option(bool, "showChildNodeTypes")
    showHidden = _option(bool, "showHidden")
    noneEnabled = _option(bool, "noneEnabled")
    addEnabled = _option(bool, "addEnabled")
    removeEnabled = _option(bool, "removeEnabled")
    renameEnabled = _option(bool, "renameEnabled")
    editEnabled = _option(bool, "editEnabled")
    selectNodeUponCreation = _option(bool, "selectNodeUponCreation")
    noneDisplay = _option(str, "noneDisplay")
    baseName = _option(str, "baseName")
