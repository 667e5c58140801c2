"""Augmentation carries images, labels and true fields along together."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from jssr.phantom import PairOptions, make_pair, make_patient
from jssr.spatial.fields import resample_field
from jssr.spatial.warp import warp
from jssr.training import augmentation
from jssr.training.config import AugmentationConfig
from jssr.training.data.batch import to_device
from jssr.training.data.phantoms import compact

SPACING_MM = 6.0
SPACING = (SPACING_MM,) * 3
NEVER = {
    "swap": 0,
    "affine": 0,
    "misalignment": 0,
    "intensity": 0,
    "noise": 0,
    "blur": 0,
    "field_of_view": 0,
}


@pytest.fixture(scope="module")
def pair():
    options = PairOptions(noise=0, artefacts=0, blur=False, contrast="physiological")
    drawn = make_pair(make_patient(3, (40, 48, 56), SPACING_MM), 3, options=options)
    return to_device(compact(drawn), torch.device("cpu"))


def _residual_hu(pair):
    """Mean difference between the exact synthesis pulled through the truth and the fixed scan."""
    field = resample_field(pair.truth.fixed_to_moving_mm, pair.fixed_hu.shape[2:])
    pulled = warp(pair.truth.synthesis_hu, field, SPACING)
    mask = resample_field(pair.truth.fixed_mask, pair.fixed_hu.shape[2:]) > 0.99
    mask = mask & (pair.fixed_valid > 0)
    return (pulled - pair.fixed_hu).abs()[mask].mean().item()


def _label_agreement(pair):
    field = resample_field(pair.truth.fixed_to_moving_mm, pair.fixed_hu.shape[2:])
    liver = warp((pair.moving_labels == 1).float()[:, None], field, SPACING) > 0.5
    truth = (pair.fixed_labels == 1)[:, None]
    return (2 * (liver & truth).sum() / (liver.sum() + truth.sum())).item()


def test_truth_of_the_untouched_pair_explains_it(pair):
    assert _residual_hu(pair) < 25
    assert _label_agreement(pair) > 0.85


@pytest.mark.parametrize("seed", range(3))
def test_truth_explains_the_moved_pair_as_well(pair, seed):
    generator = np.random.default_rng(seed)
    common = augmentation.random_affine(generator, 8, 0.1, 15)
    alone = augmentation.random_affine(generator, 4, 0.0, 10) @ common
    moved = augmentation.moved(pair, common, alone, SPACING)
    assert _residual_hu(moved) < _residual_hu(pair) + 12
    assert _label_agreement(moved) > _label_agreement(pair) - 0.08


def test_truth_explains_the_swapped_pair_as_well(pair):
    swapped = augmentation.swapped(pair)
    assert _residual_hu(swapped) < _residual_hu(pair) + 10
    assert torch.equal(augmentation.swapped(swapped).fixed_hu, pair.fixed_hu)


def test_the_annotated_classes_stay(pair):
    known = replace(pair, classes=torch.tensor([[True, False]]))
    config = AugmentationConfig(swap=1, affine=1)
    varied = augmentation.augment_pair(known, config, SPACING, np.random.default_rng(0))
    assert torch.equal(varied.classes, known.classes)


def test_inverse_truth_undoes_the_truth_after_moving(pair):
    generator = np.random.default_rng(5)
    common = augmentation.random_affine(generator, 8, 0.05, 10)
    alone = augmentation.random_affine(generator, 4, 0.0, 8) @ common
    truth = augmentation.moved(pair, common, alone, SPACING).truth
    coarse = (2 * SPACING_MM,) * 3
    back = warp(truth.moving_to_fixed_mm, truth.fixed_to_moving_mm, coarse)
    error = (truth.fixed_to_moving_mm + back).square().sum(1).sqrt()
    assert error[truth.fixed_mask[:, 0] > 0].median() < 1.5


def test_no_augmentation_changes_nothing(pair):
    same = augmentation.augment_pair(
        pair, AugmentationConfig(**NEVER), SPACING, np.random.default_rng(0)
    )
    assert torch.equal(same.fixed_hu, pair.fixed_hu)
    assert torch.equal(same.truth.fixed_to_moving_mm, pair.truth.fixed_to_moving_mm)


def test_same_generator_gives_same_pair(pair):
    config = AugmentationConfig(
        affine=1, misalignment=1, intensity=1, noise=1, blur=1, field_of_view=1
    )
    first, second = (
        augmentation.augment_pair(pair, config, SPACING, np.random.default_rng(7)) for _ in range(2)
    )
    assert torch.equal(first.moving_hu, second.moving_hu)
    assert not torch.equal(first.moving_hu, pair.moving_hu)


def test_the_exact_synthesis_takes_the_scale_of_the_scan_that_it_imitates(pair):
    config = AugmentationConfig(**{**NEVER, "intensity": 1})
    varied = augmentation.augment_pair(pair, config, SPACING, np.random.default_rng(0))
    for scan, answer in (("fixed_hu", "synthesis_hu"), ("moving_hu", "reverse_synthesis_hu")):
        before, after = getattr(pair, scan), getattr(varied, scan)
        gain, shift = np.polyfit(before.flatten(), after.flatten(), 1)
        assert abs(gain - 1) > 0.01 and abs(shift) > 1
        wanted = gain * getattr(pair.truth, answer) + shift
        assert torch.allclose(getattr(varied.truth, answer), wanted.float(), atol=0.1)


def test_cut_scan_is_background_where_it_is_not_valid(pair):
    config = AugmentationConfig(**{**NEVER, "field_of_view": 1})
    cut = augmentation.augment_pair(pair, config, SPACING, np.random.default_rng(1))
    assert cut.fixed_valid.sum() < pair.fixed_valid.sum()
    assert bool((cut.fixed_hu[cut.fixed_valid == 0] == -1024).all())


def test_random_smooth_field_has_the_asked_amplitude():
    field = augmentation.random_smooth_field(
        (16, 16, 16), 10.0, np.random.default_rng(0), torch.device("cpu")
    )
    assert field.shape == (1, 3, 16, 16, 16)
    assert 2 < field.std() < 10
