"""S: labels a CT scan of any phase."""

import torch
from torch import nn

from jssr.networks.blocks import ConvBlock, UNet, depth_to_space, space_to_depth
from jssr.networks.config import NetworksConfig


class Segmentor(nn.Module):
    """U-Net behind a space-to-depth stem; its full-resolution layer is a 1x1x1 convolution."""

    def __init__(self, config: NetworksConfig) -> None:
        super().__init__()
        width = config.segmentor_channels[0]
        self.body = UNet(8, config.segmentor_channels)
        self.detail = ConvBlock(width + 8, width)
        self.classify = nn.Conv3d(width, 8 * config.classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits ``(batch, classes, z, y, x)`` of ``image`` ``(batch, 1, z, y, x)`` in [-1, 1]."""
        blocks = space_to_depth(image)
        features = self.detail(torch.cat((self.body(blocks), blocks), dim=1))
        return depth_to_space(self.classify(features))
