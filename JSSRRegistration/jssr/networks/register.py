"""Φ: finds the diffeomorphism between two scans, coarse to fine."""

import torch
import torch.nn.functional as F
from torch import nn

from jssr.networks.blocks import ConvBlock, UNet, space_to_depth, zeroed
from jssr.networks.config import NetworksConfig
from jssr.networks.matching import expected_offset, matching_costs, search_offsets
from jssr.networks.structure import STRUCTURE_PAIRS, structure
from jssr.spatial.fields import compose_mm, exponentiate_mm, resample_field, smooth_gaussian
from jssr.spatial.warp import isotropic, warp

STAGES = ((8, 4, 2), (8, 4, 1), (4, 2, 1), (4, 2, 1), (2, 2, 1))
"""Each stage's velocity grid and feature grid, in working voxels, and its radius on the latter."""

ENCODER_SCALES: list[int] = [2, 4, 8]
"""Working voxels along one voxel of each of the encoder's levels."""

SQUARINGS = 5

NEUTRAL_COST = 0.08
"""Cost of an offset about which no real voxel says anything: about half the mean squared difference
of unrelated learned features, unit vectors of 12 channels."""

SHARPNESS = (100.0, 100.0, 1.0)
"""Logits per unit of cost before training, of the kinds in :class:`Stage`'s order: structure
matches from the first step, learned features cannot yet."""

DISPLACEMENT_SCALE = 0.1
"""Per feature voxel: brings displacements of several voxels to the size of the other evidence."""


class Encoder(nn.Module):
    """Features of one scan at 1/2, 1/4 and 1/8, unit length per voxel so that they correlate."""

    def __init__(self, config: NetworksConfig) -> None:
        super().__init__()
        c = config.register_channels
        self.fine = nn.Sequential(ConvBlock(8, c[0]), ConvBlock(c[0], c[0]))
        self.middle = nn.Sequential(ConvBlock(c[0], c[1], stride=2), ConvBlock(c[1], c[1]))
        self.coarse = nn.Sequential(ConvBlock(c[1], c[2], stride=2), ConvBlock(c[2], c[2]))
        self.project = nn.ModuleList(nn.Conv3d(n, config.register_features, 1) for n in c)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        fine = self.fine(space_to_depth(image))
        middle = self.middle(fine)
        levels = [fine, middle, self.coarse(middle)]
        features: list[torch.Tensor] = []
        for i, project in enumerate(self.project):
            features.append(F.normalize(project(levels[i]).float(), dim=1))
        return features


class Stage(nn.Module):
    """One search: matching costs of fine features to a velocity on a coarser grid.

    Three kinds of features are matched: raw structure, structure of the synthesized scan, and
    learned features. The head starts at zero, so an untrained stage already gives the smoothed
    mean offset of the matching.
    """

    offsets_xyz: torch.Tensor

    def __init__(self, config: NetworksConfig, radius: int, pool: int) -> None:
        super().__init__()
        self.radius = radius
        self.pool = pool
        self.neutral_cost = NEUTRAL_COST
        self.displacement_scale = DISPLACEMENT_SCALE
        self.offsets = search_offsets(radius)
        self.register_buffer(
            "offsets_xyz", torch.tensor(self.offsets, dtype=torch.float32).flip(1), persistent=False
        )
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS).log())
        width = config.register_head
        # Per kind and combined: mean offset and peak; the field so far; both masks; features.
        inputs = 4 * 4 + 3 + 2 + config.register_features
        self.head = UNet(inputs, (width, width + width // 2))
        self.velocity = zeroed(nn.Conv3d(width, 3, 3, padding=1))

    def forward(
        self,
        moving_structure: torch.Tensor,
        fixed_structure: torch.Tensor,
        moving_learned: torch.Tensor,
        fixed_learned: torch.Tensor,
        moving_valid: torch.Tensor,
        fixed_valid: torch.Tensor,
        displacement: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        """The velocity in feature voxels.

        Args:
            moving_structure ... fixed_valid: on the feature grid, the moving ones already warped.
            displacement: the field so far, in feature voxels, on the velocity grid.
            context: learned features of the fixed scan on the velocity grid.
        """
        structure_costs = matching_costs(
            moving_structure,
            torch.cat((fixed_structure, fixed_structure), dim=1),
            moving_valid,
            fixed_valid,
            2,
            self.radius,
            self.offsets,
            self.neutral_cost,
            self.pool,
        )
        learned_costs = matching_costs(
            moving_learned,
            fixed_learned,
            moving_valid,
            fixed_valid,
            1,
            self.radius,
            self.offsets,
            self.neutral_cost,
            self.pool,
        )
        costs = torch.cat((structure_costs, learned_costs), dim=1)
        logits = -costs * self.sharpness.exp().view(1, 3, 1, 1, 1, 1)
        combined, peak = expected_offset(logits.sum(dim=1), self.offsets_xyz)
        evidence: list[torch.Tensor] = [combined, peak]
        for kind in range(3):
            mean, kind_peak = expected_offset(logits[:, kind], self.offsets_xyz)
            evidence.append(mean)
            evidence.append(kind_peak)
        evidence.append(self.displacement_scale * displacement)
        evidence.append(F.avg_pool3d(moving_valid, self.pool))
        evidence.append(F.avg_pool3d(fixed_valid, self.pool))
        evidence.append(context)
        correction = self.velocity(self.head(torch.cat(evidence, dim=1))).float()
        return smooth_gaussian(combined + correction, 1.0)


class Register(nn.Module):
    """Composes one diffeomorphic step a stage: ``φ <- φ ∘ exp(v)``; the inverse is composed along.

    The moving scan is given raw and synthesized, so that a bad synthesis cannot ruin the matching.
    """

    def __init__(self, config: NetworksConfig) -> None:
        super().__init__()
        self.pairs = STRUCTURE_PAIRS
        self.squarings = SQUARINGS
        self.encoder = Encoder(config)
        self.encoder_scales = ENCODER_SCALES
        self.scales = [(grid, features) for grid, features, _ in STAGES]
        self.stages = nn.ModuleList(
            Stage(config, radius, grid // features) for grid, features, radius in STAGES
        )

    def forward(
        self,
        moving: torch.Tensor,
        synthesized: torch.Tensor,
        fixed: torch.Tensor,
        moving_valid: torch.Tensor,
        fixed_valid: torch.Tensor,
        taper: torch.Tensor,
        spacing_mm: float,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Displacements fixed-to-moving and moving-to-fixed.

        Args:
            moving, synthesized, fixed: ``(b, 1, z, y, x)`` in [-1, 1], sizes multiples of 16.
            moving_valid, fixed_valid: ``(b, 1, z, y, x)`` float, 1 where the scan has voxels.
            taper: ``(b, 1, Z, Y, X)``, 1 where motion is free, falling to 0 at the border. Its grid
                may exceed the images' by a multiple of 8 voxels, the same on both sides of an axis:
                there the motion at the images' border goes on and fades.
            spacing_mm: the isotropic voxel size.

        Returns:
            Two fields ``(b, 3, Z/2, Y/2, X/2)``, x, y, z order, mm, on the taper's grid coarsened
            by two.
        """
        levels = self.forward_levels(
            moving, synthesized, fixed, moving_valid, fixed_valid, taper, spacing_mm
        )
        return levels[-1]

    @torch.jit.export
    def forward_levels(
        self,
        moving: torch.Tensor,
        synthesized: torch.Tensor,
        fixed: torch.Tensor,
        moving_valid: torch.Tensor,
        fixed_valid: torch.Tensor,
        taper: torch.Tensor,
        spacing_mm: float,
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The answer of :meth:`forward` after each stage, each on its stage's own grid."""
        # Structure beside a field of view's edge describes the edge, and edges would match edges.
        moving_valid = eroded(moving_valid)
        fixed_valid = eroded(fixed_valid)
        with torch.no_grad():
            moving_structure = torch.cat(
                (structure(moving, self.pairs), structure(synthesized, self.pairs)), dim=1
            )
            fixed_structure = structure(fixed, self.pairs)
        moving_learned = self.encoder(synthesized)
        fixed_learned = self.encoder(fixed)
        moving_pooled: list[torch.Tensor] = []
        fixed_pooled: list[torch.Tensor] = []
        for scale in (2, 4):
            moving_pooled.append(valid_mean(moving_structure, moving_valid, scale))
            fixed_pooled.append(valid_mean(fixed_structure, fixed_valid, scale))
        margin = margins(moving, taper)
        forward = torch.zeros_like(taper[:, :, ::8, ::8, ::8]).expand(-1, 3, -1, -1, -1)
        backward = forward
        answers: list[tuple[torch.Tensor, torch.Tensor]] = []
        for i, stage in enumerate(self.stages):
            grid, scale = self.scales[i]
            level = self.encoder_scales.index(scale)
            grid_level = self.encoder_scales.index(grid)
            spacing = isotropic(spacing_mm * grid)
            feature_mm = spacing_mm * scale
            forward = resample_field(forward, [n // grid for n in taper.shape[2:]])
            backward = resample_field(backward, [n // grid for n in taper.shape[2:]])
            # Each stage learns to mend what it is given, not to steer the stages before it.
            found = cropped(forward.detach(), [n // grid for n in margin])
            here = resample_field(found, [n // scale for n in moving.shape[2:]])
            steps = isotropic(feature_mm)
            velocity = feature_mm * stage(
                warp(moving_pooled[level], here, steps),
                fixed_pooled[level],
                warp(moving_learned[level], here, steps),
                fixed_learned[level],
                warp(F.avg_pool3d(moving_valid, scale), here, steps, padding="zeros"),
                F.avg_pool3d(fixed_valid, scale),
                found / feature_mm,
                fixed_learned[grid_level],
            )
            z, y, x = margin[0] // grid, margin[1] // grid, margin[2] // grid
            velocity = F.pad(velocity, [x, x, y, y, z, z], mode="replicate")
            # The least taper of a block: what touches the grid's border does not move at all.
            velocity = velocity * -F.max_pool3d(-taper, grid)
            step = exponentiate_mm(velocity, spacing, self.squarings)
            step_back = exponentiate_mm(-velocity, spacing, self.squarings)
            forward = compose_mm(step, forward, spacing)
            backward = compose_mm(backward, step_back, spacing)
            answers.append((forward, backward))
        return answers


def margins(volume: torch.Tensor, larger: torch.Tensor) -> list[int]:
    """By how many voxels ``larger`` exceeds ``volume`` on either side, z, y, x."""
    return [(b - a) // 2 for a, b in zip(volume.shape[2:], larger.shape[2:])]  # noqa: B905


def cropped(volume: torch.Tensor, margin: list[int]) -> torch.Tensor:
    """``volume`` without ``margin`` voxels on either side, z, y, x."""
    for axis, width in enumerate(margin):
        volume = volume.narrow(axis + 2, width, volume.shape[axis + 2] - 2 * width)
    return volume


def eroded(valid: torch.Tensor) -> torch.Tensor:
    """``valid`` (0 or 1) without the two voxels along its border; beyond the grid none is valid."""
    rest = shrunk(shrunk(valid))
    for axis in (2, 3, 4):
        rest.narrow(axis, 0, 2).zero_()
        rest.narrow(axis, rest.shape[axis] - 2, 2).zero_()
    return rest


def shrunk(mask: torch.Tensor) -> torch.Tensor:
    """``mask`` (0 or 1) without the voxels that touch one outside of it; the grid's border stays.

    Products of slices, which a CPU makes faster than pooling.
    """
    for axis in (2, 3, 4):
        count = mask.shape[axis] - 1
        rest = mask.clone()
        rest.narrow(axis, 1, count).mul_(mask.narrow(axis, 0, count))
        rest.narrow(axis, 0, count).mul_(mask.narrow(axis, 1, count))
        mask = rest
    return mask


def valid_mean(features: torch.Tensor, valid: torch.Tensor, scale: int) -> torch.Tensor:
    """Mean of ``features`` over the real voxels of each block of ``scale``³."""
    return F.avg_pool3d(features * valid, scale) / F.avg_pool3d(valid, scale).clamp_min(1e-3)
