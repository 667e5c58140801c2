"""Instance optimization: the joint objective on this very pair, from the register's answer."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from jssr.bundle.load import Bundle
from jssr.labels import label_index
from jssr.memory import return_unused
from jssr.registration.adam import Adam
from jssr.registration.evidence import BothScans, Evidence, coarse_evidence, fine_evidence
from jssr.registration.inference import Answer, Pair, Scans, taper
from jssr.registration.result import Refine
from jssr.spatial.fields import compose_mm, exponentiate_mm, resample_field, smooth_gaussian
from jssr.spatial.jacobian import jacobian_determinant
from jssr.spatial.warp import Spacing, sample

_SQUARINGS = 2
_SAMPLES = 20_000
_JUDGING_SAMPLES = 60_000
_LABEL_WEIGHT = 0.01
_LESION_WEIGHT = 0.002
_DEPTH_NOISE = 0.02
_FIRST_SEED = 20200823


_BothWays = tuple[torch.Tensor, torch.Tensor]
"""Of the fixed scan and of the moving one: fields to the other scan, or points."""


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


# The first level compares what the working grid shows, the second what a finer one shows.
_PLANS = {
    Refine.FAST: (_Level(8, 30, 2.0, 0.3), _Level(4, 60, 1.0, 2.0)),
    Refine.FULL: (_Level(8, 80, 2.0, 0.3), _Level(4, 200, 1.0, 2.0)),
}


@dataclass(frozen=True)
class _Space:
    """The field's grid.

    Attributes:
        spacing_mm: of the working grid, which ``level.factor`` counts in.
        margin_mm: by which the field's grid exceeds the working grid on every side.
        lesion: ``(1, 1, Z, Y, X)``, S's lesions of the fixed scan.
        free: ``(1, 1, Z, Y, X)``, the field's taper.
    """

    spacing_mm: float
    margin_mm: float
    lesion: torch.Tensor
    free: torch.Tensor


def refine_answer(
    pair: Pair,
    finer: Callable[[], Scans],
    synthesized: tuple[torch.Tensor, torch.Tensor],
    answer: Answer,
    bundle: Bundle,
    effort: Refine,
    seed: int,
    check: Callable[[], None],
) -> Answer:
    """``answer`` improved on this pair; a level's step is kept only if it lowers the objective.

    A level composes one more diffeomorphic step onto the answer: a velocity that is smooth by
    construction and zero at the grid's border, found by Adam on random points of both bodies and
    averaged over the later half of the steps (Polyak and Juditsky, SIAM J. Control 1992). The
    objective, the same whichever scan is called fixed, joins structure (MIND) and local
    correlation of the raw and of the synthesized scans, soft Dice of S's labels, and bending; to
    that comes the volume of lesions.

    Args:
        finer: makes both scans on a finer grid over the same box; called when they are needed, and
            let go of as soon as possible.
        synthesized: the fixed and the moving scan, each in the other's phase.
        seed: of the random points.
        check: called between iterations; may raise to stop.
    """
    random = torch.Generator().manual_seed(_FIRST_SEED + seed)
    space = _space(pair, bundle)
    coarse, fine = _PLANS[effort]
    there = answer.fixed_to_moving_mm.to(bundle.device)
    back = answer.moving_to_fixed_mm.to(bundle.device)
    evidence = coarse_evidence(pair, synthesized, bundle, random)
    there, back = _improved(evidence, space, there, back, coarse, random, check)
    # Let go of first: the finer evidence needs more memory than anything before it.
    del evidence
    return_unused()
    evidence = fine_evidence(finer, synthesized, bundle, random)
    there, back = _improved(evidence, space, there, back, fine, random, check)
    return Answer(there.cpu(), back.cpu())


def _space(pair: Pair, bundle: Bundle) -> _Space:
    lesion = label_index("lesion")
    probability = pair.fixed_probabilities[:, lesion : lesion + 1].to(bundle.device, torch.float32)
    spacing = pair.grid.spacing_mm[0]
    return _Space(
        spacing_mm=spacing,
        margin_mm=pair.margin * spacing,
        lesion=F.pad(probability, [pair.margin] * 6),
        free=taper(pair.field_grid).to(bundle.device),
    )


def _improved(
    evidence: BothScans,
    space: _Space,
    there: torch.Tensor,
    back: torch.Tensor,
    level: _Level,
    random: torch.Generator,
    check: Callable[[], None],
) -> _BothWays:
    if any(len(scan.points) == 0 for scan in evidence):
        return there, back
    shape = [2 * n // level.factor for n in there.shape[2:]]
    size = space.spacing_mm * level.factor
    spacing = (size, size, size)
    start = resample_field(there, shape), resample_field(back, shape)
    free = -F.max_pool3d(-space.free, level.factor)
    lesion = F.avg_pool3d(space.lesion, level.factor)
    parameters = torch.zeros_like(start[0]).requires_grad_(True)
    average = torch.zeros_like(start[0])
    averaged = level.iterations - level.iterations // 2
    adam = Adam(parameters)

    def velocity(of: torch.Tensor) -> torch.Tensor:
        return smooth_gaussian(of, 1.0) * free

    def objective(fields: _BothWays, chosen: _BothWays) -> torch.Tensor:
        loss = start[0].new_zeros(())
        ways = ((*evidence, fields[0], chosen[0]), (*reversed(evidence), fields[1], chosen[1]))
        for here, other, field, points in ways:
            loss = loss + _difference(here, other, field, size, space.margin_mm, points) / 2
            loss = loss + level.bending * bending(field, spacing) / 2
        if bool(lesion.sum() > 0):
            change = jacobian_determinant(fields[0], spacing).clamp_min(0.05).log().abs()
            loss = loss + _LESION_WEIGHT * (change * lesion[:, 0]).sum() / lesion.sum()
        return loss

    for iteration in range(level.iterations):
        check()
        # Falling steps, and the mean of the later ones: so the noise of the random points fades.
        rate_mm = level.rate_mm * (1 - 0.8 * iteration / level.iterations)
        chosen = _chosen(evidence, _SAMPLES, random)
        loss = objective(_composed(velocity(parameters), *start, spacing), chosen)
        adam.step(parameters, torch.autograd.grad(loss, parameters)[0], rate_mm)
        if iteration >= level.iterations - averaged:
            average.add_(parameters.detach(), alpha=1 / averaged)
    with torch.no_grad():
        step = velocity(average)
        chosen = _chosen(evidence, _JUDGING_SAMPLES, random)
        moved = _composed(step, *start, spacing)
        if not bool(objective(moved, chosen) < objective(start, chosen)):
            return there, back
        size = 2 * space.spacing_mm
        spacing = (size, size, size)
        return _composed(resample_field(step, list(there.shape[2:])), there, back, spacing)


def _chosen(evidence: BothScans, count: int, random: torch.Generator) -> _BothWays:
    """Random points of each scan."""
    fixed, moving = (
        scan.points[torch.randint(len(scan.points), (count,), generator=random)]
        for scan in evidence
    )
    return fixed, moving


def _composed(
    velocity: torch.Tensor, there: torch.Tensor, back: torch.Tensor, spacing: Spacing
) -> _BothWays:
    """One more step before the one field and, undone, after the other."""
    return (
        compose_mm(exponentiate_mm(velocity, spacing, _SQUARINGS), there, spacing),
        compose_mm(back, exponentiate_mm(-velocity, spacing, _SQUARINGS), spacing),
    )


def _difference(
    here: Evidence,
    other: Evidence,
    field: torch.Tensor,
    size_mm: float,
    margin_mm: float,
    chosen: torch.Tensor,
) -> torch.Tensor:
    """How chosen points of one scan and where the field sends them differ, features and labels.

    A point counts where the other scan is seen as deeply as here. Else those that a field of view
    cuts off would count once they are matched wrongly, inside of it, and not where they belong; of
    a place near the end of one scan the other's points tell as much.

    Args:
        field: on a grid of voxels of ``size_mm`` that exceeds the evidence's by ``margin_mm``.
        chosen: rows of ``here.values``.
    """
    points, wanted = here.index_xyz(chosen), here.values.index_select(0, chosen).float()
    on_field = ((points + 0.5) * here.spacing_mm + margin_mm) / size_mm - 0.5
    displacement = sample(field, on_field.t().reshape(1, 3, -1, 1, 1))[0, :, :, 0, 0].t()
    found = other.at(points + displacement / here.spacing_mm)
    seen = (found[:, -1].detach() > wanted[:, -1] - _DEPTH_NOISE).float()
    features = len(here.like)
    squared = (found[:, :features] - wanted[:, here.like]).square() @ here.weights
    loss = (squared * seen).sum() / seen.sum().clamp_min(1.0)
    labels, truth = found[:, features:-1] * seen[:, None], wanted[:, features:-1] * seen[:, None]
    if labels.shape[1] > 0:
        shared = 2 * (labels * truth).sum(dim=0) + 1.0
        loss = loss + _LABEL_WEIGHT * (1 - shared / (labels.sum(0) + truth.sum(0) + 1.0)).mean()
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
