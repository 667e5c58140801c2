"""A small ``slicer.parameterNodeWrapper``: typed parameters on a MRML node, bound to widgets.

Behaves like Slicer's for the types that the module uses: parameter names, storage format, the exact
widget types that can be bound, and that a modified node updates every bound widget.
"""

import enum
import typing
from typing import Annotated, Any

import slicer
import vtk
from PySide6 import QtWidgets

from .mrml_widgets import qMRMLNodeComboBox


class WithinRange:
    """The closed interval in which a number must lie."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum = minimum
        self.maximum = maximum


class _Serializer:
    """Writes and reads one value of one type."""

    def __init__(self, kind: Any) -> None:
        self.bounds = None
        if typing.get_origin(kind) is Annotated:
            kind, *notes = typing.get_args(kind)
            self.bounds = next((note for note in notes if isinstance(note, WithinRange)), None)
        self.kind = kind
        self.element = (
            _Serializer(typing.get_args(kind)[0]) if typing.get_origin(kind) is list else None
        )
        self.node_classes = tuple(
            k
            for k in typing.get_args(kind) or (kind,)
            if isinstance(k, type) and issubclass(k, slicer.vtkMRMLNode)
        )
        self.is_node = bool(self.node_classes) and not self.element

    def default(self) -> Any:
        if self.element:
            return []
        if self.is_node:
            return None
        return next(iter(self.kind)) if issubclass(self.kind, enum.Enum) else self.kind()

    def present(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(f"{name}.len" if self.element else name))

    def write(self, node: Any, name: str, value: Any) -> None:
        if self.element:
            node.SetParameter(f"{name}.len", str(len(value)))
            for i, item in enumerate(value):
                self.element.write(node, f"{name}.{i}", item)
        elif self.is_node:
            if value is not None and not isinstance(value, self.node_classes):
                raise ValueError(f"{name} takes {self.node_classes}, not {value!r}")
            node.SetParameter(name, "")
            node.SetNodeReferenceID(name, None if value is None else value.GetID())
        else:
            self._write_plain(node, name, value)

    def _write_plain(self, node: Any, name: str, value: Any) -> None:
        if not isinstance(value, self.kind):
            raise ValueError(f"{name} takes {self.kind.__name__}, not {value!r}")
        if self.bounds and not self.bounds.minimum <= value <= self.bounds.maximum:
            raise ValueError(
                f"{name} must lie within {self.bounds.minimum} and {self.bounds.maximum}"
            )
        node.SetParameter(name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node: Any, name: str) -> Any:
        if self.element:
            return [
                self.element.read(node, f"{name}.{i}")
                for i in range(int(node.GetParameter(f"{name}.len")))
            ]
        if self.is_node:
            return node.GetNodeReference(name)
        text = node.GetParameter(name)
        if self.kind is bool:
            return text == "True"
        return self.kind[text] if issubclass(self.kind, enum.Enum) else self.kind(text)


class _Connector:
    """One parameter bound to one widget; only Slicer's pairs of types can be bound."""

    def __init__(self, widget: QtWidgets.QWidget, serializer: _Serializer) -> None:
        self.widget = widget
        kind = serializer.kind
        if (
            isinstance(kind, type)
            and issubclass(kind, enum.Enum)
            and type(widget) is QtWidgets.QComboBox
        ):
            enumeration = list(kind)
            widget.clear()
            for member in enumeration:
                widget.addItem(getattr(kind, "label", lambda m: m.name)(member))
            self.signal = widget.currentIndexChanged
            self.read = lambda: enumeration[widget.currentIndex]
            self.write = lambda value: widget.setCurrentIndex(enumeration.index(value))
        elif serializer.is_node and type(widget) is qMRMLNodeComboBox:
            widget.nodeTypes = [cls().GetClassName() for cls in serializer.node_classes]
            self.signal, self.read, self.write = (
                widget.currentNodeChanged,
                widget.currentNode,
                widget.setCurrentNode,
            )
        elif kind is bool and type(widget) is QtWidgets.QCheckBox:
            self.signal, self.read, self.write = (
                widget.stateChanged,
                lambda: widget.checked,
                widget.setChecked,
            )
        elif kind is int and type(widget) is QtWidgets.QSpinBox:
            widget.setRange(serializer.bounds.minimum, serializer.bounds.maximum)
            self.signal, self.read, self.write = (
                widget.valueChanged,
                lambda: widget.value,
                widget.setValue,
            )
        elif kind is float and type(widget).__name__ == "ctkSliderWidget":
            widget.minimum, widget.maximum = serializer.bounds.minimum, serializer.bounds.maximum
            self.signal, self.read = widget.valueChanged, lambda: widget.value
            self.write = lambda value: setattr(widget, "value", value)
        else:
            raise RuntimeError(f"Unable to create GUI connector from {kind} to {type(widget)}")


def _property(name: str, serializer: _Serializer) -> property:
    def put(self: Any, value: Any) -> None:
        with slicer.util.NodeModify(self.parameterNode):
            serializer.write(self.parameterNode, name, value)

    return property(lambda self: serializer.read(self.parameterNode, name), put)


def parameterNodeWrapper(cls: type) -> type:
    """Class decorator: annotated members become parameters stored on a MRML node."""
    serializers = {
        n: _Serializer(k) for n, k in typing.get_type_hints(cls, include_extras=True).items()
    }
    defaults = {n: getattr(cls, n, s.default()) for n, s in serializers.items()}

    def init(self: Any, node: Any) -> None:
        self.parameterNode = node
        self._guis: dict[int, tuple[int, list[tuple[Any, Any]]]] = {}
        self._updating = False
        for name, serializer in serializers.items():
            if not serializer.present(node, name):
                serializer.write(node, name, defaults[name])

    def connect_gui(self: Any, gui: Any) -> None:
        # As in Slicer 5.8 to 5.13, which keeps the tag to itself: what is connected so, stays so.
        widgets = {w.property("SlicerParameterName"): w for w in vars(gui).values()}
        widgets.pop(None, None)
        connect_parameters(self, widgets)

    def connect_parameters(self: Any, widgets: dict[str, Any]) -> int:
        connectors = {
            name: _Connector(widget, serializers[name]) for name, widget in widgets.items()
        }

        def update(*_: Any) -> None:
            if self._updating:
                return
            self._updating = True
            try:
                for name, connector in connectors.items():
                    connector.write(getattr(self, name))
            finally:
                self._updating = False

        def forward(name: str, connector: _Connector) -> Any:
            return lambda *_: None if self._updating else setattr(self, name, connector.read())

        update()
        slots = [(c.signal, forward(name, c)) for name, c in connectors.items()]
        for signal, slot in slots:
            signal.connect(slot)
        tag = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, update)
        self._guis[tag] = slots
        return tag

    def disconnect_gui(self: Any, tag: int) -> None:
        for signal, slot in self._guis.pop(tag, []):
            signal.disconnect(slot)
        self.parameterNode.RemoveObserver(tag)

    for name, serializer in serializers.items():
        setattr(cls, name, _property(name, serializer))
    cls.__init__, cls.connectGui, cls.disconnectGui = init, connect_gui, disconnect_gui
    cls.connectParametersToGui = connect_parameters
    cls.AddObserver = lambda self, *arguments: self.parameterNode.AddObserver(*arguments)
    cls.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    cls.StartModify = lambda self: self.parameterNode.StartModify()
    cls.EndModify = lambda self, modified: self.parameterNode.EndModify(modified)
    return cls
