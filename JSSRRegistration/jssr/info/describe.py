"""Finds out what lies at a path."""

from pathlib import Path

from jssr.info import batch, training_run
from jssr.registration import describe as registration
from jssr.registration.describe import Section


def describe(path: Path | None) -> list[Section]:
    """The tables for whatever lies at ``path``; ``None`` is the default model.

    Raises:
        InputError: nothing is there that JSSR knows, or it is damaged.
    """
    if path is not None and batch.is_batch(path):
        return [batch.describe_batch(path)]
    if path is not None and training_run.is_run(path):
        return [training_run.describe_run(path)]
    return registration.describe(path)
