"""Choosing a model bundle: the one that comes with JSSR, or others by folder or zip.

The choice belongs to the computer, not to the scene, and is kept in the application settings.
"""

import json
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from jssr.errors import BundleError
from JSSRRegistrationLib.model_text import figuresText, manifestHtml
from JSSRRegistrationLib.result_text import ERROR_COLORS, card

PATHS_SETTING = "JSSRRegistration/ModelPaths"
CHOICE_SETTING = "JSSRRegistration/ModelPath"


class ModelPicker:
    """Fills the combo box of models and the text below it; ``changed()`` follows every choice.

    ``information(path)`` returns the verified manifest of a bundle or raises ``BundleError``.
    """

    def __init__(
        self, ui: Any, information: Callable[[Path | None], Any], changed: Callable[[], None]
    ) -> None:
        self._ui = ui
        self._information = information
        self._changed = changed
        self.error: str | None = None
        paths = slicer.util.settingsValue(PATHS_SETTING, [], converter=json.loads)
        ui.modelComboBox.addItem(_("JSSR default model"), "")
        for path in paths:
            self._addItem(path)
        self._select(slicer.util.settingsValue(CHOICE_SETTING, ""))
        ui.modelComboBox.connect("currentIndexChanged(int)", self._onChosen)
        ui.modelFolderButton.connect("clicked(bool)", self._onAddFolder)
        ui.modelZipButton.connect("clicked(bool)", self._onAddZip)
        self._show()

    def path(self) -> Path | None:
        """The chosen bundle; ``None`` stands for the default one."""
        chosen = self._ui.modelComboBox.currentData
        return Path(chosen) if chosen else None

    def add(self, path: str) -> None:
        """Offer the bundle at ``path`` from now on, and choose it."""
        if not path:
            return
        if self._ui.modelComboBox.findData(path) < 0:
            self._addItem(path)
            qt.QSettings().setValue(PATHS_SETTING, json.dumps(self._paths()))
        self._select(path)

    def _paths(self) -> list[str]:
        box = self._ui.modelComboBox
        return [box.itemData(i) for i in range(1, box.count)]

    def _addItem(self, path: str) -> None:
        self._ui.modelComboBox.addItem(Path(path).stem, path)

    def _select(self, path: str) -> None:
        index = self._ui.modelComboBox.findData(path)
        self._ui.modelComboBox.currentIndex = max(index, 0)

    def _onAddFolder(self) -> None:
        self.add(
            qt.QFileDialog.getExistingDirectory(None, _("Choose the folder of a model bundle"))
        )

    def _onAddZip(self) -> None:
        title, kinds = _("Choose a model bundle"), _("Model bundle (*.zip)")
        self.add(qt.QFileDialog.getOpenFileName(None, title, "", kinds))

    def _onChosen(self) -> None:
        qt.QSettings().setValue(CHOICE_SETTING, self._ui.modelComboBox.currentData or "")
        self._show()
        self._changed()

    def _show(self) -> None:
        label = self._ui.modelInfoLabel
        try:
            manifest = self._information(self.path())
        except BundleError as error:
            self.error = str(error)
            label.text = escape(self.error)
            label.toolTip = ""
            label.styleSheet = card(ERROR_COLORS)
            return
        self.error = None
        label.styleSheet = ""
        label.text = manifestHtml(manifest)
        label.toolTip = figuresText(manifest)
