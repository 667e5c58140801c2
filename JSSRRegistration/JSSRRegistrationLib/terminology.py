"""JSSR's own list of SNOMED CT terms: Slicer's lists lack the portal vein and its like."""

from pathlib import Path
from typing import Any

from jssr.io.segmentation import TERMINOLOGY_CONTEXT
from jssr.labels import LABELS, Code, Label

TERMINOLOGY_FILE = (
    Path(__file__).resolve().parent.parent / "Resources" / "Terminology" / "JSSRLiverCT.term.json"
)
_SCHEMA = (
    "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/segment-context-schema.json#"
)


def registerTerminology(logic: Any) -> bool:
    """Load the list into Slicer's terminologies logic; False if the file could not be read."""
    return logic.LoadTerminologyFromFile(str(TERMINOLOGY_FILE)) == TERMINOLOGY_CONTEXT


def terminologyDocument() -> dict[str, Any]:
    """The content of :data:`TERMINOLOGY_FILE`, made from the label table."""
    categories: dict[str, dict[str, Any]] = {}
    for label in LABELS:
        category = categories.setdefault(
            label.category.value, {**_code(label.category), "showAnatomy": "true", "Type": []}
        )
        _addType(category["Type"], label)
    return {
        "SegmentationCategoryTypeContextName": TERMINOLOGY_CONTEXT,
        "@schema": _SCHEMA,
        "SegmentationCodes": {"Category": list(categories.values())},
    }


def _addType(types: list[dict[str, Any]], label: Label) -> None:
    known = [item for item in types if item["CodeValue"] == label.code.value]
    shown = {"recommendedDisplayRGBValue": list(label.color), "3dSlicerLabel": label.name}
    if label.modifier is None:
        types.append({**_code(label.code), **shown})
        return
    if not known:
        known = [_code(label.code)]
        types += known
    known[0].setdefault("Modifier", []).append({**_code(label.modifier), **shown})


def _code(code: Code) -> dict[str, Any]:
    return {
        "CodeMeaning": code.meaning,
        "CodingSchemeDesignator": code.scheme,
        "CodeValue": code.value,
    }
