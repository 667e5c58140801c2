"""S and D: shapes, scripting, and that they can learn."""

import torch

from jssr.labels import CLASS_COUNT
from jssr.networks.blocks import depth_to_space, space_to_depth
from jssr.networks.config import NetworksConfig
from jssr.networks.discriminator import Discriminator
from jssr.networks.segmentor import Segmentor

SMALL = NetworksConfig(segmentor_channels=(8, 16), discriminator_channels=(4, 8))


def test_space_to_depth_is_undone_and_keeps_blocks_together() -> None:
    volume = torch.arange(2 * 3 * 4 * 6 * 8.0).view(2, 3, 4, 6, 8)
    blocks = space_to_depth(volume)
    assert blocks.shape == (2, 24, 2, 3, 4)
    assert torch.equal(depth_to_space(blocks), volume)
    assert torch.equal(blocks[0, :8, 1, 2, 3], volume[0, 0, 2:4, 4:6, 6:8].flatten())


def test_logits_have_the_scan_size_and_a_channel_a_class() -> None:
    assert Segmentor(SMALL)(torch.zeros(2, 1, 16, 32, 48)).shape == (2, CLASS_COUNT, 16, 32, 48)


def test_scripted_and_eager_logits_agree() -> None:
    torch.manual_seed(0)
    network, image = Segmentor(NetworksConfig()).eval(), torch.randn(1, 1, 32, 32, 32)
    with torch.no_grad():
        assert (torch.jit.script(network)(image) - network(image)).abs().max() < 1e-4


def test_the_segmentor_learns_to_tell_a_bright_block() -> None:
    torch.manual_seed(0)
    network = Segmentor(SMALL)
    image = torch.full((1, 1, 16, 16, 16), -0.5) + 0.05 * torch.randn(1, 1, 16, 16, 16)
    image[..., 4:12, 5:11, 3:13] += 1.0
    labels = (image[:, 0] > 0).long()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(120):
        loss = torch.nn.functional.cross_entropy(network(image), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network(image).argmax(dim=1) == labels).float().mean() > 0.99


def test_the_discriminator_scores_patches_and_bounds_its_slope() -> None:
    torch.manual_seed(0)
    network, image = Discriminator(SMALL), torch.randn(1, 1, 32, 32, 32)
    for _ in range(20):
        network(image)
    network.eval()
    assert network(image).shape == (1, 1, 4, 4, 4)
    step = 1e-2 * torch.randn(1, 1, 32, 32, 32)
    change = (network(image + step) - network(image)).norm()
    # Strided 3x3x3 convolutions of spectral norm 1 as matrices: each is at most √27-Lipschitz.
    assert change < 27**1.5 * step.norm()
