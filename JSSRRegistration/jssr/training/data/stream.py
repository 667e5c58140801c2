"""What the trainer asks of a source of data."""

from typing import Protocol

import numpy as np

from jssr.training.data.batch import AnnotatedBatch, PairBatch


class DataStream(Protocol):
    """Batches as a pure function of the step, so that resuming needs no state of the data."""

    labels_are_complete: bool
    """Whether pairs carry labels of every class, so that S can learn from the pairs themselves."""

    def pairs(self, step: int) -> PairBatch:
        """The pairs of training step ``step`` for this process."""
        ...

    def annotated(self, step: int) -> AnnotatedBatch:
        """The annotated scans of training step ``step`` for this process."""
        ...

    def validation_pairs(self, count: int) -> list[PairBatch]:
        """Pairs, batch size one, that never train; the same ones at every call."""
        ...


def step_generator(seed: int, step: int, rank: int, purpose: int) -> np.random.Generator:
    """Random numbers that follow from the run's seed, step, process and purpose alone."""
    return np.random.default_rng([seed, step, rank, purpose])
