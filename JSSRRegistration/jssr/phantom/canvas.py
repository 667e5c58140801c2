"""A volume of tissues in which each voxel holds at most two, with their shares."""

import torch
from torch import Tensor

Box = tuple[slice, slice, slice]
FAR_MM = 1.0e3


def bounding_box(points: Tensor, low: list[float], high: list[float]) -> Box | None:
    """Index box of the voxels whose coordinates (3, z, y, x) lie within low and high, or None."""
    step = 3
    sparse = points[:, ::step, ::step, ::step]
    inside = torch.ones_like(sparse[0], dtype=torch.bool)
    for axis in range(3):
        inside &= (sparse[axis] >= low[axis]) & (sparse[axis] <= high[axis])
    box = []
    for axis, size in zip(range(3), points.shape[1:], strict=True):
        others = [other for other in range(3) if other != axis]
        found = inside.any(dim=others[1]).any(dim=others[0]).nonzero().flatten()
        if found.numel() == 0:
            return None
        first, last = int(found[0]), int(found[-1])
        box.append(slice(max(0, (first - 1) * step), min(size, (last + 1) * step + 1)))
    return box[0], box[1], box[2]


class Canvas:
    """Tissues painted one over the other, each with a partial-volume edge.

    ``first`` and ``second`` (uint8) are tissue numbers, ``share`` (float32, 0.5 to 1) the part
    of the voxel that ``first`` fills.
    """

    def __init__(
        self, shape: tuple[int, int, int], spacing_mm: float, device: torch.device
    ) -> None:
        self.spacing_mm = spacing_mm
        self.first = torch.zeros(shape, dtype=torch.uint8, device=device)
        self.second = torch.zeros_like(self.first)
        self.share = torch.ones(shape, dtype=torch.float32, device=device)

    def whole(self) -> Box:
        """The box of all voxels."""
        z, y, x = self.first.shape
        return slice(0, z), slice(0, y), slice(0, x)

    def paint(self, tissue: int, distance_mm: Tensor, box: Box, only: Tensor | None = None) -> None:
        """Paint a body given by its signed distance within ``box``.

        ``only`` (bool, the box's shape) leaves every other voxel as it was.
        """
        alpha = (0.5 - distance_mm / self.spacing_mm).clamp_(0.0, 1.0)
        self.paint_share(tissue, alpha, box, only)

    def paint_share(self, tissue: int, alpha: Tensor, box: Box, only: Tensor | None = None) -> None:
        """Paint a tissue that fills the share ``alpha`` (0 to 1) of each voxel of ``box``.

        Of the three tissues that then meet in a voxel the smallest is dropped.
        """
        first, second, share = self.first[box], self.second[box], self.share[box]
        least = (1.0 - alpha) * (1.0 - share)
        paint = alpha > least
        if only is not None:
            paint &= only
        rest = 1.0 - alpha
        on_top = alpha >= 0.5
        under = first.clone()
        first.masked_fill_(paint & on_top, tissue)
        new_second = torch.where(on_top, under, torch.full_like(under, tissue))
        second.copy_(torch.where(paint, new_second, second))
        share.copy_(torch.where(paint, torch.maximum(alpha, rest), share))

    def mask(self, tissues: list[int], box: Box) -> Tensor:
        """Voxels of ``box`` whose main tissue is one of ``tissues``."""
        table = torch.zeros(256, dtype=torch.bool, device=self.first.device)
        table[tissues] = True
        view = self.first[box]
        return table.index_select(0, view.flatten().to(torch.int32)).view(view.shape)
