"""The joint objective: least where the scans lie on each other, and fair to both of them."""

import math
from dataclasses import replace

import pytest
import torch

from jssr.bundle.load import Bundle
from jssr.registration.objective import BothWays, Objective, bending
from jssr.registration.working_grid import GridVolume
from sample_scene import OBJECTIVE_FACTOR as FACTOR
from sample_scene import ball, moved_pair, objective_of, on_field_grid, pair_of, still, textured_hu


def value(objective: Objective, fields: BothWays) -> float:
    return float(objective(fields, objective.drawn(20_000, torch.Generator().manual_seed(1))))


def test_the_true_motion_has_the_least(bundle: Bundle) -> None:
    pair, truth = moved_pair(3, 12.0)
    objective = objective_of(pair, bundle)
    right = on_field_grid(pair, truth, FACTOR), on_field_grid(pair, -truth, FACTOR)
    least = value(objective, right)
    assert least < 0.5 * value(objective, still(pair))
    for axis in range(3):
        for shift_mm in (-2.0, 2.0):
            shift = torch.zeros(1, 3, 1, 1, 1)
            shift[:, axis] = shift_mm
            assert value(objective, (right[0] + shift, right[1] - shift)) > least


def test_the_same_scan_twice_differs_in_nothing(bundle: Bundle) -> None:
    pair = pair_of(textured_hu(0), textured_hu(0), ball(50.0))
    assert value(objective_of(pair, bundle, 2.0), still(pair)) == pytest.approx(0.0, abs=1e-6)


def test_labels_that_share_nothing_cost_a_hundredth(bundle: Bundle) -> None:
    pair = pair_of(textured_hu(0), textured_hu(0), 1.0 - ball(60.0))
    objective = objective_of(pair, bundle)
    assert value(objective, still(pair)) == pytest.approx(0.01, rel=0.01)


def test_it_is_the_same_whichever_scan_is_called_fixed(bundle: Bundle) -> None:
    pair, truth = moved_pair(4, 12.0)
    one = objective_of(pair, bundle, 2.0)
    other = replace(one, evidence=(one.evidence[1], one.evidence[0]))
    fields = on_field_grid(pair, truth, FACTOR), on_field_grid(pair, -0.5 * truth, FACTOR)
    points = one.drawn(5_000, torch.Generator().manual_seed(2))
    swapped = other((fields[1], fields[0]), (points[1], points[0]))
    assert float(one(fields, points)) == pytest.approx(float(swapped), rel=1e-6)


def test_a_lesion_that_grows_by_a_tenth_costs_the_logarithm_of_it(bundle: Bundle) -> None:
    """u = 0.1 x has the Jacobian 1.1 everywhere; |log 1.1| times the weight 0.002."""
    pair = pair_of(textured_hu(0), textured_hu(0), ball(50.0))
    without = objective_of(pair, bundle)
    fields = still(pair)
    width = fields[0].shape[-1]
    fields[0][:, 0] = 0.1 * torch.arange(float(width)) * without.spacing_mm
    lesion = torch.zeros_like(without.lesion)
    lesion[..., 4:8, 4:8, 4:8] = 0.7
    cost = value(replace(without, lesion=lesion), fields) - value(without, fields)
    assert cost == pytest.approx(0.002 * math.log(1.1), rel=1e-3)


def test_what_the_other_scan_does_not_show_is_left_out(bundle: Bundle) -> None:
    whole = pair_of(textured_hu(0), textured_hu(0), ball(50.0))
    seen = torch.zeros_like(whole.moving.valid)
    seen[:, :, :24] = True
    cut = torch.where(seen, whole.moving.hu, torch.tensor(-1024.0))
    narrow = replace(whole, moving=GridVolume(cut, seen))
    taken_for_air = replace(whole, moving=GridVolume(cut, whole.moving.valid))
    left_out, counted = (
        value(objective_of(pair, bundle), still(pair)) for pair in (narrow, taken_for_air)
    )
    assert left_out < 0.1 * counted


def test_bending_of_a_parabola_in_closed_form() -> None:
    """u = a x² has the second derivative 2 a along x alone; times the spacing, (2 a h)²."""
    x = torch.arange(12.0) * 4.0
    field = torch.zeros(1, 3, 8, 10, 12)
    field[:, 1] = 0.01 * x**2
    assert float(bending(field, (4.0, 4.0, 4.0))) == pytest.approx((2 * 0.01 * 4.0) ** 2 / 3)


def test_bending_of_any_affine_map_is_zero() -> None:
    z, y, x = torch.meshgrid(torch.arange(6.0), torch.arange(7.0), torch.arange(8.0), indexing="ij")
    field = torch.stack((0.1 * x - 0.2 * y, 0.3 * z + 1.0, 0.05 * x + 0.1 * y))[None]
    assert float(bending(field, (2.0, 2.0, 2.0))) < 1e-10
