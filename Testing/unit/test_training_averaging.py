"""The weight average against its recursion."""

import pytest
import torch

from jssr.training.averaging import WeightAverage


def test_average_follows_its_recursion():
    layer = torch.nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    average = WeightAverage(layer, decay=0.5)
    expected = 0.0
    for n in range(5):
        layer.weight.data.fill_(float(n + 1))
        average.update(layer)
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * (n + 1)
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)


def test_frozen_weights_keep_their_average_and_buffers_are_copied():
    layer = torch.nn.BatchNorm1d(1)
    average = WeightAverage(layer, decay=0.0)
    layer.requires_grad_(False)
    layer.weight.data.fill_(3.0)
    layer.running_mean.fill_(2.0)
    average.update(layer)
    assert average.module.weight.item() == 1.0
    assert average.module.running_mean.item() == 2.0
