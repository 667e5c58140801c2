"""Stand-ins for the CTK widgets that the panel uses, with the properties and signals of CTK."""

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A titled section whose content folds away."""

    contentsCollapsed = Signal(bool)
    _collapsed = False
    _text = ""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._header = QtWidgets.QToolButton(self)
        self._header.setToolButtonStyle(QtCore.Qt.ToolButtonTextBesideIcon)
        self._header.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._header.setAutoRaise(False)
        self._header.clicked.connect(lambda: self._set_collapsed(not self._collapsed))
        self._arrow()
        self.setContentsMargins(0, 26, 0, 0)

    def _arrow(self) -> None:
        self._header.setArrowType(QtCore.Qt.RightArrow if self._collapsed else QtCore.Qt.DownArrow)

    def resizeEvent(self, event: object) -> None:
        self._header.setGeometry(0, 0, self.width, 24)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        if self._collapsed and event.type() == QtCore.QEvent.ChildPolished:
            self._show_content()

    def _show_content(self) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget) and child is not self._header:
                child.setVisible(not self._collapsed)

    def _set_collapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self.setMaximumHeight(26 if collapsed else 16777215)
        self._arrow()
        self._show_content()
        self.contentsCollapsed.emit(collapsed)

    def _set_text(self, text: str) -> None:
        self._text = text
        self._header.setText(" " + text)

    text = Property(str, lambda self: self._text, _set_text)
    collapsed = Property(bool, lambda self: self._collapsed, _set_collapsed)


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a spin box beside it, for real numbers."""

    valueChanged = Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._slider.setRange(0, 1000)
        self._box = QtWidgets.QDoubleSpinBox()
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self._follow)
        self._slider.sliderMoved.connect(lambda position: self._box.setValue(self._at(position)))

    def _at(self, position: int) -> float:
        return self._box.minimum + (self._box.maximum - self._box.minimum) * position / 1000

    def _follow(self, value: float) -> None:
        span = (self._box.maximum - self._box.minimum) or 1.0
        self._slider.setValue(round(1000 * (value - self._box.minimum) / span))
        self.valueChanged.emit(value)

    value = Property(float, lambda self: self._box.value, lambda self, v: self._box.setValue(v))
    minimum = Property(
        float, lambda self: self._box.minimum, lambda self, v: self._box.setMinimum(v)
    )
    maximum = Property(
        float, lambda self: self._box.maximum, lambda self, v: self._box.setMaximum(v)
    )
    singleStep = Property(
        float, lambda self: self._box.singleStep, lambda self, v: self._box.setSingleStep(v)
    )
    decimals = Property(
        int, lambda self: self._box.decimals, lambda self, v: self._box.setDecimals(v)
    )


class _FoldingStyle(QtWidgets.QProxyStyle):
    """Draws a group box's check mark as an arrow, and no frame around what is folded away."""

    def drawPrimitive(self, element, option, painter, widget=None) -> None:
        if element == QtWidgets.QStyle.PE_FrameGroupBox and not widget.isChecked():
            return
        if element == QtWidgets.QStyle.PE_IndicatorCheckBox:
            arrow = QtWidgets.QStyle.PE_IndicatorArrowRight
            if widget.isChecked():
                arrow = QtWidgets.QStyle.PE_IndicatorArrowDown
            element = arrow
        super().drawPrimitive(element, option, painter, widget)


class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box whose content folds away."""

    _collapsed = False
    _style: QtWidgets.QProxyStyle | None = None

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._style = _FoldingStyle("fusion")
        self.setStyle(self._style)
        self.setCheckable(True)
        self.toggled.connect(lambda on: self._set_collapsed(not on))

    def _set_collapsed(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        self.setChecked(not collapsed)
        self.setMaximumHeight(22 if collapsed else 16777215)
        self._show_content()

    def _show_content(self) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                child.setVisible(not self._collapsed)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        if self._collapsed and event.type() == QtCore.QEvent.ChildPolished:
            self._show_content()

    collapsed = Property(bool, lambda self: self._collapsed, _set_collapsed)
