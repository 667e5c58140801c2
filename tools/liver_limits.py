"""What keeps the error inside the liver: what the scans show, or how it is searched?

Two experiments on phantoms, whose deformation is known:

- The refinement starts once at the networks' answer and once at the truth. Where both end alike,
  its search is not what limits it.
- The moving scan is warped by the truth, so that no shift is right everywhere. Blocks of the fixed
  liver are then matched among all shifts up to 4.5 mm, by the kinds of features that the finer
  level of the refinement compares. Here all voxels that both scans show count alike: nothing near
  the scans' borders is left out, and contrast is not weighed by how well it agrees. Where a block
  shows anything, the best shift is near zero; where it shows nothing, the best shift is any shift,
  and its mean length that of all shifts.

Example: python tools/liver_limits.py phantoms:2001-2006 --output limits
"""

import argparse
import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from jssr.bundle.load import Bundle, load_bundle
from jssr.errors import InputError
from jssr.evaluation.cohort import CaseData, load_case
from jssr.evaluation.open_cohort import open_cohort
from jssr.io.atomic import OutputFolder
from jssr.networks.structure import STRUCTURE_PAIRS, structure
from jssr.registration.evidence import FINE, local_contrast
from jssr.registration.field_of_view import Scan
from jssr.registration.inference import (
    Displacements,
    Pair,
    both_ways,
    find_displacement,
    finished,
    synthesize,
)
from jssr.registration.prealign import prealign
from jssr.registration.preparation import Preparation, prepare
from jssr.registration.refinement import refine_displacements
from jssr.registration.result import Refine
from jssr.registration.window import to_network
from jssr.spatial.fields import invert_mm, smooth_gaussian
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import apply_linear
from jssr.spatial.warp import isotropic, resize, sample, warp

REACH = 3
BLOCK = 24
LEAST_PART = 0.2
OUTLINE_VOXELS = 4
"""Sizes in voxels of the finer grid, 1.5 mm with the default model."""


@dataclass(frozen=True)
class Truth:
    """On the working grid: the displacement left by the linear part, and the liver."""

    displacement_mm: torch.Tensor
    liver: torch.Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", help="phantoms:FIRST-LAST")
    parser.add_argument("--output", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    bundle = load_bundle()
    rows = []
    try:
        with OutputFolder(arguments.output) as folder:
            for case in open_cohort(arguments.cohort, folder, progress=lambda *_: None):
                row = {"case": case.name, **limits(load_case(case), bundle)}
                print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
                rows.append(row)
            with (folder / "limits.csv").open("w", newline="", encoding="utf-8") as file:
                table = csv.DictWriter(file, list(rows[0]))
                table.writeheader()
                table.writerows(rows)
    except InputError as error:
        raise SystemExit(str(error)) from error


def limits(data: CaseData, bundle: Bundle) -> dict[str, float]:
    """Errors in the liver and lengths of the best shifts, in mm."""
    if data.truth_mm is None or data.liver is None:
        raise InputError(f"The case '{data.case.name}' has no truth or no liver; use phantoms.")
    fixed, moving = Scan.of(data.fixed), Scan.of(data.moving)
    linear = prealign(fixed, moving)
    prepared = prepare(fixed, moving, bundle)
    pair = prepared.pair(linear)
    truth = truth_on(pair.grid, data, linear)
    synthesized = synthesize(pair, bundle)
    displacements = find_displacement(pair, synthesized, bundle)
    both, mean = both_ways(pair, synthesized, displacements, bundle)

    def refined(start: Displacements) -> Displacements:
        return refine_displacements(
            pair,
            lambda: prepared.finer(linear),
            both,
            start,
            bundle,
            Refine.FAST,
            0,
            lambda: None,
        )

    start = at_truth(displacements, pair.field_grid, data, linear)
    row = {
        "networks": error_mm(displacements, pair, truth),
        "refined": error_mm(refined(mean), pair, truth),
        "truth_as_start": error_mm(start, pair, truth),
        "refined_from_truth": error_mm(refined(start), pair, truth),
    }
    row |= matched(prepared, linear, synthesized, truth, bundle)
    return {name: round(value, 2) for name, value in row.items()}


def truth_on(grid: Geometry, data: CaseData, linear: np.ndarray) -> Truth:
    """Where the fixed scan does not cover ``grid``, the truth at its border continues."""
    assert data.truth_mm is not None and data.liver is not None
    shape = list(grid.shape_zyx)
    points = grid.points_mm().reshape(3, -1).T
    on_scan = apply_linear(np.linalg.inv(Geometry.of(data.fixed).index_to_world), points)
    where = torch.from_numpy(on_scan.T).float().reshape(1, 3, *shape)
    found = sample(torch.from_numpy(data.truth_mm)[None].float(), where)
    moved = apply_linear(np.linalg.inv(linear), points + found[0].flatten(1).T.numpy())
    liver = sample(torch.from_numpy(data.liver)[None, None].float(), where, padding="zeros")
    displacement = torch.from_numpy((moved - points).T).float().reshape(1, 3, *shape)
    return Truth(displacement, liver > 0.5)


def at_truth(
    displacements: Displacements, grid: Geometry, data: CaseData, linear: np.ndarray
) -> Displacements:
    """The truth on the grid of ``displacements``: ``grid`` coarsened by two."""
    spacing = grid.spacing_mm[0] * 2
    there = smooth_gaussian(truth_on(grid, data, linear).displacement_mm, 1.0)
    there = resize(there, list(displacements.fixed_to_moving_mm.shape[2:]))
    return Displacements(
        fixed_to_moving_mm=there, moving_to_fixed_mm=invert_mm(there, isotropic(spacing))
    )


def error_mm(displacements: Displacements, pair: Pair, truth: Truth) -> float:
    """Mean distance to the truth in the liver."""
    found = pair.within(finished(displacements, pair.field_grid).fixed_to_moving_mm)
    return float((found - truth.displacement_mm).norm(dim=1, keepdim=True)[truth.liver].mean())


def matched(
    prepared: Preparation,
    linear: np.ndarray,
    synthesized: torch.Tensor,
    truth: Truth,
    bundle: Bundle,
) -> dict[str, float]:
    """Mean length of the best shifts by feature, inside the liver and at its outline."""
    scans = prepared.finer(linear)
    shape, spacing = list(scans.grid.shape_zyx), scans.grid.spacing_mm
    field = resize(truth.displacement_mm, shape)
    window = bundle.manifest.window_hu
    fixed = to_network(scans.fixed.hu, window)
    moving = warp(to_network(scans.moving.hu, window), field, spacing)
    painted = warp(resize(synthesized, shape), field, spacing)
    seen = warp(scans.moving.valid.float(), field, spacing, padding="zeros") > 0.99
    liver = (resize(truth.liver.float(), shape) > 0.5) & seen & scans.fixed.valid
    inside = -F.max_pool3d(-liver.float(), 2 * OUTLINE_VOXELS + 1, 1, OUTLINE_VOXELS) > 0.5
    both = seen & scans.fixed.valid
    features = {
        "structure": [
            structure(smooth_gaussian(image, FINE.structure_sigma), STRUCTURE_PAIRS)
            for image in (fixed, moving)
        ],
        "contrast": [local_contrast(image, both, FINE.around_sigma) for image in (fixed, moving)],
        "synthesized": [
            local_contrast(image, both, FINE.around_sigma) for image in (fixed, painted)
        ],
    }
    return {
        f"{name}_{place}": best_shifts_mm(images[0], images[1], region, spacing[0])
        for place, region in (("inside", inside), ("outline", liver & ~inside))
        for name, images in features.items()
    } | {"any_shift": chance_mm(spacing[0])}


def shifts() -> list[tuple[int, int, int]]:
    """All that are tried, in voxels z, y, x."""
    steps = range(-REACH, REACH + 1)
    return list(itertools.product(steps, steps, steps))


def chance_mm(spacing_mm: float) -> float:
    """Mean length of all shifts."""
    return float(np.linalg.norm(shifts(), axis=1).mean()) * spacing_mm


def best_shifts_mm(
    fixed: torch.Tensor, moving: torch.Tensor, region: torch.Tensor, spacing_mm: float
) -> float:
    """Mean length of the shifts that match ``(1, c, z, y, x)`` best, over blocks of ``region``.

    A block counts where at least a fifth of it is in the region; NaN where none does.
    """
    inner = region[..., REACH:-REACH, REACH:-REACH, REACH:-REACH].float()
    part = _per_block(inner)
    counted = part > LEAST_PART
    if not bool(counted.any()):
        return float("nan")
    depth, height, width = inner.shape[2:]
    still = fixed[..., REACH:-REACH, REACH:-REACH, REACH:-REACH]
    costs = []
    for z, y, x in shifts():
        moved = moving[..., REACH + z :, REACH + y :, REACH + x :][..., :depth, :height, :width]
        difference = (still - moved).square().mean(dim=1, keepdim=True)
        costs.append((_per_block(difference * inner) / part)[counted])
    best = torch.stack(costs).argmin(dim=0)
    lengths = torch.tensor(shifts()).float().norm(dim=1)[best]
    return float(lengths.mean()) * spacing_mm


def _per_block(volume: torch.Tensor) -> torch.Tensor:
    short = [-n % BLOCK for n in volume.shape[:1:-1]]
    return F.avg_pool3d(F.pad(volume, [0, short[0], 0, short[1], 0, short[2]]), BLOCK)


if __name__ == "__main__":
    main()
