"""The learning rate's shape."""

import pytest

from jssr.training.config import StageConfig
from jssr.training.schedule import learning_rate


def test_warm_up_plateau_and_decay():
    stage = StageConfig(
        name="segmentor",
        steps=101,
        learning_rate=1.0,
        warmup_steps=9,
        decay_start=0.2,
        final_fraction=0.1,
    )
    assert learning_rate(stage, 0) == pytest.approx(0.1)
    assert learning_rate(stage, 9) == pytest.approx(1.0)
    assert learning_rate(stage, 20) == pytest.approx(1.0)
    assert learning_rate(stage, 101) == pytest.approx(0.1)
    middle = 0.2 * 101 + 0.5 * 0.8 * 101
    before, after = learning_rate(stage, int(middle)), learning_rate(stage, int(middle) + 1)
    assert after < 0.55 < before
