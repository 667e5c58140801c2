"""MIND-SSC: how each voxel's neighbourhood resembles itself, whatever the contrast.

Heinrich et al., *Towards Realtime Multimodal Fusion for Image-Guided Interventions Using
Self-Similarities*, MICCAI 2013.
"""

import torch
import torch.nn.functional as F

STRUCTURE_CHANNELS = 12

# The six neighbours as (z, y, x) steps, and the twelve pairs of them that lie at distance √2.
_NEIGHBOURS = ((0, 0, -1), (0, 0, 1), (0, -1, 0), (0, 1, 0), (-1, 0, 0), (1, 0, 0))
STRUCTURE_PAIRS: list[list[int]] = [
    [*a, *b]
    for i, a in enumerate(_NEIGHBOURS)
    for b in _NEIGHBOURS[:i]
    if sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) == 2
]


def window(padded: torch.Tensor, reach: int, z: int, y: int, x: int) -> torch.Tensor:
    """The part of a volume padded by ``reach`` that lies ``(z, y, x)`` voxels off its middle."""
    depth = padded.shape[2] - 2 * reach
    height = padded.shape[3] - 2 * reach
    width = padded.shape[4] - 2 * reach
    return padded[
        :,
        :,
        reach + z : reach + z + depth,
        reach + y : reach + y + height,
        reach + x : reach + x + width,
    ]


def box_mean(volume: torch.Tensor) -> torch.Tensor:
    """Mean over 3³ voxels of ``(b, c, z, y, x)``, zeros outside, one axis after the other.

    Sums of slices, which a CPU makes faster than pooling.
    """
    for axis in (2, 3, 4):
        count = volume.shape[axis] - 1
        total = volume.clone()
        total.narrow(axis, 1, count).add_(volume.narrow(axis, 0, count))
        total.narrow(axis, 0, count).add_(volume.narrow(axis, 1, count))
        volume = total
    return volume.mul_(1.0 / 27.0)


def structure(image: torch.Tensor, pairs: list[list[int]]) -> torch.Tensor:
    """MIND-SSC with 3³ patches, ``(b, 12, z, y, x)`` in (0, 1], of ``image`` ``(b, 1, z, y, x)``.

    ``pairs`` is :data:`STRUCTURE_PAIRS`: TorchScript knows no module globals.
    """
    padded = F.pad(image, [1, 1, 1, 1, 1, 1], mode="replicate")
    # One pair after the other: all twelve at once leave the processor's cache at every step.
    distances: list[torch.Tensor] = []
    for p in pairs:
        difference = window(padded, 1, p[0], p[1], p[2]) - window(padded, 1, p[3], p[4], p[5])
        distances.append(box_mean(difference.square()))
    distance = torch.cat(distances, dim=1)
    distance = distance - distance.amin(dim=1, keepdim=True)
    variance = distance.mean(dim=1, keepdim=True)
    # Flat patches have no structure: the floor keeps noise from looking like it.
    return (distance / -variance.clamp(4e-4, 10.0)).exp_()
