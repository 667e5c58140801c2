"""Label maps of a moved patient, by the vote of the eight nearest reference voxels."""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from jssr.labels import CLASS_COUNT
from jssr.phantom.tissues import Tissue


@dataclass(frozen=True)
class ReferenceLabels:
    """Labels of a patient's padded grid, flattened.

    ``shape`` is that grid's, ``first`` and ``second`` (uint8) label the two tissues of each voxel,
    ``share`` is the part of the first. ``mixed`` (bool): the 2×2×2 cell that starts here holds
    more than one label.
    """

    shape: tuple[int, int, int]
    first: Tensor
    second: Tensor
    share: Tensor
    mixed: Tensor

    @classmethod
    def of(
        cls, tissues: tuple[Tissue, ...], first: Tensor, second: Tensor, share: Tensor
    ) -> "ReferenceLabels":
        """From the two tissues (z, y, x) of each voxel and the share of the first."""
        table = torch.zeros(256, dtype=torch.uint8)
        numbers = [tissue.label for tissue in tissues]
        table[: len(numbers)] = torch.tensor(numbers, dtype=torch.uint8)
        table = table.to(first.device)
        z, y, x = first.shape
        first, second = (
            table.index_select(0, numbers.flatten().to(torch.int32)) for numbers in (first, second)
        )
        cells = first.view(1, 1, z, y, x).float()
        cells = functional.pad(cells, (0, 1, 0, 1, 0, 1), mode="replicate")
        high, low = functional.max_pool3d(cells, 2, 1), -functional.max_pool3d(-cells, 2, 1)
        return cls((z, y, x), first, second, share.flatten(), (high > low).flatten())


def sample_labels(labels: ReferenceLabels, index: Tensor) -> Tensor:
    """Labels (z, y, x) uint8 of a scan whose voxels see the patient at ``index``.

    ``index`` (1, 3, z, y, x) is x, y, z in the padded grid. The label of a point is the one with
    the largest share when the shares of all labels are interpolated linearly. Only where the eight
    voxels around it disagree is that worked out.
    """
    depth, height, width = labels.shape
    shape = index.shape[2:]
    last = torch.tensor([width, height, depth], device=index.device).view(3, 1, 1, 1) - 1.001
    index = torch.minimum(index[0].clamp(min=0.0), last).flatten(1)
    base = index.floor()
    x, y, z = base.to(torch.int32)
    start = (z * height + y) * width + x
    result = labels.first.index_select(0, start)
    edge = labels.mixed.index_select(0, start).nonzero().flatten()
    part = (index - base)[:, edge]
    result[edge] = _vote(labels, start[edge], part, width, height)
    return result.view(shape)


def _vote(labels: ReferenceLabels, start: Tensor, part: Tensor, width: int, height: int) -> Tensor:
    """The winning label of cells that begin at ``start``, at the places ``part`` (3, N) in them."""
    number = len(start)
    voter = torch.arange(number, device=start.device)
    votes = torch.zeros(CLASS_COUNT * number, device=start.device)
    for dz, dy, dx in product((0, 1), repeat=3):
        corner = start + (dz * height + dy) * width + dx
        weight = torch.ones_like(part[0])
        for step, value in zip((dx, dy, dz), part, strict=True):
            weight = weight * (value if step else 1.0 - value)
        share = labels.share.index_select(0, corner)
        for label, amount in (
            (labels.first, weight * share),
            (labels.second, weight * (1.0 - share)),
        ):
            slot = label.index_select(0, corner).to(torch.int64) * number + voter
            votes.index_add_(0, slot, amount)
    return votes.view(CLASS_COUNT, number).argmax(0).to(torch.uint8)
