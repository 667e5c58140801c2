"""Cysts, hepatocellular carcinomas, metastases and haemangiomas of the liver."""

import math
from dataclasses import dataclass

import torch

from jssr.phantom.draw import Draw
from jssr.phantom.geometry import ellipsoid, rotation
from jssr.phantom.scene import Scene
from jssr.phantom.trees import points_inside
from jssr.phantom.viscera import LIVER_HIGH, LIVER_LOW, Liver

KINDS = {"cyst": 0.3, "hcc": 0.25, "metastasis": 0.3, "haemangioma": 0.15}


@dataclass(frozen=True)
class Lesion:
    """One focal lesion: its kind, its middle in the scan's world (x, y, z) and mean radius, mm."""

    kind: str
    center_mm: tuple[float, float, float]
    radius_mm: float


def paint_lesions(scene: Scene, liver: Liver, count: int | None) -> tuple[Lesion, ...]:
    """Paint ``count`` lesions (None draws it) into the liver and list them."""
    draw = scene.draw("lesions")
    number = draw.choice([0, 1, 2, 4, 8], [0.15, 0.3, 0.25, 0.2, 0.1]) if count is None else count
    centers = points_inside(
        draw,
        lambda points: liver.distance(points, scene.torso),
        LIVER_LOW,
        LIVER_HIGH,
        number,
        7.0,
    )
    same = draw.choice(list(KINDS), list(KINDS.values())) if draw.chance(0.5) else None
    lesions = []
    for center in centers:
        kind = same or draw.choice(list(KINDS), list(KINDS.values()))
        radius = 3.0 + 22.0 * draw.uniform() ** 2.2
        lesion = _paint_lesion(scene, draw, liver, kind, center.tolist(), radius)
        if lesion is not None:
            lesions.append(lesion)
    return tuple(lesions)


def _paint_lesion(
    scene: Scene, draw: Draw, liver: Liver, kind: str, center: list[float], radius: float
) -> Lesion | None:
    box = scene.box(center, [2.2 * radius + 8.0] * 3)
    if box is None:
        return None
    points = scene.points[(slice(None), *box)]
    turn = rotation(draw.uniform(0, 180), draw.uniform(0, 180), draw.uniform(0, 180))
    radii = [radius * draw.uniform(0.8, 1.2) for _ in range(3)]
    distance = ellipsoid(points, center, radii, turn)
    rough = {"cyst": 0.03, "hcc": 0.10, "metastasis": 0.16, "haemangioma": 0.12}[kind]
    distance = distance + rough * radius * scene.roughness(draw, box, 1.6 * radius + 4.0)
    space = liver.distance(points, scene.torso)
    distance = torch.maximum(distance, space + 1.5)
    if not bool((distance < -0.5 * scene.frame.spacing_mm).any()):
        return None
    if kind == "hcc" and draw.chance(0.6):
        scene.paint(scene.add_tissue("hcc_capsule"), distance - draw.uniform(0.8, 1.8), box)
    if kind == "metastasis":
        scene.paint(scene.add_tissue("metastasis_rim"), distance, box)
        distance = distance + draw.uniform(0.8, 0.35 * radius)
    scene.paint(scene.add_tissue(kind), distance, box)
    if kind == "haemangioma":
        nodules = scene.roughness(draw, box, 0.8 * radius + 3.0) - 0.35
        edge = distance.abs() - 0.25 * radius
        inner = torch.maximum(torch.maximum(distance, edge), nodules * -2.0)
        scene.paint(scene.add_tissue("haemangioma_nodule"), inner, box)
    if kind in ("hcc", "metastasis") and radius > 10.0 and draw.chance(0.4):
        scene.paint(scene.add_tissue("necrosis"), distance + draw.uniform(0.4, 0.7) * radius, box)
    place = scene.frame.to_physical(torch.tensor([center]))[0].tolist()
    # The radii are of the average body; the frame's matrix leads from the world to it.
    shrinkage = float(torch.linalg.det(scene.frame.matrix))
    mean = (math.prod(radii) / shrinkage) ** (1.0 / 3.0)
    return Lesion(kind, (place[0], place[1], place[2]), mean)
