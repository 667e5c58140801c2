"""Where organs lie in a patient, told by the great vessels and the liver."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from jssr.labels import label_index
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
        liver_z: lowest and highest slice of the liver; ``None`` where none is seen.
    """

    vessels_yx: tuple[float, float]
    liver_z: tuple[int, int] | None

    @staticmethod
    def of(labels: np.ndarray) -> "Landmarks | None":
        """From labels ``(z, y, x)``, with which organs may be much too large.

        ``None`` where neither of the great vessels is seen.
        """
        vessels = [_largest(labels == label_index(name)) for name in _VESSELS]
        points = np.argwhere(vessels[0] | vessels[1])
        if len(points) == 0:
            return None
        _, y, x = np.median(points, axis=0)
        landmarks = Landmarks((float(y), float(x)), None)
        liver = landmarks.in_place(labels == label_index("liver"), "liver", (1.0, 1.0, 1.0))
        slices = np.flatnonzero(_largest(liver).any(axis=(1, 2)))
        if len(slices) == 0:
            return landmarks
        return Landmarks(landmarks.vessels_yx, (int(slices[0]), int(slices[-1])))

    def seen_from(self, start_zyx: tuple[int, int, int]) -> "Landmarks":
        """The same in a part of the volume that starts at this voxel."""
        z, y, x = start_zyx
        levels = None if self.liver_z is None else (self.liver_z[0] - z, self.liver_z[1] - z)
        return Landmarks((self.vessels_yx[0] - y, self.vessels_yx[1] - x), levels)

    def in_place(self, mask: np.ndarray, name: str, spacing_mm: Spacing) -> np.ndarray:
        """The pieces of ``mask`` ``(z, y, x)`` whose middle lies where that of the organ does.

        Liver, gallbladder and right kidney lie to the right of the great vessels, spleen and left
        kidney to their left, and kidneys not before them. Pieces much above or below the liver
        count only where none lies beside it.

        Args:
            spacing_mm: x, y, z; the axes are the patient's, x to the left, y backwards.
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
        if name in _BESIDE_LIVER and self.liver_z is not None:
            margin = _LEVEL_MARGIN_MM / spacing_mm[2]
            beside = (z > self.liver_z[0] - margin) & (z < self.liver_z[1] + margin)
            if (there & beside)[1:].any():
                there &= beside
        there[0] = False
        return there[pieces]


def _largest(mask: np.ndarray) -> np.ndarray:
    pieces = connected_pieces(mask)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return (pieces == sizes.argmax()) & mask


def connected_pieces(mask: np.ndarray) -> np.ndarray:
    """Each voxel's piece, from 1, of a mask ``(z, y, x)``; 0 outside of it."""
    return sitk.GetArrayFromImage(
        sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)))
    )


def _sums(pieces: np.ndarray, axis: int) -> np.ndarray:
    """The sum of each piece's coordinates along an axis, in voxels."""
    shape = [1, 1, 1]
    shape[axis] = -1
    places = np.broadcast_to(np.arange(pieces.shape[axis]).reshape(shape), pieces.shape)
    return np.bincount(pieces.ravel(), places.ravel())
