"""The most probable class is that of argmax."""

import torch

from jssr.labels import CLASS_COUNT
from jssr.registration.hard_labels import hard_labels


def test_it_is_the_argmax() -> None:
    random = torch.Generator().manual_seed(0)
    probabilities = torch.softmax(torch.randn(1, CLASS_COUNT, 7, 8, 9, generator=random), dim=1)
    found = hard_labels(probabilities)
    assert found.dtype == torch.uint8
    assert torch.equal(found.long(), probabilities[0].argmax(dim=0))


def test_of_equal_classes_the_first_wins() -> None:
    assert hard_labels(torch.full((1, 4, 2, 2, 2), 0.25)).max() == 0
