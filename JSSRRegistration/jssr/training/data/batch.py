"""What one training step sees."""

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from torch import Tensor

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What only a phantom knows, on the field grid (half the image's resolution) or the image's.

    Attributes:
        fixed_to_moving_mm, moving_to_fixed_mm: (B, 3, z/2, y/2, x/2).
        fixed_mask, moving_mask: (B, 1, z/2, y/2, x/2) float, 1 where those fields are true.
        synthesis_hu: (B, 1, z, y, x), the moving anatomy without noise in the fixed phase.
        reverse_synthesis_hu: (B, 1, z, y, x), the fixed anatomy in the moving phase.
        synthesis_mask, reverse_synthesis_mask: (B, 1, z, y, x) float, where those are known.
    """

    fixed_to_moving_mm: Tensor
    moving_to_fixed_mm: Tensor
    fixed_mask: Tensor
    moving_mask: Tensor
    synthesis_hu: Tensor
    reverse_synthesis_hu: Tensor
    synthesis_mask: Tensor
    reverse_synthesis_mask: Tensor


@dataclass(frozen=True, kw_only=True)
class PairBatch:
    """Pairs of scans on one grid each, fixed and moving already linearly aligned.

    Attributes:
        fixed_hu, moving_hu: (B, 1, z, y, x) float32 HU, -1024 outside the scan.
        fixed_valid, moving_valid: (B, 1, z, y, x) float, 1 where the scan has voxels.
        fixed_labels, moving_labels: (B, z, y, x) uint8 or ``None`` where nobody annotated.
        truth: the exact answer, phantoms only.
        classes: (B, K) bool, classes that the annotations of both scans cover; ``None`` means all.
    """

    fixed_hu: Tensor
    moving_hu: Tensor
    fixed_valid: Tensor
    moving_valid: Tensor
    fixed_labels: Tensor | None = None
    moving_labels: Tensor | None = None
    truth: Truth | None = None
    classes: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class AnnotatedBatch:
    """Scans with labels for the segmentor.

    Attributes:
        hu: (B, 1, z, y, x) float32.
        valid: (B, 1, z, y, x) float.
        labels: (B, z, y, x) uint8.
        classes: (B, K) bool, classes that the annotation covers.
    """

    hu: Tensor
    valid: Tensor
    labels: Tensor
    classes: Tensor


class StepInput:
    """The data of one step, closed to Fabric.

    Fabric casts every tensor that it finds among a module's arguments to the precision of the
    networks; HU, millimetres and labels must stay what they are. It looks into dataclasses and
    containers, not into plain objects.
    """

    def __init__(
        self, pair: PairBatch | None = None, annotated: AnnotatedBatch | None = None
    ) -> None:
        self.pair = pair
        self.annotated = annotated


def to_device(batch: _T, device: torch.device) -> _T:
    """The batch with all its tensors on ``device`` and integers of HU as float32."""
    return _mapped(batch, lambda t: _floating(t.to(device, non_blocking=True)))


def collate(samples: list[_T]) -> _T:
    """Samples of batch size one joined along the batch."""
    if len(samples) == 1:
        return samples[0]
    return _joined(samples)


def _floating(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.int16, torch.float16, torch.bool) else tensor


def _mapped(value: Any, function: Any) -> Any:
    if isinstance(value, Tensor):
        return function(value)
    if value is None:
        return None
    return type(value)(**{f.name: _mapped(getattr(value, f.name), function) for f in fields(value)})


def _joined(values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(values)
    if first is None or any(value is None for value in values):
        return None
    return type(first)(
        **{f.name: _joined([getattr(v, f.name) for v in values]) for f in fields(first)}
    )
