"""Stomach, duodenum, colon and small bowel with walls, gas, fluid and contents."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from jssr.labels import label_index
from jssr.phantom.canvas import Box
from jssr.phantom.draw import Draw
from jssr.phantom.geometry import smooth_max
from jssr.phantom.pancreas import Pancreas
from jssr.phantom.scene import Scene
from jssr.phantom.tubes import Tubes, curve


@dataclass(frozen=True)
class Filling:
    """Contents of one piece of gut: gas above (in front), something else below.

    The numbers are entries of the patient's tissue list, whose values may change between scans.
    """

    gas: int
    lower: int


def paint_gut(scene: Scene) -> list[Filling]:
    """Paint all of the gut; returns the fillings, which a later scan may change."""
    fillings = _paint_colon(scene)
    fillings += _paint_small_bowel(scene)
    return fillings


def _new_filling(scene: Scene, draw: Draw, choices: dict[str, float], label: int = 0) -> Filling:
    lower = draw.choice(list(choices), list(choices.values()))
    return Filling(scene.add_tissue("gas", label), scene.add_tissue(lower, label))


def _paint_hollow(
    scene: Scene,
    wall: str,
    distance: Tensor,
    box: Box,
    thickness: float,
    filling: Filling,
    level_y: Tensor | float,
) -> None:
    """Paint a wall, its contents and the gas that lies in front of y = ``level_y``."""
    scene.paint(wall, distance, box)
    inner = distance + thickness
    scene.paint(filling.lower, inner, box)
    y = scene.points[1][box]
    scene.paint(filling.gas, torch.maximum(inner, y - level_y), box)


def paint_stomach(scene: Scene, pancreas: Pancreas) -> list[Filling]:
    """Paint duodenum and stomach, which lies in front of and above the pancreas."""
    draw = scene.draw("stomach")
    fill = draw.uniform(0.55, 1.15)
    line = [
        [draw.normal(48.0, 8.0), draw.normal(26.0, 8.0), draw.normal(72.0, 8.0)],
        [draw.normal(62.0, 8.0), draw.normal(-5.0, 8.0), draw.normal(52.0, 8.0)],
        [draw.normal(58.0, 9.0), draw.normal(-42.0, 8.0), draw.normal(20.0, 10.0)],
        [draw.normal(30.0, 9.0), draw.normal(-58.0, 6.0), draw.normal(-10.0, 14.0)],
        [draw.normal(-5.0, 7.0), draw.normal(-54.0, 6.0), draw.normal(0.0, 10.0)],
        [-27.0, draw.normal(-42.0, 5.0), draw.normal(6.0, 6.0)],
    ]
    radii = [34.0 * fill, 36.0 * fill, 29.0 * fill, 22.0 * fill, 15.0 * fill + 3.0, 8.0]
    filling = _new_filling(
        scene, draw, {"fluid": 0.45, "food": 0.4, "oral_contrast": 0.15}, label_index("stomach")
    )
    duodenum = [
        [-27.0, -42.0, 6.0],
        [-42.0, -28.0, 0.0],
        [-46.0, -8.0, -22.0],
        [-38.0, -2.0, -48.0],
        [-5.0, 2.0, -54.0],
        [24.0, -2.0, -36.0],
    ]
    size = draw.uniform(7.0, 13.0)
    second = _new_filling(scene, draw, {"fluid": 0.7, "food": 0.2, "oral_contrast": 0.1})
    _paint_tube_gut(scene, draw, curve(duodenum, [size] * 6), second, draw.uniform(2.0, 3.0))
    drawn = scene.tube_distance(curve(line, radii), 12.0)
    if drawn is None:
        return [filling, second]
    distance, box = drawn
    distance = distance + draw.uniform(0.5, 2.5) * scene.roughness(draw, box, 40.0)
    distance = smooth_max(distance, scene.trunk(box).abdomen + draw.uniform(1.0, 3.0), 8.0)
    bed = pancreas.bed(scene.points[(slice(None), *box)], 3.0)
    distance = smooth_max(distance, -bed, 8.0)
    scene.paint("visceral_fat", distance - draw.uniform(0.5, 3.0), box)
    level = draw.uniform(-70.0, 20.0)
    thickness = draw.uniform(2.5, 6.0)
    _paint_hollow(scene, "stomach_wall", distance, box, thickness, filling, level)
    return [filling, second]


def _paint_tube_gut(
    scene: Scene, draw: Draw, tubes: Tubes, filling: Filling, thickness: float
) -> None:
    drawn = scene.tube_distance(tubes, 6.0)
    if drawn is None:
        return
    distance, box = drawn
    distance = distance + draw.uniform(0.6, 1.6) * scene.roughness(draw, box, 15.0)
    distance = smooth_max(distance, scene.trunk(box).abdomen + 2.0, 4.0)
    scene.paint("visceral_fat", distance - draw.uniform(0.5, 2.0), box)
    middle = float(0.5 * (tubes.starts[:, 1].amin() + tubes.starts[:, 1].amax()))
    bend = 6.0 * scene.roughness(draw, box, 60.0)
    level = bend + middle + draw.normal(-4.0, 14.0)
    _paint_hollow(scene, "bowel_wall", distance, box, thickness, filling, level)


def _haustra(points: list[list[float]], radius: float, draw: Draw) -> Tubes:
    tubes = curve(points, [radius] * len(points), pieces=7)
    wave = torch.arange(len(tubes.start_radii) + 1) * draw.uniform(1.3, 1.9)
    factor = 1.0 + 0.16 * torch.sin(wave)
    return Tubes(
        tubes.starts, tubes.ends, tubes.start_radii * factor[:-1], tubes.end_radii * factor[1:]
    )


def _paint_colon(scene: Scene) -> list[Filling]:
    draw = scene.draw("colon")
    sag = draw.uniform(10.0, 70.0)
    width = scene.torso.half_width[3] - 24.0
    right_top, left_top = draw.normal(-36.0, 12.0), draw.normal(28.0, 14.0)
    front = scene.torso.depth_center[3] - scene.torso.half_depth[3] + 24.0
    pieces = (
        [
            [-width, 30.0, -170.0],
            [-width, 28.0, -130.0],
            [-width, 24.0, -95.0],
            [-width + 8, 8.0, right_top],
        ],
        [
            [-width + 8, 0.0, right_top],
            [-62.0, front + 8, right_top - 0.3 * sag],
            [-15.0, front, right_top - 0.6 * sag],
            [35.0, front + 2, right_top + 14 - 0.4 * sag],
            [76.0, front + 28, 0.6 * left_top - 14],
            [width - 10, 8.0, left_top],
        ],
        [
            [width - 8, 18.0, left_top],
            [width - 4, 34.0, -20.0],
            [width, 36.0, -70.0],
            [width - 4, 32.0, -120.0],
            [width - 24, 20.0, -165.0],
        ],
    )
    fillings = []
    for number, points in enumerate(pieces):
        choices = {"faeces": 0.6, "fluid": 0.2, "food": 0.1, "oral_contrast": 0.1}
        filling = _new_filling(scene, draw, choices)
        radius = draw.uniform(14.0, 25.0) * (0.75 if number == 2 else 1.0)
        jittered = [
            [x + draw.normal(0, 4), y + draw.normal(0, 4), z + draw.normal(0, 5)]
            for x, y, z in points
        ]
        _paint_tube_gut(
            scene, draw, _haustra(jittered, radius, draw), filling, draw.uniform(1.6, 3.0)
        )
        fillings.append(filling)
    return fillings


def _paint_small_bowel(scene: Scene) -> list[Filling]:
    draw = scene.draw("small bowel")
    fillings = []
    top = draw.normal(-10.0, 14.0)
    for _ in range(draw.integer(24, 54)):
        choices = {"fluid": 0.55, "food": 0.3, "oral_contrast": 0.15}
        filling = _new_filling(scene, draw, choices)
        line = _bowel_loop(scene, draw, top)
        tubes = curve(line, [draw.uniform(7.0, 13.0)] * len(line))
        _paint_tube_gut(scene, draw, tubes, filling, draw.uniform(1.5, 2.8))
        fillings.append(filling)
    return fillings


def _bowel_loop(scene: Scene, draw: Draw, top: float) -> list[list[float]]:
    """A winding way, mostly in a frontal plane, below the level ``top``."""
    torso = scene.torso
    front, back = torso.depth_center[3] - torso.half_depth[3] + 14.0, 20.0
    side = torso.half_width[3] - 44.0
    x, y, z = draw.uniform(-side, side), draw.uniform(front, back), draw.uniform(-165.0, top)
    heading = draw.uniform(0.0, 2.0 * math.pi)
    line = []
    for _ in range(draw.integer(6, 11)):
        line.append([x, y, z])
        heading += draw.normal(0.0, 1.0)
        x = max(-side, min(side, x + 24.0 * math.cos(heading)))
        y = max(front, min(back, y + draw.normal(0.0, 9.0)))
        z = max(-180.0, min(top, z + 20.0 * math.sin(heading)))
    return line
