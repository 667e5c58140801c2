"""Geometry leakage of bundles whose generator's answer is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import Tensor

from jssr.bundle.load import Bundle
from jssr.evaluation.leakage import bundle_leakage
from jssr.spatial.linear import translation
from sample_scene import GRID, textured_hu

FIXED = GRID.image(textured_hu(0)[0, 0].numpy())
MOVING = GRID.image(textured_hu(1)[0, 0].numpy())


class Generator(torch.nn.Module):
    """A generator that needs no labels."""

    def __init__(self, answer: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self._answer = answer

    def forward(self, content: Tensor, _content: Tensor, style: Tensor, _style: Tensor) -> Tensor:
        return self._answer(content, style)


def leakage(
    bundle: Bundle,
    answer: Callable[[Tensor, Tensor], Tensor],
    moving: sitk.Image = MOVING,
    fixed_to_moving: np.ndarray | None = None,
) -> float:
    linear = np.eye(4) if fixed_to_moving is None else fixed_to_moving
    return bundle_leakage(replace(bundle, generator=Generator(answer)), FIXED, moving, linear)


def test_a_copy_of_the_fixed_scan_leaks_completely(bundle: Bundle) -> None:
    assert leakage(bundle, lambda content, style: style) == pytest.approx(100, abs=5)


def test_a_generator_that_ignores_the_fixed_scan_leaks_nothing(bundle: Bundle) -> None:
    assert leakage(bundle, lambda content, style: content) == pytest.approx(0, abs=1)


def test_the_moving_scan_is_seen_through_the_linear_part(bundle: Bundle) -> None:
    """The generator copies the fixed scan where the moving one shows tissue, and nowhere else."""
    away = sitk.Image(MOVING)
    away.SetOrigin([place + 500.0 for place in MOVING.GetOrigin()])

    def masked(content: Tensor, style: Tensor) -> Tensor:
        return torch.where(content > -0.99, style, torch.tensor(-1.0))

    matrix = translation((500.0, 500.0, 500.0))
    assert leakage(bundle, masked, away, matrix) == pytest.approx(100, abs=5)
    assert leakage(bundle, masked, away) == pytest.approx(0, abs=5)
