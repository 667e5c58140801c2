"""Evidence: features at points are what the images hold there."""

from dataclasses import replace

import pytest
import torch

from jssr.bundle.load import Bundle, load_bundle
from jssr.networks.structure import STRUCTURE_CHANNELS, STRUCTURE_PAIRS, structure
from jssr.registration.evidence import Evidence, coarse_evidence, fine_evidence, local_contrast
from jssr.registration.window import to_network
from jssr.spatial.warp import sample
from sample_bundle import write_untrained_bundle
from sample_scene import ball, finer_scans, moved_pair, pair_of, textured_hu


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(write_untrained_bundle(tmp_path_factory.mktemp("model") / "m", 3.0))


HALF = 2.0**-11
"""Features are kept in half precision, which rounds a value by at most this part of it."""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_volume(evidence: Evidence) -> torch.Tensor:
    return evidence.moving.float().t().reshape(1, -1, *evidence.shape_zyx)


def test_channels_between_voxels_and_their_slopes_are_those_of_torch(bundle: Bundle) -> None:
    pair, _ = moved_pair(1, 8.0)
    nothing = torch.zeros_like(pair.moving.hu)
    evidence = fine_evidence(lambda: finer_scans(pair), nothing, bundle, seeded())
    size = torch.tensor([*reversed(evidence.shape_zyx)])
    # Some outside: there the border continues.
    index = (torch.rand(500, 3, generator=seeded(1)) * (size + 8) - 4).requires_grad_(True)
    found = evidence.moving_at(index)
    points = index.t().reshape(1, 3, -1, 1, 1)
    expected = sample(as_volume(evidence), points)[0, :, :, 0, 0].t()
    assert (found - expected).abs().max() < 1e-3
    weights = torch.randn(found.shape, generator=seeded(2))
    slopes, wanted = (
        torch.autograd.grad((values * weights).sum(), index, retain_graph=True)[0]
        for values in (found, expected)
    )
    assert (slopes - wanted).abs().max() < 1e-2


def test_a_voxel_holds_its_structure_contrast_label_and_validity(bundle: Bundle) -> None:
    pair, _ = moved_pair(2, 8.0)
    synthesized = to_network(textured_hu(5), bundle.manifest.window_hu)
    evidence = coarse_evidence(pair, synthesized, bundle, seeded())
    moving = to_network(pair.moving.hu, bundle.manifest.window_hu)
    volume, one = as_volume(evidence), STRUCTURE_CHANNELS
    assert evidence.kinds == 2 * one + 1
    assert torch.allclose(volume[:, :one], structure(moving, STRUCTURE_PAIRS), HALF, 1e-5)
    assert torch.allclose(
        volume[:, one : 2 * one], structure(synthesized, STRUCTURE_PAIRS), HALF, 1e-5
    )
    valid = volume[:, -1:]
    assert torch.allclose(
        volume[:, 2 * one : 2 * one + 1], local_contrast(synthesized, valid), HALF, 1e-5
    )
    # Background is no organ: of the two classes that the scene holds, the liver alone is kept.
    assert torch.equal(
        volume[:, evidence.kinds : -1], pair.moving_probabilities[:, 1:2].half().float()
    )
    # Two voxels at every border count as not seen.
    assert valid.sum() == torch.tensor([n - 4 for n in evidence.shape_zyx]).prod()


def test_a_scan_compared_with_itself_does_not_differ(bundle: Bundle) -> None:
    # Within the window: what is clipped is not the same before and after interpolation.
    hu = textured_hu(3).clamp(-150.0, 230.0)
    pair = pair_of(hu, hu, ball(50.0))
    synthesized = to_network(hu, bundle.manifest.window_hu)
    coarse = coarse_evidence(pair, synthesized, bundle, seeded())
    assert torch.equal(coarse.moving_at(coarse.points), coarse.fixed.float())
    fine = fine_evidence(lambda: finer_scans(pair), synthesized, bundle, seeded())
    assert torch.allclose(fine.moving_at(fine.points), fine.fixed.float(), atol=1e-3)
    assert fine.spacing_mm == 1.5 and coarse.spacing_mm == 3.0


def test_points_lie_in_tissue_that_is_seen(bundle: Bundle) -> None:
    pair, _ = moved_pair(4, 8.0)
    hu = torch.where(ball(40.0) > 0, pair.fixed.hu, torch.tensor(-1000.0))
    pair = replace(pair, fixed=replace(pair.fixed, hu=hu))
    evidence = coarse_evidence(pair, torch.zeros_like(hu), bundle, seeded())
    x, y, z = evidence.points.long().unbind(dim=1)
    assert len(x) > 10_000
    assert (ball(40.0)[0, 0, z, y, x] > 0).all()


def test_local_contrast_knows_no_brightness_and_no_contrast() -> None:
    image = textured_hu(10) / 200.0
    valid = torch.ones_like(image)
    plain = local_contrast(image, valid)
    assert (local_contrast(3.0 * image + 0.7, valid) - plain).abs().mean() < 0.1
    assert (local_contrast(-image, valid) + plain).abs().max() < 1e-4
    # Within a window its mean is zero and its variance one, but for the floor.
    inner = (..., *(slice(12, -12),) * 3)
    assert abs(float(plain[inner].mean())) < 0.05
    assert float(plain[inner].std()) == pytest.approx(1.0, abs=0.15)


def test_local_contrast_of_flat_noise_stays_small() -> None:
    noise = 0.02 * torch.randn(1, 1, 24, 24, 24, generator=torch.Generator().manual_seed(0))
    assert local_contrast(noise, torch.ones_like(noise)).std() < 0.3
