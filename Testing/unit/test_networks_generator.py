"""G: repaints organs, and cannot copy the fixed scan's geometry."""

import pytest
import torch

from jssr.labels import CLASS_COUNT, label_index
from jssr.networks.config import NetworksConfig
from jssr.networks.generator import Generator, organ_means, soft_histogram

SHAPE = (32, 32, 48)


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(NetworksConfig()).eval()


def scene(liver: float, spleen: float, offset: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.zeros(SHAPE, dtype=torch.uint8)
    labels[8:24, 8:24, 4 + offset : 20 + offset] = label_index("liver")
    labels[8:24, 8:24, 24 + offset : 36 + offset] = label_index("spleen")
    image = torch.full((1, 1, *SHAPE), -0.4)
    image[0, 0][labels == label_index("liver")] = liver
    image[0, 0][labels == label_index("spleen")] = spleen
    one_hot = torch.nn.functional.one_hot(labels.long(), CLASS_COUNT)
    return image, one_hot.movedim(-1, 0)[None].float()


def test_an_untrained_generator_shifts_each_organ_to_the_fixed_mean(generator: Generator) -> None:
    moving, moving_labels = scene(0.1, 0.2, 0)
    fixed, fixed_labels = scene(0.5, -0.1, 6)
    with torch.no_grad():
        painted = generator(moving, moving_labels, fixed, fixed_labels)
    assert painted.shape == moving.shape
    assert abs(float(painted[0, 0, 16, 16, 12]) - 0.5) < 0.02
    assert abs(float(painted[0, 0, 16, 16, 30]) + 0.1) < 0.02
    assert abs(float(painted[0, 0, 2, 2, 2]) + 0.4) < 1e-5


def test_shifting_the_fixed_scan_does_not_move_the_answer(generator: Generator) -> None:
    moving, moving_labels = scene(0.1, 0.2, 0)
    answers = []
    for offset in (0, 8):
        fixed, fixed_labels = scene(0.5, -0.1, offset)
        with torch.no_grad():
            answers.append(generator(moving, moving_labels, fixed, fixed_labels))
    assert (answers[0] - answers[1]).abs().max() < 1e-4


def test_organ_means_are_weighted_means() -> None:
    image = torch.randn(2, 1, 6, 6, 6)
    probabilities = torch.rand(2, CLASS_COUNT, 6, 6, 6).softmax(dim=1)
    mean, presence = organ_means(image, probabilities)
    weight = probabilities[1, 3]
    assert abs(float(mean[1, 2] - (weight * image[1, 0]).sum() / weight.sum())) < 1e-3
    assert abs(float(presence[1, 2] - weight.sum() / (weight.sum() + 30))) < 1e-5


def test_soft_histogram_sums_to_one_and_leaves_air_out() -> None:
    image = torch.full((1, 1, 16, 16, 16), -1.0)
    image[..., 8:] = 0.0625
    histogram = soft_histogram(image)[0]
    assert abs(float(histogram.sum()) - 1) < 0.01
    assert histogram.argmax() == 8


def test_scripted_and_eager_answers_agree(generator: Generator) -> None:
    arguments = (*scene(0.1, 0.2, 0), *scene(0.5, -0.1, 4))
    with torch.no_grad():
        difference = torch.jit.script(generator)(*arguments) - generator(*arguments)
    assert difference.abs().max() < 1e-4
