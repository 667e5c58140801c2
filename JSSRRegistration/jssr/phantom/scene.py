"""The patient under construction: grid, trunk, canvas and the growing list of tissues."""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from jssr.phantom.canvas import Box, Canvas, bounding_box
from jssr.phantom.draw import Draw
from jssr.phantom.frame import Frame
from jssr.phantom.tissues import CONTENT_TISSUES, LESION_TISSUES, TISSUES, Tissue, tissue_index
from jssr.phantom.torso import Torso, Trunk
from jssr.phantom.tubes import Tubes, draw_tubes, paint_tubes


@dataclass
class Scene:
    """Everything the painters of single organs share.

    ``points`` (3, z, y, x) are body coordinates of the voxels; ``tissues`` grows by one entry
    for every lesion part and every portion of bowel content.
    """

    seed: int
    frame: Frame
    torso: Torso
    points: Tensor
    canvas: Canvas
    tissues: list[Tissue] = field(default_factory=lambda: list(TISSUES))

    @classmethod
    def start(cls, seed: int, frame: Frame, torso: Torso) -> "Scene":
        """A scene of air."""
        points = frame.body_coordinates()
        canvas = Canvas(frame.shape, frame.spacing_mm, points.device)
        return cls(seed, frame, torso, points, canvas)

    def draw(self, part: str) -> Draw:
        """The random numbers of one part of this patient."""
        return Draw(self.seed, part)

    def box(self, center: list[float], reach: list[float]) -> Box | None:
        """Index box around a body point, None where the grid does not reach it."""
        low = [c - r for c, r in zip(center, reach, strict=True)]
        high = [c + r for c, r in zip(center, reach, strict=True)]
        return bounding_box(self.points, low, high)

    def trunk(self, box: Box) -> Trunk:
        """The trunk's bodies within a box."""
        return Trunk(self.torso, self.points[(slice(None), *box)])

    def trunk_at(self, points: Tensor) -> Trunk:
        """The trunk's bodies at any body points (3, ...)."""
        return Trunk(self.torso, points)

    def paint(
        self, name: str | int, distance_mm: Tensor, box: Box, only: Tensor | None = None
    ) -> None:
        """Paint a body of a base tissue (by name) or of an added one (by number)."""
        self.canvas.paint(self._number(name), distance_mm, box, only)

    def paint_tubes(self, name: str | int, tubes: Tubes) -> None:
        """Paint tubes given in body coordinates."""
        paint_tubes(self.canvas, self.frame, self._number(name), tubes)

    def tube_distance(self, tubes: Tubes, band_mm: float) -> tuple[Tensor, Box] | None:
        """Signed distance to tubes within their box, right up to ``band_mm`` from them."""
        return draw_tubes(self.frame, tubes, band_mm)

    def add_tissue(self, name: str, label: int | None = None) -> int:
        """A new entry of the tissue list, a lesion part or content with an own label."""
        tissue = LESION_TISSUES.get(name) or CONTENT_TISSUES[name]
        self.tissues.append(tissue if label is None else replace(tissue, label=label))
        return len(self.tissues) - 1

    def mask(self, names: list[str], box: Box) -> Tensor:
        """Voxels of the box whose main tissue is one of the named base tissues."""
        return self.canvas.mask([tissue_index(name) for name in names], box)

    def roughness(self, draw: Draw, box: Box, wavelength_mm: float) -> Tensor:
        """Noise of unit amplitude that does not depend on the grid, in the box's shape.

        A sum of plane waves of random direction around the given wavelength.
        """
        points = self.points[(slice(None), *box)]
        total = torch.zeros_like(points[0])
        for _ in range(6):
            direction = draw.normals(3)
            direction = direction / direction.norm().clamp(min=1e-3)
            rate = 2.0 * math.pi / (wavelength_mm * draw.uniform(0.7, 1.4))
            a, b, c = (direction * rate).tolist()
            phase = draw.uniform(0.0, 2.0 * math.pi)
            total += torch.sin(points[0] * a + points[1] * b + points[2] * c + phase)
        return total * 0.55

    def _number(self, name: str | int) -> int:
        return tissue_index(name) if isinstance(name, str) else name
