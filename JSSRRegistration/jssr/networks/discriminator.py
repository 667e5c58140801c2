"""D: tells real scans of a phase from synthesized ones, patch by patch."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from jssr.networks.blocks import space_to_depth
from jssr.networks.config import NetworksConfig


class Discriminator(nn.Module):
    """3D patch discriminator with spectral norm (Miyato et al., ICLR 2018)."""

    def __init__(self, config: NetworksConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 8
        for outputs in config.discriminator_channels:
            layers += [
                spectral_norm(nn.Conv3d(inputs, outputs, 3, stride=2, padding=1)),
                nn.LeakyReLU(0.2),
            ]
            inputs = outputs
        layers.append(spectral_norm(nn.Conv3d(inputs, 1, 3, padding=1)))
        self.layers = nn.Sequential(*layers)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Patch scores ``(b, 1, z', y', x')`` of ``image`` ``(b, 1, z, y, x)`` in [-1, 1]."""
        return self.layers(space_to_depth(image))
