"""Geometry leakage of generators whose answer is known."""

import pytest
import torch

from jssr.spatial.fields import smooth_gaussian
from jssr.training.leakage import geometry_leakage

SPACING = (3.0, 3.0, 3.0)


def _image(seed):
    noise = torch.randn(1, 1, 40, 16, 16, generator=torch.Generator().manual_seed(seed))
    return smooth_gaussian(noise, 2.0) * 5


def test_a_copy_of_the_fixed_scan_leaks_completely():
    assert geometry_leakage(lambda fixed: fixed, _image(0), SPACING) == pytest.approx(100, abs=5)


def test_a_generator_that_ignores_the_fixed_scan_leaks_nothing():
    moving = _image(1)
    assert geometry_leakage(
        lambda fixed: moving + fixed.mean(), _image(0), SPACING
    ) == pytest.approx(0, abs=3)


def test_an_empty_picture_leaks_nothing():
    assert geometry_leakage(lambda fixed: fixed * 0.0 - 1.0, _image(0), SPACING) == 0.0
