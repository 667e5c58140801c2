"""Tiny configurations and batches for the tests of training."""

from typing import Any

import torch

from jssr.labels import CLASS_COUNT
from jssr.training.config import TrainingConfig
from jssr.training.data.batch import AnnotatedBatch, PairBatch, Truth
from jssr.training.settings import validated

SHAPE = (32, 32, 32)
SPACING_MM = 8.0
TINY_NETWORKS = {
    "segmentor_channels": [4, 8],
    "generator_channels": [4, 8],
    "register_channels": [4, 6, 8],
    "register_features": 4,
    "register_head": 4,
    "discriminator_channels": [4, 8],
}


def tiny_config(output: Any, **changes: Any) -> TrainingConfig:
    """A run of a few steps on 32³ voxels; ``changes`` replace whole top-level sections."""
    values: dict[str, Any] = {
        "output": str(output),
        "spacing_mm": SPACING_MM,
        "networks": TINY_NETWORKS,
        "data": {
            "shape_zyx": list(SHAPE),
            "phantoms": {
                "pool_size": 2,
                "refresh_every": 4,
                "pairs_per_patient": 2,
                "first_pairs": 1,
            },
        },
        "augmentation": {"affine": 0.5, "misalignment": 0.5, "blur": 0.5, "noise": 0.5},
        "loss": {"true_field": 0.1, "true_synthesis": 1.0, "local_correlation": 0.1},
        "stages": [
            {"name": "segmentor", "steps": 2},
            {"name": "registration", "steps": 2},
            {"name": "joint", "steps": 2},
        ],
        "validation": {"every_steps": 100, "pairs": 1, "pictures": False},
        "checkpoint": {"every_steps": 1, "keep": 10},
        "tensorboard": False,
        "hardware": {"device": "cpu", "threads": 1},
    }
    values.update(changes)
    return validated(values, "test")


def random_pair(seed: int = 0, batch: int = 1, shape: tuple[int, int, int] = SHAPE) -> PairBatch:
    """Random scans with a zero true field: for shapes and gradients, not for learning."""
    generator = torch.Generator().manual_seed(seed)
    z, y, x = shape

    def hu() -> torch.Tensor:
        return torch.rand(batch, 1, z, y, x, generator=generator) * 400 - 200

    def labels() -> torch.Tensor:
        return torch.randint(0, CLASS_COUNT, (batch, z, y, x), generator=generator).to(torch.uint8)

    ones = torch.ones(batch, 1, z, y, x)
    field = torch.zeros(batch, 3, z // 2, y // 2, x // 2)
    half = torch.ones(batch, 1, z // 2, y // 2, x // 2)
    truth = Truth(
        fixed_to_moving_mm=field,
        moving_to_fixed_mm=field.clone(),
        fixed_mask=half,
        moving_mask=half.clone(),
        synthesis_hu=hu(),
        reverse_synthesis_hu=hu(),
        synthesis_mask=ones,
        reverse_synthesis_mask=ones.clone(),
    )
    return PairBatch(
        fixed_hu=hu(),
        moving_hu=hu(),
        fixed_valid=ones,
        moving_valid=ones.clone(),
        fixed_labels=labels(),
        moving_labels=labels(),
        truth=truth,
    )


def random_annotated(seed: int = 0, batch: int = 1) -> AnnotatedBatch:
    """A random scan with random labels of every class."""
    pair = random_pair(seed, batch)
    assert pair.fixed_labels is not None
    classes = torch.ones(batch, CLASS_COUNT, dtype=torch.bool)
    return AnnotatedBatch(
        hu=pair.fixed_hu, valid=pair.fixed_valid, labels=pair.fixed_labels, classes=classes
    )


class RandomStream:
    """Random batches by step, as cheap as can be."""

    labels_are_complete = True

    def pairs(self, step: int) -> PairBatch:
        return random_pair(step)

    def annotated(self, step: int) -> AnnotatedBatch:
        return random_annotated(step)

    def validation_pairs(self, count: int) -> list[PairBatch]:
        return [random_pair(10_000 + number) for number in range(count)]
