"""The one label table and the contrast phases, shared by phantom, networks, bundle and Slicer."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class Code:
    """A coded concept of a terminology, as SNOMED CT ``10200004`` *Liver*."""

    value: str
    meaning: str
    scheme: str = "SCT"


ANATOMICAL_STRUCTURE = Code("123037004", "Anatomical Structure")
MORPHOLOGICALLY_ABNORMAL_STRUCTURE = Code("49755003", "Morphologically Altered Structure")
RIGHT = Code("24028007", "Right")
LEFT = Code("7771000", "Left")


@dataclass(frozen=True)
class Label:
    """One row of the label table.

    ``index`` is the voxel value in every label map and the channel of the segmentor;
    ``color`` is RGB, 0 to 255.
    """

    index: int
    name: str
    title: str
    color: tuple[int, int, int]
    code: Code
    category: Code = ANATOMICAL_STRUCTURE
    modifier: Code | None = None


BACKGROUND = 0

LABELS: tuple[Label, ...] = (
    Label(1, "liver", "Liver", (221, 130, 101), Code("10200004", "Liver")),
    Label(
        2,
        "lesion",
        "Liver lesion",
        (144, 238, 144),
        Code("4147007", "Mass"),
        MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
    ),
    Label(3, "spleen", "Spleen", (157, 108, 162), Code("78961009", "Spleen")),
    Label(
        4, "right_kidney", "Right kidney", (121, 85, 72), Code("64033007", "Kidney"), modifier=RIGHT
    ),
    Label(
        5, "left_kidney", "Left kidney", (175, 135, 110), Code("64033007", "Kidney"), modifier=LEFT
    ),
    Label(6, "aorta", "Aorta", (224, 60, 49), Code("15825003", "Aorta")),
    Label(
        7,
        "inferior_vena_cava",
        "Inferior vena cava",
        (0, 128, 200),
        Code("64131007", "Inferior vena cava"),
    ),
    Label(
        8,
        "portal_vein",
        "Portal and splenic vein",
        (0, 190, 220),
        Code("110765007", "Portal and splenic vein"),
    ),
    Label(9, "hepatic_vein", "Hepatic vein", (90, 90, 230), Code("8993003", "Hepatic vein")),
    Label(10, "gallbladder", "Gallbladder", (139, 170, 38), Code("28231008", "Gallbladder")),
    Label(11, "stomach", "Stomach", (216, 132, 170), Code("69695003", "Stomach")),
    Label(12, "pancreas", "Pancreas", (249, 200, 111), Code("15776009", "Pancreas")),
    Label(13, "bone", "Bone", (241, 235, 205), Code("272673000", "Bone")),
    Label(14, "lung", "Lung", (172, 200, 222), Code("39607008", "Lung")),
)

CLASS_COUNT = len(LABELS) + 1

_BY_NAME = {label.name: label for label in LABELS}


def label_index(name: str) -> int:
    """Voxel value of the label called ``name``; raises ``KeyError`` for an unknown name."""
    return _BY_NAME[name].index


def is_liver(labels: Any) -> Any:
    """Mask of the liver with its lesions in a label map: an array, a tensor or an image alike."""
    return (labels == label_index("liver")) | (labels == label_index("lesion"))


class Phase(str, Enum):
    """Contrast phase of a CT scan, in the order of the injection."""

    NON_CONTRAST = "non-contrast"
    ARTERIAL = "arterial"
    PORTAL_VENOUS = "portal-venous"
    DELAYED = "delayed"
