"""The paper's plain networks take and give what the default ones do."""

import pytest
import torch

from jssr.networks.config import NetworksConfig
from jssr.networks.paper import PaperGenerator, PaperRegister, PaperSegmentor

SIZES = NetworksConfig(
    segmentor_channels=(4, 8), generator_channels=(4, 8), register_channels=(4, 8)
)
SHAPE = (16, 16, 32)


@pytest.fixture
def scans():
    generator = torch.Generator().manual_seed(0)
    moving, fixed = (torch.rand(1, 1, *SHAPE, generator=generator) * 2 - 1 for _ in range(2))
    probabilities = torch.rand(1, SIZES.classes, *SHAPE, generator=generator).softmax(1)
    return moving, fixed, probabilities


def test_segmentor_gives_logits_of_every_class(scans):
    network = PaperSegmentor(SIZES).eval()
    logits = network(scans[0])
    assert logits.shape == (1, SIZES.classes, *SHAPE)
    assert torch.equal(torch.jit.script(network)(scans[0]), logits)


def test_generator_stays_in_the_networks_range_and_sees_the_fixed_scan(scans):
    moving, fixed, probabilities = scans
    network = PaperGenerator(SIZES).eval()
    painted = network(moving, probabilities, fixed, probabilities)
    assert painted.shape == moving.shape and painted.abs().max() <= 1
    other = network(moving, probabilities, fixed.flip(2), probabilities)
    assert not torch.allclose(painted, other)
    scripted = torch.jit.script(network)
    assert torch.equal(scripted(moving, probabilities, fixed, probabilities), painted)


def test_register_starts_at_the_identity_and_gives_an_inverse(scans):
    moving, fixed, _ = scans
    network = PaperRegister(SIZES).eval()
    valid = torch.ones_like(moving)
    there, back = network(moving, moving, fixed, valid, valid, valid, 2.0)
    assert there.shape == back.shape == (1, 3, 8, 8, 16)
    assert there.abs().max() < 0.1
    assert torch.allclose(there, -back, atol=1e-3)
    scripted = torch.jit.script(network)
    assert torch.equal(scripted(moving, moving, fixed, valid, valid, valid, 2.0)[0], there)


def test_taper_holds_the_border_still(scans):
    moving, fixed, _ = scans
    network = PaperRegister(SIZES).eval()
    torch.nn.init.normal_(network.displacement.weight)
    valid = torch.ones_like(moving)
    there, _ = network(moving, moving, fixed, valid, valid, torch.zeros_like(valid), 2.0)
    assert there.abs().max() == 0
