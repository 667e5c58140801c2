"""Building blocks shared by the networks."""

from itertools import pairwise

import torch
from torch import nn

from jssr.spatial.warp import resize


class ConvBlock(nn.Sequential):
    """3x3x3 convolution, instance norm, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.InstanceNorm3d(outputs, affine=True),
            nn.LeakyReLU(0.1),
        )


def zeroed(layer: nn.Conv3d) -> nn.Conv3d:
    """``layer`` with weights and biases of zero: what it adds starts as nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def space_to_depth(volume: torch.Tensor) -> torch.Tensor:
    """``(b, c, z, y, x)`` to ``(b, 8c, z/2, y/2, x/2)``: each 2³ block becomes eight channels."""
    b, c, z, y, x = volume.shape
    blocks = volume.reshape(b, c, z // 2, 2, y // 2, 2, x // 2, 2)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, 8 * c, z // 2, y // 2, x // 2)


def depth_to_space(volume: torch.Tensor) -> torch.Tensor:
    """The inverse of :func:`space_to_depth`."""
    b, c, z, y, x = volume.shape
    blocks = volume.reshape(b, c // 8, 2, 2, 2, z, y, x)
    return blocks.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, c // 8, 2 * z, 2 * y, 2 * x)


def upsample(volume: torch.Tensor) -> torch.Tensor:
    """Twice the voxels along every axis, trilinear."""
    size = [2 * volume.shape[2], 2 * volume.shape[3], 2 * volume.shape[4]]
    return resize(volume, size)


class UNet(nn.Module):
    """U-Net over ``channels`` (finest first); input and output have the finest level's size."""

    def __init__(self, inputs: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.first = nn.Sequential(
            ConvBlock(inputs, channels[0]), ConvBlock(channels[0], channels[0])
        )
        self.down = nn.ModuleList(
            nn.Sequential(ConvBlock(a, b, stride=2), ConvBlock(b, b)) for a, b in pairwise(channels)
        )
        ascending = list(pairwise(channels))[::-1]
        # 1x1x1 before upsampling keeps the costly fine convolutions narrow.
        self.reduce = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in ascending)
        self.up = nn.ModuleList(ConvBlock(2 * a, a) for a, _ in ascending)

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        volume = self.first(volume)
        skips = [volume]
        for down in self.down:
            volume = down(volume)
            skips.append(volume)
        skips.pop()
        for reduce, up in zip(self.reduce, self.up):  # noqa: B905 - TorchScript knows no strict
            volume = up(torch.cat((upsample(reduce(volume)), skips.pop()), dim=1))
        return volume
