"""Intensities at the networks' edge: HU outside, [-1, 1] inside."""

import torch

Window = tuple[float, float]
"""Lower and upper HU that become -1 and 1."""


def to_network(hu: torch.Tensor, window_hu: Window) -> torch.Tensor:
    """HU clipped to the window and scaled to [-1, 1]."""
    low, high = window_hu
    return ((hu - low) * (2.0 / (high - low)) - 1.0).clamp(-1.0, 1.0)


def to_hu(value: torch.Tensor, window_hu: Window) -> torch.Tensor:
    """The HU of network values; what the window clipped stays at its edge."""
    low, high = window_hu
    return (value + 1.0) * ((high - low) / 2.0) + low
