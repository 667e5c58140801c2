"""Where organs lie in a patient, told by the great vessels and the liver."""

from dataclasses import dataclass, replace

import numpy as np

from jssr.labels import label_index
from jssr.registration.pieces import connected_pieces, large_pieces
from jssr.spatial.warp import Spacing

_VESSELS = ("aorta", "inferior_vena_cava")
_RIGHT = ("liver", "gallbladder", "right_kidney")
_LEFT = ("spleen", "left_kidney")
_BEHIND = ("right_kidney", "left_kidney")
_BESIDE_LIVER = ("gallbladder", "spleen", "right_kidney", "left_kidney", "pancreas")
_LEVEL_MARGIN_MM = 30.0


@dataclass(frozen=True)
class Landmarks:
    """What tells an organ from bowel and muscle that look like it.

    Attributes:
        vessels_yx: row and column, in voxels, of the middle of aorta and vena cava.
        level_z: lowest and highest slice beside the liver, 30 mm above and below it included;
            ``None`` where no liver is seen.
    """

    vessels_yx: tuple[float, float]
    level_z: tuple[float, float] | None

    @staticmethod
    def of(labels: np.ndarray, spacing_mm: Spacing) -> "Landmarks | None":
        """From labels ``(z, y, x)``, with which organs may be much too large.

        ``None`` where neither of the great vessels is seen.

        Args:
            spacing_mm: x, y, z; the axes are the patient's, x to the left, y backwards.
        """
        vessels = [large_pieces(labels == label_index(name)) for name in _VESSELS]
        points = np.argwhere(vessels[0] | vessels[1])
        if len(points) == 0:
            return None
        _, y, x = np.median(points, axis=0)
        alone = Landmarks((float(y), float(x)), None)
        liver = large_pieces(alone.in_place(labels == label_index("liver"), "liver"))
        slices = np.flatnonzero(liver.any(axis=(1, 2)))
        if len(slices) == 0:
            return alone
        margin = _LEVEL_MARGIN_MM / spacing_mm[2]
        return replace(alone, level_z=(slices[0] - margin, slices[-1] + margin))

    def seen_from(self, start_zyx: tuple[int, int, int]) -> "Landmarks":
        """The same in a part of the volume that starts at this voxel."""
        z, y, x = start_zyx
        level = None if self.level_z is None else (self.level_z[0] - z, self.level_z[1] - z)
        return Landmarks((self.vessels_yx[0] - y, self.vessels_yx[1] - x), level)

    def in_place(self, mask: np.ndarray, name: str) -> np.ndarray:
        """The pieces of ``mask`` ``(z, y, x)`` whose middle lies where that of the organ does.

        Liver, gallbladder and right kidney lie to the right of the great vessels, spleen and left
        kidney to their left, and kidneys not before them. Pieces much above or below the liver
        count only where none lies beside it. After surgery a liver may be left that lies to the
        left: where no piece of it lies to the right, all count.
        """
        pieces = connected_pieces(mask)
        sizes = np.maximum(np.bincount(pieces.ravel()), 1)
        z, y, x = (_sums(pieces, axis) / sizes for axis in range(3))
        there = np.ones(len(sizes), bool)
        if name in _RIGHT:
            there &= x < self.vessels_yx[1]
        if name in _LEFT:
            there &= x > self.vessels_yx[1]
        if name in _BEHIND:
            there &= y > self.vessels_yx[0]
        if name in _BESIDE_LIVER and self.level_z is not None:
            beside = (z > self.level_z[0]) & (z < self.level_z[1])
            if (there & beside)[1:].any():
                there &= beside
        if name == "liver" and not there[1:].any():
            there[:] = True
        there[0] = False
        return there[pieces]


def _sums(pieces: np.ndarray, axis: int) -> np.ndarray:
    """The sum of each piece's coordinates along an axis, in voxels."""
    shape = [1, 1, 1]
    shape[axis] = -1
    places = np.broadcast_to(np.arange(pieces.shape[axis]).reshape(shape), pieces.shape)
    return np.bincount(pieces.ravel(), places.ravel())
