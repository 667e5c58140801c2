"""Loads Qt Designer's files as Slicer does, with MRML and CTK widgets and connections."""

import xml.etree.ElementTree as ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import ctk_widgets, mrml_widgets

CUSTOM_WIDGETS = {
    cls.__name__: cls
    for module in (ctk_widgets, mrml_widgets)
    for cls in vars(module).values()
    if isinstance(cls, type)
    and issubclass(cls, QtWidgets.QWidget)
    and cls.__module__ == module.__name__
}
DYNAMIC_PROPERTIES = {"SlicerParameterName"}


class QUiLoader(QtUiTools.QUiLoader):
    """Makes the widget tree; a class or property that Slicer would not know is an error here."""

    def __init__(self) -> None:
        super().__init__()
        self._created: list[QtWidgets.QWidget] = []
        self._errors: list[Exception] = []

    def createWidget(
        self, class_name: str, parent: QtWidgets.QWidget | None = None, name: str = ""
    ):
        try:
            if class_name in CUSTOM_WIDGETS:
                widget = CUSTOM_WIDGETS[class_name](parent)
                widget.setObjectName(name)
            elif class_name.startswith(("qMRML", "ctk", "qSlicer")):
                raise ValueError(f"the host has no {class_name}")
            else:
                widget = super().createWidget(class_name, parent, name)
        except Exception as error:  # noqa: BLE001 - an exception that leaves here ends the process
            self._errors.append(error)
            widget = QtWidgets.QWidget(parent)
        self._created.append(widget)
        return widget

    def load(self, file: QtCore.QFile) -> QtWidgets.QWidget:
        tree = ElementTree.fromstring(bytes(file.readAll()))
        connections = tree.find("connections")
        if connections is not None:
            tree.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        root = super().load(buffer)
        if self._errors:
            raise self._errors[0]
        self._check_properties()
        widgets = {widget.objectName: widget for widget in self._created}
        for connection in connections if connections is not None else ():
            sender, signal, receiver, slot = (
                connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot")
            )
            widgets[sender].connect(signal, getattr(widgets[receiver], slot.partition("(")[0]))
        root._created_widgets = self._created
        return root

    def _check_properties(self) -> None:
        for widget in self._created:
            dynamic = {bytes(name).decode() for name in widget.dynamicPropertyNames()}
            unknown = {n for n in dynamic - DYNAMIC_PROPERTIES if not n.startswith("_")}
            if unknown:
                raise ValueError(f"{widget.objectName} has no properties {sorted(unknown)}")
