"""From tissues to attenuation: injection physiology, or anything at all."""

import torch
from torch import Tensor

from jssr.labels import Phase
from jssr.phantom.draw import Draw
from jssr.phantom.gut import Filling
from jssr.phantom.patient import Patient
from jssr.phantom.tissues import TISSUES, Tissue

PHASES = tuple(Phase)
TIMING_SLOPE = 0.045
UPTAKE_SD = 0.08
BLOOD_UPTAKE_SD = 0.04
"""Blood carries the dose itself; what it shows varies less than what tissues take up of it."""
LIVER_WITHOUT_FAT_HU = 3.0
"""How much brighter than the table's ranges a liver without fat is: those are of all patients, and
fatty livers lower their mean by about as much."""

SHARES_VALUE_WITH = {
    "artery": "aorta",
    "left_heart": "aorta",
    "vein": "vena_cava",
    "vein_low": "vena_cava_low",
    "portal_branch": "portal_vein",
    "hepatic_branch": "hepatic_vein",
    "left_cortex": "cortex",
    "right_cortex": "cortex",
    "left_medulla": "medulla",
    "right_medulla": "medulla",
    "visceral_fat": "fat",
    "bowel_wall": "stomach_wall",
}
"""Tissues that share another's random value: the same blood, or the same kind of tissue."""
BLOOD = ("aorta", "vena_cava", "vena_cava_low", "portal_vein", "hepatic_vein", "right_heart")


def _group_numbers(tissues: tuple[Tissue, ...]) -> Tensor:
    """For each tissue the number of the random value it shares with others of its kind.

    Lesion parts and contents of the gut each have their own.
    """
    names: dict[str, int] = {}
    numbers = []
    for index, tissue in enumerate(tissues):
        key = SHARES_VALUE_WITH.get(tissue.name, tissue.name)
        key = key if index < len(TISSUES) else f"{key}/{index}"
        numbers.append(names.setdefault(key, len(names)))
    return torch.tensor(numbers)


def _ranges(tissues: tuple[Tissue, ...]) -> tuple[Tensor, Tensor]:
    """Middle and half width of every range, (tissues, phases)."""
    table = torch.tensor([tissue.hu for tissue in tissues], dtype=torch.float32)
    return table.mean(2), 0.5 * (table[..., 1] - table[..., 0])


def _uptake_sd(tissues: tuple[Tissue, ...]) -> Tensor:
    """How much the uptake of each tissue varies between patients, as a fraction, (tissues,)."""
    kinds = [SHARES_VALUE_WITH.get(tissue.name, tissue.name) for tissue in tissues]
    return torch.tensor([BLOOD_UPTAKE_SD if kind in BLOOD else UPTAKE_SD for kind in kinds])


def physiological_values(
    tissues: tuple[Tissue, ...], common: Draw, own: Draw, phase: Phase
) -> Tensor:
    """HU of every tissue in a phase, (tissues,).

    ``common`` gives what belongs to the patient in all phases (unenhanced tissue, the dose for
    the patient's size, how strongly each tissue takes it up), ``own`` what belongs to this scan
    (its timing). Late or early timing moves every tissue towards the neighbouring phase.
    """
    middle, half = _ranges(tissues)
    groups = _group_numbers(tissues)
    number = PHASES.index(phase)
    dose = 1.0 + common.normal(0.0, 0.10)
    fatty = common.chance(0.2) * common.uniform(5.0, 35.0)
    native = common.normals(len(tissues))[groups].clamp(-2, 2) * half[:, 0] * 0.7
    uptake = common.normals(len(tissues))[groups].clamp(-2, 2) * _uptake_sd(tissues)
    scan = own.normals(len(tissues))[groups].clamp(-2, 2) * half[:, number] * 0.35
    enhancement = (middle[:, number] - middle[:, 0]) * (dose + uptake)
    values = middle[:, 0] + native + enhancement + scan
    if phase is not Phase.NON_CONTRAST:
        later = middle[:, min(number + 1, 3)] - middle[:, number - 1]
        values = values + TIMING_SLOPE * own.normal(0.0, 1.0, 2.0) * later
    lowered = torch.tensor([tissue.name == "liver" for tissue in tissues])
    return torch.where(lowered, values - fatty + LIVER_WITHOUT_FAT_HU, values)


def random_values(tissues: tuple[Tissue, ...], draw: Draw) -> Tensor:
    """HU of every tissue drawn without regard to what it is, (tissues,).

    Soft tissues lie anywhere in a range of random centre and width; air, lung and bone mostly
    keep their looks, since every scanner shows them alike.
    """
    groups = _group_numbers(tissues)
    middle, _ = _ranges(tissues)
    spread = draw.uniform(40.0, 260.0)
    center = draw.uniform(-40.0, 120.0)
    values = center + spread * (draw.uniforms(len(tissues))[groups] - 0.5) * 2.0
    fixed = middle[:, 0] + 0.15 * middle[:, 0].abs() * draw.normals(len(tissues))[groups]
    soft = torch.tensor([tissue.soft for tissue in tissues])
    if draw.chance(0.15):
        soft = soft | (draw.uniforms(len(tissues))[groups] < 0.3)
    if draw.chance(0.4):
        fat = torch.tensor(["fat" in tissue.name for tissue in tissues])
        soft = soft & ~fat
    values = torch.where(soft, values, fixed)
    air = torch.tensor([tissue.name == "air" for tissue in tissues])
    return torch.where(air, middle[:, 0], values).clamp(-1010.0, 900.0)


def refill(
    values: Tensor, tissues: tuple[Tissue, ...], fillings: tuple[Filling, ...], draw: Draw
) -> tuple[Tensor, Tensor]:
    """New contents of the gut for one scan: gas comes and goes, contents change.

    Returns the values with those of the contents replaced, and which entries are contents.
    """
    values = values.clone()
    contents = torch.zeros(len(tissues), dtype=torch.bool)
    for filling in fillings:
        lower = draw.choice([15.0, 45.0, -20.0, 280.0], [0.4, 0.4, 0.12, 0.08])
        if draw.chance(0.5):
            lower = float(values[filling.lower])
        lower += draw.normal(0.0, 10.0)
        values[filling.lower] = lower
        values[filling.gas] = draw.normal(-950.0, 15.0) if draw.chance(0.65) else lower
        contents[[filling.gas, filling.lower]] = True
    return values, contents


def paint_hu(patient: Patient, values: list[Tensor], texture: float) -> list[Tensor]:
    """The reference anatomy in HU, (z, y, x) float32 on the patient's padded grid.

    Args:
        values: for each picture the HU of each entry of the patient's tissues.
        texture: scale of the texture inside the tissues, the same in all; 0 leaves them flat.
    """
    device = patient.device
    first = patient.first.flatten().to(torch.int32)
    second = patient.second.flatten().to(torch.int32)
    share = patient.share.flatten()
    grain = torch.zeros(first.shape, device=device)
    if texture > 0:
        for row, name in enumerate(("fine", "coarse")):
            scale = [texture * getattr(tissue, name) for tissue in patient.tissues]
            amplitude = torch.tensor(scale, device=device).index_select(0, first)
            grain.add_(amplitude.mul_(patient.texture[row].flatten()))
    pictures = []
    for table in values:
        lower = table.to(device).index_select(0, second)
        painted = table.to(device).index_select(0, first).sub_(lower)
        painted.mul_(share).add_(lower).add_(grain)
        pictures.append(painted.view(patient.first.shape).clamp_(min=-1024.0))
    return pictures
