"""Figures that need no truth, against closed forms, numpy and SimpleITK."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.labels import label_index
from jssr.registration.figures import (
    dice,
    local_correlation,
    mean_intensities,
    measure,
    peak_memory_mb,
    similarity,
)
from jssr.registration.inference import Displacements, Pair
from jssr.registration.result import Metrics
from jssr.spatial.warp import voxel_coordinates
from sample_scene import GRID, ball, moved_pair, on_field_grid, pair_of, textured_hu

WHOLE_BOX_ML = 144.0**3 / 1000


def measured(
    pair: Pair,
    displacement_mm: torch.Tensor,
    moving_body_ml: float = WHOLE_BOX_ML,
    linear: np.ndarray | None = None,
) -> Metrics:
    displacements = Displacements(
        *(sign * on_field_grid(pair, displacement_mm) for sign in (1, -1))
    )
    linear = np.eye(4) if linear is None else linear
    return measure(pair, moving_body_ml, linear, displacements, (0.0, 0.0), (), None)


def cut_below(pair: Pair, side: str, slices: int) -> Pair:
    """The pair whose fixed or moving scan does not show the lowest slices."""
    volume = getattr(pair, side)
    seen = volume.valid.clone()
    seen[:, :, :slices] = False
    return replace(pair, **{side: replace(volume, valid=seen)})


def stretch(factor: float) -> torch.Tensor:
    """Displacement of a scaling about the middle of the working grid, mm."""
    index = voxel_coordinates(list(GRID.shape_zyx), torch.device("cpu"))
    middle = torch.tensor([0.5 * (n - 1) for n in GRID.size]).view(1, 3, 1, 1, 1)
    return (factor - 1.0) * 3.0 * (index - middle)


def test_local_correlation_is_numpys_where_patches_are_rich() -> None:
    """Two box means of 3 voxels weigh a patch of 5 by 1, 2, 3, 2, 1 along each axis."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 200, (2, 24, 24, 24))
    b = a + b
    found = local_correlation(*(torch.from_numpy(v).float()[None, None] for v in (a, b)), floor=0.0)

    def smooth(volume: np.ndarray) -> np.ndarray:
        image = sitk.GetImageFromArray(volume)
        kernel = np.outer(np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]), [1, 2, 3, 2, 1])
        kernel = (kernel / kernel.sum()).reshape(5, 5, 5)
        return sitk.GetArrayFromImage(sitk.Convolution(image, sitk.GetImageFromArray(kernel)))

    a, b = a - smooth(a), b - smooth(b)
    expected = smooth(a * b) / np.sqrt(smooth(a * a) * smooth(b * b))
    inner = (slice(8, -8),) * 3
    assert np.abs(found[0, 0].numpy()[inner] - expected[inner]).max() < 1e-3


def test_alike_scans_are_alike_whatever_the_contrast() -> None:
    fixed = textured_hu(1)
    same = pair_of(fixed, fixed, ball(50.0))
    inverted = pair_of(fixed, 80.0 - fixed, ball(50.0))
    other = pair_of(fixed, textured_hu(2), ball(50.0))
    assert similarity(same, None) > 0.95
    assert similarity(inverted, None) > 0.93
    assert similarity(other, None) < 0.4


def test_the_true_motion_makes_scans_alike() -> None:
    pair, truth = moved_pair(3, 30.0)
    assert similarity(pair, truth) > similarity(pair, None) + 0.1


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_scaling_changes_volumes_by_its_cube(factor: float) -> None:
    fixed = textured_hu(4)
    pair = pair_of(fixed, fixed, ball(50.0 * factor))
    marked = pair.fixed_probabilities.clone()
    marked[:, label_index("lesion")] = 2.0 * ball(12.0)[:, 0]
    metrics = measured(replace(pair, fixed_probabilities=marked), stretch(factor))
    (lesion,) = metrics.lesions
    assert lesion.volume_change == pytest.approx(factor**3 - 1, abs=1e-3)
    assert lesion.diameter_mm == pytest.approx(24.0, abs=1.5)
    assert lesion.centre_mm == pytest.approx(GRID.corners_mm().mean(axis=0), abs=0.1)
    liver = next(organ for organ in metrics.organs if organ.name == "liver")
    assert liver.volume_change == pytest.approx(factor**3 - 1, abs=1e-3)
    # The lesion is cut out of the fixed liver alone.
    assert liver.dice_after is not None and liver.dice_before is not None
    assert liver.dice_after > 0.96 > liver.dice_before
    assert metrics.deformation.folding_fraction == 0.0
    assert metrics.deformation.log_jacobian_sd == pytest.approx(0.0, abs=1e-3)
    assert metrics.deformation.stretch == pytest.approx([factor - 1] * 3, abs=1e-4)


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


@pytest.mark.parametrize("side", ["fixed", "moving"])
def test_a_lesion_that_a_scan_does_not_show_has_no_change_of_volume(side: str) -> None:
    fixed = textured_hu(7)
    pair = pair_of(fixed, fixed, ball(50.0))
    marked = pair.fixed_probabilities.clone()
    marked[:, label_index("lesion")] = 2.0 * ball(12.0)[:, 0]
    pair = replace(pair, fixed_probabilities=marked)
    cut = cut_below(pair, side, GRID.shape_zyx[0] // 2 - 2)
    (lesion,) = measured(cut, stretch(1.1)).lesions
    assert lesion.volume_change is None


def test_what_either_scan_does_not_show_is_left_out_of_the_overlap() -> None:
    fixed = textured_hu(7)
    pair = pair_of(fixed, fixed, ball(50.0) * (torch.arange(48).view(1, 1, 48, 1, 1) >= 24))
    still = torch.zeros(1, 3, *GRID.shape_zyx)
    for side in ("fixed", "moving"):
        (liver,) = measured(cut_below(pair, side, 24), still).organs
        # In the half that both show the two are the same.
        assert liver.dice_before == liver.dice_after == 1.0
    (liver,) = measured(pair, still).organs
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
        (lesion,) = measured(cut_below(pair, "fixed", below), still).lesions
        assert (lesion.volume_change is not None) is told


def test_an_organ_at_the_edge_of_the_scan_is_cut() -> None:
    fixed = textured_hu(8)
    whole = pair_of(fixed, fixed, ball(50.0))
    cut = cut_below(whole, "fixed", GRID.shape_zyx[0] // 2)
    still = torch.zeros(1, 3, *GRID.shape_zyx)
    assert measured(whole, still).organs[0].cut_by_field_of_view is False
    (liver,) = measured(cut, still).organs
    assert liver.cut_by_field_of_view and liver.volume_change is None


def test_dice_of_masks() -> None:
    a, b = torch.tensor([1, 1, 0, 0]) > 0, torch.tensor([1, 0, 1, 0]) > 0
    assert dice(a, b) == 0.5 and dice(a, a) == 1.0
    assert dice(a & ~a, a & ~a) == 1.0 and dice(a, ~a) == 0.0


def test_mean_intensities_by_label() -> None:
    hu = torch.tensor([[[10.0, 20.0, 30.0, 40.0]]])
    liver, spleen = label_index("liver"), label_index("spleen")
    first = torch.tensor([[[liver, liver, 0, spleen]]])
    second = torch.tensor([[[0, 0, spleen, spleen]]])
    rows = {row.name: row for row in mean_intensities((hu, first), (hu, second))}
    assert rows["liver"].fixed_mean_hu == 15.0 and rows["liver"].moving_mean_hu is None
    # A single voxel has no standard deviation.
    assert rows["spleen"].fixed_mean_hu is None and rows["spleen"].moving_mean_hu == 35.0
    assert rows["liver"].fixed_sd_hu == pytest.approx(float(np.std([10, 20], ddof=1)))


def test_peak_memory_is_no_less_than_what_is_held() -> None:
    held = np.ones(30_000_000, np.float64)
    assert peak_memory_mb() > held.nbytes / 1e6
