"""Every tissue the phantom is painted with: label, attenuation per phase, texture.

Aorta, spleen, liver, portal and hepatic veins in the arterial and the portal-venous phase rest on
mean enhancement measured by multi-detector CT in 171 patients (the publication is not on record);
the other ranges are typical values, chosen.
"""

from dataclasses import dataclass

from jssr.labels import BACKGROUND, label_index

Range = tuple[float, float]


@dataclass(frozen=True)
class Tissue:
    """One tissue: ``hu`` holds a range (low, high) for each phase in the order of ``Phase``.

    ``fine`` and ``coarse`` are the amplitudes in HU of texture at the scale of voxels and of
    centimetres; ``soft`` says whether random contrast may give it any value (air, lung and bone
    keep theirs).
    """

    name: str
    label: int
    hu: tuple[Range, Range, Range, Range]
    fine: float = 3.0
    coarse: float = 2.0
    soft: bool = True


def _row(
    name: str,
    label: str | None,
    *hu: Range,
    fine: float = 3.0,
    coarse: float = 2.0,
    soft: bool = True,
) -> Tissue:
    index = BACKGROUND if label is None else label_index(label)
    ranges = hu if len(hu) == 4 else (hu[0],) * 4
    return Tissue(name, index, (ranges[0], ranges[1], ranges[2], ranges[3]), fine, coarse, soft)


TISSUES: tuple[Tissue, ...] = (
    _row("air", None, (-1010, -990), fine=0.0, coarse=0.0, soft=False),
    _row("skin", None, (20, 60)),
    _row("fat", None, (-112, -92), fine=6.0, coarse=5.0),
    _row("visceral_fat", None, (-110, -85), fine=9.0, coarse=6.0),
    _row("muscle", None, (48, 58), (52, 64), (56, 70), (56, 70), fine=9.0, coarse=5.0),
    _row("cartilage", None, (80, 120), fine=10.0, coarse=10.0),
    _row("cortical_bone", "bone", (340, 620), fine=60.0, coarse=40.0, soft=False),
    _row("marrow", "bone", (140, 220), fine=35.0, coarse=20.0, soft=False),
    _row("disc", None, (70, 105), fine=5.0),
    _row("canal", None, (20, 45), fine=5.0),
    _row("lung", "lung", (-880, -800), fine=25.0, coarse=25.0, soft=False),
    _row("lung_vessel", "lung", (30, 45), (180, 260), (120, 160), (95, 125)),
    _row("airway", None, (-1000, -960), fine=0.0, coarse=0.0, soft=False),
    _row("myocardium", None, (38, 52), (95, 135), (100, 130), (80, 105)),
    _row("left_heart", None, (36, 50), (330, 380), (150, 172), (100, 130), coarse=4.0),
    _row("right_heart", None, (36, 50), (200, 290), (145, 170), (100, 130), coarse=8.0),
    _row("liver", "liver", (50, 70), (65, 95), (110, 130), (85, 105), fine=3.0, coarse=4.0),
    _row("spleen", "spleen", (40, 60), (155, 175), (117, 138), (92, 108)),
    _row("spleen_band", "spleen", (40, 60), (115, 140), (115, 137), (91, 107)),
    _row("right_cortex", "right_kidney", (30, 50), (160, 210), (175, 205), (125, 165)),
    _row("right_medulla", "right_kidney", (30, 48), (52, 85), (165, 200), (130, 168)),
    _row("left_cortex", "left_kidney", (30, 50), (160, 210), (175, 205), (125, 165)),
    _row("left_medulla", "left_kidney", (30, 48), (52, 85), (165, 200), (130, 168)),
    _row("renal_pelvis", None, (0, 15), (0, 15), (5, 60), (320, 700)),
    _row("aorta", "aorta", (35, 50), (342, 378), (156, 169), (102, 128)),
    _row("artery", None, (35, 50), (300, 370), (145, 168), (98, 126)),
    _row("calcification", None, (350, 900), fine=30.0, soft=False),
    _row("vena_cava", "inferior_vena_cava", (35, 50), (120, 190), (115, 165), (102, 128)),
    _row("vena_cava_low", "inferior_vena_cava", (35, 50), (41, 59), (102, 150), (100, 126)),
    _row("vein", None, (35, 50), (100, 170), (140, 170), (100, 128)),
    _row("vein_low", None, (35, 50), (42, 60), (100, 150), (98, 125)),
    _row("portal_vein", "portal_vein", (35, 50), (118, 147), (155, 186), (103, 128)),
    _row("portal_branch", "liver", (35, 50), (118, 147), (155, 186), (103, 128)),
    _row("hepatic_vein", "hepatic_vein", (35, 50), (66, 94), (144, 178), (102, 128)),
    _row("hepatic_branch", "liver", (35, 50), (66, 94), (144, 178), (102, 128)),
    _row("hepatic_artery", "liver", (35, 50), (250, 340), (140, 165), (98, 125)),
    _row("bile", "gallbladder", (2, 18), (2, 18), (2, 18), (2, 20)),
    _row("gallbladder_wall", "gallbladder", (25, 40), (45, 80), (60, 95), (55, 85)),
    _row("stomach_wall", "stomach", (32, 48), (65, 115), (75, 115), (60, 90)),
    _row("bowel_wall", None, (30, 46), (55, 110), (75, 120), (60, 90)),
    _row("pancreas", "pancreas", (31, 49), (102, 128), (82, 108), (67, 88), fine=8.0, coarse=6.0),
    _row("adrenal", None, (15, 40), (50, 90), (60, 95), (45, 75)),
    _row("node", None, (30, 45), (55, 80), (70, 100), (65, 90)),
    _row("ascites", None, (0, 22)),
    _row("table", None, (-950, -500), fine=5.0, soft=False),
    _row("table_shell", None, (-150, 80), fine=5.0, soft=False),
)

LESION_TISSUES: dict[str, Tissue] = {
    tissue.name: tissue
    for tissue in (
        _row("cyst", "lesion", (0, 18), fine=2.0),
        _row("hcc", "lesion", (32, 58), (98, 142), (84, 112), (68, 86), fine=7.0, coarse=8.0),
        _row("hcc_capsule", "lesion", (36, 56), (65, 92), (100, 128), (104, 126)),
        _row("metastasis", "lesion", (30, 50), (38, 62), (50, 80), (60, 85), fine=6.0, coarse=6.0),
        _row("metastasis_rim", "lesion", (32, 52), (86, 122), (72, 104), (70, 92)),
        _row("haemangioma", "lesion", (35, 50), (42, 66), (70, 105), (95, 122)),
        _row("haemangioma_nodule", "lesion", (35, 50), (210, 330), (150, 170), (104, 126)),
        _row("necrosis", "lesion", (8, 28), (8, 30), (10, 34), (12, 36), fine=5.0),
    )
}

CONTENT_TISSUES: dict[str, Tissue] = {
    tissue.name: tissue
    for tissue in (
        _row("gas", None, (-990, -900), fine=4.0, coarse=0.0, soft=False),
        _row("fluid", None, (0, 30), fine=4.0),
        _row("food", None, (20, 80), fine=25.0, coarse=25.0),
        _row("faeces", None, (-60, 70), fine=90.0, coarse=50.0),
        _row("oral_contrast", None, (180, 420), fine=10.0, coarse=20.0),
    )
}

_INDEX = {tissue.name: index for index, tissue in enumerate(TISSUES)}


def tissue_index(name: str) -> int:
    """Position of a base tissue in ``TISSUES``; raises ``KeyError`` for an unknown name."""
    return _INDEX[name]
