"""JSSR's terminology, read by Slicer's own logic."""

import json

import slicer

from jssr.io.segmentation import TERMINOLOGY_CONTEXT, terminology_entry
from jssr.labels import LABELS
from JSSRRegistrationLib.terminology import (
    TERMINOLOGY_FILE,
    registerTerminology,
    terminologyDocument,
)


def test_the_file_is_what_the_label_table_says() -> None:
    assert json.loads(TERMINOLOGY_FILE.read_text("utf-8")) == terminologyDocument()


def test_slicer_finds_every_label_by_its_entry() -> None:
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    assert registerTerminology(logic)
    for label in LABELS:
        entry = slicer.vtkSlicerTerminologyEntry()
        assert logic.DeserializeTerminologyEntry(terminology_entry(label), entry)
        assert entry.GetTerminologyContextName() == TERMINOLOGY_CONTEXT
        assert entry.GetTypeObject().GetCodeMeaning() == label.code.meaning
        assert entry.GetTypeObject().GetCodeValue() == label.code.value
        if label.modifier is not None:
            assert entry.GetTypeModifierObject().GetCodeMeaning() == label.modifier.meaning
