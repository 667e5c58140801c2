"""Mean HU of each label on both scans: the table of enhancement."""

import torch

from jssr.labels import LABELS
from jssr.registration.result import MeanIntensity


def mean_intensities(
    fixed: tuple[torch.Tensor, torch.Tensor], moving: tuple[torch.Tensor, torch.Tensor]
) -> tuple[MeanIntensity, ...]:
    """Mean and standard deviation of each label on each scan, from (HU, labels), ``(z, y, x)``."""
    rows = []
    for label in LABELS:
        a = _moments(*fixed, label.index)
        b = _moments(*moving, label.index)
        if a != (None, None) or b != (None, None):
            rows.append(MeanIntensity(label.name, *a, *b))
    return tuple(rows)


def _moments(
    hu: torch.Tensor, labels: torch.Tensor, index: int
) -> tuple[float | None, float | None]:
    values = hu[labels == index]
    if len(values) < 2:
        return None, None
    return float(values.mean()), float(values.std())
