"""Similarity across contrast, against numpy and SimpleITK."""

import numpy as np
import SimpleITK as sitk
import torch

from jssr.registration.similarity import local_correlation, similarity
from sample_scene import ball, moved_pair, pair_of, textured_hu


def test_local_correlation_is_numpys_where_patches_are_rich() -> None:
    """Two box means of 3 voxels weigh a patch of 5 by 1, 2, 3, 2, 1 along each axis."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 200, (2, 24, 24, 24))
    b = a + b
    found = local_correlation(*(torch.from_numpy(v).float()[None, None] for v in (a, b)), floor=0.0)

    def smooth(volume: np.ndarray) -> np.ndarray:
        image = sitk.GetImageFromArray(volume)
        kernel = np.outer(np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]), [1, 2, 3, 2, 1])
        kernel = (kernel / kernel.sum()).reshape(5, 5, 5)
        return sitk.GetArrayFromImage(sitk.Convolution(image, sitk.GetImageFromArray(kernel)))

    a, b = a - smooth(a), b - smooth(b)
    expected = smooth(a * b) / np.sqrt(smooth(a * a) * smooth(b * b))
    inner = (slice(8, -8),) * 3
    assert np.abs(found[0, 0].numpy()[inner] - expected[inner]).max() < 1e-3


def test_alike_scans_are_alike_whatever_the_contrast() -> None:
    fixed = textured_hu(1)
    same = pair_of(fixed, fixed, ball(50.0))
    inverted = pair_of(fixed, 80.0 - fixed, ball(50.0))
    other = pair_of(fixed, textured_hu(2), ball(50.0))
    assert similarity(same, None) > 0.95
    assert similarity(inverted, None) > 0.93
    assert similarity(other, None) < 0.4


def test_the_true_motion_makes_scans_alike() -> None:
    pair, truth = moved_pair(3, 30.0)
    assert similarity(pair, truth) > similarity(pair, None) + 0.1
