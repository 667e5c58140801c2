"""Choose what is handed out: the deformation, its rigid part, or no motion beyond the start."""

from dataclasses import dataclass

import numpy as np
import torch

from jssr.registration.inference import Displacements, Pair
from jssr.registration.similarity import similarity
from jssr.spatial.linear import rigid_fit
from jssr.spatial.warp import map_linear

# Over its rigid part, a deformation gained 0.12 and more on ten phantoms and two real pairs; on a
# scan that was only turned and shifted, the networks' noise gained 0.009.
_LEAST_GAIN = 0.02


@dataclass(frozen=True)
class Settled:
    """The choice.

    Attributes:
        linear: 4x4 fixed-to-moving in LPS mm; the very object that came in unless the rigid part
            of the deformation was chosen.
        fields: finished displacements, all zero unless the deformation was chosen.
        similarities: before (the linear part that came in) and after.
    """

    linear: np.ndarray
    fields: Displacements
    similarities: tuple[float, float]


def settle(linear: np.ndarray, pair: Pair, fields: Displacements) -> Settled:
    """Of deformation, rigid part and no motion, what makes the scans look most alike.

    Registration never makes an alignment worse, and two scans of a patient who did not breathe
    differently get a rigid transform: a deformation has to gain more than the networks' noise does.
    """
    found = pair.within(fields.fixed_to_moving_mm)
    before = similarity(pair, None)
    after = similarity(pair, found)
    rigid = _rigid_part(pair, found)
    rigid_after = similarity(pair, _displacement(pair, rigid))
    if after >= max(before, rigid_after) + _LEAST_GAIN:
        return Settled(linear, fields, (before, after))
    zero = torch.zeros_like(fields.fixed_to_moving_mm)
    still = Displacements(fixed_to_moving_mm=zero, moving_to_fixed_mm=zero)
    if rigid_after > before:
        return Settled(linear @ rigid, still, (before, rigid_after))
    return Settled(linear, still, (before, before))


def _rigid_part(pair: Pair, displacement_mm: torch.Tensor) -> np.ndarray:
    where = pair.fixed_body & pair.fixed.valid[0, 0] & pair.moving.valid[0, 0]
    if int(where.sum()) < 100:
        return np.eye(4)
    points = _points(pair)[0][:, where].numpy().T.astype(np.float64)
    return rigid_fit(points, points + displacement_mm[0][:, where].numpy().T)


def _displacement(pair: Pair, matrix: np.ndarray) -> torch.Tensor:
    return map_linear(torch.from_numpy(matrix - np.eye(4)), _points(pair))


def _points(pair: Pair) -> torch.Tensor:
    """World position of each voxel of the working grid, ``(1, 3, z, y, x)`` float32."""
    return torch.from_numpy(pair.grid.points_mm()).float()[None]
