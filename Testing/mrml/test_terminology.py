"""JSSR's terminology, read by Slicer's own logic."""

import slicer

from jssr.io.segmentation import TERMINOLOGY_CONTEXT, terminology_entry
from jssr.labels import LABELS
from JSSRRegistrationLib.terminology import TERMINOLOGY_FILE, registerTerminology
from sample_tool import TOOLS, load_tool


def test_the_file_is_what_the_label_table_says() -> None:
    tool = load_tool(TOOLS / "terminology.py")
    assert TERMINOLOGY_FILE.samefile(tool.RESOURCE)
    assert TERMINOLOGY_FILE.read_text("utf-8") == tool.terminology_text()


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
