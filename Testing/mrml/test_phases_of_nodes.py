"""Phases guessed from nodes, their DICOM tags included."""

from typing import Any

import pytest

from jssr.labels import Phase
from JSSRRegistrationLib.phases import dicomTagReader, guessPhase

TAGS = {
    ("1.2.3", "0008,103e"): "ABD  3.0  Portal venous",
    ("1.2.3", "0018,0010"): "Iomeron",
    ("4.5.6", "0008,103e"): "Thin slices",
    ("4.5.6", "0018,1030"): "Leber spaet",
    ("7.8.9", "0018,1030"): "Abdomen without",
    ("7.8.9", "0018,0010"): "Ultravist",
}


@pytest.mark.parametrize(
    ("name", "uids", "phase"),
    [
        ("CT arterial", None, Phase.ARTERIAL),
        ("CT arterial", "1.2.3", Phase.ARTERIAL),
        ("3: CT 1.5mm", "1.2.3 1.2.4", Phase.PORTAL_VENOUS),
        ("3: CT 1.5mm", "4.5.6", Phase.DELAYED),
        ("3: CT 1.5mm", "7.8.9", None),
        ("3: CT 1.5mm", None, None),
    ],
)
def test_name_then_description_then_protocol(
    scene: Any, name: str, uids: str | None, phase: Phase | None
) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    if uids is not None:
        node.SetAttribute("DICOM.instanceUIDs", uids)
    assert guessPhase(node, lambda uid, tag: TAGS.get((uid, tag), "")) == phase


def test_without_a_database_the_name_alone_counts(scene: Any) -> None:
    assert dicomTagReader(None) is None
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "late")
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    assert guessPhase(node, None) is Phase.DELAYED
