"""The paper's plain networks: U-Nets in a single pass, as a baseline to compare the default with.

They take and give what the default networks do, so that stages, losses, export and registration
work on both.
"""

import torch
import torch.nn.functional as F
from torch import nn

from jssr.networks.blocks import UNet
from jssr.networks.config import NetworksConfig
from jssr.networks.register import margins
from jssr.spatial.fields import invert_mm
from jssr.spatial.warp import isotropic


class PaperSegmentor(nn.Module):
    """S as a U-Net on full-resolution voxels."""

    def __init__(self, config: NetworksConfig) -> None:
        super().__init__()
        self.body = UNet(1, config.segmentor_channels)
        self.classify = nn.Conv3d(config.segmentor_channels[0], config.classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits ``(b, classes, z, y, x)`` of ``image`` ``(b, 1, z, y, x)`` in [-1, 1]."""
        return self.classify(self.body(image))


class PaperGenerator(nn.Module):
    """G as a U-Net on both scans: nothing but training keeps it from copying the fixed one."""

    def __init__(self, config: NetworksConfig) -> None:
        super().__init__()
        self.body = UNet(2, config.generator_channels)
        self.paint = nn.Conv3d(config.generator_channels[0], 1, 1)

    def forward(
        self,
        moving: torch.Tensor,
        moving_probabilities: torch.Tensor,
        fixed: torch.Tensor,
        fixed_probabilities: torch.Tensor,
    ) -> torch.Tensor:
        """The moving scan in the fixed scan's phase, ``(b, 1, z, y, x)``; labels are not used."""
        return torch.tanh(self.paint(self.body(torch.cat((moving, fixed), dim=1))))


class PaperRegister(nn.Module):
    """Φ as one U-Net on (synthesized, fixed) that gives the displacement itself."""

    def __init__(self, config: NetworksConfig) -> None:
        super().__init__()
        self.body = UNet(2, config.register_channels)
        self.displacement = nn.Conv3d(config.register_channels[0], 3, 3, padding=1, bias=False)
        nn.init.normal_(self.displacement.weight, std=1e-5)

    def forward(
        self,
        moving: torch.Tensor,
        synthesized: torch.Tensor,
        fixed: torch.Tensor,
        moving_valid: torch.Tensor,
        fixed_valid: torch.Tensor,
        taper: torch.Tensor,
        spacing_mm: float,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Displacements in mm, both on the taper's grid coarsened by two; the second by inversion.

        Nothing makes the first one invertible: where it folds, the second is only near its inverse.
        """
        levels = self.forward_levels(
            moving, synthesized, fixed, moving_valid, fixed_valid, taper, spacing_mm
        )
        return levels[-1]

    @torch.jit.export
    def forward_levels(
        self,
        moving: torch.Tensor,
        synthesized: torch.Tensor,
        fixed: torch.Tensor,
        moving_valid: torch.Tensor,
        fixed_valid: torch.Tensor,
        taper: torch.Tensor,
        spacing_mm: float,
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The only answer, as a list of one level."""
        voxels = self.displacement(self.body(torch.cat((synthesized, fixed), dim=1)))
        z, y, x = margins(fixed, taper)
        voxels = F.pad(voxels, [x, x, y, y, z, z], mode="replicate")
        forward = F.avg_pool3d(voxels.float() * taper, 2) * spacing_mm
        backward = invert_mm(forward, isotropic(2.0 * spacing_mm), 15)
        return [(forward, backward)]
