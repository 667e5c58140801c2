"""Figures of organs and lesions, against closed forms."""

from dataclasses import replace

import pytest
import torch

from jssr.labels import label_index
from jssr.registration.inference import Pair
from jssr.registration.overlaid import Overlaid, dice
from jssr.spatial.jacobian import jacobian_determinant
from jssr.spatial.warp import warp
from sample_scene import GRID, ball, cut_below, pair_of, stretch, textured_hu


def overlaid(pair: Pair, displacement_mm: torch.Tensor) -> Overlaid:
    spacing = pair.grid.spacing_mm
    seen = warp(pair.moving.valid.float(), displacement_mm, spacing, padding="zeros")[0, 0] > 0.5
    determinant = jacobian_determinant(displacement_mm, spacing)[0]
    return Overlaid.of(pair, displacement_mm, determinant, seen & pair.fixed.valid[0, 0])


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_scaling_changes_volumes_by_its_cube(factor: float) -> None:
    fixed = textured_hu(4)
    pair = pair_of(fixed, fixed, ball(50.0 * factor))
    marked = pair.fixed_probabilities.clone()
    marked[:, label_index("lesion")] = 2.0 * ball(12.0)[:, 0]
    labels = overlaid(replace(pair, fixed_probabilities=marked), stretch(factor))
    (lesion,) = labels.lesions()
    assert lesion.volume_change == pytest.approx(factor**3 - 1, abs=1e-3)
    assert lesion.diameter_mm == pytest.approx(24.0, abs=1.5)
    assert lesion.centre_mm == pytest.approx(GRID.corners_mm().mean(axis=0), abs=0.1)
    liver = next(organ for organ in labels.organs() if organ.name == "liver")
    assert liver.volume_change == pytest.approx(factor**3 - 1, abs=1e-3)
    # The lesion is cut out of the fixed liver alone.
    assert liver.dice_after is not None and liver.dice_before is not None
    assert liver.dice_after > 0.96 > liver.dice_before


@pytest.mark.parametrize("side", ["fixed", "moving"])
def test_a_lesion_that_a_scan_does_not_show_has_no_change_of_volume(side: str) -> None:
    fixed = textured_hu(7)
    pair = pair_of(fixed, fixed, ball(50.0))
    marked = pair.fixed_probabilities.clone()
    marked[:, label_index("lesion")] = 2.0 * ball(12.0)[:, 0]
    pair = replace(pair, fixed_probabilities=marked)
    cut = cut_below(pair, side, GRID.shape_zyx[0] // 2 - 2)
    (lesion,) = overlaid(cut, stretch(1.1)).lesions()
    assert lesion.volume_change is None


def test_what_either_scan_does_not_show_is_left_out_of_the_overlap() -> None:
    fixed = textured_hu(7)
    pair = pair_of(fixed, fixed, ball(50.0) * (torch.arange(48).view(1, 1, 48, 1, 1) >= 24))
    still = torch.zeros(1, 3, *GRID.shape_zyx)
    for side in ("fixed", "moving"):
        (liver,) = overlaid(cut_below(pair, side, 24), still).organs()
        # In the half that both show the two are the same.
        assert liver.dice_before == liver.dice_after == 1.0
    (liver,) = overlaid(pair, still).organs()
    assert liver.dice_before == pytest.approx(2 / 3, abs=0.02)


def test_a_lesion_at_the_end_of_the_scan_has_no_change_and_a_speck_is_none() -> None:
    fixed = textured_hu(7)
    pair = pair_of(fixed, fixed, ball(50.0))
    marked = pair.fixed_probabilities.clone()
    marked[:, label_index("lesion")] = 2.0 * ball(12.0)[:, 0]
    lowest = int(ball(12.0)[0, 0].any(dim=2).any(dim=1).nonzero().min())
    marked[:, label_index("lesion"), 40, 40, 40] = 2.0
    pair = replace(pair, fixed_probabilities=marked)
    still = torch.zeros(1, 3, *GRID.shape_zyx)
    for below, told in ((lowest, False), (lowest - 1, True)):
        (lesion,) = overlaid(cut_below(pair, "fixed", below), still).lesions()
        assert (lesion.volume_change is not None) is told


def test_an_organ_at_the_edge_of_the_scan_is_cut() -> None:
    fixed = textured_hu(8)
    whole = pair_of(fixed, fixed, ball(50.0))
    cut = cut_below(whole, "fixed", GRID.shape_zyx[0] // 2)
    still = torch.zeros(1, 3, *GRID.shape_zyx)
    assert overlaid(whole, still).organs()[0].cut_by_field_of_view is False
    (liver,) = overlaid(cut, still).organs()
    assert liver.cut_by_field_of_view and liver.volume_change is None


def test_dice_of_masks() -> None:
    a, b = torch.tensor([1, 1, 0, 0]) > 0, torch.tensor([1, 0, 1, 0]) > 0
    assert dice(a, b) == 0.5 and dice(a, a) == 1.0
    assert dice(a & ~a, a & ~a) == 1.0 and dice(a, ~a) == 0.0
