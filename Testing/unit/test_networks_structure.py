"""MIND-SSC: a definition written again in numpy, and what it must not see."""

import numpy as np
import torch
from scipy.ndimage import uniform_filter

from jssr.networks.structure import STRUCTURE_PAIRS, box_mean, structure


def test_box_mean_equals_scipy_inside() -> None:
    volume = torch.randn(1, 2, 7, 8, 9)
    wanted = uniform_filter(volume[0, 1].numpy(), 3)
    inside = (slice(1, -1),) * 3
    assert np.abs(box_mean(volume)[0, 1].numpy()[inside] - wanted[inside]).max() < 1e-5


def test_twelve_pairs_of_neighbours_at_distance_root_two() -> None:
    distances = [np.linalg.norm(np.subtract(p[:3], p[3:])) for p in STRUCTURE_PAIRS]
    assert len(distances) == 12
    assert np.allclose(distances, np.sqrt(2))


def test_equals_its_definition() -> None:
    image = np.random.default_rng(0).normal(size=(9, 10, 11)).astype(np.float32)
    padded = np.pad(image, 1, mode="edge")

    def moved(z: int, y: int, x: int) -> np.ndarray:
        return padded[1 + z : 10 + z, 1 + y : 11 + y, 1 + x : 12 + x]

    squared = [(moved(*p[:3]) - moved(*p[3:])) ** 2 for p in STRUCTURE_PAIRS]
    distance = np.stack([uniform_filter(d, 3) for d in squared])
    distance -= distance.min(axis=0)
    wanted = np.exp(-distance / distance.mean(axis=0).clip(4e-4, 10.0))
    got = structure(torch.from_numpy(image)[None, None], STRUCTURE_PAIRS)[0].numpy()
    inside = (slice(None), *(slice(1, -1),) * 3)
    assert np.abs(got - wanted)[inside].max() < 1e-4


def test_inverted_contrast_has_the_same_structure() -> None:
    image = torch.randn(1, 1, 8, 8, 8)
    assert torch.allclose(
        structure(image, STRUCTURE_PAIRS), structure(1 - image, STRUCTURE_PAIRS), atol=1e-4
    )


def test_flat_tissue_with_faint_noise_has_none() -> None:
    image = 0.2 + 1e-3 * torch.randn(1, 1, 8, 8, 8)
    assert structure(image, STRUCTURE_PAIRS)[..., 2:-2, 2:-2, 2:-2].min() > 0.9
