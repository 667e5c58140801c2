"""Makes PySide6 read as PythonQt does inside Slicer.

PythonQt shows every Qt property as a plain attribute (``button.enabled = True``), connects signals
by their C++ signature (``button.connect("clicked(bool)", f)``), calls a slot with as many of the
signal's arguments as it takes, and refuses attributes that the C++ class does not have.
"""

import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

_connections: "weakref.WeakKeyDictionary[QtCore.QObject, list[tuple[str, Callable, Any]]]" = (
    weakref.WeakKeyDictionary()
)

VIRTUAL = ("sizeHint", "minimumSizeHint", "hasHeightForWidth")
"""Properties whose getter is virtual: PySide would take an attribute for an override of it."""


class QtProperty:
    """A Qt property as an attribute; the class itself keeps its C++ member of that name."""

    def __init__(self, name: str, writable: bool, original: Any) -> None:
        self.name = name
        self.writable = writable
        self.original = original

    def __get__(self, instance: Any, owner: type) -> Any:
        return self.original if instance is None else QtCore.QObject.property(instance, self.name)

    def __set__(self, instance: Any, value: Any) -> None:
        if not self.writable:
            raise AttributeError(f"{type(instance).__name__}.{self.name} is read-only")
        if not QtCore.QObject.setProperty(instance, self.name, value):
            raise TypeError(f"{type(instance).__name__}.{self.name} does not take {value!r}")


def _accepted_arguments(slot: Callable) -> int:
    parameters = inspect.signature(slot).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 99
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _connect(self: QtCore.QObject, signature: str, slot: Callable) -> bool:
    name, _, types = signature.rstrip(")").partition("(")
    signal = getattr(self, name)
    known = {str(m.methodSignature(), "ascii") for m in _signals(self)}
    if signature not in known and signature not in getattr(type(self), "MRML_SIGNALS", ()):
        raise ValueError(f"{type(self).__name__} has no signal {signature}")
    overloads = [s for s in known if s.startswith(name + "(")]
    if len(overloads) > 1 and signature in known:
        signal = signal[types] if types else signal
    count = _accepted_arguments(slot)

    def forward(*arguments: Any) -> None:
        slot(*arguments[:count])

    signal.connect(forward)
    _connections.setdefault(self, []).append((signature, slot, (signal, forward)))
    return True


def _disconnect(self: QtCore.QObject, signature: str, slot: Callable) -> bool:
    entries = _connections.get(self, [])
    for entry in entries:
        if entry[0] == signature and entry[1] == slot:
            signal, forward = entry[2]
            signal.disconnect(forward)
            entries.remove(entry)
            return True
    return False


def _signals(instance: QtCore.QObject) -> list[QtCore.QMetaMethod]:
    meta = instance.metaObject()
    methods = [meta.method(i) for i in range(meta.methodCount())]
    return [m for m in methods if m.methodType() == QtCore.QMetaMethod.MethodType.Signal]


def _strict_setattr(self: QtCore.QObject, name: str, value: Any) -> None:
    if isinstance(value, QtWidgets.QWidget) and value.objectName == name:
        return  # PySide's loader puts the children on the root; PythonQt's does not
    native = type(self).__module__.startswith(("PySide6", __package__))
    if native and not name.startswith("_") and not hasattr(type(self), name):
        raise AttributeError(f"{type(self).__name__} has no attribute {name}")
    descriptor = inspect.getattr_static(type(self), name, None)
    if isinstance(descriptor, QtCore.Property):
        QtCore.QObject.setProperty(self, name, value)
    elif hasattr(type(descriptor), "__set__"):
        descriptor.__set__(self, value)
    else:
        self.__dict__[name] = value


def _lookup(original: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def getattribute(self: QtCore.QObject, name: str) -> Any:
        # PySide answers these two itself, whatever the class holds, since they are static as well.
        if name in _SIGNALLING:
            return functools.partial(_SIGNALLING[name], self)
        return original(self, name)

    return getattribute


_SIGNALLING = {"connect": _connect, "disconnect": _disconnect}


def _patch(cls: type, lookup: Callable[[Any, str], Any]) -> None:
    meta = cls.staticMetaObject
    for i in range(meta.propertyOffset(), meta.propertyCount()):
        qt_property = meta.property(i)
        name = qt_property.name()
        if name in VIRTUAL:
            continue
        setattr(cls, name, QtProperty(name, qt_property.isWritable(), getattr(cls, name, None)))
    cls.__setattr__ = _strict_setattr
    cls.__getattribute__ = lookup


def patch_all() -> None:
    """Give every QObject class of Qt's GUI libraries the manners of PythonQt, once a process."""
    classes = [
        cls
        for module in (QtCore, QtGui, QtWidgets)
        for cls in (getattr(module, name) for name in dir(module))
        if inspect.isclass(cls) and issubclass(cls, QtCore.QObject)
    ]
    lookups = {cls: _lookup(cls.__getattribute__) for cls in classes}
    for cls, lookup in lookups.items():
        _patch(cls, lookup)
    QtCore.QObject.name = QtProperty("objectName", True, None)
    QtCore.QObject.className = lambda self: self.metaObject().className()
