"""Vary a pair on the training device: images, labels and true fields alike."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from jssr.hounsfield import AIR_HU
from jssr.spatial.fields import smooth_along
from jssr.spatial.linear import rotation
from jssr.spatial.warp import Spacing, map_linear, sample, voxel_coordinates
from jssr.training.config import AugmentationConfig
from jssr.training.data.batch import AnnotatedBatch, PairBatch, Truth


def augment_pair(
    batch: PairBatch,
    config: AugmentationConfig,
    spacing_mm: Spacing,
    generator: np.random.Generator,
) -> PairBatch:
    """A varied copy of ``batch``; the same generator state gives the same copy.

    Spatial changes are drawn once for the whole batch, intensity changes for each scan.

    Args:
        batch: tensors on the training device, HU as float32.
        spacing_mm: of the image grid, x, y, z.
        generator: random numbers of this step.
    """
    if generator.random() < config.swap:
        batch = swapped(batch)
    batch = _moved_at_random(batch, config, spacing_mm, generator)
    fixed_scale = _random_scale(config, generator)
    fixed_hu = _degraded(_scaled(batch.fixed_hu, fixed_scale), config, generator)
    moving_scale = _random_scale(config, generator)
    moving_hu = _degraded(_scaled(batch.moving_hu, moving_scale), config, generator)
    truth = batch.truth
    if truth is not None:
        truth = _truth_scaled(truth, fixed_scale, moving_scale)
    fixed_hu, fixed_valid = cut_field_of_view(fixed_hu, batch.fixed_valid, config, generator)
    moving_hu, moving_valid = cut_field_of_view(moving_hu, batch.moving_valid, config, generator)
    return replace(
        batch,
        fixed_hu=fixed_hu,
        moving_hu=moving_hu,
        fixed_valid=fixed_valid,
        moving_valid=moving_valid,
        truth=truth,
    )


def augment_annotated(
    batch: AnnotatedBatch,
    config: AugmentationConfig,
    spacing_mm: Spacing,
    generator: np.random.Generator,
) -> AnnotatedBatch:
    """A varied copy of annotated scans; labels move with the images."""
    hu, valid, labels = batch.hu, batch.valid, batch.labels
    if generator.random() < config.affine:
        matrix = random_affine(
            generator, config.rotation_degrees, config.scaling, config.translation_mm
        )
        hu, valid, labels = _scan_moved(hu, valid, labels, matrix, spacing_mm)
    hu = _degraded(_scaled(hu, _random_scale(config, generator)), config, generator)
    hu, valid = cut_field_of_view(hu, valid, config, generator)
    assert labels is not None
    return replace(batch, hu=hu, valid=valid, labels=labels)


def swapped(batch: PairBatch) -> PairBatch:
    """Fixed and moving with their roles exchanged, the truth with them."""
    truth = batch.truth
    if truth is not None:
        truth = Truth(
            fixed_to_moving_mm=truth.moving_to_fixed_mm,
            moving_to_fixed_mm=truth.fixed_to_moving_mm,
            fixed_mask=truth.moving_mask,
            moving_mask=truth.fixed_mask,
            synthesis_hu=truth.reverse_synthesis_hu,
            reverse_synthesis_hu=truth.synthesis_hu,
            synthesis_mask=truth.reverse_synthesis_mask,
            reverse_synthesis_mask=truth.synthesis_mask,
        )
    return PairBatch(
        fixed_hu=batch.moving_hu,
        moving_hu=batch.fixed_hu,
        fixed_valid=batch.moving_valid,
        moving_valid=batch.fixed_valid,
        fixed_labels=batch.moving_labels,
        moving_labels=batch.fixed_labels,
        truth=truth,
        classes=batch.classes,
    )


def random_affine(
    generator: np.random.Generator, degrees: float, scaling: float, translation_mm: float
) -> np.ndarray:
    """A 4x4 affine about the grid's centre: rotations, one scale an axis, a shift."""
    angles = np.radians(generator.uniform(-degrees, degrees, 3))
    matrix = np.eye(4)
    for axis, angle in zip(np.eye(3), angles, strict=True):
        matrix = matrix @ rotation(angle * axis, np.zeros(3))
    matrix[:3, :3] = matrix[:3, :3] * generator.uniform(1 - scaling, 1 + scaling, 3)
    matrix[:3, 3] = generator.uniform(-translation_mm, translation_mm, 3)
    return matrix


def moved(
    batch: PairBatch, fixed: np.ndarray, moving: np.ndarray, spacing_mm: Spacing
) -> PairBatch:
    """The pair resampled through one affine a scan, the true fields carried along exactly.

    The new fixed scan at p shows the old one at ``A p``, the new moving one at q the old at ``B q``
    (both about the grid's centre). The true map ``y = p + u(p)`` becomes
    ``q = B^-1 (A p + u(A p))``.

    Args:
        fixed, moving: ``A`` and ``B``, 4x4, mm.
    """
    fixed_hu, fixed_valid, fixed_labels = _scan_moved(
        batch.fixed_hu, batch.fixed_valid, batch.fixed_labels, fixed, spacing_mm
    )
    moving_hu, moving_valid, moving_labels = _scan_moved(
        batch.moving_hu, batch.moving_valid, batch.moving_labels, moving, spacing_mm
    )
    truth = None if batch.truth is None else _truth_moved(batch.truth, fixed, moving, spacing_mm)
    return PairBatch(
        fixed_hu=fixed_hu,
        moving_hu=moving_hu,
        fixed_valid=fixed_valid,
        moving_valid=moving_valid,
        fixed_labels=fixed_labels,
        moving_labels=moving_labels,
        truth=truth,
        classes=batch.classes,
    )


def cut_field_of_view(
    hu: Tensor, valid: Tensor, config: AugmentationConfig, generator: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """The scan cut to a random box: outside it is background and not valid."""
    if generator.random() >= config.field_of_view:
        return hu, valid
    box = torch.zeros_like(valid)
    kept = []
    for size, most in zip(hu.shape[2:], (0.25, 0.12, 0.12), strict=True):
        low = int(size * generator.uniform(0, most))
        high = size - int(size * generator.uniform(0, most))
        kept.append(slice(low, high))
    box[:, :, kept[0], kept[1], kept[2]] = 1
    valid = valid * box
    return torch.where(valid > 0, hu, torch.full_like(hu, AIR_HU)), valid


def random_smooth_field(
    shape_zyx: tuple[int, int, int],
    amplitude_mm: float,
    generator: np.random.Generator,
    device: torch.device,
) -> Tensor:
    """A smooth random displacement, (1, 3, z, y, x) mm, from a coarse grid of random vectors."""
    coarse = torch.from_numpy(generator.normal(0, amplitude_mm, (1, 3, 4, 4, 4))).float().to(device)
    return torch.nn.functional.interpolate(
        coarse, size=shape_zyx, mode="trilinear", align_corners=True
    )


def _random_scale(
    config: AugmentationConfig, generator: np.random.Generator
) -> tuple[float, float]:
    """Gain and shift in HU of one scan's values."""
    if generator.random() < config.intensity:
        return generator.uniform(0.92, 1.08), generator.uniform(-15, 15)
    return 1.0, 0.0


def _scaled(hu: Tensor, scale: tuple[float, float]) -> Tensor:
    gain, shift_hu = scale
    return hu * gain + shift_hu


def _truth_scaled(truth: Truth, fixed: tuple[float, float], moving: tuple[float, float]) -> Truth:
    """An anatomy painted as the other scan shows tissues takes that scan's gain and shift."""
    return replace(
        truth,
        synthesis_hu=_scaled(truth.synthesis_hu, fixed),
        reverse_synthesis_hu=_scaled(truth.reverse_synthesis_hu, moving),
    )


def _degraded(hu: Tensor, config: AugmentationConfig, generator: np.random.Generator) -> Tensor:
    """Thick slices and noise, each with its probability."""
    if generator.random() < config.blur:
        # Along z alone, as reconstruction in slices of two or four voxels does.
        hu = smooth_along(hu, [0.6 * int(generator.integers(1, 3)), 0.0, 0.0])
    if generator.random() < config.noise:
        source = torch.Generator(hu.device).manual_seed(int(generator.integers(2**62)))
        noise = torch.randn(hu.shape, generator=source, device=hu.device, dtype=hu.dtype)
        hu = hu + noise * generator.uniform(0, config.noise_hu)
    return hu


def _moved_at_random(
    batch: PairBatch,
    config: AugmentationConfig,
    spacing_mm: Spacing,
    generator: np.random.Generator,
) -> PairBatch:
    common = alone = np.eye(4)
    if generator.random() < config.affine:
        common = alone = random_affine(
            generator, config.rotation_degrees, config.scaling, config.translation_mm
        )
    if generator.random() < config.misalignment:
        rigid = random_affine(generator, config.misalignment_degrees, 0.0, config.misalignment_mm)
        alone = rigid @ common
    if np.array_equal(common, np.eye(4)) and np.array_equal(alone, np.eye(4)):
        return batch
    return moved(batch, common, alone, spacing_mm)


def _scan_moved(
    hu: Tensor, valid: Tensor, labels: Tensor | None, matrix: np.ndarray, spacing_mm: Spacing
) -> tuple[Tensor, Tensor, Tensor | None]:
    if np.array_equal(matrix, np.eye(4)):
        return hu, valid, labels
    index = _index_under(matrix, hu.shape, spacing_mm, hu.device).expand(len(hu), -1, -1, -1, -1)
    valid = sample(valid, index, "nearest", "zeros")
    hu = torch.where(valid > 0, sample(hu, index), torch.full_like(hu, AIR_HU))
    if labels is not None:
        labels = sample(labels[:, None].float(), index, "nearest", "zeros")[:, 0].to(labels.dtype)
    return hu, valid, labels


def _truth_moved(truth: Truth, fixed: np.ndarray, moving: np.ndarray, spacing_mm: Spacing) -> Truth:
    fixed_to_moving_mm, fixed_mask = _field_moved(
        truth.fixed_to_moving_mm, truth.fixed_mask, fixed, moving, spacing_mm
    )
    moving_to_fixed_mm, moving_mask = _field_moved(
        truth.moving_to_fixed_mm, truth.moving_mask, moving, fixed, spacing_mm
    )
    synthesis_hu, synthesis_mask, _ = _scan_moved(
        truth.synthesis_hu, truth.synthesis_mask, None, moving, spacing_mm
    )
    reverse_hu, reverse_mask, _ = _scan_moved(
        truth.reverse_synthesis_hu, truth.reverse_synthesis_mask, None, fixed, spacing_mm
    )
    return Truth(
        fixed_to_moving_mm=fixed_to_moving_mm,
        moving_to_fixed_mm=moving_to_fixed_mm,
        fixed_mask=fixed_mask,
        moving_mask=moving_mask,
        synthesis_hu=synthesis_hu,
        reverse_synthesis_hu=reverse_hu,
        synthesis_mask=synthesis_mask,
        reverse_synthesis_mask=reverse_mask,
    )


def _field_moved(
    field_mm: Tensor, mask: Tensor, start: np.ndarray, end: np.ndarray, spacing_mm: Spacing
) -> tuple[Tensor, Tensor]:
    """``p -> end^-1 (start p + u(start p)) - p`` on the half-resolution grid."""
    coarse: Spacing = (2 * spacing_mm[0], 2 * spacing_mm[1], 2 * spacing_mm[2])
    points = _centred_mm(field_mm.shape, coarse, field_mm.device)
    index = _index_under(start, field_mm.shape, coarse, field_mm.device)
    index = index.expand(len(field_mm), -1, -1, -1, -1)
    started = map_linear(torch.from_numpy(start), points) + sample(field_mm, index)
    moved_mask = sample(mask, index, "nearest", "zeros")
    return map_linear(torch.from_numpy(np.linalg.inv(end)), started) - points, moved_mask


def _centred_mm(shape: torch.Size, spacing_mm: Spacing, device: torch.device) -> Tensor:
    """Millimetres of every voxel from the grid's centre, (1, 3, z, y, x)."""
    middle, size_mm = _middle_and_size(shape, spacing_mm, device)
    return (voxel_coordinates(list(shape[2:]), device) - middle) * size_mm


def _index_under(
    matrix: np.ndarray, shape: torch.Size, spacing_mm: Spacing, device: torch.device
) -> Tensor:
    """Continuous x, y, z index of ``matrix`` applied to every voxel, (1, 3, z, y, x)."""
    middle, size_mm = _middle_and_size(shape, spacing_mm, device)
    points = map_linear(torch.from_numpy(matrix), _centred_mm(shape, spacing_mm, device))
    return points / size_mm + middle


def _middle_and_size(
    shape: torch.Size, spacing_mm: Spacing, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Index of the grid's centre and size of a voxel, x, y, z, each (1, 3, 1, 1, 1)."""
    middle = torch.tensor([(n - 1) / 2 for n in shape[:1:-1]], device=device)
    size_mm = torch.tensor(spacing_mm, device=device)
    return middle.view(1, 3, 1, 1, 1), size_mm.view(1, 3, 1, 1, 1)
