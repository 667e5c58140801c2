"""The table of moving volumes: a row for each CT of the scene, a tick to take it, its phase."""

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from JSSRRegistrationLib.parameters import PhaseChoice

ROW_HEIGHT = 28
HEADER_HEIGHT = 24
VISIBLE_ROWS = 5
PHASE_WIDTH = 130


class MovingTable:
    """Fills a ``QTableWidget``; calls ``changed()`` after the user ticked a row or chose a phase.

    ``guessPhase(volume)`` says what a volume's name and DICOM series tell of its phase.
    """

    def __init__(
        self, table: Any, guessPhase: Callable[[Any], PhaseChoice], changed: Callable[[], None]
    ) -> None:
        self._table = table
        self._guessPhase = guessPhase
        self._changed = changed
        self._rows: list[tuple[Any, Any, Any]] = []
        self._phases: dict[str, PhaseChoice] = {}
        header = table.horizontalHeader()
        header.setFixedHeight(HEADER_HEIGHT)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(1, qt.QHeaderView.Fixed)
        table.setColumnWidth(1, PHASE_WIDTH)

    def fill(
        self, volumes: Sequence[Any], chosen: Sequence[Any], phases: Sequence[PhaseChoice]
    ) -> None:
        """Show ``volumes``, those in ``chosen`` ticked; ``phases`` belong to ``chosen``."""
        # The next scene gives the same IDs to other volumes.
        known = {volume.GetID() for volume in volumes}
        self._phases = {name: phase for name, phase in self._phases.items() if name in known}
        for volume, phase in zip(chosen, phases, strict=True):
            self._phases[volume.GetID()] = phase
        if [row[0] for row in self._rows] != list(volumes):
            self._makeRows(volumes)
        for volume, box, phaseBox in self._rows:
            self._update(volume, box, phaseBox, volume in chosen)
        rows = min(max(len(self._rows), 1), VISIBLE_ROWS)
        self._table.setFixedHeight(HEADER_HEIGHT + rows * ROW_HEIGHT + 4)

    def chosen(self) -> tuple[list[Any], list[PhaseChoice]]:
        """The ticked volumes and their phases."""
        ticked = [row for row in self._rows if row[1].checked]
        choices = list(PhaseChoice)
        return [row[0] for row in ticked], [choices[row[2].currentIndex] for row in ticked]

    def _makeRows(self, volumes: Sequence[Any]) -> None:
        self._table.setRowCount(0)
        self._table.setRowCount(len(volumes))
        self._rows = []
        for i, volume in enumerate(volumes):
            box = qt.QCheckBox()
            box.styleSheet = "QCheckBox { padding-left: 4px; }"
            phaseBox = qt.QComboBox()
            for choice in PhaseChoice:
                phaseBox.addItem(choice.label())
            phaseBox.toolTip = _(
                "Contrast phase, from the volume's name and DICOM series where they tell it. "
                "Automatic: from the organs' intensities."
            )
            self._update(volume, box, phaseBox, False)
            box.connect("toggled(bool)", self._onTicked)
            phaseBox.connect("currentIndexChanged(int)", self._onPhase)
            self._table.setCellWidget(i, 0, box)
            self._table.setCellWidget(i, 1, phaseBox)
            self._table.setRowHeight(i, ROW_HEIGHT)
            self._rows.append((volume, box, phaseBox))

    def _update(self, volume: Any, box: Any, phaseBox: Any, ticked: bool) -> None:
        identifier = volume.GetID()
        if identifier not in self._phases:
            self._phases[identifier] = self._guessPhase(volume)
        blocked = [widget.blockSignals(True) for widget in (box, phaseBox)]
        box.text = volume.GetName()
        box.checked = ticked
        phaseBox.enabled = ticked
        phaseBox.currentIndex = list(PhaseChoice).index(self._phases[identifier])
        for widget, before in zip((box, phaseBox), blocked, strict=True):
            widget.blockSignals(before)

    def _onTicked(self) -> None:
        self._changed()

    def _onPhase(self) -> None:
        choices = list(PhaseChoice)
        for volume, _box, phaseBox in self._rows:
            self._phases[volume.GetID()] = choices[phaseBox.currentIndex]
        self._changed()
