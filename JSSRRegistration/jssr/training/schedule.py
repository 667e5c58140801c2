"""The learning rate over one stage."""

import math

from jssr.training.config import StageConfig


def learning_rate(stage: StageConfig, step: int) -> float:
    """Linear warm-up, a plateau, then half a cosine down to ``final_fraction`` of the first rate.

    Args:
        stage: the stage's settings.
        step: zero-based step inside the stage.
    """
    warmup = min(1.0, (step + 1) / (stage.warmup_steps + 1))
    plateau_end = stage.decay_start * stage.steps
    progress = max(0.0, (step - plateau_end) / max(1.0, stage.steps - plateau_end))
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return (
        stage.learning_rate * warmup * (stage.final_fraction + (1 - stage.final_fraction) * cosine)
    )
