"""The voxel grid of a patient and its map into the average body's coordinates.

Anatomy is written once, in mm of an average adult: x to the left, y to the back, z up, the
origin in the midline, in the middle of the body's depth, at the first lumbar vertebra. A
``Frame`` bends and scales these coordinates, so that every patient is shaped differently.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from jssr.phantom.draw import Draw
from jssr.spatial.fields import smooth_gaussian

WARP_HALF_EXTENT_MM = 320.0
WARP_STEP_MM = 10.0


def random_warp(draw: Draw, wavelengths_mm: tuple[float, ...], steepness: float) -> Tensor:
    """Smooth random displacement in mm, (3, n, n, n), on a lattice around the origin.

    Every octave has the same steepness (change of displacement per mm), so that the sum stays
    invertible while long waves move whole organs and short waves shape their outlines.
    """
    nodes = int(2 * WARP_HALF_EXTENT_MM / WARP_STEP_MM) + 1
    total = torch.zeros(3, nodes, nodes, nodes)
    for wavelength in wavelengths_mm:
        count = int(2 * WARP_HALF_EXTENT_MM / (wavelength / 2.0)) + 3
        coarse = draw.normals(1, 3, count, count, count)
        wave = functional.interpolate(coarse, size=(nodes,) * 3, mode="trilinear")
        wave = smooth_gaussian(wave, wavelength / 8.0 / WARP_STEP_MM)
        total += wave[0] * (steepness * wavelength / 6.0)
    return total


def sample_warp(warp: Tensor, points: Tensor) -> Tensor:
    """Values (3, ...) of the lattice at points (3, ...) mm, the border value outside."""
    flat = (points / WARP_HALF_EXTENT_MM).reshape(3, 1, 1, 1, -1).permute(1, 2, 3, 4, 0)
    found = functional.grid_sample(
        warp[None], flat, mode="bilinear", padding_mode="border", align_corners=True
    )
    return found.view(3, *points.shape[1:])


@dataclass(frozen=True)
class Frame:
    """A grid centred on the physical origin, and its place in the body.

    A physical point p (mm) has the body coordinates ``q + warp(q)`` with
    ``q = matrix @ p + shift_mm``. ``shape`` is (z, y, x).
    """

    shape: tuple[int, int, int]
    spacing_mm: float
    matrix: Tensor
    shift_mm: Tensor
    warp: Tensor

    @property
    def origin_mm(self) -> tuple[float, float, float]:
        """Physical position (x, y, z) of the first voxel's centre."""
        z, y, x = (-0.5 * (count - 1) * self.spacing_mm for count in self.shape)
        return x, y, z

    def physical_axes(self, step: int = 1) -> list[Tensor]:
        """Physical x, y and z of every ``step``-th voxel, one past the end included."""
        device = self.warp.device
        axes = []
        for axis, count in zip(range(3), reversed(self.shape), strict=True):
            number = count if step == 1 else (count - 1) // step + 2
            steps = torch.arange(number, device=device, dtype=torch.float32)
            axes.append(self.origin_mm[axis] + steps * (step * self.spacing_mm))
        return axes

    def _affine(self, axes: list[Tensor]) -> Tensor:
        matrix = self.matrix.tolist()
        shift = self.shift_mm.tolist()
        x, y, z = axes[0][None, None, :], axes[1][None, :, None], axes[2][:, None, None]
        rows = [
            row[0] * x + row[1] * y + row[2] * z + s for row, s in zip(matrix, shift, strict=True)
        ]
        return torch.stack(torch.broadcast_tensors(*rows))

    def body_coordinates(self) -> Tensor:
        """Body coordinates (3, z, y, x) of every voxel centre, mm.

        The warp is looked up on every second voxel and interpolated between.
        """
        result = self._affine(self.physical_axes())
        coarse = self._affine(self.physical_axes(2))
        bend = sample_warp(self.warp, coarse)
        full = [2 * (count - 1) + 1 for count in bend.shape[1:]]
        bend = functional.interpolate(bend[None], size=full, mode="trilinear", align_corners=True)
        z, y, x = self.shape
        return result.add_(bend[0, :, :z, :y, :x])

    def to_physical(self, points: Tensor) -> Tensor:
        """Physical position of body coordinates, both (N, 3) mm."""
        target = points.T.to(self.warp.device, torch.float32)
        straight = target.clone()
        for _ in range(25):
            straight = target - sample_warp(self.warp, straight)
        inverse = torch.linalg.inv(self.matrix.double()).to(straight)
        return (inverse @ (straight - self.shift_mm.to(straight)[:, None])).T
