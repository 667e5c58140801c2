"""S's opinion on the synthesized scan joins its opinion on the moving scan, but for lesions."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from jssr.labels import CLASS_COUNT, label_index
from jssr.registration.inference import Pair
from jssr.registration.segment import Segmentation
from jssr.registration.synthetic_labels import with_synthetic_labels
from jssr.registration.working_grid import GridVolume
from sample_scene import GRID, ORGAN, ball, pair_of

START = np.eye(4)
LESION = label_index("lesion")


def probabilities(organ: torch.Tensor, label: int = ORGAN) -> torch.Tensor:
    found = torch.zeros(1, CLASS_COUNT, *GRID.shape_zyx)
    found[:, label : label + 1] = organ
    found[:, :1] = 1.0 - organ
    return found


def bundle_that_sees(found: torch.Tensor) -> Any:
    """Its S answers with these probabilities, whatever it is shown."""
    return SimpleNamespace(segmentor=lambda image: (found + 1e-9).log(), device=torch.device("cpu"))


def scene(radius_mm: float) -> tuple[Pair, Segmentation]:
    """Tissue all over, of which S takes a ball for liver."""
    hu = torch.full((1, 1, *GRID.shape_zyx), 60.0)
    pair = pair_of(hu, hu, ball(radius_mm))
    return pair, Segmentation(hu[0, 0], pair.moving_probabilities.half(), GRID)


def test_two_equal_opinions_agree_and_stay() -> None:
    pair, own = scene(40.0)
    bundle = bundle_that_sees(pair.moving_probabilities)
    joined, agreement = with_synthetic_labels(own, pair.moving.hu, pair, bundle, START)
    assert agreement == pytest.approx(1.0)
    assert torch.allclose(joined.probabilities.float(), own.probabilities.float(), atol=1e-3)


def test_opinions_that_differ_are_averaged_and_told_by_their_dice() -> None:
    pair, own = scene(40.0)
    smaller = probabilities(ball(30.0))
    bundle = bundle_that_sees(smaller)
    joined, agreement = with_synthetic_labels(own, pair.moving.hu, pair, bundle, START)
    inner, outer = float(ball(30.0).sum()), float(ball(40.0).sum())
    assert agreement == pytest.approx(2 * inner / (inner + outer))
    wanted = 0.5 * (ball(30.0) + ball(40.0))[0, 0]
    assert torch.allclose(joined.probabilities[0, ORGAN].float(), wanted, atol=1e-3)


def test_a_painted_lesion_is_not_believed() -> None:
    pair, own = scene(40.0)
    bundle = bundle_that_sees(probabilities(ball(20.0), LESION))
    joined, _ = with_synthetic_labels(own, pair.moving.hu, pair, bundle, START)
    assert float(joined.probabilities[0, LESION].max()) == 0.0


def test_where_the_moving_scan_ends_its_own_labels_stay() -> None:
    pair, own = scene(40.0)
    shown = torch.ones_like(pair.moving.valid)
    shown[:, :, :24] = False
    pair = replace(pair, moving=GridVolume(pair.moving.hu, shown))
    bundle = bundle_that_sees(probabilities(ball(0.0)))
    joined, _ = with_synthetic_labels(own, pair.moving.hu, pair, bundle, START)
    liver = joined.probabilities[0, ORGAN].float()
    assert torch.allclose(liver[:24], ball(40.0)[0, 0, :24])
    assert torch.allclose(liver[24:], 0.5 * ball(40.0)[0, 0, 24:], atol=1e-3)


def test_labels_are_brought_back_through_the_linear_part() -> None:
    """A fixed-to-moving shift by two voxels: what lies at z on the pair's grid is at z + 2 here."""
    pair, own = scene(40.0)
    bundle = bundle_that_sees(probabilities(ball(30.0)))
    linear = np.eye(4)
    linear[2, 3] = 2 * GRID.spacing_mm[2]
    joined, _ = with_synthetic_labels(own, pair.moving.hu, pair, bundle, linear)
    wanted = 0.5 * (ball(40.0)[0, 0, 2:] + ball(30.0)[0, 0, :-2])
    assert torch.allclose(joined.probabilities[0, ORGAN, 2:].float(), wanted, atol=1e-3)
