"""The trunk: inner wall, skin, diaphragm and lungs as implicit bodies in body coordinates."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from jssr.phantom.draw import Draw
from jssr.phantom.geometry import lookup, smooth_max, smooth_min, spline_table

LEVELS = (-260.0, -190.0, -120.0, -40.0, 40.0, 110.0, 170.0, 240.0)
TABLE_START, TABLE_STOP, TABLE_STEP = -300.0, 300.0, 1.0


@dataclass(frozen=True)
class Torso:
    """Measures of one trunk, mm; profiles over z have one value for each of ``LEVELS``."""

    half_width: tuple[float, ...]
    half_depth: tuple[float, ...]
    depth_center: tuple[float, ...]
    squareness: float
    wall: float
    fat: tuple[float, ...]
    fat_front: float
    fat_back: float
    fat_side: float
    spine_y: tuple[float, ...]
    spine_x: tuple[float, ...]
    right_dome: float
    left_dome: float
    dome_saddle: float
    diaphragm_side: float
    diaphragm_front: float
    diaphragm_back: float
    dome_power: float
    muscle: float

    def _profile(self, values: tuple[float, ...], z: Tensor) -> Tensor:
        table = spline_table(LEVELS, values, TABLE_START, TABLE_STOP, TABLE_STEP)
        return lookup(table.to(z.device), z, TABLE_START, TABLE_STEP)

    def spine_center(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """x and y of the middle of the vertebral bodies at the levels z."""
        return self._profile(self.spine_x, z), self._profile(self.spine_y, z)

    def oval(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Relative radius (1 at the inner wall), distance to that wall, and direction.

        Direction is -1 straight to the front, 1 to the back, 0 to the sides.
        """
        x, y, z = points
        deep = y - self._profile(self.depth_center, z)
        side = (x / self._profile(self.half_width, z)).abs()
        back = deep / self._profile(self.half_depth, z)
        power = self.squareness
        level = (side.pow(power) + back.abs().pow(power)).pow(1.0 / power).clamp_(min=1e-3)
        radius = (x.square() + deep.square()).sqrt_()
        direction = back / (side + back.abs()).clamp(min=1e-3)
        return level, radius * (1.0 - 1.0 / level), direction

    def diaphragm_height(self, points: Tensor, level: Tensor, direction: Tensor) -> Tensor:
        """z of the diaphragm above or below each point."""
        x, y, _ = points
        front = (-direction).clamp(min=0.0).square()
        back = direction.clamp(min=0.0).square()
        rim = (
            self.diaphragm_side
            + (self.diaphragm_front - self.diaphragm_side) * front
            + (self.diaphragm_back - self.diaphragm_side) * back
        )
        right = torch.exp(-(((x + 62.0) / 62.0).square() + ((y + 8.0) / 95.0).square()))
        left = torch.exp(-(((x - 72.0) / 58.0).square() + ((y - 4.0) / 95.0).square()))
        top = (
            self.dome_saddle
            + (self.right_dome - self.dome_saddle) * right
            + (self.left_dome - self.dome_saddle) * left
        )
        plateau = (1.0 - level.clamp(max=1.0).pow(self.dome_power)).pow(0.5)
        return rim + (top - rim) * plateau


@dataclass
class Trunk:
    """Implicit bodies of a torso evaluated on points (3, ...); each is a distance in mm."""

    torso: Torso
    points: Tensor

    @cached_property
    def _oval(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.torso.oval(self.points)

    @cached_property
    def wall(self) -> Tensor:
        """Distance to the inner wall of chest and abdomen, negative inside."""
        return self._oval[1]

    @cached_property
    def above_diaphragm(self) -> Tensor:
        """Distance to the diaphragm, positive above it."""
        level, _, direction = self._oval
        height = self.torso.diaphragm_height(self.points, level, direction)
        difference = self.points[2] - height
        # The dome falls steeply towards the wall: the vertical difference is divided by the
        # slope there to give about the distance.
        steep = 1.0 + 4.0 * level.clamp(max=1.0).pow(8)
        return difference / steep

    @cached_property
    def spine(self) -> Tensor:
        """Distance to the spinal column with the muscles in front of and beside it."""
        x, y, z = self.points
        center_x, center_y = self.torso.spine_center(z)
        psoas = 10.0 * torch.sigmoid((-z - 5.0) / 18.0) + 4.0
        across = (x - center_x).abs() / (24.0 + psoas)
        along = (y - center_y - 22.0) / 40.0
        level = (across.pow(3) + along.abs().pow(3)).pow(1.0 / 3.0).clamp(min=1e-3)
        return (level - 1.0) * 28.0

    @cached_property
    def cavity(self) -> Tensor:
        """Distance to the space of the viscera: inside the wall, in front of the spine."""
        return smooth_max(self.wall, -self.spine, 14.0)

    @cached_property
    def abdomen(self) -> Tensor:
        """Distance to the abdominal cavity."""
        return smooth_max(self.cavity, self.above_diaphragm + 2.0, 4.0)

    @cached_property
    def outside_muscle(self) -> Tensor:
        """Distance to the outer side of the muscles of the wall and the back."""
        x, y, z = self.points
        center_x, center_y = self.torso.spine_center(z)
        thick = self.torso.wall * (1.0 + 0.25 * torch.sin(z / 37.0))
        back = ((x - center_x).abs() - 30.0) / (30.0 * self.torso.muscle)
        depth = (y - center_y - 38.0) / (24.0 * self.torso.muscle)
        erector = ((back.square() + depth.square()).sqrt() - 1.0) * 24.0
        between = smooth_max((x - center_x).abs() - 30.0, (y - center_y - 46.0).abs() - 12.0, 6.0)
        return smooth_min(smooth_min(self.wall - thick, erector, 10.0), between, 8.0)

    @cached_property
    def skin(self) -> Tensor:
        """Distance to the body's surface."""
        torso = self.torso
        direction = self._oval[2]
        front, back = (-direction).clamp(min=0.0), direction.clamp(min=0.0)
        uneven = (
            torso.fat_side
            + (torso.fat_front - torso.fat_side) * front
            + (torso.fat_back - torso.fat_side) * back.square()
        )
        return self.outside_muscle - torso._profile(torso.fat, self.points[2]) * uneven

    def lung(self, right: bool) -> Tensor:
        """Distance to one lung."""
        x, y, _ = self.points
        sign = -1.0 if right else 1.0
        # Width of the mediastinum: narrow behind the breastbone, wide at the hila.
        middle = 10.0 + 16.0 * torch.exp(-((y + 5.0) / 45.0).square())
        side = smooth_max(middle - sign * x, self.cavity + 1.0, 8.0)
        return smooth_max(side, 1.5 - self.above_diaphragm, 3.0)


def draw_torso(draw: Draw) -> Torso:
    """Draw the measures of a trunk, from slim to obese, with its curvature."""
    obesity = max(0.0, draw.normal(0.4, 0.3))
    visceral = obesity * draw.uniform(0.4, 1.4)
    chest = draw.normal(1.0, 0.05)
    depth = draw.normal(1.0, 0.05)
    belly = 1.0 + 0.16 * visceral
    half_width = [134.0, 142.0, 136.0, 134.0, 139.0, 137.0, 126.0, 104.0]
    half_depth = [78.0, 82.0, 84.0, 88.0, 92.0, 92.0, 87.0, 72.0]
    belly_at = [belly, belly, belly, belly, 0.5 + 0.5 * belly, 1.0, 1.0, 1.0]
    half_width = [v * chest * (0.4 + 0.6 * b) for v, b in zip(half_width, belly_at, strict=True)]
    half_depth = [v * depth * b for v, b in zip(half_depth, belly_at, strict=True)]
    back_wall = [76.0, 80.0, 77.0, 77.0, 80.0, 82.0, 81.0, 74.0]
    lordosis, kyphosis = draw.normal(1.0, 0.35), draw.normal(1.0, 0.3)
    spine_y = [48.0, 32.0, 28.0, 31.0, 37.0, 44.0, 50.0, 54.0]
    bends = [lordosis] * 4 + [1.0] + [kyphosis] * 3
    spine_y = [36.0 + (v - 36.0) * b for v, b in zip(spine_y, bends, strict=True)]
    sway, lean = draw.normal(0.0, 4.0), draw.normal(0.0, 3.0)
    fat = 5.0 + 44.0 * obesity * draw.uniform(0.4, 1.0)
    return Torso(
        half_width=tuple(half_width),
        half_depth=tuple(half_depth),
        depth_center=tuple(b - d for b, d in zip(back_wall, half_depth, strict=True)),
        squareness=draw.uniform(2.2, 2.7),
        wall=draw.uniform(11.0, 19.0),
        fat=tuple(fat * f for f in (1.3, 1.25, 1.1, 1.0, 0.85, 0.65, 0.6, 0.6)),
        fat_front=draw.uniform(0.5, 1.3),
        fat_back=draw.uniform(0.7, 1.4),
        fat_side=draw.uniform(0.5, 1.2),
        spine_y=tuple(spine_y),
        spine_x=(0.0, -sway, -sway, 0.0, sway + lean, sway, lean, 0.0),
        right_dome=draw.normal(104.0, 9.0),
        left_dome=draw.normal(92.0, 9.0),
        dome_saddle=draw.normal(82.0, 6.0),
        diaphragm_side=draw.normal(5.0, 12.0),
        diaphragm_front=draw.normal(55.0, 12.0),
        diaphragm_back=draw.normal(-12.0, 12.0),
        dome_power=draw.uniform(5.0, 11.0),
        muscle=draw.uniform(0.8, 1.2),
    )
