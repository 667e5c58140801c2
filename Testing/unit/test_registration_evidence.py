"""Evidence: features at points are what the images hold there."""

import math
from dataclasses import replace

import pytest
import torch

from jssr.bundle.load import Bundle
from jssr.networks.structure import STRUCTURE_CHANNELS, STRUCTURE_PAIRS, structure
from jssr.registration.evidence import Evidence, coarse_evidence, fine_evidence, local_contrast
from jssr.registration.window import to_network
from jssr.spatial.fields import smooth_gaussian
from jssr.spatial.warp import resize, sample
from sample_scene import ball, finer_scans, moved_pair, pair_of, textured_hu

HALF = 2.0**-11
"""Features are kept in half precision, which rounds a value by at most this part of it."""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_volume(evidence: Evidence) -> torch.Tensor:
    return evidence.values.float().t().reshape(1, -1, *evidence.shape_zyx)


def test_channels_between_voxels_and_their_slopes_are_those_of_torch(bundle: Bundle) -> None:
    pair, _ = moved_pair(1, 8.0)
    nothing = torch.zeros_like(pair.moving.hu)
    _, evidence = fine_evidence(lambda: finer_scans(pair), (nothing, nothing), bundle, seeded())
    size = torch.tensor([*reversed(evidence.shape_zyx)])
    # Some outside: there the border continues.
    index = (torch.rand(500, 3, generator=seeded(1)) * (size + 8) - 4).requires_grad_(True)
    found = evidence.at(index)
    points = index.t().reshape(1, 3, -1, 1, 1)
    expected = sample(as_volume(evidence), points)[0, :, :, 0, 0].t()
    assert (found - expected).abs().max() < 1e-3
    weights = torch.randn(found.shape, generator=seeded(2))
    slopes, wanted = (
        torch.autograd.grad((values * weights).sum(), index, retain_graph=True)[0]
        for values in (found, expected)
    )
    assert (slopes - wanted).abs().max() < 1e-2


def test_a_voxel_holds_structure_and_contrast_raw_and_synthesized_and_labels(
    bundle: Bundle,
) -> None:
    pair, _ = moved_pair(2, 8.0)
    window = bundle.manifest.window_hu
    painted = to_network(textured_hu(5), window), to_network(textured_hu(6), window)
    for evidence, raw, synthesized, labels in zip(
        coarse_evidence(pair, painted, bundle, seeded()),
        (pair.fixed, pair.moving),
        painted,
        (pair.fixed_probabilities, pair.moving_probabilities),
        strict=True,
    ):
        volume = as_volume(evidence)
        valid = (volume[:, -1:] > 0).float()
        expected = torch.cat(
            [
                part
                for image in (to_network(raw.hu, window), synthesized)
                for part in (
                    structure(image, STRUCTURE_PAIRS),
                    local_contrast(smooth_gaussian(image, 0.7), valid, 3.0),
                )
            ],
            dim=1,
        )
        assert torch.allclose(volume[:, : len(evidence.counterparts)], expected, HALF, 1e-5)
        # Each is compared with the other scan as that is: structure and contrast, twice.
        assert evidence.counterparts == 2 * list(range(STRUCTURE_CHANNELS + 1))
        # Background is no organ: of the two classes that the scene holds, the liver alone is kept.
        assert torch.equal(
            volume[:, len(evidence.counterparts) : -1], labels[:, 1:2].half().float()
        )


def test_on_the_finer_grid_the_synthesized_scan_has_contrast_alone(bundle: Bundle) -> None:
    pair, _ = moved_pair(2, 8.0)
    painted = to_network(textured_hu(5), bundle.manifest.window_hu)
    for evidence in fine_evidence(lambda: finer_scans(pair), (painted,) * 2, bundle, seeded()):
        assert evidence.counterparts == [*range(STRUCTURE_CHANNELS + 1), STRUCTURE_CHANNELS]
        volume = as_volume(evidence)
        image = resize(painted, list(evidence.shape_zyx))
        contrast = local_contrast(image, (volume[:, -1:] > 0).float(), 1.5)
        assert torch.allclose(volume[:, STRUCTURE_CHANNELS + 1 : -1], contrast, HALF, 1e-5)
        # There, where little is left to find, contrast is sharp, and structure is not noise.
        assert evidence.weights.tolist() == pytest.approx([1 / 14] * 12 + [3 / 14] * 2)
    fine = finer_scans(pair)
    fixed = as_volume(fine_evidence(lambda: fine, (painted,) * 2, bundle, seeded())[0])
    raw = to_network(fine.fixed.hu, bundle.manifest.window_hu)
    smooth = structure(smooth_gaussian(raw, 0.7), STRUCTURE_PAIRS)
    assert torch.allclose(fixed[:, :STRUCTURE_CHANNELS], smooth, HALF, 1e-5)
    assert not torch.allclose(smooth, structure(raw, STRUCTURE_PAIRS), HALF, 1e-2)


def test_depth_rises_from_the_end_of_a_field_of_view_over_6_mm(
    bundle: Bundle,
) -> None:
    pair, _ = moved_pair(2, 8.0)
    seen = torch.zeros_like(pair.moving.valid)
    seen[:, :, 8:] = True
    pair = replace(pair, moving=replace(pair.moving, valid=seen))
    painted = (pair.moving.hu, pair.moving.hu)
    coarse = coarse_evidence(pair, painted, bundle, seeded())[1]
    fine = fine_evidence(lambda: finer_scans(pair), painted, bundle, seeded())[1]
    for evidence, first, steps in ((coarse, 10, 2), (fine, 18, 4)):
        z, y, x = evidence.shape_zyx
        depth = as_volume(evidence)[0, -1, :, y // 2, x // 2]
        # Two voxels beside what was not scanned hold a structure that is not the scan's own.
        assert not depth[:first].any()
        ramp = torch.arange(1, steps + 1) / steps
        assert torch.equal(depth[first : first + steps], ramp)
        assert (depth[first + steps : z // 2] == 1).all()


def test_a_scan_compared_with_itself_does_not_differ(bundle: Bundle) -> None:
    # Within the window: what is clipped is not the same before and after interpolation.
    hu = textured_hu(3).clamp(-150.0, 230.0)
    pair = pair_of(hu, hu, ball(50.0))
    painted = (to_network(hu, bundle.manifest.window_hu),) * 2
    fixed, moving = coarse_evidence(pair, painted, bundle, seeded())
    points = fixed.index_xyz(fixed.body_rows)
    wanted = fixed.values[fixed.body_rows][:, fixed.counterparts].float()
    assert torch.equal(moving.at(points)[:, : len(fixed.counterparts)], wanted)
    assert fixed.spacing_mm == 3.0
    fixed, moving = fine_evidence(lambda: finer_scans(pair), painted, bundle, seeded())
    points = fixed.index_xyz(fixed.body_rows)
    wanted = fixed.values[fixed.body_rows][:, fixed.counterparts].float()
    assert torch.allclose(moving.at(points)[:, : len(fixed.counterparts)], wanted, atol=1e-3)
    assert fixed.spacing_mm == 1.5


def test_points_lie_in_tissue_that_is_seen(bundle: Bundle) -> None:
    pair, _ = moved_pair(4, 8.0)
    hu = torch.where(ball(40.0) > 0, pair.fixed.hu, torch.tensor(-1000.0))
    pair = replace(pair, fixed=replace(pair.fixed, hu=hu))
    fixed, moving = coarse_evidence(pair, (torch.zeros_like(hu),) * 2, bundle, seeded())
    x, y, z = fixed.index_xyz(fixed.body_rows).long().unbind(dim=1)
    assert len(x) > 10_000
    assert (ball(40.0)[0, 0, z, y, x] > 0).all()
    assert len(moving.body_rows) > 2 * len(fixed.body_rows)


def test_local_contrast_knows_no_brightness_and_no_contrast() -> None:
    image = smooth_gaussian(textured_hu(10) / 200.0, 0.7)
    valid = torch.ones_like(image)
    plain = local_contrast(image, valid, 3.0)
    assert (local_contrast(3.0 * image + 0.7, valid, 3.0) - plain).abs().mean() < 0.1
    assert (local_contrast(-image, valid, 3.0) + plain).abs().max() < 1e-4
    # Within a window its mean is zero and its variance one, but for the floor.
    inner = (..., *(slice(12, -12),) * 3)
    assert abs(float(plain[inner].mean())) < 0.05
    assert float(plain[inner].std()) == pytest.approx(1.0, abs=0.15)


def test_local_contrast_of_flat_noise_stays_small() -> None:
    noise = 0.02 * torch.randn(1, 1, 24, 24, 24, generator=torch.Generator().manual_seed(0))
    valid = torch.ones_like(noise)
    assert local_contrast(smooth_gaussian(noise, 0.7), valid, 3.0).std() < 0.3
    # Its deviation over itself and the floor together.
    expected = 0.02 / math.hypot(0.02, 0.05)
    assert float(local_contrast(noise, valid, 3.0).std()) == pytest.approx(expected, rel=0.05)
