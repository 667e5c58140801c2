"""G and Φ on a working grid."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk
import torch

from jssr.bundle.load import Bundle
from jssr.networks.register import cropped
from jssr.registration.body import body_mask
from jssr.registration.window import to_network
from jssr.registration.working_grid import GridVolume
from jssr.spatial.fields import invert_mm, resample_field, smooth_gaussian
from jssr.spatial.geometry import Geometry

TAPER_MM = 30.0
_MARGIN_MM = 40.0
_MARGIN_VOXELS = 8
"""Of what the field's margin is a multiple: Φ's coarsest voxel."""


@dataclass(frozen=True, kw_only=True)
class Scans:
    """Both scans on the working grid, the moving one through the linear part.

    The grid encloses the fixed body closely. Displacements live on a larger one, ``field_grid``, in
    whose margin the motion fades: nothing there needs the networks.
    """

    grid: Geometry
    fixed: GridVolume
    moving: GridVolume

    @cached_property
    def fixed_body(self) -> torch.Tensor:
        """The fixed scan's body on the working grid, ``(z, y, x)`` bool."""
        mask = body_mask(self.grid.image(self.fixed.hu[0, 0].numpy()))
        return torch.from_numpy(sitk.GetArrayFromImage(mask) > 0)

    @property
    def margin(self) -> int:
        """By how many voxels the field's grid exceeds the working grid on every side."""
        return _MARGIN_VOXELS * math.ceil(_MARGIN_MM / self.grid.spacing_mm[0] / _MARGIN_VOXELS)

    @property
    def field_grid(self) -> Geometry:
        """The grid of displacements."""
        low = -self.margin
        x, y, z = (n + 2 * self.margin for n in self.grid.size)
        return self.grid.part((low, low, low), (x, y, z))

    def within(self, field: torch.Tensor) -> torch.Tensor:
        """The part of ``(1, c, Z, Y, X)`` on the field's grid that lies on the working grid."""
        return cropped(field, [self.margin] * 3)


@dataclass(frozen=True, kw_only=True)
class Pair(Scans):
    """The scans with S's probabilities, ``(1, classes, z, y, x)`` float16."""

    fixed_probabilities: torch.Tensor
    moving_probabilities: torch.Tensor

    def swapped(self) -> "Pair":
        """The same scans on the same grid, the fixed one as the moving one."""
        return Pair(
            grid=self.grid,
            fixed=self.moving,
            moving=self.fixed,
            fixed_probabilities=self.moving_probabilities,
            moving_probabilities=self.fixed_probabilities,
        )


@dataclass(frozen=True, kw_only=True)
class Displacements:
    """Displacements in mm ``(1, 3, z, y, x)``, CPU float32.

    From Φ on the field's grid coarsened by two; finished on the field's grid itself.
    """

    fixed_to_moving_mm: torch.Tensor
    moving_to_fixed_mm: torch.Tensor


def synthesize(pair: Pair, bundle: Bundle) -> torch.Tensor:
    """G's repainting of the moving scan, ``(1, 1, z, y, x)`` in [-1, 1]; air outside its field."""
    window, device = bundle.manifest.window_hu, bundle.device
    with torch.no_grad():
        painted = bundle.generator(
            to_network(pair.moving.hu, window).to(device),
            pair.moving_probabilities.to(device, torch.float32),
            to_network(pair.fixed.hu, window).to(device),
            pair.fixed_probabilities.to(device, torch.float32),
        )
    return torch.where(pair.moving.valid, painted.float().cpu(), torch.tensor(-1.0))


def find_displacement(pair: Scans, synthesized: torch.Tensor, bundle: Bundle) -> Displacements:
    """Φ's displacements between the synthesized (and raw) moving scan and the fixed scan."""
    window, device = bundle.manifest.window_hu, bundle.device
    with torch.no_grad():
        there, back = bundle.register(
            to_network(pair.moving.hu, window).to(device),
            synthesized.to(device),
            to_network(pair.fixed.hu, window).to(device),
            pair.moving.valid.float().to(device),
            pair.fixed.valid.float().to(device),
            taper(pair.field_grid).to(device),
            pair.grid.spacing_mm[0],
        )
    return Displacements(
        fixed_to_moving_mm=there.float().cpu(), moving_to_fixed_mm=back.float().cpu()
    )


def both_ways(
    pair: Pair, synthesized: torch.Tensor, displacements: Displacements, bundle: Bundle
) -> tuple[tuple[torch.Tensor, torch.Tensor], Displacements]:
    """What G and Φ say when the scans are swapped as well.

    Returns:
        The fixed and the moving scan, each in the other's phase, and the mean of Φ's answers.
    """
    swapped = pair.swapped()
    fixed_synthesized = synthesize(swapped, bundle)
    other = find_displacement(swapped, fixed_synthesized, bundle)
    mean = Displacements(
        fixed_to_moving_mm=(displacements.fixed_to_moving_mm + other.moving_to_fixed_mm) / 2,
        moving_to_fixed_mm=(displacements.moving_to_fixed_mm + other.fixed_to_moving_mm) / 2,
    )
    return (fixed_synthesized, synthesized), mean


def finished(displacements: Displacements, grid: Geometry) -> Displacements:
    """Φ's fields as they are stored: on ``grid``, smooth between Φ's voxels, inverse exact.

    Trilinear interpolation of Φ's own 6 mm grid has kinks, through which a stored inverse misses
    by some 0.3 mm; smoothed onto the working grid it misses by less than 0.1 mm. The border voxels
    are zero, so ITK (zero outside) and VTK (border continued) agree.
    """
    shape = list(grid.shape_zyx)
    frame = _frame(grid)
    there = smooth_gaussian(resample_field(displacements.fixed_to_moving_mm, shape), 1.5) * frame
    back = smooth_gaussian(resample_field(displacements.moving_to_fixed_mm, shape), 1.5)
    inverse = invert_mm(there, grid.spacing_mm, 5, initial_mm=back * frame)
    return Displacements(fixed_to_moving_mm=there, moving_to_fixed_mm=inverse * (frame > 0))


def _frame(grid: Geometry) -> torch.Tensor:
    """0 in the outermost voxels, a half in the next, 1 inside; ``(1, 1, z, y, x)``."""
    ramps = [
        torch.minimum(torch.arange(n), torch.arange(n).flip(0)).div(2).clamp(max=1.0)
        for n in grid.shape_zyx
    ]
    z, y, x = ramps
    return (z.view(-1, 1, 1) * y.view(1, -1, 1) * x.view(1, 1, -1))[None, None]


def taper(grid: Geometry) -> torch.Tensor:
    """Where motion is free: 1 inside, a raised cosine over the outer 30 mm, 0 in the border voxels.

    ``(1, 1, z, y, x)``. The field's margin is wider, so on the working grid nothing is tapered.
    """
    ramps = []
    for count, spacing in zip(grid.shape_zyx, grid.spacing_mm[::-1], strict=True):
        border = np.minimum(np.arange(count), np.arange(count)[::-1]) * spacing
        ramps.append(0.5 - 0.5 * np.cos(np.pi * np.clip(border / TAPER_MM, 0, 1)))
    z, y, x = ramps
    window = z[:, None, None] * y[None, :, None] * x[None, None, :]
    return torch.from_numpy(window).float()[None, None]
