"""Textured scans on a working grid with a known smooth deformation, and what is made of them."""

from dataclasses import replace

import torch

from jssr.bundle.load import Bundle
from jssr.labels import CLASS_COUNT, label_index
from jssr.registration.evidence import coarse_evidence
from jssr.registration.inference import Displacements, Pair, Scans
from jssr.registration.objective import BothWays, Objective
from jssr.registration.window import to_network
from jssr.registration.working_grid import GridVolume
from jssr.spatial.fields import exponentiate_mm, resample_field, smooth_gaussian
from jssr.spatial.geometry import Geometry
from jssr.spatial.warp import resize, voxel_coordinates, warp

GRID = Geometry((48, 48, 48), (3.0, 3.0, 3.0), (-72.0, -72.0, 900.0))
ORGAN = label_index("liver")
OBJECTIVE_FACTOR = 4
"""How many voxels of the working grid the fields of :func:`objective_of` are coarsened by."""


def textured_hu(seed: int) -> torch.Tensor:
    """Soft tissue with structure of about a centimetre, ``(1, 1, z, y, x)`` HU."""
    noise = torch.randn(1, 1, *GRID.shape_zyx, generator=torch.Generator().manual_seed(seed))
    return 40.0 + 900.0 * smooth_gaussian(noise, 1.5)


def ball(radius_mm: float) -> torch.Tensor:
    """A ball in the middle of the grid, ``(1, 1, z, y, x)`` in {0, 1}."""
    index = voxel_coordinates(list(GRID.shape_zyx), torch.device("cpu"))
    middle = torch.tensor([0.5 * (n - 1) for n in GRID.size]).view(1, 3, 1, 1, 1)
    return ((index - middle).norm(dim=1, keepdim=True) * 3.0 < radius_mm).float()


def smooth_motion(seed: int, size_mm: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A diffeomorphism and its inverse, mm, on the working grid; zero at its border."""
    noise = torch.randn(1, 3, 12, 12, 12, generator=torch.Generator().manual_seed(seed))
    velocity = smooth_gaussian(noise, 2.0)
    velocity = resample_field(velocity / velocity.abs().max(), list(GRID.shape_zyx)) * size_mm
    velocity = velocity * smooth_gaussian(ball(70.0), 3.0)
    return exponentiate_mm(velocity, (3.0,) * 3, 6), exponentiate_mm(-velocity, (3.0,) * 3, 6)


def pair_of(fixed_hu: torch.Tensor, moving_hu: torch.Tensor, moving_organ: torch.Tensor) -> Pair:
    """Both scans with a ball of liver: in the middle of the fixed one, given on the moving one."""
    everywhere = torch.ones_like(fixed_hu, dtype=torch.bool)
    return Pair(
        grid=GRID,
        fixed=GridVolume(fixed_hu, everywhere),
        moving=GridVolume(moving_hu, everywhere),
        fixed_probabilities=_probabilities(ball(50.0)),
        moving_probabilities=_probabilities(moving_organ),
    )


def moved_pair(seed: int, size_mm: float) -> tuple[Pair, torch.Tensor]:
    """A pair whose moving scan was deformed, and the true displacement fixed-to-moving, mm."""
    there, back = smooth_motion(seed, size_mm)
    fixed = textured_hu(seed)
    spacing = (3.0, 3.0, 3.0)
    return pair_of(fixed, warp(fixed, back, spacing), warp(ball(50.0), back, spacing)), there


def cut_below(pair: Pair, side: str, slices: int) -> Pair:
    """The pair whose fixed or moving scan does not show the lowest slices."""
    volume = getattr(pair, side)
    seen = volume.valid.clone()
    seen[:, :, :slices] = False
    return replace(pair, **{side: replace(volume, valid=seen)})


def stretch(factor: float) -> torch.Tensor:
    """Displacement of a scaling about the middle of the working grid, mm."""
    index = voxel_coordinates(list(GRID.shape_zyx), torch.device("cpu"))
    middle = torch.tensor([0.5 * (n - 1) for n in GRID.size]).view(1, 3, 1, 1, 1)
    return (factor - 1.0) * 3.0 * (index - middle)


def finer_scans(pair: Pair) -> Scans:
    """The pair's scans on a grid of half the spacing, interpolated."""
    grid = pair.grid.divided(2)
    fixed, moving = (
        GridVolume(
            resize(volume.hu, list(grid.shape_zyx)),
            resize(volume.valid.float(), list(grid.shape_zyx)) > 0.5,
        )
        for volume in (pair.fixed, pair.moving)
    )
    return Scans(grid=grid, fixed=fixed, moving=moving)


def on_field_grid(pair: Pair, displacement_mm: torch.Tensor, factor: int = 1) -> torch.Tensor:
    """A displacement on the working grid, continued by zero to the field's, coarsened."""
    full = torch.nn.functional.pad(displacement_mm, [pair.margin] * 6)
    return torch.nn.functional.avg_pool3d(full, factor)


def no_motion(pair: Pair) -> Displacements:
    """Φ's answer that moves nothing."""
    z, y, x = pair.field_grid.shape_zyx
    zero = torch.zeros(1, 3, z // 2, y // 2, x // 2)
    return Displacements(fixed_to_moving_mm=zero, moving_to_fixed_mm=zero.clone())


def still(pair: Pair) -> BothWays:
    """Fields that move nothing, on the grid of :func:`objective_of`."""
    zero = on_field_grid(pair, torch.zeros(1, 3, *pair.grid.shape_zyx), OBJECTIVE_FACTOR)
    return zero, zero.clone()


def objective_of(pair: Pair, bundle: Bundle, bending_weight: float = 0.0) -> Objective:
    """As if the generator repainted nothing, without lesions."""
    window = bundle.manifest.window_hu
    painted = to_network(pair.fixed.hu, window), to_network(pair.moving.hu, window)
    return Objective(
        evidence=coarse_evidence(pair, painted, bundle, torch.Generator().manual_seed(0)),
        spacing_mm=3.0 * OBJECTIVE_FACTOR,
        margin_mm=3.0 * pair.margin,
        bending_weight=bending_weight,
        lesion=torch.zeros(1, 1, *still(pair)[0].shape[2:]),
    )


def _probabilities(organ: torch.Tensor) -> torch.Tensor:
    found = torch.zeros(1, CLASS_COUNT, *organ.shape[2:])
    found[:, ORGAN : ORGAN + 1] = organ
    found[:, :1] = 1.0 - organ
    return found
