"""Figures that need no truth, against closed forms."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from jssr.labels import label_index
from jssr.memory import forget_peak
from jssr.registration.figures import measure, peak_memory_mb
from jssr.registration.inference import Displacements, Pair
from jssr.registration.result import Metrics
from sample_scene import GRID, ball, cut_below, on_field_grid, pair_of, stretch, textured_hu

WHOLE_BOX_ML = 144.0**3 / 1000


def measured(
    pair: Pair,
    displacement_mm: torch.Tensor,
    moving_body_ml: float = WHOLE_BOX_ML,
    linear: np.ndarray | None = None,
) -> Metrics:
    displacements = Displacements(
        fixed_to_moving_mm=on_field_grid(pair, displacement_mm),
        moving_to_fixed_mm=on_field_grid(pair, -displacement_mm),
    )
    linear = np.eye(4) if linear is None else linear
    return measure(pair, moving_body_ml, linear, displacements, (0.0, 0.0), (), None)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_scaling_stretches_alike_everywhere(factor: float) -> None:
    fixed = textured_hu(4)
    deformation = measured(pair_of(fixed, fixed, ball(50.0)), stretch(factor)).deformation
    assert deformation.folding_fraction == 0.0
    assert deformation.log_jacobian_sd == pytest.approx(0.0, abs=1e-3)
    assert deformation.stretch == pytest.approx([factor - 1] * 3, abs=1e-4)


def test_organs_and_lesions_are_told() -> None:
    pair = pair_of(textured_hu(4), textured_hu(4), ball(50.0))
    marked = pair.fixed_probabilities.clone()
    marked[:, label_index("lesion")] = 2.0 * ball(12.0)[:, 0]
    metrics = measured(replace(pair, fixed_probabilities=marked), stretch(1.1))
    assert [organ.name for organ in metrics.organs] == ["liver", "lesion"]
    assert [lesion.volume_change for lesion in metrics.lesions] == pytest.approx([0.331], abs=1e-3)


def test_how_much_the_scans_differ_before_they_are_deformed() -> None:
    fixed = textured_hu(4)
    lower = torch.arange(48).view(1, 1, 48, 1, 1) < 24
    pair = pair_of(fixed, fixed - 7.0 * lower, ball(50.0))
    moved = torch.full((1, 3, *GRID.shape_zyx), 9.0)
    assert measured(pair, moved).difference_before_hu == pytest.approx(3.5, abs=0.5)
    assert measured(cut_below(pair, "moving", 24), moved).difference_before_hu == 0.0
    assert measured(cut_below(pair, "fixed", 48), moved).difference_before_hu is None


def test_the_grid_that_organs_are_measured_on_is_told() -> None:
    pair = pair_of(textured_hu(4), textured_hu(5), ball(50.0))
    still = torch.zeros(1, 3, *GRID.shape_zyx)
    assert measured(pair, still).grid_spacing_mm == GRID.spacing_mm[0]


def test_a_shift_is_measured_in_millimetres() -> None:
    fixed = textured_hu(5)
    pair = pair_of(fixed, fixed, ball(50.0))
    shift = torch.tensor([3.0, 0.0, -4.0]).view(1, 3, 1, 1, 1).expand(1, 3, *GRID.shape_zyx)
    deformation = measured(pair, shift).deformation
    assert deformation.mean_mm == deformation.max_mm == pytest.approx(5.0, abs=1e-5)
    assert deformation.stretch == pytest.approx([0.0] * 3, abs=1e-6)


def test_a_mirroring_field_folds_everywhere() -> None:
    fixed = textured_hu(6)
    flip = stretch(1.0)
    flip[:, 0] = -2.0 * stretch(2.0)[:, 0]
    assert measured(pair_of(fixed, fixed, ball(50.0)), flip).deformation.folding_fraction > 0.99


def test_what_the_moving_scan_does_not_show_is_no_overlap() -> None:
    fixed = textured_hu(7)
    pair = cut_below(pair_of(fixed, fixed, ball(50.0)), "moving", GRID.shape_zyx[0] // 4)
    still = torch.zeros(1, 3, *GRID.shape_zyx)
    metrics = measured(pair, still)
    assert metrics.overlap_fraction == pytest.approx(0.75, abs=0.02)
    assert metrics.shared_fraction == pytest.approx(0.75, abs=0.02)
    # The moving body is no larger than what is shared: nothing of it is missed.
    assert measured(pair, still, 0.75 * WHOLE_BOX_ML).shared_fraction > 0.98
    # Half of it lies where the fixed scan has none.
    assert measured(pair, still, 2 * WHOLE_BOX_ML).shared_fraction == pytest.approx(0.75, abs=0.02)


def test_a_stretch_of_the_linear_part_changes_nothing_of_what_is_shared() -> None:
    fixed = textured_hu(7)
    pair = cut_below(pair_of(fixed, fixed, ball(50.0)), "moving", GRID.shape_zyx[0] // 4)
    still = torch.zeros(1, 3, *GRID.shape_zyx)
    longer = np.diag([1.0, 1.0, 1.6, 1.0])
    assert measured(pair, still, 1.6 * 0.75 * WHOLE_BOX_ML, longer).shared_fraction > 0.98


def test_peak_memory_is_no_less_than_what_is_held() -> None:
    held = np.ones(30_000_000, np.float64)
    assert peak_memory_mb() > held.nbytes / 1e6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone counts anew")
def test_a_peak_that_is_past_can_be_forgotten() -> None:
    held = np.ones(60_000_000)
    highest = peak_memory_mb()
    del held
    forget_peak()
    assert peak_memory_mb() < highest - 400
