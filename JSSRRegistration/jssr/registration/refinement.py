"""Instance optimization: the joint objective on this very pair, from the register's answer."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from jssr.bundle.load import Bundle
from jssr.labels import label_index
from jssr.memory import return_unused
from jssr.registration.adam import Adam
from jssr.registration.agreement import trusting
from jssr.registration.evidence import BothScans, coarse_evidence, fine_evidence
from jssr.registration.inference import Displacements, Pair, Scans, taper
from jssr.registration.objective import BothWays, Objective
from jssr.registration.result import Refine
from jssr.spatial.fields import compose_mm, exponentiate_mm, resample_field, smooth_gaussian
from jssr.spatial.warp import isotropic

_SQUARINGS = 2
_SAMPLES = 20_000
_JUDGING_SAMPLES = 60_000
_FIRST_SEED = 20200823


@dataclass(frozen=True)
class _Level:
    """One velocity grid: its coarseness in working voxels, and how it is searched.

    ``trusting`` levels weigh contrast by how well it agrees at their start, which asks for a start
    near the answer.
    """

    factor: int
    iterations: int
    rate_mm: float
    bending_weight: float
    trusting: bool


# The first level compares what the working grid shows, the second what a finer one shows.
_PLANS = {
    Refine.FAST: (_Level(8, 30, 2.0, 0.3, trusting=False), _Level(4, 60, 1.0, 2.0, trusting=True)),
    Refine.FULL: (_Level(8, 80, 2.0, 0.3, trusting=False), _Level(4, 200, 1.0, 2.0, trusting=True)),
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

    @staticmethod
    def of(pair: Pair, bundle: Bundle) -> "_Space":
        lesion = label_index("lesion")
        probability = pair.fixed_probabilities[:, lesion : lesion + 1]
        spacing_mm = pair.grid.spacing_mm[0]
        return _Space(
            spacing_mm=spacing_mm,
            margin_mm=pair.margin * spacing_mm,
            lesion=F.pad(probability.to(bundle.device, torch.float32), [pair.margin] * 6),
            free=taper(pair.field_grid).to(bundle.device),
        )


@dataclass(frozen=True)
class _Search:
    """For a velocity that, composed onto the fields at hand, lowers the objective.

    Attributes:
        start: the fields at hand, on the velocity's grid.
        free: ``(1, 1, z, y, x)``, where the velocity may differ from zero.
    """

    objective: Objective
    start: BothWays
    free: torch.Tensor
    level: _Level

    def velocity(self, random: torch.Generator, check: Callable[[], None]) -> torch.Tensor:
        """The mean of the later half of the steps, so the noise of the random points fades."""
        parameters = torch.zeros_like(self.start[0]).requires_grad_(True)
        average = torch.zeros_like(self.start[0])
        count = self.level.iterations
        averaged = count - count // 2
        adam = Adam(parameters)
        for iteration in range(count):
            check()
            rows = self.objective.drawn(_SAMPLES, random)
            loss = self.objective(self._moved(self._smooth(parameters)), rows)
            rate_mm = self.level.rate_mm * (1 - 0.8 * iteration / count)
            adam.step(parameters, torch.autograd.grad(loss, parameters)[0], rate_mm)
            if iteration >= count - averaged:
                average.add_(parameters.detach(), alpha=1 / averaged)
        return self._smooth(average)

    def is_better(self, velocity: torch.Tensor, random: torch.Generator) -> bool:
        """Whether it lowers the objective, on points of its own."""
        rows = self.objective.drawn(_JUDGING_SAMPLES, random)
        moved = self._moved(velocity)
        return bool(self.objective(moved, rows) < self.objective(self.start, rows))

    def _smooth(self, parameters: torch.Tensor) -> torch.Tensor:
        return smooth_gaussian(parameters, 1.0) * self.free

    def _moved(self, velocity: torch.Tensor) -> BothWays:
        return _composed(velocity, self.start, self.objective.spacing_mm)


def refine_displacements(
    pair: Pair,
    finer: Callable[[], Scans],
    synthesized: tuple[torch.Tensor, torch.Tensor],
    displacements: Displacements,
    bundle: Bundle,
    effort: Refine,
    seed: int,
    check: Callable[[], None],
) -> Displacements:
    """Φ's displacements improved on this pair; a level's step is kept only if it is better.

    A level composes one more diffeomorphic step onto the displacements: a velocity that is smooth
    by construction and zero at the grid's border, found by Adam on random points of both bodies
    and averaged over the later half of the steps (Polyak and Juditsky, SIAM J. Control 1992).

    Args:
        finer: makes both scans on a finer grid over the same box; called when they are needed, and
            let go of as soon as possible.
        synthesized: the fixed and the moving scan, each in the other's phase.
        displacements: on the field's grid coarsened by two, as is the answer.
        seed: of the random points.
        check: called between iterations; may raise to stop.
    """
    random = torch.Generator().manual_seed(_FIRST_SEED + seed)
    space = _Space.of(pair, bundle)
    coarse, fine = _PLANS[effort]
    fields = (
        displacements.fixed_to_moving_mm.to(bundle.device),
        displacements.moving_to_fixed_mm.to(bundle.device),
    )
    evidence = coarse_evidence(pair, synthesized, bundle, random)
    fields = _improved(fields, evidence, space, coarse, random, check)
    # Let go of first: the finer evidence needs more memory than anything before it.
    del evidence
    return_unused()
    evidence = fine_evidence(finer, synthesized, bundle, random)
    fixed_to_moving, moving_to_fixed = _improved(fields, evidence, space, fine, random, check)
    return Displacements(
        fixed_to_moving_mm=fixed_to_moving.cpu(), moving_to_fixed_mm=moving_to_fixed.cpu()
    )


def _improved(
    fields: BothWays,
    evidence: BothScans,
    space: _Space,
    level: _Level,
    random: torch.Generator,
    check: Callable[[], None],
) -> BothWays:
    if any(len(scan.body_rows) == 0 for scan in evidence):
        return fields
    shape = list(fields[0].shape[2:])
    coarser = [2 * n // level.factor for n in shape]
    start = resample_field(fields[0], coarser), resample_field(fields[1], coarser)
    objective = Objective(
        evidence=evidence,
        spacing_mm=space.spacing_mm * level.factor,
        margin_mm=space.margin_mm,
        bending_weight=level.bending_weight,
        lesion=F.avg_pool3d(space.lesion, level.factor),
    )
    if level.trusting:
        objective = trusting(objective, start, random)
    search = _Search(objective, start, -F.max_pool3d(-space.free, level.factor), level)
    velocity = search.velocity(random, check)
    with torch.no_grad():
        if not search.is_better(velocity, random):
            return fields
        return _composed(resample_field(velocity, shape), fields, 2 * space.spacing_mm)


def _composed(velocity: torch.Tensor, fields: BothWays, spacing_mm: float) -> BothWays:
    """One more step before the one field and, undone, after the other."""
    spacing = isotropic(spacing_mm)
    return (
        compose_mm(exponentiate_mm(velocity, spacing, _SQUARINGS), fields[0], spacing),
        compose_mm(fields[1], exponentiate_mm(-velocity, spacing, _SQUARINGS), spacing),
    )
