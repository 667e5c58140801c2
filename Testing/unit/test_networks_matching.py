"""Local matching finds a known shift and ignores what was not scanned."""

import torch

from jssr.networks.matching import expected_offset, matching_costs, search_offsets

SHAPE = (8, 10, 12)


def costs(
    moving: torch.Tensor, fixed: torch.Tensor, valid: torch.Tensor, pool: int = 1
) -> torch.Tensor:
    everywhere = torch.ones(1, 1, *SHAPE)
    return matching_costs(moving, fixed, valid, everywhere, 2, 1, search_offsets(1), 0.08, pool)


def features(seed: int) -> torch.Tensor:
    return torch.randn(1, 6, *SHAPE, generator=torch.Generator().manual_seed(seed))


def test_the_cost_is_the_mean_squared_difference() -> None:
    moving, fixed = features(0), features(1)
    got = costs(moving, fixed, torch.ones(1, 1, *SHAPE))
    offset = search_offsets(1).index([1, 0, -1])
    shifted = torch.roll(moving, (-1, 1), (2, 4))
    squared = (shifted - fixed).square().view(1, 2, 3, *SHAPE).mean(dim=2)
    z, y, x = 4, 5, 6
    wanted = squared[0, :, z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2].mean(dim=(1, 2, 3))
    # A support of 1 dilutes the mean by the little that the neutral cost weighs.
    wanted = (wanted + 0.02 * 0.08) / 1.02
    assert torch.allclose(got[0, :, offset, z, y, x], wanted, atol=1e-5)


def test_a_shift_by_one_voxel_is_cheapest_where_it_is_true() -> None:
    fixed = features(2)
    moving = torch.roll(fixed, (0, 1, -1), (2, 3, 4))
    best = costs(moving, fixed, torch.ones(1, 1, *SHAPE))[0, 0].argmin(dim=0)
    wanted = search_offsets(1).index([0, 1, -1])
    assert (best[2:-2, 2:-2, 2:-2] == wanted).all()


def test_pooled_costs_are_means_of_fine_ones() -> None:
    moving, fixed, valid = features(3), features(4), torch.ones(1, 1, *SHAPE)
    fine = costs(moving, fixed, valid)
    pooled = costs(moving, fixed, valid, pool=2)
    wanted = torch.nn.functional.avg_pool3d(fine.flatten(1, 2), 2).view_as(pooled)
    inside = (slice(None),) * 3 + (slice(1, -1),) * 3
    assert torch.allclose(pooled[inside], wanted[inside], atol=1e-5)


def test_what_was_not_scanned_is_neutral() -> None:
    got = costs(features(5), features(6), torch.zeros(1, 1, *SHAPE))
    assert torch.allclose(got, torch.full_like(got, 0.08), atol=1e-6)


def test_expected_offset_of_a_sure_and_of_an_unsure_voxel() -> None:
    offsets = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    logits = torch.tensor([[0.0, 100.0], [0.0, 0.0]]).t().view(1, 2, 1, 1, 2)
    mean, peak = expected_offset(logits, offsets)
    assert torch.allclose(mean[0, :, 0, 0, 0], torch.tensor([1.0, 2.0, 3.0]))
    assert torch.allclose(mean[0, :, 0, 0, 1], torch.tensor([0.0, 1.0, 1.5]))
    assert torch.allclose(peak[0, 0, 0, 0], torch.tensor([1.0, 0.5]))
