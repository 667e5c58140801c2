"""Instance optimization: it finds known motion, keeps what is right, and never folds."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from jssr.bundle.load import Bundle
from jssr.errors import Cancelled
from jssr.labels import label_index
from jssr.registration.inference import Displacements, Pair
from jssr.registration.refinement import refine_displacements
from jssr.registration.result import Refine
from jssr.registration.window import to_network
from jssr.registration.working_grid import GridVolume
from jssr.spatial.fields import compose_mm, resample_field
from jssr.spatial.jacobian import jacobian_determinant
from sample_scene import (
    ball,
    finer_scans,
    moved_pair,
    no_motion,
    on_field_grid,
    pair_of,
    textured_hu,
)

SPACING = (3.0, 3.0, 3.0)


def refined(
    pair: Pair,
    displacements: Displacements,
    bundle: Bundle,
    effort: Refine = Refine.FAST,
    seed: int = 0,
) -> Displacements:
    """Refined as if the generator repainted nothing."""
    finer, painted = partial(finer_scans, pair), unpainted(pair, bundle)
    return refine_displacements(
        pair, finer, painted, displacements, bundle, effort, seed, lambda: None
    )


def unpainted(pair: Pair, bundle: Bundle) -> tuple[torch.Tensor, torch.Tensor]:
    window = bundle.manifest.window_hu
    return to_network(pair.fixed.hu, window), to_network(pair.moving.hu, window)


def error_mm(pair: Pair, displacements: Displacements, truth: torch.Tensor) -> torch.Tensor:
    full = resample_field(displacements.fixed_to_moving_mm, list(pair.field_grid.shape_zyx))
    inside = ball(60.0)[0, 0] > 0
    return (pair.within(full) - truth).norm(dim=1)[0][inside]


@pytest.mark.parametrize("size_mm", [8.0, 16.0])
def test_finds_a_known_motion(bundle: Bundle, size_mm: float) -> None:
    pair, truth = moved_pair(3, size_mm)
    before = error_mm(pair, no_motion(pair), truth)
    after = error_mm(pair, refined(pair, no_motion(pair), bundle), truth)
    assert after.mean() < 0.35 * before.mean()
    assert after.max() < before.max()


def test_the_seed_chooses_the_points(bundle: Bundle) -> None:
    pair, _ = moved_pair(3, 8.0)
    first, same, other = (refined(pair, no_motion(pair), bundle, seed=s) for s in (1, 1, 2))
    assert torch.equal(first.fixed_to_moving_mm, same.fixed_to_moving_mm)
    difference = (first.fixed_to_moving_mm - other.fixed_to_moving_mm).norm(dim=1)
    assert 0.01 < float(difference.max()) < 4.0


@pytest.mark.slow
def test_full_is_no_worse_than_fast(bundle: Bundle) -> None:
    pair, truth = moved_pair(4, 12.0)
    fast = error_mm(pair, refined(pair, no_motion(pair), bundle), truth).mean()
    full = error_mm(pair, refined(pair, no_motion(pair), bundle, Refine.FULL), truth).mean()
    assert full < 1.05 * fast


def test_the_right_answer_stays(bundle: Bundle) -> None:
    pair, truth = moved_pair(5, 12.0)
    right = Displacements(
        fixed_to_moving_mm=on_field_grid(pair, truth, 2),
        moving_to_fixed_mm=on_field_grid(pair, -truth, 2),
    )
    assert error_mm(pair, refined(pair, right, bundle), truth).mean() < 0.4


def test_both_directions_stay_inverse_and_nothing_folds(bundle: Bundle) -> None:
    pair, _ = moved_pair(6, 16.0)
    displacements = refined(pair, no_motion(pair), bundle)
    spacing = (6.0, 6.0, 6.0)
    there, back = displacements.fixed_to_moving_mm, displacements.moving_to_fixed_mm
    assert there.norm(dim=1).max() > 2.0
    assert compose_mm(there, back, spacing).norm(dim=1).max() < 0.5
    assert jacobian_determinant(there, spacing).min() > 0.1


def test_swapped_scans_give_the_inverse(bundle: Bundle) -> None:
    pair, _ = moved_pair(10, 16.0)
    there = refined(pair, no_motion(pair), bundle)
    back = refined(pair.swapped(), no_motion(pair), bundle)
    inside = ball(60.0)[0, 0] > 0
    for one, other in (
        (there.fixed_to_moving_mm, back.moving_to_fixed_mm),
        (there.moving_to_fixed_mm, back.fixed_to_moving_mm),
    ):
        full = resample_field(one - other, list(pair.field_grid.shape_zyx))
        assert pair.within(full).norm(dim=1)[0][inside].mean() < 0.3


@pytest.mark.parametrize("swapped", [False, True])
def test_what_a_field_of_view_cuts_off_misleads_nothing(bundle: Bundle, swapped: bool) -> None:
    pair, truth = moved_pair(11, 12.0)
    seen = torch.zeros_like(pair.moving.valid)
    seen[:, :, :30] = True
    narrow = GridVolume(
        torch.where(seen, pair.moving.hu, torch.tensor(-1000.0)), pair.moving.valid & seen
    )
    pair = replace(pair, moving=narrow)
    start = no_motion(pair)
    displacements = refined(pair.swapped() if swapped else pair, start, bundle)
    if swapped:
        displacements = Displacements(
            fixed_to_moving_mm=displacements.moving_to_fixed_mm,
            moving_to_fixed_mm=displacements.fixed_to_moving_mm,
        )
    error = error_mm(pair, displacements, truth)
    assert error.mean() < 0.8


def test_nothing_moves_without_tissue(bundle: Bundle) -> None:
    air = torch.full_like(textured_hu(0), -1000.0)
    pair = pair_of(air, textured_hu(1), ball(50.0))
    displacements = refined(pair, no_motion(pair), bundle)
    assert not displacements.fixed_to_moving_mm.any() and not displacements.moving_to_fixed_mm.any()


def test_the_same_pair_gives_the_same_answer(bundle: Bundle) -> None:
    pair, _ = moved_pair(7, 5.0)
    first, second = (refined(pair, no_motion(pair), bundle) for _ in range(2))
    assert torch.equal(first.fixed_to_moving_mm, second.fixed_to_moving_mm)


def test_a_lesion_keeps_its_volume_better_than_without_the_term(bundle: Bundle) -> None:
    pair, _ = moved_pair(8, 16.0)
    marked = pair.fixed_probabilities.clone()
    marked[:, label_index("lesion")] = ball(30.0)[:, 0]
    inside = ball(30.0)[0, 0] > 0

    def change(scene: Pair) -> float:
        displacements = refined(scene, no_motion(scene), bundle)
        full = resample_field(displacements.fixed_to_moving_mm, list(scene.field_grid.shape_zyx))
        determinant = jacobian_determinant(scene.within(full), SPACING)
        return float(determinant[0][inside].log().abs().mean())

    assert change(replace(pair, fixed_probabilities=marked)) < change(pair)


def test_a_request_to_stop_is_heard(bundle: Bundle) -> None:
    pair, _ = moved_pair(9, 5.0)

    def stop() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        refine_displacements(
            pair,
            partial(finer_scans, pair),
            unpainted(pair, bundle),
            no_motion(pair),
            bundle,
            Refine.FAST,
            0,
            stop,
        )
