"""Instance optimization: the joint objective on this very pair, from the register's answer."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from jssr.bundle.load import Bundle
from jssr.labels import label_index
from jssr.networks.register import eroded
from jssr.networks.structure import STRUCTURE_CHANNELS, STRUCTURE_PAIRS, structure
from jssr.registration.inference import Answer, Pair, taper
from jssr.registration.result import Refine
from jssr.registration.window import to_network
from jssr.spatial.fields import compose_mm, exponentiate_mm, resample_field, smooth_gaussian
from jssr.spatial.jacobian import jacobian_determinant
from jssr.spatial.warp import Spacing, sample

_SQUARINGS = 4
_SAMPLES = 20_000
_JUDGING_SAMPLES = 60_000
_LABEL_WEIGHT = 0.01
_LESION_WEIGHT = 0.01
_CONTRAST_SIGMA = 3.0
_CONTRAST_NOISE_SIGMA = 0.7
_CONTRAST_FLOOR = 0.05
_SEED = 20200823


@dataclass(frozen=True)
class _Level:
    """One velocity grid: its coarseness in working voxels, and how it is searched.

    ``bending`` weighs the squared second derivatives of the displacement, made free of units by
    the grid's spacing.
    """

    factor: int
    iterations: int
    rate_mm: float
    bending: float


_PLANS = {
    Refine.FAST: (_Level(8, 30, 2.0, 0.3), _Level(4, 30, 1.0, 1.0)),
    Refine.FULL: (_Level(8, 80, 2.0, 0.3), _Level(4, 120, 1.0, 1.0)),
}


@dataclass(frozen=True)
class _Scene:
    """What the objective compares, on the working grid.

    Attributes:
        moving: ``(1, c, z, y, x)``: structure of the raw and of the synthesized scan, the latter's
            local contrast, then S's probabilities.
        fixed: ``(points, c)``: the same of the fixed scan at ``points``, its structure twice.
        points: ``(points, 3)`` x, y, z index of the voxels inside the fixed body.
        margin: voxels by which the field's grid exceeds the working grid on every side.
        kinds: how many of the channels are not probabilities.
        moving_valid: ``(1, 1, z, y, x)``.
        lesion: ``(1, 1, Z, Y, X)``, S's lesions of the fixed scan, on the field's grid.
        free: ``(1, 1, Z, Y, X)``, the field's taper.
    """

    moving: torch.Tensor
    fixed: torch.Tensor
    points: torch.Tensor
    margin: int
    kinds: int
    moving_valid: torch.Tensor
    lesion: torch.Tensor
    free: torch.Tensor
    spacing_mm: float


def refine_answer(
    pair: Pair,
    synthesized: torch.Tensor,
    answer: Answer,
    bundle: Bundle,
    effort: Refine,
    check: Callable[[], None],
) -> Answer:
    """``answer`` improved on this pair; a level's step is kept only if it lowers the objective.

    A level composes one more diffeomorphic step onto the answer: a velocity that is smooth by
    construction and zero at the grid's border, found by Adam on random points of the fixed body.
    The objective joins structure (MIND) of the raw and of the synthesized scan, local correlation
    of the synthesized scan, soft Dice of S's labels, bending, and the volume of lesions.

    Args:
        check: called between iterations; may raise to stop.
    """
    scene = _scene(pair, synthesized, bundle)
    if len(scene.points) == 0:
        return answer
    there = answer.fixed_to_moving_mm.to(bundle.device)
    back = answer.moving_to_fixed_mm.to(bundle.device)
    for level in _PLANS[effort]:
        there, back = _improved(scene, there, back, level, check)
    return Answer(there.cpu(), back.cpu())


def _scene(pair: Pair, synthesized: torch.Tensor, bundle: Bundle) -> _Scene:
    device, window = bundle.device, bundle.manifest.window_hu
    fixed = to_network(pair.fixed.hu, window).to(device)
    moving = to_network(pair.moving.hu, window).to(device)
    fixed_valid = eroded(pair.fixed.valid.float().to(device))
    body = (fixed_valid > 0) & (fixed > -1.0)
    where = torch.nonzero(body[0, 0])
    organs = [c for c in range(1, pair.fixed_probabilities.shape[1]) if _present(pair, c)]
    moving_valid = eroded(pair.moving.valid.float().to(device))
    with torch.no_grad():
        fixed_at_points = _at_points(
            where,
            structure(fixed, STRUCTURE_PAIRS),
            local_contrast(fixed, fixed_valid),
            pair.fixed_probabilities[:, organs].to(device),
        )
        # Filled piece by piece: joining pieces would hold every channel twice.
        one, both = STRUCTURE_CHANNELS, 2 * STRUCTURE_CHANNELS
        kinds = both + 1
        synthesized = synthesized.to(device)
        moving_features = moving.new_empty(1, kinds + len(organs), *pair.grid.shape_zyx)
        moving_features[:, :one] = structure(moving, STRUCTURE_PAIRS)
        moving_features[:, one:both] = structure(synthesized, STRUCTURE_PAIRS)
        moving_features[:, both:kinds] = local_contrast(synthesized, moving_valid)
        for channel, organ in enumerate(organs, start=kinds):
            moving_features[:, channel] = pair.moving_probabilities[:, organ].to(device)
    lesion = label_index("lesion")
    return _Scene(
        moving=moving_features,
        fixed=fixed_at_points,
        points=where.flip(1).float(),
        kinds=kinds,
        moving_valid=moving_valid,
        margin=pair.margin,
        lesion=F.pad(
            pair.fixed_probabilities[:, lesion : lesion + 1].to(device), [pair.margin] * 6
        ),
        free=taper(pair.field_grid).to(device),
        spacing_mm=pair.grid.spacing_mm[0],
    )


def local_contrast(image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """``image`` without its local mean, over its local standard deviation, ``(1, 1, z, y, x)``.

    The squared difference of two such images is, but for a constant, one minus their local
    correlation. "Local" is a Gaussian of three voxels over what is ``valid``; deviations far below
    the floor, 0.05 of the window's half width, are noise and stay small.
    """

    def local_mean(volume: torch.Tensor) -> torch.Tensor:
        return smooth_gaussian(volume * valid, _CONTRAST_SIGMA) / weight

    weight = smooth_gaussian(valid, _CONTRAST_SIGMA).clamp_min(1e-3)
    image = smooth_gaussian(image, _CONTRAST_NOISE_SIGMA)
    centred = image - local_mean(image)
    return centred / (local_mean(centred.square()) + _CONTRAST_FLOOR**2).sqrt()


def _at_points(
    where_zyx: torch.Tensor,
    structure_: torch.Tensor,
    contrast: torch.Tensor,
    labels: torch.Tensor,
) -> torch.Tensor:
    """Structure twice, contrast and labels ``(1, c, z, y, x)`` at points, ``(points, c)``."""
    z, y, x = where_zyx.unbind(dim=1)
    found = [volume[0][:, z, y, x].t() for volume in (structure_, contrast, labels)]
    return torch.cat((found[0], *found), dim=1)


def _present(pair: Pair, channel: int) -> bool:
    """Whether both scans hold enough of a class for its Dice to mean something."""
    masses = pair.fixed_probabilities[:, channel].sum(), pair.moving_probabilities[:, channel].sum()
    return bool(min(masses) > 200)


def _improved(
    scene: _Scene,
    there: torch.Tensor,
    back: torch.Tensor,
    level: _Level,
    check: Callable[[], None],
) -> tuple[torch.Tensor, torch.Tensor]:
    shape = [2 * n // level.factor for n in there.shape[2:]]
    size = scene.spacing_mm * level.factor
    spacing = (size, size, size)
    start = resample_field(there, shape)
    free = -F.max_pool3d(-scene.free, level.factor)
    lesion = F.avg_pool3d(scene.lesion, level.factor)
    parameters = torch.zeros_like(start).requires_grad_(True)
    optimizer = torch.optim.Adam([parameters], lr=level.rate_mm, betas=(0.9, 0.99))
    random = torch.Generator().manual_seed(_SEED)
    for iteration in range(level.iterations):
        check()
        # Falling steps: the last ones average the noise of the random points out.
        optimizer.param_groups[0]["lr"] = level.rate_mm * (1 - 0.8 * iteration / level.iterations)
        velocity = smooth_gaussian(parameters, 1.0) * free
        field = compose_mm(exponentiate_mm(velocity, spacing, _SQUARINGS), start, spacing)
        chosen = torch.randint(len(scene.points), (_SAMPLES,), generator=random)
        loss = _objective(scene, field, spacing, level, lesion, chosen.to(there.device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        velocity = smooth_gaussian(parameters, 1.0) * free
        chosen = torch.randint(len(scene.points), (_JUDGING_SAMPLES,), generator=random)
        chosen = chosen.to(there.device)
        moved = compose_mm(exponentiate_mm(velocity, spacing, _SQUARINGS), start, spacing)
        before = _objective(scene, start, spacing, level, lesion, chosen)
        after = _objective(scene, moved, spacing, level, lesion, chosen)
        if not bool(after < before):
            return there, back
        return _composed(velocity, there, back, scene.spacing_mm)


def _composed(
    velocity: torch.Tensor, there: torch.Tensor, back: torch.Tensor, spacing_mm: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """One more step onto both fields, on their own grid."""
    spacing = (2 * spacing_mm, 2 * spacing_mm, 2 * spacing_mm)
    fine = resample_field(velocity, list(there.shape[2:]))
    return (
        compose_mm(exponentiate_mm(fine, spacing, _SQUARINGS), there, spacing),
        compose_mm(back, exponentiate_mm(-fine, spacing, _SQUARINGS), spacing),
    )


def _objective(
    scene: _Scene,
    field: torch.Tensor,
    spacing: Spacing,
    level: _Level,
    lesion: torch.Tensor,
    chosen: torch.Tensor,
) -> torch.Tensor:
    points = scene.points[chosen]
    on_field = (points + scene.margin + 0.5) / level.factor - 0.5
    displacement = _at(field, on_field).t()
    moved = points + displacement / scene.spacing_mm
    found = _at(scene.moving, moved).t()
    seen = (_at(scene.moving_valid, moved)[0] > 0.99).float()
    wanted = scene.fixed[chosen]
    squared = (found[:, : scene.kinds] - wanted[:, : scene.kinds]).square().mean(dim=1)
    loss = (squared * seen).sum() / seen.sum().clamp_min(1.0)
    loss = loss + level.bending * bending(field, spacing)
    labels, truth = (
        found[:, scene.kinds :] * seen[:, None],
        wanted[:, scene.kinds :] * seen[:, None],
    )
    if labels.shape[1] > 0:
        shared = 2 * (labels * truth).sum(dim=0) + 1.0
        loss = loss + _LABEL_WEIGHT * (1 - shared / (labels.sum(0) + truth.sum(0) + 1.0)).mean()
    if bool(lesion.sum() > 0):
        change = jacobian_determinant(field, spacing).clamp_min(0.05).log().abs()
        loss = loss + _LESION_WEIGHT * (change * lesion[:, 0]).sum() / lesion.sum()
    return loss


def bending(displacement_mm: torch.Tensor, spacing: Spacing) -> torch.Tensor:
    """Mean squared second derivative times the spacing squared: free of units.

    Rueckert et al., IEEE TMI 1999, equation 5, on a grid with cubic voxels.
    """
    energy = displacement_mm.new_zeros(())
    for i in (2, 3, 4):
        for j in range(i, 5):
            second = torch.diff(torch.diff(displacement_mm, dim=i), dim=j) / spacing[0]
            energy = energy + (1.0 if i == j else 2.0) * second.square().mean()
    return energy


def _at(volume: torch.Tensor, index_xyz: torch.Tensor) -> torch.Tensor:
    """Values ``(c, points)`` of ``volume`` ``(1, c, z, y, x)`` at ``(points, 3)`` indices."""
    points = index_xyz.t().reshape(1, 3, -1, 1, 1)
    return sample(volume, points)[0, :, :, 0, 0]
