"""Breathing with sliding, smooth random deformation and rigid motion, each with its inverse.

The patient lies in a reference frame. The fixed scan sees it through a smooth map F, the moving
scan through M = R ∘ W ∘ B: breathing B moves what lies inside the trunk's inner wall along that
wall and leaves the rest, W is smooth and moves everything, R is rigid. Maps take reference
points to scan points; all of them are flows or matrices, so that their inverses are known:
fixed-to-moving is R ∘ W ∘ B ∘ F⁻¹ and moving-to-fixed F ∘ B⁻¹ ∘ W⁻¹ ∘ R⁻¹.

Fields are made on every second voxel, where they are smooth, one for the inside and one for
the outside; only the choice between the two is made on every voxel.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from jssr.phantom.draw import Draw, smooth_noise
from jssr.phantom.geometry import rotation
from jssr.phantom.options import PairOptions
from jssr.phantom.patient import Patient
from jssr.spatial.fields import compose_mm, exponentiate_mm, smooth_gaussian
from jssr.spatial.warp import isotropic, sample, voxel_coordinates, warp

STEP = 2
STEP_LIMIT_MM = 4.0


@dataclass(frozen=True)
class Motion:
    """True maps between two scans of a patient, on the scan's grid (z, y, x), displacements mm.

    Attributes:
        fixed_to_reference, moving_to_reference: (3, z, y, x), where each voxel of a scan lies
            in the patient.
        fixed_to_moving, moving_to_fixed: (3, z, y, x), the truth.
        fixed_sheet, moving_sheet: bool, voxels so near to the sliding wall that it is unclear
            on which side they are.
    """

    fixed_to_reference: Tensor
    moving_to_reference: Tensor
    fixed_to_moving: Tensor
    moving_to_fixed: Tensor
    fixed_sheet: Tensor
    moving_sheet: Tensor


def breathing_amplitude(draw: Draw) -> float:
    """Cranio-caudal motion between two breath-holds, mm, positive upwards.

    80 % |N(0, 5)|, 15 % U(5, 15), 5 % U(15, 30), either sign. The mixture is chosen; it spans from
    a good breath-hold to the 30 mm measured between acquisitions (doi 10.1186/s41747-019-0120-7).
    Between lie drift within a breath-hold, up to 5.6 mm (PMC7055431), and free breathing, median
    11.9 mm (PMC5978939), or 5.3 mm under compression (doi 10.1186/s13014-016-0762-z).
    """
    kind = draw.choice([0, 1, 2], [0.8, 0.15, 0.05])
    size = (abs(draw.normal(0.0, 5.0)), draw.uniform(5.0, 15.0), draw.uniform(15.0, 30.0))[kind]
    return size if draw.chance(0.5) else -size


def make_motion(patient: Patient, draw: Draw, options: PairOptions) -> Motion:
    """Draw the motion between the two scans of a pair."""
    nodes = _Nodes(patient)
    superior = breathing_amplitude(draw) * options.breathing
    anterior = 0.3 * superior + draw.normal(0.0, 1.5) * options.breathing
    breathing = nodes.breathing(superior, -anterior, draw.normal(0.0, 0.6) * options.breathing)
    smooth = nodes.noise(draw, draw.uniform(70.0, 140.0), draw.uniform(0.5, 3.0) * options.residual)
    smooth = smooth + nodes.swelling(draw.normal(0.0, 2.5) * options.breathing - 0.3 * anterior)
    smooth = smooth * nodes.away_from_spine()
    reshape = nodes.noise(draw, draw.uniform(80.0, 160.0), options.reshape_mm)
    turn, shift = _rigid(draw, options.rigid)
    to_fixed, back_fixed = nodes.flows(reshape)
    breathe, unbreathe = nodes.flows(breathing)
    bend, unbend = nodes.flows(smooth)

    wall_fixed = nodes.full(nodes.wall_at(back_fixed))
    breathed = torch.cat([nodes.compose(back_fixed, breathe), back_fixed])
    moved = _move(nodes.points, nodes.compose(breathed, bend), turn, shift)
    fixed_to_moving = nodes.inside_or_outside(moved, wall_fixed)

    straight = nodes.compose(_unmove(nodes.points, turn, shift), unbend)
    wall_moving = nodes.full(nodes.wall_at(straight))
    unbreathed = torch.cat([nodes.compose(straight, unbreathe), straight])
    moving_to_reference = nodes.inside_or_outside(unbreathed, wall_moving)
    moving_to_fixed = nodes.inside_or_outside(nodes.compose(unbreathed, to_fixed), wall_moving)
    band = 2.0 * patient.spacing_mm if abs(superior) + abs(anterior) > 0.5 else 0.0
    return Motion(
        fixed_to_reference=nodes.full(back_fixed)[0],
        moving_to_reference=moving_to_reference[0],
        fixed_to_moving=fixed_to_moving[0],
        moving_to_fixed=moving_to_fixed[0],
        fixed_sheet=(wall_fixed.abs() < band)[0, 0],
        moving_sheet=(wall_moving.abs() < band)[0, 0],
    )


def _rigid(draw: Draw, scale: float) -> tuple[Tensor, Tensor]:
    angles = [draw.normal(0.0, 1.5) * scale for _ in range(3)]
    shift = torch.tensor([draw.normal(0.0, 3.0) * scale for _ in range(3)])
    return rotation(*angles).float(), shift


def _move(points: Tensor, displacement: Tensor, turn: Tensor, shift: Tensor) -> Tensor:
    """Displacement of p -> turn (p + u(p)) + shift."""
    target = points + displacement
    moved = torch.einsum("ij,bjzyx->bizyx", turn.to(target.device), target)
    return moved + shift.to(target.device).view(1, 3, 1, 1, 1) - points


def _unmove(points: Tensor, turn: Tensor, shift: Tensor) -> Tensor:
    """Displacement of the inverse of p -> turn p + shift."""
    moved = points - shift.to(points.device).view(1, 3, 1, 1, 1)
    return torch.einsum("ji,bjzyx->bizyx", turn.to(points.device), moved) - points


def _doubled(volume: Tensor, axis: int) -> Tensor:
    """2n - 1 voxels of n along an axis: each second one is the mean of its neighbours."""
    shape = list(volume.shape)
    shape[axis] = 2 * shape[axis] - 1
    doubled = volume.new_empty(shape)
    old, new = volume.movedim(axis, 0), doubled.movedim(axis, 0)
    new[::2] = old
    new[1::2] = torch.lerp(old[:-1], old[1:], 0.5)
    return doubled


class _Nodes:
    """Every second voxel of a patient's padded grid, and fields on them (1, 3, z, y, x) mm."""

    def __init__(self, patient: Patient) -> None:
        self.patient = patient
        self.spacing = patient.spacing_mm
        padded = patient.first.shape
        z, y, x = ((count - 1) // STEP + 2 for count in padded)
        self.shape = (z, y, x)
        device = patient.device
        self.step_mm = isotropic(STEP * self.spacing)
        index = voxel_coordinates(list(self.shape), device)
        middle = torch.tensor([0.5 * (count - 1) for count in reversed(padded)], device=device)
        self.points = (index * STEP - middle.view(1, 3, 1, 1, 1)) * self.spacing
        self.wall = self._thin(patient.wall_mm)
        self.spine = self._thin(patient.spine_mm)
        self.height = self._thin(patient.height_mm)

    def _thin(self, volume: Tensor) -> Tensor:
        """Values of a padded volume at the nodes, (1, 1, z, y, x); the last ones continue it."""
        thin = volume[::STEP, ::STEP, ::STEP][None, None].float()
        grow = [have - want for have, want in zip(self.shape, thin.shape[2:], strict=True)]
        return functional.pad(thin, (0, grow[2], 0, grow[1], 0, grow[0]), mode="replicate")

    def full(self, field: Tensor) -> Tensor:
        """A field on every voxel of the scan's grid."""
        for axis, (count, margin) in enumerate(
            zip(self.patient.shape, self.patient.margin, strict=True), start=2
        ):
            needed = field.narrow(axis, margin // STEP, count // STEP + 2)
            field = _doubled(needed, axis).narrow(axis, margin % STEP, count)
        return field

    def inside_or_outside(self, fields: Tensor, wall: Tensor) -> Tensor:
        """Of two fields (2, 3, z, y, x) the first inside the ``wall``, on every voxel of a scan."""
        return torch.where(wall < 0, self.full(fields[:1]), self.full(fields[1:]))

    def flows(self, velocity: Tensor) -> tuple[Tensor, Tensor]:
        """The map that follows a velocity for unit time, and its inverse, that follows it back.

        Scaling and squaring from a first step by the midpoint rule of at most STEP_LIMIT_MM.
        """
        fastest = float(velocity.abs().max())
        squarings = math.ceil(math.log2(max(1.0, fastest / STEP_LIMIT_MM)))
        both = torch.cat([velocity, -velocity])
        ahead = warp(both, both / 2 ** (squarings + 1), self.step_mm)
        field = exponentiate_mm(ahead, self.step_mm, squarings)
        return field[:1], field[1:]

    def compose(self, first: Tensor, second: Tensor) -> Tensor:
        """The map that applies ``first``, any number of fields, and then ``second``, one field."""
        return compose_mm(first, second.expand_as(first), self.step_mm)

    def wall_at(self, field: Tensor) -> Tensor:
        """Distance to the wall at the reference points that a field leads to."""
        index = voxel_coordinates(list(self.shape), field.device)
        return sample(self.wall, index + field / self.step_mm[0])

    def noise(self, draw: Draw, wavelength_mm: float, amplitude_mm: float) -> Tensor:
        """Smooth random velocity."""
        waves = smooth_noise(
            draw, self.shape, wavelength_mm / self.step_mm[0], 3, self.patient.device
        )
        return smooth_gaussian(waves[None], 1.4) * amplitude_mm

    def away_from_spine(self) -> Tensor:
        """0 inside the spine, which stays rigid, rising to 1 some centimetres away."""
        return torch.sigmoid((self.spine - 10.0) / 7.0)

    def swelling(self, forward_mm: float) -> Tensor:
        """Velocity of the front wall and the swinging ribs, ``forward_mm`` at the very front."""
        front = torch.sigmoid((-20.0 - self.points[:, 1:2]) / 25.0)
        level = torch.exp(-((self.height - 40.0) / 140.0).square())
        move = front * level * forward_mm
        aside = 0.3 * move * torch.tanh(self.points[:, 0:1] / 60.0)
        return torch.cat([aside, -move, 0.2 * move], 1)

    def breathing(self, superior_mm: float, back_mm: float, left_mm: float) -> Tensor:
        """Velocity of the viscera, tangential at the wall, following the diaphragm.

        It is full at the level of liver and spleen and fades towards lung apex and pelvis;
        behind, at the kidneys, it is 0.6 to 0.7 of that (PMC4539151).
        """
        up = torch.sigmoid((self.height + 75.0) / 28.0) * torch.sigmoid(
            (165.0 - self.height) / 22.0
        )
        behind = 0.62 + 0.38 * torch.sigmoid((self.spine - 38.0) / 10.0)
        amount = up * behind * self.away_from_spine()
        direction = torch.tensor([left_mm, back_mm, superior_mm], device=up.device)
        velocity = amount * direction.view(1, 3, 1, 1, 1)
        slopes = torch.gradient(self.wall[0, 0], spacing=self.step_mm[0])
        normal = torch.stack([slopes[2], slopes[1], slopes[0]])[None]
        normal = normal / normal.norm(dim=1, keepdim=True).clamp(min=1e-3)
        through = (normal * velocity).sum(1, keepdim=True)
        near = torch.exp(-(self.wall / 16.0).square())
        return velocity - near * through * normal
