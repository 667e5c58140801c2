"""Trust in local contrast: high where two scans agree, none where one is turned around."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from jssr.bundle.load import Bundle
from jssr.registration.agreement import trusting
from jssr.registration.inference import Pair
from jssr.registration.objective import at_places
from sample_scene import OBJECTIVE_FACTOR as FACTOR
from sample_scene import (
    ball,
    cut_below,
    moved_pair,
    objective_of,
    on_field_grid,
    pair_of,
    still,
    textured_hu,
)

HALF = 24
"""Where on the working grid, along x, one half of the moving scan begins to differ."""


def trust_in_halves(pair: Pair, bundle: Bundle) -> tuple[torch.Tensor, torch.Tensor]:
    """The fixed scan's trust in raw contrast, well inside of either half."""
    objective = objective_of(pair, bundle)
    found = trusting(objective, still(pair), torch.Generator().manual_seed(1))
    trust = found.trust[0]
    assert trust is not None
    low = pair.margin // FACTOR
    raw = trust[0, objective.evidence[0].contrasts[0], low + 2 : -low - 2, low + 2 : -low - 2]
    return raw[..., low + 1 : low + 3], raw[..., -low - 3 : -low - 1]


def with_half(other_hu: torch.Tensor) -> Pair:
    """A scan, and the same with another one in its right half."""
    fixed = textured_hu(0)
    moving = fixed.clone()
    moving[..., HALF:] = other_hu[..., HALF:]
    return pair_of(fixed, moving, ball(50.0))


def test_the_same_scan_twice_is_trusted_everywhere_alike(bundle: Bundle) -> None:
    left, right = trust_in_halves(with_half(textured_hu(0)), bundle)
    torch.testing.assert_close(torch.cat((left, right)), torch.full_like(left, 2.0).repeat(2, 1, 1))


def test_contrast_turned_around_is_not_trusted(bundle: Bundle) -> None:
    left, right = trust_in_halves(with_half(80.0 - textured_hu(0)), bundle)
    assert right.max() == 0.0
    # All of it, 2 on average, lies in the other half.
    assert left.min() > 4.0


@pytest.mark.parametrize("unseen", [0, 20])
def test_points_are_trusted_by_two_on_average(bundle: Bundle, unseen: int) -> None:
    """Of those that both scans show, however few they are."""
    pair = cut_below(with_half(textured_hu(1)), "moving", unseen)
    found = trusting(objective_of(pair, bundle), still(pair), torch.Generator().manual_seed(1))
    points = found.drawn(100_000, torch.Generator().manual_seed(4))
    for match, trust in zip(found.matches(still(pair), points), found.trust, strict=True):
        assert trust is not None
        mean = at_places(trust[:, match.here.contrasts], match.place[match.seen > 0]).mean()
        assert float(mean) == pytest.approx(2.0, rel=0.02)


def test_contrast_is_trusted_by_what_it_tells(bundle: Bundle) -> None:
    """r / (1.1 - r²) of the correlation r of contrast, here found by numpy."""
    mixed = 40.0 + 0.6 * (textured_hu(0) - 40.0) + 0.8 * (textured_hu(1) - 40.0)
    pair = with_half(mixed)
    left, right = trust_in_halves(pair, bundle)
    evidence = objective_of(pair, bundle).evidence
    channel = evidence[0].counterparts[evidence[0].contrasts[0]]
    fixed, moving = (
        scan.values[:, channel].reshape(48, 48, 48)[6:-6, 6:-6, HALF + 6 : -6].float().numpy()
        for scan in evidence
    )
    r = float(np.corrcoef(fixed.ravel(), moving.ravel())[0, 1])
    assert 0.4 < r < 0.8
    wanted = (r / (1.1 - r**2)) / (1.0 / 0.1)
    assert float(right.mean() / left.mean()) == pytest.approx(wanted, rel=0.15)


def test_structure_keeps_its_weight(bundle: Bundle) -> None:
    objective = objective_of(with_half(textured_hu(2)), bundle)
    pair = with_half(textured_hu(2))
    found = trusting(objective, still(pair), torch.Generator().manual_seed(1))
    contrasts = objective.evidence[0].contrasts
    for trust in found.trust:
        assert trust is not None and trust.shape[1] == len(objective.evidence[0].counterparts)
        structure = [c for c in range(trust.shape[1]) if c not in contrasts]
        assert (trust[:, structure] == 1.0).all() and (trust[:, contrasts] != 1.0).any()


def test_scans_trust_each_other_whichever_is_called_fixed(bundle: Bundle) -> None:
    pair, truth = moved_pair(4, 12.0)
    one = objective_of(pair, bundle)
    fields = on_field_grid(pair, truth, FACTOR), on_field_grid(pair, -truth, FACTOR)
    other = replace(one, evidence=(one.evidence[1], one.evidence[0]))
    there = trusting(one, fields, torch.Generator().manual_seed(2)).trust[0]
    back = trusting(other, (fields[1], fields[0]), torch.Generator().manual_seed(3)).trust[1]
    assert there is not None and back is not None
    contrast = one.evidence[0].contrasts[0]
    low = pair.margin // FACTOR + 2
    inner = (slice(low, -low),) * 3
    # Other random points: the same but for their noise.
    difference = there[0, contrast][inner] - back[0, contrast][inner]
    assert difference.abs().mean() < 0.1 * there[0, contrast][inner].mean()


def test_scans_that_agree_nowhere_are_not_trusted(bundle: Bundle) -> None:
    fixed = textured_hu(0)
    pair = pair_of(fixed, 80.0 - fixed, ball(50.0))
    found = trusting(objective_of(pair, bundle), still(pair), torch.Generator().manual_seed(1))
    for trust in found.trust:
        assert trust is not None and torch.isfinite(trust).all()
        assert trust[:, objective_of(pair, bundle).evidence[0].contrasts].max() == 0.0
