"""Gradient descent for instance optimization."""

import torch

_KEEP_FIRST, _KEEP_SECOND = 0.9, 0.99
_FLOOR = 1e-8


class Adam:
    """Algorithm 1 of Kingma and Ba, ICLR 2015, for one tensor.

    ``torch.optim`` loads PyTorch's compiler at its first use: about two seconds, which one
    registration does not earn back.
    """

    def __init__(self, parameters: torch.Tensor) -> None:
        self._first = torch.zeros_like(parameters)
        self._second = torch.zeros_like(parameters)
        self._steps = 0

    def step(self, parameters: torch.Tensor, gradient: torch.Tensor, rate: float) -> None:
        """Moves ``parameters`` in place against ``gradient`` by about ``rate`` a component."""
        self._steps += 1
        self._first.lerp_(gradient, 1 - _KEEP_FIRST)
        self._second.lerp_(gradient.square(), 1 - _KEEP_SECOND)
        first = self._first / (1 - _KEEP_FIRST**self._steps)
        second = self._second / (1 - _KEEP_SECOND**self._steps)
        with torch.no_grad():
            parameters.sub_(rate * first / (second.sqrt() + _FLOOR))
