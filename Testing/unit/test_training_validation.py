"""Validation figures against closed forms and MONAI."""

from dataclasses import replace

import pytest
import torch
from monai.metrics import DiceMetric
from training_samples import random_pair, tiny_config

from jssr.labels import LABELS, label_index
from jssr.networks import build_networks
from jssr.training.objective import Objective, Views
from jssr.training.validation import pair_figures, pictures, validate, validate_segmentor


@pytest.fixture(scope="module")
def objective():
    config = tiny_config("unused")
    torch.manual_seed(0)
    return Objective(build_networks(config.networks_config()), config).eval()


def _views(pair, displacement_mm):
    field = torch.tensor(displacement_mm).view(1, 3, 1, 1, 1).expand(1, 3, 16, 16, 16)
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(1, len(LABELS) + 1, 32, 32, 32, generator=generator)
    image = torch.zeros(1, 1, 32, 32, 32)
    return Views(image, image, image, logits, logits, [(field, -field)])


def test_error_is_the_distance_from_the_truth_in_mm(objective):
    pair = random_pair()
    truth = replace(pair.truth, fixed_to_moving_mm=torch.full((1, 3, 16, 16, 16), 1.0))
    figures = pair_figures(objective, replace(pair, truth=truth), _views(pair, [4.0, 5.0, 1.0]))
    assert figures["tre_body_mm"] == pytest.approx(5.0, rel=1e-5)
    assert figures["tre_body_identity_mm"] == pytest.approx(3**0.5, rel=1e-5)
    assert figures["folding"] == 0 and figures["log_jacobian_sd"] == pytest.approx(0, abs=1e-6)


def test_organ_dice_agrees_with_monai(objective):
    pair = random_pair()
    views = _views(pair, [0.0, 0.0, 0.0])
    figures = pair_figures(objective, pair, views)
    count = len(LABELS) + 1
    peer = DiceMetric(include_background=True, reduction="none", num_classes=count)
    expected = peer(views.fixed_logits.argmax(1, keepdim=True), pair.fixed_labels[:, None].long())[
        0
    ]
    for label in LABELS:
        assert figures[f"dice_{label.name}"] == pytest.approx(
            expected[label.index].item(), rel=1e-5
        )


def _shifted_labels():
    """Labels, and the same 8 mm (a voxel) further along x, with room for both."""
    fixed = torch.zeros(1, 32, 32, 32, dtype=torch.uint8)
    fixed[:, 4:20, 4:20, 4:20] = label_index("liver")
    fixed[:, 8:12, 8:12, 8:12] = label_index("lesion")
    fixed[:, 24:30, 24:30, 20:26] = label_index("spleen")
    return fixed, fixed.roll(1, dims=3)


def test_labels_that_agree_after_the_warp_have_dice_one(objective):
    fixed, moving = _shifted_labels()
    pair = replace(random_pair(), fixed_labels=fixed, moving_labels=moving)
    figures = pair_figures(objective, pair, _views(pair, [8.0, 0.0, 0.0]))
    assert figures["warped_dice"] == figures["warped_dice_liver"] == 1.0
    assert figures["warped_dice_liver_identity"] == pytest.approx(15 / 16)


@pytest.mark.parametrize("displacement_mm", [[0.0, 0.0, 0.0], [-16.0, 0.0, 8.0]])
def test_overlap_of_warped_labels_agrees_with_monai(objective, displacement_mm):
    fixed, moving = _shifted_labels()
    pair = replace(random_pair(), fixed_labels=fixed, moving_labels=moving)
    figures = pair_figures(objective, pair, _views(pair, displacement_mm))
    x, _, z = (round(value / 8) for value in displacement_mm)
    warped = moving.roll((-z, -x), dims=(1, 3))
    peer = DiceMetric(include_background=False, reduction="none", num_classes=len(LABELS) + 1)
    organs = peer(warped[:, None].long(), fixed[:, None].long())[0]
    assert figures["warped_dice"] == pytest.approx(organs.nanmean().item(), rel=1e-5)
    livers = [
        (labels == label_index("liver")) | (labels == label_index("lesion"))
        for labels in (warped, fixed)
    ]
    both = DiceMetric(include_background=False, reduction="none", num_classes=2)
    liver = both(livers[0][:, None].long(), livers[1][:, None].long()).item()
    assert figures["warped_dice_liver"] == pytest.approx(liver, rel=1e-5)


def test_figures_are_means_over_pairs_and_include_leakage(objective):
    pairs = [random_pair(seed) for seed in (1, 2)]
    device = torch.device("cpu")
    both = validate(objective, pairs, device)
    alone = [validate(objective, [pair], device)["tre_body_mm"] for pair in pairs]
    assert both["tre_body_mm"] == pytest.approx(sum(alone) / 2, rel=1e-4)
    assert "leakage_percent" in both and "synthesis_mae_hu" in both
    assert set(validate_segmentor(objective, pairs, device)) >= {"dice_liver", "dice_mean"}


def test_a_generator_that_paints_one_gray_has_no_contrast(objective):
    pair = random_pair()
    views = objective.views(pair)
    gray = replace(views, synthesized=torch.full_like(views.synthesized, 0.3))
    mirrored = replace(views, synthesized=-0.5 * views.fixed)
    assert pair_figures(objective, pair, gray)["synthesis_contrast_ratio"] < 1e-5
    ratio = pair_figures(objective, pair, mirrored)["synthesis_contrast_ratio"]
    assert ratio == pytest.approx(0.5, rel=1e-4)


def test_pictures_are_slices_between_zero_and_one(objective):
    shown = pictures(objective, random_pair(), torch.device("cpu"))
    assert {"fixed", "moving", "synthesized", "warped", "labels", "field_z", "jacobian"} <= set(
        shown
    )
    assert all(image.min() >= 0 and image.max() <= 1 for image in shown.values())
    assert shown["fixed"].shape == (32, 32) and shown["labels"].shape == (32, 32, 3)
