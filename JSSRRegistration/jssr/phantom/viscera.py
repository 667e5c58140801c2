"""Liver, gallbladder, spleen, kidneys, adrenals and heart."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from jssr.phantom.canvas import Box
from jssr.phantom.draw import Draw
from jssr.phantom.geometry import ellipsoid, rotation, smooth_max
from jssr.phantom.scene import Scene
from jssr.phantom.torso import Torso, Trunk
from jssr.phantom.tubes import curve

LIVER_LOW, LIVER_HIGH = [-165.0, -125.0, -130.0], [125.0, 100.0, 135.0]
LIVER_EXTENT = torch.tensor(LIVER_HIGH) - torch.tensor(LIVER_LOW)
VISCERA_BOX = ([0.0, 0.0, 30.0], [175.0, 150.0, 170.0])


@dataclass(frozen=True)
class Liver:
    """Measures of one liver, mm: its lower surface, its left edge, clefts and gap to the wall.

    ``waves`` are plane waves (rate along x, y, z in 1/mm, phase, height in mm) that bend the free
    surfaces.
    """

    tip_z: float
    slope: float
    tilt: float
    bow: float
    left_front: float
    left_back: float
    turn_y: float
    gap: float
    blend: float
    fissure_x: float
    fissure_depth: float
    fissure_width: float
    cleft: float
    waves: tuple[tuple[float, float, float, float, float], ...]

    def low_surface(self, x: Tensor, y: Tensor) -> Tensor:
        """z of the visceral surface."""
        side = (x + 105.0).clamp(min=-30.0)
        return (
            self.tip_z
            + self.slope * side
            + self.tilt * (y + 20.0)
            + self.bow * ((x + 30.0) / 60.0).square().clamp(max=3.0)
        )

    def distance(self, points: Tensor, torso: Torso) -> Tensor:
        """Signed distance (mm, about) to the liver at points (3, ...)."""
        x, y, z = points
        trunk = Trunk(torso, points)
        body = smooth_max(trunk.wall, -trunk.spine - 2.0, 10.0)
        body = smooth_max(body, trunk.above_diaphragm + 2.0, 5.0) + self.gap
        steep = (1.0 + self.slope**2 + self.tilt**2) ** 0.5
        low = (self.low_surface(x, y) - z) / steep
        edge = self.left_back + (self.left_front - self.left_back) * torch.sigmoid(
            (self.turn_y - y) / 13.0
        )
        edge = x - edge - 0.10 * (z - 60.0)
        for rate_x, rate_y, rate_z, phase, height in self.waves:
            wave = torch.sin(rate_x * x + rate_y * y + rate_z * z + phase) * height
            low = low + wave
            edge = edge + 1.5 * wave
        return smooth_max(smooth_max(body, low, self.blend), edge, 0.7 * self.blend)

    def fissures(self, points: Tensor) -> Tensor:
        """Signed distance to the fat of the fissures for the round and the venous ligament."""
        x, y, z = points
        above = z - self.low_surface(x, y)
        round_one = torch.maximum(
            (x - self.fissure_x - 0.12 * (y + 60.0)).abs() - self.fissure_width,
            torch.maximum(above - self.fissure_depth, y + 25.0),
        )
        venous = torch.maximum(
            (y + 22.0 - 0.35 * (x - self.fissure_x)).abs() - 0.8 * self.fissure_width,
            torch.maximum(above - self.fissure_depth - 15.0, self.fissure_x - 2.0 - x),
        )
        return torch.minimum(round_one, venous) if self.cleft > 0.3 else round_one


def draw_liver(draw: Draw, torso: Torso, enlargement: float) -> Liver:
    """Draw a liver between small and Riedel's lobe, with or without a long left lobe.

    Its lower surface is moved until the volume is one drawn between 0.9 and 2.2 litres;
    ``enlargement`` is how much larger this patient is than the body coordinates.
    """
    girth = torso.half_width[4] * torso.half_depth[4] / (139.0 * 92.0)
    litres = min(2.15, max(0.95, draw.normal(1.6, 0.33) * girth**0.7))
    volume_mm3 = 1e6 * litres / enlargement
    samples = torch.tensor(LIVER_LOW) + draw.uniforms(6000, 3) * LIVER_EXTENT
    return _fitted(_free_liver(draw), torso, samples.T.contiguous(), volume_mm3)


def _fitted(liver: Liver, torso: Torso, samples: Tensor, volume_mm3: float) -> Liver:
    """The liver grown or shrunk at its free surfaces to a volume, by bisection on ``samples``.

    The middle gives way more than the right tip, which stays by the kidney.
    """
    least, most = -90.0, 130.0
    fitted = liver
    for _ in range(10):
        step = 0.5 * (least + most)
        fitted = replace(
            liver,
            tip_z=liver.tip_z + 0.55 * step,
            slope=min(1.0, liver.slope + 0.004 * step),
            left_front=max(20.0, liver.left_front - 0.2 * step),
        )
        share = (fitted.distance(samples, torso) < 0).float().mean()
        if float(share * LIVER_EXTENT.prod()) > volume_mm3:
            least = step
        else:
            most = step
    return fitted


def _free_liver(draw: Draw) -> Liver:
    return Liver(
        tip_z=draw.normal(-40.0, 24.0),
        slope=draw.normal(0.60, 0.13),
        tilt=draw.normal(0.30, 0.14),
        bow=draw.normal(0.0, 7.0),
        left_front=draw.normal(66.0, 24.0, 1.8),
        left_back=draw.normal(-10.0, 5.0),
        turn_y=draw.normal(-14.0, 7.0),
        gap=draw.uniform(0.8, 3.0),
        blend=draw.uniform(16.0, 34.0),
        fissure_x=draw.normal(-10.0, 7.0),
        fissure_depth=draw.uniform(8.0, 34.0),
        fissure_width=draw.uniform(0.4, 2.6),
        cleft=draw.uniform(),
        waves=tuple(_draw_wave(draw) for _ in range(5)),
    )


def _draw_wave(draw: Draw) -> tuple[float, float, float, float, float]:
    direction = draw.normals(3)
    direction = direction / direction.norm().clamp(min=1e-3)
    wavelength = draw.uniform(55.0, 150.0)
    x, y, z = (direction * (2.0 * math.pi / wavelength)).tolist()
    return x, y, z, draw.uniform(0.0, 2.0 * math.pi), 0.028 * wavelength * draw.uniform(0.4, 1.6)


def paint_liver(scene: Scene, liver: Liver) -> None:
    """Paint the liver with its fissures."""
    box = scene.box(*VISCERA_BOX)
    if box is None:
        return
    distance = liver.distance(scene.points[(slice(None), *box)], scene.torso)
    rough = scene.draw("liver surface")
    amplitude = rough.choice([0.6, 1.2, 2.5], [0.6, 0.3, 0.1])
    distance = distance + amplitude * scene.roughness(rough, box, 24.0)
    scene.paint("liver", distance, box)
    points = scene.points[(slice(None), *box)]
    bent = points + 3.0 * scene.roughness(rough, box, 60.0)
    fissure = torch.maximum(liver.fissures(bent), distance - 2.0)
    scene.paint("visceral_fat", fissure, box)


def paint_gallbladder(scene: Scene, liver: Liver) -> None:
    """Paint the gallbladder into its bed below the liver; some patients have none."""
    draw = scene.draw("gallbladder")
    if draw.chance(0.12):
        return
    wide = draw.uniform(9.0, 20.0)
    radii = [wide, wide * draw.uniform(0.9, 1.1), wide * draw.uniform(1.5, 2.3)]
    bed, outward = _gallbladder_bed(draw, liver, scene.torso)
    center = (bed + draw.uniform(-0.3, 0.6) * wide * outward).tolist()
    box = scene.box(center, [60.0] * 3)
    if box is None:
        return
    # The long axis runs along the bed, its free end to the front, below and to the right.
    long = torch.tensor([draw.normal(-0.3, 0.2), draw.normal(-0.6, 0.2), -0.7])
    long = functional.normalize(long - (long @ outward) * outward, dim=0)
    turn = torch.stack([torch.linalg.cross(outward, long), outward, long], 1)
    distance = ellipsoid(scene.points[(slice(None), *box)], center, radii, turn)
    distance = smooth_max(distance, scene.trunk(box).abdomen + 4.0, 6.0)
    scene.paint("visceral_fat", distance - draw.uniform(0.0, 1.5), box)
    scene.paint("gallbladder_wall", distance, box)
    scene.paint("bile", distance + draw.choice([1.2, 3.0], [0.8, 0.2]), box)


def _gallbladder_bed(draw: Draw, liver: Liver, torso: Torso) -> tuple[Tensor, Tensor]:
    """A point of the visceral surface of the liver and the normal there, out of the liver."""
    x, y = draw.normal(-45.0, 8.0), draw.normal(-48.0, 8.0)
    levels = torch.arange(LIVER_LOW[2], LIVER_HIGH[2])
    column = torch.stack([torch.full_like(levels, x), torch.full_like(levels, y), levels])
    inside = (liver.distance(column, torso) < 0).nonzero()
    low = float(liver.low_surface(torch.tensor(x), torch.tensor(y)))
    bed = torch.tensor([x, y, float(levels[inside[0, 0]]) if len(inside) else low])
    around = torch.cat([torch.eye(3), -torch.eye(3)]) * 6.0 + bed
    ahead, behind = liver.distance(around.T.contiguous(), torso).chunk(2)
    return bed, functional.normalize(ahead - behind, dim=0)


def paint_spleen(scene: Scene) -> None:
    """Paint the spleen along the left back wall: absent, small, usual or very large."""
    draw = scene.draw("spleen")
    if draw.chance(0.03):
        return
    size = draw.choice([draw.normal(1.0, 0.1), draw.uniform(1.3, 1.7)], [0.88, 0.12])
    center = [draw.normal(104.0, 6.0), draw.normal(32.0, 8.0), draw.normal(38.0, 10.0)]
    radii = [draw.uniform(36.0, 46.0), draw.uniform(46.0, 60.0), draw.uniform(46.0, 62.0)]
    radii = [radius * size for radius in radii]
    box = scene.box(center, [110.0, 110.0, 120.0])
    if box is None:
        return
    turn = rotation(draw.normal(25.0, 12.0), draw.normal(15.0, 8.0), draw.normal(20.0, 10.0))
    points = scene.points[(slice(None), *box)]
    distance = ellipsoid(points, center, radii, turn)
    hollow = ellipsoid(points, [46.0, 4.0, 45.0], [40.0, 50.0, 74.0])
    distance = smooth_max(distance, -hollow, 12.0)
    distance = smooth_max(distance, scene.trunk(box).abdomen + draw.uniform(1.0, 4.0), 5.0)
    distance = distance + 1.2 * scene.roughness(draw, box, 35.0)
    scene.paint("visceral_fat", distance - 2.0, box)
    scene.paint("spleen", distance, box)
    bands = scene.roughness(draw, box, draw.uniform(14.0, 26.0)) - draw.uniform(-0.3, 0.4)
    scene.paint("spleen_band", torch.maximum(distance, bands * 3.5), box)


def paint_kidneys(scene: Scene) -> None:
    """Paint both kidneys in their fat, with cortex, pyramids, sinus and pelvis."""
    for side, name in ((-1.0, "right"), (1.0, "left")):
        draw = scene.draw(f"{name} kidney")
        if draw.chance(0.02):
            continue
        _paint_kidney(scene, draw, side, name)


def _paint_kidney(scene: Scene, draw: Draw, side: float, name: str) -> None:
    level = draw.normal(-30.0 if side < 0 else -16.0, 12.0)
    _, spine_y = scene.torso.spine_center(torch.tensor([level]))
    center = [side * draw.normal(66.0, 4.0), float(spine_y) + draw.normal(1.0, 4.0), level]
    size = draw.normal(1.0, 0.1)
    radii = [30.0 * size, 27.0 * size, draw.normal(56.0, 4.0) * size]
    box = scene.box(center, [65.0, 65.0, 95.0])
    if box is None:
        return
    turn = rotation(draw.normal(14.0, 5.0), side * -draw.normal(12.0, 5.0), side * 25.0)
    points = scene.points[(slice(None), *box)]
    outline = ellipsoid(points, center, radii, turn)
    axes = turn.tolist()
    inward = [-side * axes[row][0] * 24.0 * size for row in range(3)]
    sinus_center = [c + d for c, d in zip(center, inward, strict=True)]
    sinus = ellipsoid(points, sinus_center, [14.0 * size, 8.5 * size, 19.0 * size], turn)
    outline = smooth_max(outline, -sinus, 8.0) + 0.8 * scene.roughness(draw, box, 25.0)
    space = scene.trunk(box).abdomen
    outline = smooth_max(outline, space + 2.0, 6.0)
    padding = draw.uniform(2.0, 9.0) * (1.0 + 0.6 * scene.roughness(draw, box, 70.0))
    fat = smooth_max(outline - padding.clamp(min=1.0), space + 1.0, 6.0)
    scene.paint("visceral_fat", fat, box)
    scene.paint(f"{name}_cortex", outline, box)
    cells = scene.roughness(draw, box, draw.uniform(17.0, 22.0)) - 0.25
    pyramids = torch.maximum(outline + draw.uniform(5.0, 8.0), cells * -4.0)
    scene.paint(f"{name}_medulla", pyramids, box)
    inner = torch.maximum(sinus - draw.uniform(1.0, 4.0), outline + 3.0)
    scene.paint("visceral_fat", inner, box)
    thin = [draw.uniform(3.0, 8.0), draw.uniform(3.0, 6.0), draw.uniform(10.0, 17.0)]
    scene.paint("renal_pelvis", ellipsoid(points, sinus_center, thin, turn), box)


def paint_adrenals(scene: Scene) -> None:
    """Paint the thin limbs of both adrenal glands above the kidneys."""
    draw = scene.draw("adrenals")
    for side in (-1.0, 1.0):
        x, y, z = side * draw.normal(36.0, 3.0), draw.normal(26.0, 4.0), draw.normal(24.0, 6.0)
        thick = draw.uniform(1.6, 3.2)
        for spread in (-9.0, 9.0):
            limb = [
                [x, y - 8.0, z + 8.0],
                [x + 0.4 * spread, y + 3.0, z],
                [x + spread, y + 14.0, z - 10.0],
            ]
            scene.paint_tubes("adrenal", curve(limb, [thick, thick, 0.7 * thick]))


def paint_heart(scene: Scene) -> None:
    """Paint the heart in its fat with four chambers."""
    draw = scene.draw("heart")
    center = [draw.normal(16.0, 6.0), draw.normal(-28.0, 6.0), scene.torso.dome_saddle + 40.0]
    size = draw.normal(1.0, 0.1)
    box = scene.box(center, [100.0, 95.0, 90.0])
    if box is None:
        return
    points = scene.points[(slice(None), *box)]
    turn = rotation(-25.0, draw.normal(28.0, 6.0), draw.normal(-38.0, 8.0))
    space = torch.maximum(scene.trunk(box).cavity, 2.0 - scene.trunk(box).above_diaphragm)
    outline = ellipsoid(points, center, [70.0 * size, 50.0 * size, 50.0 * size], turn)
    scene.paint("visceral_fat", smooth_max(outline - draw.uniform(3.0, 10.0), space, 8.0), box)
    outline = smooth_max(outline, space + 3.0, 8.0)
    scene.paint("myocardium", outline, box)
    axes = turn.tolist()
    chambers = (
        ("left_heart", (27.0, 11.0, 4.0), (34.0, 24.0, 24.0)),
        ("right_heart", (14.0, -27.0, -8.0), (40.0, 17.0, 26.0)),
        ("right_heart", (-44.0, -8.0, -4.0), (22.0, 30.0, 32.0)),
        ("left_heart", (-22.0, 29.0, 14.0), (28.0, 18.0, 26.0)),
    )
    for name, place, radii in chambers:
        offset = [sum(axes[row][k] * place[k] for k in range(3)) * size for row in range(3)]
        middle = [c + o for c, o in zip(center, offset, strict=True)]
        inside = ellipsoid(points, middle, [radius * size for radius in radii], turn)
        scene.paint(name, torch.maximum(inside, outline + 2.5), box)


def paint_lungs(scene: Scene, box: Box) -> None:
    """Paint both lungs over the whole box."""
    trunk = scene.trunk(box)
    for right in (True, False):
        scene.paint("lung", trunk.lung(right), box)
