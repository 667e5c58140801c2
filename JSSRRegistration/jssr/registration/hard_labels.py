"""Labels from probabilities."""

import torch


def hard_labels(probabilities: torch.Tensor) -> torch.Tensor:
    """The most probable class of ``(1, classes, z, y, x)``, ``(z, y, x)`` uint8; ties: the first.

    Class by class, which on a CPU is several times as fast as ``argmax`` across volumes.
    """
    best = probabilities[0, 0].clone()
    winner = torch.zeros_like(best, dtype=torch.uint8)
    for index in range(1, probabilities.shape[1]):
        winner.masked_fill_(probabilities[0, index] > best, index)
        torch.maximum(best, probabilities[0, index], out=best)
    return winner
