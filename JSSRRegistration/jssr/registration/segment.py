"""S on a whole scan, and its labels on the scan's own grid."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch

from jssr.bundle.load import Bundle
from jssr.hounsfield import AIR_HU
from jssr.labels import LABELS
from jssr.registration.anatomy import plausible
from jssr.registration.hard_labels import hard_labels
from jssr.registration.window import to_network
from jssr.registration.working_grid import resample_to_grid, working_grid
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_to_sitk, apply_linear
from jssr.spatial.warp import map_linear, sample, voxel_coordinates

_LABEL_THRESHOLD = 127


@dataclass(frozen=True)
class Segmentation:
    """S's opinion on one scan, and what it saw.

    Attributes:
        hu: ``(z, y, x)`` float32 on ``grid``, -1024 outside the scan.
        probabilities: ``(1, classes, z, y, x)`` on ``grid``, CPU; background outside the patient.
        grid: axis-aligned, the bundle's spacing, around the scan's whole field of view.
    """

    hu: torch.Tensor
    probabilities: torch.Tensor
    grid: Geometry

    def labels(self) -> torch.Tensor:
        """The most probable class, ``(z, y, x)`` uint8, on ``grid``."""
        return hard_labels(self.probabilities)


def carried(
    probabilities: torch.Tensor, grid: Geometry, target: Geometry, linear: np.ndarray
) -> torch.Tensor:
    """Probabilities ``(1, classes, z, y, x)`` on ``grid``, brought onto ``target``.

    ``linear`` maps points of ``target`` to points of ``grid``; outside it there is background.
    """
    matrix = np.linalg.inv(grid.index_to_world) @ linear @ target.index_to_world
    index = voxel_coordinates(list(target.shape_zyx), torch.device("cpu"))
    # Zero padding leaves outside what is then named background.
    found = sample(probabilities, map_linear(torch.from_numpy(matrix), index), padding="zeros")
    found[:, 0] += 1.0 - found.sum(dim=1)
    return found


def segment(image: sitk.Image, bundle: Bundle) -> Segmentation:
    """S over the scan's whole field of view, on a grid of the bundle's spacing.

    S sees no air beyond the scan's border, where a narrow field of view cuts the patient: an organ
    beside air looks to it like something else.
    """
    manifest = bundle.manifest
    grid = working_grid(
        Geometry.of(image), manifest.spacing_mm, manifest.spacing_mm, manifest.size_divisor
    )
    volume = resample_to_grid(image, grid, continued=True)
    with torch.no_grad():
        logits = bundle.segmentor(to_network(volume.hu, manifest.window_hu).to(bundle.device))
        probabilities = torch.softmax(logits, dim=1).float().cpu()
    hu = torch.where(volume.valid, volume.hu, AIR_HU)[0, 0]
    return Segmentation(hu, plausible(probabilities, hu, grid).half(), grid)


def label_map(probabilities: torch.Tensor, grid: Geometry, image: sitk.Image) -> sitk.Image:
    """The label of each voxel of ``image`` that is likelier than not, uint8; else background.

    Each organ is interpolated inside its own box, so the memory stays small whatever the scan.

    Args:
        probabilities: ``(1, classes, z, y, x)`` on ``grid``.
        grid: where they lie.
        image: the scan whose grid the labels get.
    """
    reference = Geometry.of(image)
    best = np.full(reference.shape_zyx, _LABEL_THRESHOLD, np.uint8)
    winner = np.zeros(reference.shape_zyx, np.uint8)
    scaled = (probabilities[0] * 255).round().to(torch.uint8).numpy()
    for label in LABELS:
        share = scaled[label.index]
        box = _box(share > _LABEL_THRESHOLD // 4, grid, reference)
        if box is None:
            continue
        start, size = box
        here = reference.part(start, size)
        # A copy: a view would not keep the temporary image alive.
        values = sitk.GetArrayFromImage(
            sitk.Resample(
                grid.image(share), here.empty_image(), affine_to_sitk(np.eye(4)), sitk.sitkLinear, 0
            )
        )
        region = tuple(slice(a, a + n) for a, n in zip(start[::-1], size[::-1], strict=True))
        better = values > best[region]
        best[region][better] = values[better]
        winner[region][better] = label.index
    return reference.image(winner)


def _box(
    mask: np.ndarray, grid: Geometry, reference: Geometry
) -> tuple[tuple[int, int, int], tuple[int, int, int]] | None:
    """Start and size (x, y, z) of the part of ``reference`` that the mask may touch."""
    points = np.argwhere(mask)
    if len(points) == 0:
        return None
    low, high = points.min(axis=0)[::-1] - 1, points.max(axis=0)[::-1] + 1
    corners = np.array([[(low, high)[i >> a & 1][a] for a in range(3)] for i in range(8)])
    to_index = np.linalg.inv(reference.index_to_world) @ grid.index_to_world
    moved = apply_linear(to_index, corners)
    size = np.array(reference.size)
    start = np.clip(np.floor(moved.min(axis=0)).astype(int), 0, size)
    stop = np.clip(np.ceil(moved.max(axis=0)).astype(int) + 1, 0, size)
    if np.any(stop <= start):
        return None
    extent = stop - start
    return (
        (int(start[0]), int(start[1]), int(start[2])),
        (int(extent[0]), int(extent[1]), int(extent[2])),
    )
