"""G: repaints the moving scan in the fixed scan's phase, in the moving scan's geometry."""

import torch
from torch import nn

from jssr.networks.blocks import ConvBlock, UNet, depth_to_space, space_to_depth, zeroed
from jssr.networks.config import NetworksConfig

HISTOGRAM_BINS = 16


def organ_means(
    image: torch.Tensor, probabilities: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean intensity of each foreground class and how surely it is there.

    Args:
        image: ``(b, 1, z, y, x)``.
        probabilities: ``(b, classes, z, y, x)``; channel 0, the background, is left out.

    Returns:
        Means and presences, each ``(b, classes - 1)``; presence runs from 0 to 1 and reaches one
        half at 30 voxels.
    """
    weights = probabilities[:, 1:].flatten(2)
    mass = weights.sum(dim=2)
    mean = (weights * image.flatten(2)).sum(dim=2) / (mass + 1e-3)
    return mean, mass / (mass + 30.0)


def soft_histogram(image: torch.Tensor, bins: int = HISTOGRAM_BINS) -> torch.Tensor:
    """Distribution of ``image`` over [-1, 1], ``(b, bins)``; every eighth voxel, without air."""
    step = 2.0 / bins
    values = image[:, :, ::2, ::2, ::2].flatten(1).unsqueeze(1)
    centers = torch.arange(bins, device=image.device) * step - 1.0 + step / 2
    tissue = (values > -0.98).to(image.dtype)
    weight = (1.0 - (values - centers.view(1, -1, 1)).abs() / step).clamp_min(0.0) * tissue
    counts = weight.sum(dim=2)
    return counts / (counts.sum(dim=1, keepdim=True) + 1.0)


class Generator(nn.Module):
    """A U-Net that corrects an organ-wise shift of intensities.

    Of the fixed scan it is shown pooled figures only (the organs' mean intensities and the
    histogram), never a spatial map: copying the fixed scan's geometry, the trivial optimum of the
    joint objective (paper, section 3), is closed by structure.
    """

    def __init__(self, config: NetworksConfig) -> None:
        super().__init__()
        channels = config.generator_channels
        width = channels[0]
        style = 4 * (config.classes - 1) + 2 * HISTOGRAM_BINS
        self.style = nn.Sequential(
            nn.Linear(style, 64), nn.LeakyReLU(0.1), nn.Linear(64, 4 * width)
        )
        self.body = UNet(16, channels)
        self.mix = ConvBlock(width + 16, width)
        self.refine = nn.Sequential(nn.Conv3d(width, width, 3, padding=1), nn.LeakyReLU(0.1))
        self.paint = zeroed(nn.Conv3d(width, 8, 1))

    def forward(
        self,
        moving: torch.Tensor,
        moving_probabilities: torch.Tensor,
        fixed: torch.Tensor,
        fixed_probabilities: torch.Tensor,
    ) -> torch.Tensor:
        """The moving scan in the fixed scan's phase.

        Args:
            moving, fixed: ``(b, 1, z, y, x)`` in [-1, 1].
            moving_probabilities, fixed_probabilities: S's softmax ``(b, classes, z, y, x)``.

        Returns:
            ``(b, 1, z, y, x)`` in [-1, 1].
        """
        moving_mean, moving_presence = organ_means(moving, moving_probabilities)
        fixed_mean, fixed_presence = organ_means(fixed, fixed_probabilities)
        shift = (fixed_mean - moving_mean) * moving_presence * fixed_presence
        shifted = moving + torch.einsum(
            "bczyx,bc->bzyx", moving_probabilities[:, 1:], shift
        ).unsqueeze(1)
        style = self.style(
            torch.cat(
                (
                    fixed_mean * fixed_presence,
                    fixed_presence,
                    moving_mean * moving_presence,
                    moving_presence,
                    soft_histogram(fixed),
                    soft_histogram(moving),
                ),
                dim=1,
            )
        )
        scale_1, offset_1, scale_2, offset_2 = style[:, :, None, None, None].chunk(4, dim=1)
        blocks = space_to_depth(torch.cat((moving, shifted), dim=1))
        features = self.body(blocks) * (1.0 + scale_1) + offset_1
        features = self.mix(torch.cat((features, blocks), dim=1)) * (1.0 + scale_2) + offset_2
        correction = depth_to_space(self.paint(self.refine(features)))
        return (shifted + correction).clamp(-1.0, 1.0)
