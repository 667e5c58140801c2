"""Spine, ribs, breastbone and pelvis."""

import math

import torch
from torch import Tensor

from jssr.phantom.canvas import Box
from jssr.phantom.geometry import ellipsoid, smooth_max, smooth_min, spline_table
from jssr.phantom.scene import Scene
from jssr.phantom.torso import LEVELS, TABLE_START, TABLE_STEP, TABLE_STOP
from jssr.phantom.tubes import Tubes, curve


def paint_skeleton(scene: Scene) -> None:
    """Paint every bone over the trunk."""
    _paint_spine(scene)
    _paint_ribs(scene)
    _paint_pelvis(scene)


def _paint_bone(scene: Scene, distance: Tensor, box: Box, cortex: float) -> None:
    scene.paint("cortical_bone", distance, box)
    scene.paint("marrow", distance + cortex, box)


def _paint_spine(scene: Scene) -> None:
    draw = scene.draw("spine")
    box = scene.box([0.0, 60.0, 0.0], [75.0, 75.0, 400.0])
    if box is None:
        return
    x, y, z = scene.points[(slice(None), *box)]
    center_x, center_y = scene.torso.spine_center(z)
    x, y = x - center_x, y - center_y
    pitch = draw.normal(34.0, 1.5)
    along = (z / pitch - (z / pitch).round()) * pitch
    size = draw.normal(1.0, 0.06) * (1.04 - 0.0008 * z).clamp(0.8, 1.2)
    waist = 1.0 - 0.10 * torch.cos(along * (math.pi / pitch)).square()
    across = ((x / 23.0).square() + (y / 17.0).square()).sqrt() / (size * waist)
    body = (across - 1.0) * 17.0
    vertebra = smooth_max(body, along.abs() - (0.5 * pitch - 4.0), 3.0)
    canal_y = y - 26.0 * size
    canal = ((x / 10.5).square() + (canal_y / 8.5).square()).sqrt().sub(1.0) * 8.5
    ring = smooth_max(canal - 5.5, (along + 2.0).abs() - 0.33 * pitch, 3.0)
    transverse = torch.maximum(
        (((y - 24.0 * size).square() + along.square()).sqrt() - 5.0), x.abs() - 40.0
    )
    spinous = torch.maximum(
        smooth_max(x.abs() - 3.5, (along + 7.0 + 0.25 * (y - 45.0)).abs() - 9.0, 3.0),
        smooth_max(y - 68.0 * size, 34.0 - y, 4.0),
    )
    posterior = smooth_min(smooth_min(ring, transverse, 4.0), spinous, 4.0)
    scene.paint("disc", body + 0.5, box)
    _paint_bone(scene, posterior, box, 1.8)
    _paint_bone(scene, vertebra, box, 1.1)
    scene.paint("canal", canal, box)


def _wall_point(scene: Scene, side: float, part: float, z: float, out: float) -> list[float]:
    """Point ``out`` mm outside the inner wall; ``part`` runs from the back (0) to the front (1)."""
    torso = scene.torso
    index = int((z - TABLE_START) / TABLE_STEP)
    tables = (torso.half_width, torso.half_depth, torso.depth_center)
    width, depth, middle = (
        float(spline_table(LEVELS, values, TABLE_START, TABLE_STOP, TABLE_STEP)[index])
        for values in tables
    )
    angle = math.pi * part
    power = 2.0 / torso.squareness
    sine, cosine = math.sin(angle), math.cos(angle)
    return [
        side * (width + out) * sine**power,
        middle + (depth + out) * math.copysign(abs(cosine) ** power, cosine),
        z,
    ]


def _rib(
    scene: Scene, side: float, number: int, height: float, drop: float
) -> tuple[Tubes, Tubes | None]:
    """Bony part and cartilage of one rib whose head lies at the level ``height``."""
    end = {12: 0.30, 11: 0.42}.get(number, 0.66)
    parts = [0.14 + (end - 0.14) * step / 7 for step in range(8)]
    points = [_wall_point(scene, side, p, height - drop * (p - 0.1) / 0.6, 5.0) for p in parts]
    _, spine_y = scene.torso.spine_center(torch.tensor([height]))
    head = [[side * 24.0, float(spine_y) + 16.0, height + 3.0]]
    radii = [5.0] + [5.2] * 7 + [4.6]
    bone = curve(head + points, radii)
    if number > 10:
        return bone, None
    rise = {10: 5.0, 9: 18.0, 8: 32.0}.get(number, 40.0)
    last = {10: 0.76, 9: 0.82, 8: 0.88}.get(number, 0.95)
    low = points[-1][2]
    steps = [end + (last - end) * k / 4 for k in range(5)]
    line = [
        _wall_point(scene, side, p, low + rise * (k / 4) ** 2, 5.0) for k, p in enumerate(steps)
    ]
    return bone, curve(line, [4.6] * 5)


def _paint_ribs(scene: Scene) -> None:
    draw = scene.draw("ribs")
    drop = draw.normal(72.0, 12.0)
    first = draw.normal(34.0, 4.0)
    bones: Tubes | None = None
    cartilages: Tubes | None = None
    for side in (-1.0, 1.0):
        for number in range(12, 3, -1):
            height = first + (12 - number) * 27.0
            bone, cartilage = _rib(scene, side, number, height, drop)
            bones = bone if bones is None else bones + bone
            if cartilage is not None:
                cartilages = cartilage if cartilages is None else cartilages + cartilage
    if cartilages is not None:
        scene.paint_tubes("cartilage", cartilages)
    if bones is not None:
        scene.paint_tubes("cortical_bone", bones)
        scene.paint_tubes("marrow", bones.grown(-1.8))
    _paint_breastbone(scene)


def _paint_breastbone(scene: Scene) -> None:
    tip = scene.draw("breastbone").normal(78.0, 8.0)
    levels = [tip, tip + 20.0, tip + 60.0, tip + 110.0]
    line = [_wall_point(scene, 0.0, 1.0, level, 6.0) for level in levels]
    left = curve([[-6.0, y, z] for _, y, z in line], [3.0, 6.0, 6.5, 6.5])
    right = curve([[6.0, y, z] for _, y, z in line], [3.0, 6.0, 6.5, 6.5])
    scene.paint_tubes("cortical_bone", left + right)
    scene.paint_tubes("marrow", (left + right).grown(-1.5))


def _paint_pelvis(scene: Scene) -> None:
    draw = scene.draw("pelvis")
    top = draw.normal(-120.0, 8.0)
    width = draw.normal(1.0, 0.06)
    box = scene.box([0.0, 30.0, top - 110.0], [190.0, 120.0, 125.0])
    if box is None:
        return
    points = scene.points[(slice(None), *box)]
    x, y, z = points
    for side in (-1.0, 1.0):
        shell = ellipsoid(points, [side * 62.0 * width, 25.0, top - 95.0], [72.0, 62.0, 95.0])
        plate = smooth_max(shell.abs() - 5.0, 42.0 - side * x, 4.0)
        wing = smooth_max(plate, -10.0 - y - 0.5 * (z - top + 60.0).clamp(max=0.0), 5.0)
        _paint_bone(scene, wing, box, 1.8)
    sacrum = ellipsoid(points, [0.0, 62.0, top - 95.0], [52.0, 24.0, 55.0])
    _paint_bone(scene, sacrum, box, 2.0)
