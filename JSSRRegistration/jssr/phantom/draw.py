"""Seeded random numbers, always drawn on the CPU so that every device sees the same patient."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from jssr.spatial.fields import smooth_gaussian

Item = TypeVar("Item")


class Draw:
    """Random numbers of one named part of one seed.

    Each part (``"liver"``, ``"motion"``) has its own stream, so that a change in one part
    leaves the others as they were, and nothing depends on what was drawn before.
    """

    def __init__(self, seed: int, part: str) -> None:
        digest = hashlib.blake2b(f"{seed}/{part}".encode(), digest_size=8).digest()
        self._generator = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """One number of the uniform distribution on [low, high)."""
        return low + (high - low) * float(torch.rand((), generator=self._generator))

    def normal(self, mean: float = 0.0, deviation: float = 1.0, limit: float = 2.5) -> float:
        """One normal number, its distance from the mean held within ``limit`` deviations."""
        value = float(torch.randn((), generator=self._generator))
        return mean + deviation * max(-limit, min(limit, value))

    def integer(self, low: int, high: int) -> int:
        """One integer of low, low + 1, ..., high."""
        return int(torch.randint(low, high + 1, (), generator=self._generator))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.uniform() < probability

    def choice(self, items: Sequence[Item], weights: Sequence[float] | None = None) -> Item:
        """One of the items, with probability proportional to its weight."""
        chances = torch.tensor(weights if weights is not None else [1.0] * len(items))
        return items[int(torch.multinomial(chances, 1, generator=self._generator))]

    def normals(self, *shape: int) -> Tensor:
        """Standard normal numbers, float32, on the CPU."""
        return torch.randn(shape, generator=self._generator)

    def uniforms(self, *shape: int) -> Tensor:
        """Uniform numbers on [0, 1), float32, on the CPU."""
        return torch.rand(shape, generator=self._generator)


def smooth_noise(
    draw: Draw,
    shape: tuple[int, int, int],
    wavelength: float,
    channels: int = 1,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Smooth noise of about unit variance, (channels, z, y, x).

    Numbers are drawn on a lattice with one node every half ``wavelength`` (in voxels) and
    interpolated in two stages, which removes the creases of a single linear interpolation.
    """
    step = max(wavelength / 2.0, 1.0)
    nodes = [int(size / step) + 3 for size in shape]
    lattice = draw.normals(1, channels, *nodes).to(device)
    if step > 2.0:
        finer = [min(size, 2 * count) for size, count in zip(shape, nodes, strict=True)]
        lattice = functional.interpolate(lattice, size=finer, mode="trilinear")
        lattice = smooth_gaussian(lattice, 0.8)
    field = functional.interpolate(lattice, size=shape, mode="trilinear")[0]
    return field * (1.7 if step > 2.0 else 1.4)
