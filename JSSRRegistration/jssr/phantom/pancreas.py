"""The pancreas, and the room behind and below it that the stomach leaves free."""

from dataclasses import dataclass

from torch import Tensor

from jssr.phantom.draw import Draw
from jssr.phantom.geometry import lookup, smooth_max, spline_table
from jssr.phantom.scene import Scene
from jssr.phantom.tubes import curve

TABLE_START, TABLE_STOP, TABLE_STEP = -80.0, 120.0, 0.5


@dataclass(frozen=True)
class Pancreas:
    """The middle line from head to tail, body mm, and the radius at each of its points."""

    line: tuple[tuple[float, float, float], ...]
    radii: tuple[float, ...]

    def splenic_vein(self) -> list[list[float]]:
        """The way of the splenic vein, behind the gland."""
        return [
            [x, y + 5.0 + 0.6 * r, z - 1.0]
            for (x, y, z), r in zip(self.line, self.radii, strict=True)
        ]

    def splenic_artery(self) -> list[list[float]]:
        """The way of the splenic artery, along the upper border of body and tail."""
        return [
            [x, y + 0.5 * r, z + 0.8 * r]
            for (x, y, z), r in zip(self.line[3:], self.radii[3:], strict=True)
        ]

    def bed(self, points: Tensor, gap_mm: float) -> Tensor:
        """Signed distance to what lies behind and below the gland's front upper border.

        The stomach lies on this bed, ``gap_mm`` away from the gland: without it a full stomach
        would swallow pancreas and splenic vessels.
        """
        order = sorted(range(len(self.line)), key=lambda index: self.line[index][0])
        knots = [self.line[index][0] for index in order]
        x, y, z = points
        border = []
        for axis, sign in ((1, -1.0), (2, 1.0)):
            values = [
                self.line[index][axis] + sign * (self.radii[index] + gap_mm) for index in order
            ]
            table = spline_table(knots, values, TABLE_START, TABLE_STOP, TABLE_STEP)
            border.append(lookup(table.to(x.device), x, TABLE_START, TABLE_STEP))
        return smooth_max(border[0] - y, z - border[1], 10.0)


def draw_pancreas(draw: Draw) -> Pancreas:
    """Draw place and thickness of a pancreas."""
    shift = draw.normal(0.0, 9.0)
    line = [
        (-30.0, -8.0, -28.0 + shift),
        (-24.0, -16.0, -10.0 + shift),
        (-2.0, -32.0, 4.0 + shift),
        (24.0, -26.0, draw.normal(14.0, 6.0) + shift),
        (52.0, -4.0, draw.normal(22.0, 8.0) + shift),
        (76.0, 14.0, draw.normal(32.0, 8.0)),
    ]
    line = tuple((x + draw.normal(0, 3), y + draw.normal(0, 3), z) for x, y, z in line)
    size = draw.normal(1.0, 0.16)
    return Pancreas(line, tuple(size * r for r in (11.0, 13.5, 9.0, 9.5, 9.5, 7.0)))


def paint_pancreas(scene: Scene, pancreas: Pancreas) -> None:
    """Paint the lobulated gland."""
    draw = scene.draw("pancreas lobes")
    drawn = scene.tube_distance(curve(pancreas.line, pancreas.radii), 8.0)
    if drawn is None:
        return
    distance, box = drawn
    lobes = draw.uniform(0.6, 2.0) * scene.roughness(draw, box, 11.0)
    scene.paint("pancreas", distance + lobes, box)
