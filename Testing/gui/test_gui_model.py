"""The panel's choice of a model, and what it says of one."""

import re

from panel_driver import Panel

from jssr.bundle.card import Figure
from JSSRRegistrationLib.model_text import figuresText, manifestHtml


def test_an_altered_model_is_refused_with_its_reason(panel: Panel, phases: dict) -> None:
    assert (
        "JSSR phantom" in panel.ui.modelInfoLabel.text
        and "Apache-2.0" in panel.ui.modelInfoLabel.text
    )
    panel.widget.modelPicker.add("/models/altered.zip")
    assert "register.pt does not match" in panel.ui.modelInfoLabel.text
    assert "refused" in panel.ui.reasonLabel.text and not panel.ui.registerButton.enabled
    panel.screenshot("altered-model")
    panel.ui.modelComboBox.currentIndex = 0
    assert panel.ui.registerButton.enabled


def test_a_model_without_figures_says_so(panel: Panel) -> None:
    manifest = panel.logic.modelInformation()
    assert "not measured" not in manifestHtml(manifest)
    manifest.figures = ()
    assert "not measured" in manifestHtml(manifest)


def test_figures_of_a_model_stand_in_plain_words(panel: Panel) -> None:
    manifest = panel.logic.modelInformation()
    assert panel.ui.modelInfoLabel.toolTip == figuresText(manifest) != ""
    manifest.figures = (
        Figure("tre_liver_mm", 2.9, "mm", "20 phantoms"),
        Figure("tre_liver_identity_mm", 9.19, "mm", "20 phantoms"),
        Figure("dice_liver", 0.9357, "Dice", "20 phantoms"),
        Figure("own_figure", 3.0, "bananas", "20 phantoms"),
    )
    words = re.sub(r"<[^>]+>", " ", manifestHtml(manifest))
    assert " ".join(words.split()).endswith(
        "Measured on 20 phantoms: Error in the liver 2.9 mm (unregistered 9.19) "
        "own_figure 3 bananas"
    )
    assert figuresText(manifest).splitlines() == [
        "Error in the liver: 2.9 mm (unregistered 9.19)",
        "Liver label (Dice): 0.936",
        "own_figure: 3 bananas",
    ]


def test_models_are_remembered_on_this_computer(panel: Panel) -> None:
    panel.widget.modelPicker.add("/models/hospital")
    panel.widget.modelPicker.add("/models/other.zip")
    panel.widget.modelPicker.add("/models/hospital")
    panel.frame.reload()
    box = panel.ui.modelComboBox
    assert [box.itemText(i) for i in range(box.count)] == [
        "JSSR default model",
        "hospital",
        "other",
    ]
    assert str(panel.widget.modelPicker.path()) == "/models/hospital"


def test_models_are_added_by_folder_or_zip(panel: Panel, monkeypatch) -> None:
    class Dialog:
        """Answers as PythonQt's static functions do: with the path alone."""

        @staticmethod
        def getExistingDirectory(parent, title):
            return "/models/folder"

        @staticmethod
        def getOpenFileName(parent, title, start, kinds):
            return "/models/one.zip" if "*.zip" in kinds else ""

    monkeypatch.setattr("JSSRRegistrationLib.model_picker.qt.QFileDialog", Dialog)
    panel.ui.modelFolderButton.click()
    assert str(panel.widget.modelPicker.path()) == "/models/folder"
    panel.ui.modelZipButton.click()
    assert str(panel.widget.modelPicker.path()) == "/models/one.zip"
    monkeypatch.setattr(Dialog, "getExistingDirectory", staticmethod(lambda parent, title: ""))
    panel.ui.modelFolderButton.click()
    assert str(panel.widget.modelPicker.path()) == "/models/one.zip"
