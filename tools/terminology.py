"""Write Slicer's list of the segments' SNOMED CT terms, made from the label table.

python tools/terminology.py

Run it after a change of the label table in jssr/labels.py.
"""

import json
from pathlib import Path
from typing import Any

from jssr.io.segmentation import TERMINOLOGY_CONTEXT
from jssr.labels import LABELS, Code, Label

RESOURCE = (
    Path(__file__).parents[1]
    / "JSSRRegistration"
    / "Resources"
    / "Terminology"
    / "JSSRLiverCT.term.json"
)
_SCHEMA = (
    "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/segment-context-schema.json#"
)


def terminology_text() -> str:
    """The content of :data:`RESOURCE`."""
    categories: dict[str, dict[str, Any]] = {}
    for label in LABELS:
        category = categories.setdefault(
            label.category.value, {**_code(label.category), "showAnatomy": "true", "Type": []}
        )
        _add_type(category["Type"], label)
    document = {
        "SegmentationCategoryTypeContextName": TERMINOLOGY_CONTEXT,
        "@schema": _SCHEMA,
        "SegmentationCodes": {"Category": list(categories.values())},
    }
    return json.dumps(document, indent=2) + "\n"


def _add_type(types: list[dict[str, Any]], label: Label) -> None:
    """Append the label's type, or add its modifier to the type that another label brought."""
    shown = {"recommendedDisplayRGBValue": list(label.color), "3dSlicerLabel": label.name}
    if label.modifier is None:
        types.append({**_code(label.code), **shown})
        return
    known = [item for item in types if item["CodeValue"] == label.code.value]
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


if __name__ == "__main__":
    RESOURCE.write_text(terminology_text(), "utf-8")
