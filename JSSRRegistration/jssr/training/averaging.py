"""Exponential moving average of the weights: what is validated and exported."""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

_Module = TypeVar("_Module", bound=nn.Module)


class WeightAverage(Generic[_Module]):
    """A copy of a module that follows its weights slowly.

    The decay grows from small to ``decay``, ``min(decay, (1 + n) / (10 + n))``, so that the first
    steps are forgotten quickly. Frozen weights keep their average; buffers are copied.
    """

    def __init__(self, module: _Module, decay: float) -> None:
        self.module: _Module = copy.deepcopy(module)
        self.module.eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move every trainable weight a little towards ``module``'s."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        current = dict(module.named_parameters())
        for name, average in self.module.named_parameters():
            value = current[name]
            if value.requires_grad:
                average.lerp_(value.to(average.dtype), 1 - decay)
        buffers = dict(module.named_buffers())
        for name, buffer in self.module.named_buffers():
            buffer.copy_(buffers[name])
