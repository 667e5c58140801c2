"""Connected pieces of masks."""

import numpy as np
import SimpleITK as sitk


def connected_pieces(mask: np.ndarray) -> np.ndarray:
    """Each voxel's piece, from 1, of a mask ``(z, y, x)``; 0 outside of it."""
    return sitk.GetArrayFromImage(
        sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8)))
    )


def large_pieces(mask: np.ndarray, least: float = 1.0) -> np.ndarray:
    """The pieces that hold at least this part of the largest one's voxels."""
    pieces = connected_pieces(mask)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return mask & (sizes >= least * sizes.max())[pieces]
