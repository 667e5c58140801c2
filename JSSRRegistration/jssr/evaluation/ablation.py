"""Networks that do nothing, to show what each network of a model gives."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from jssr.bundle.load import Bundle


class IdentityGenerator(nn.Module):
    """A generator that repaints nothing: it gives the moving scan back."""

    def forward(
        self,
        moving: Tensor,
        moving_probabilities: Tensor,
        fixed: Tensor,
        fixed_probabilities: Tensor,
    ) -> Tensor:
        """``moving`` ``(B, 1, z, y, x)`` as it is."""
        return moving


class ZeroRegister(nn.Module):
    """A register that moves nothing: only the linear part of the transform stays."""

    def forward(
        self,
        moving: Tensor,
        synthesized: Tensor,
        fixed: Tensor,
        moving_valid: Tensor,
        fixed_valid: Tensor,
        taper: Tensor,
        spacing_mm: float,
    ) -> tuple[Tensor, Tensor]:
        """Both displacements ``(B, 3, z/2, y/2, x/2)``, zero."""
        batch, _, z, y, x = fixed.shape
        zero = torch.zeros((batch, 3, z // 2, y // 2, x // 2), device=fixed.device)
        return zero, zero.clone()


def without_generator(bundle: Bundle) -> Bundle:
    """The bundle with its generator replaced by the identity."""
    return replace(bundle, generator=IdentityGenerator())


def without_register(bundle: Bundle) -> Bundle:
    """The bundle with its register replaced by one that moves nothing."""
    return replace(bundle, register=ZeroRegister())
