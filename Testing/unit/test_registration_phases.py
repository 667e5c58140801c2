"""The phase is guessed from organ medians."""

import pytest
import torch

from jssr.labels import CLASS_COUNT, Phase, label_index
from jssr.registration.phases import given_phase, guess_phase

TYPICAL = {
    Phase.NON_CONTRAST: {"aorta": 42, "liver": 58, "spleen": 48, "portal_vein": 41},
    Phase.ARTERIAL: {"aorta": 350, "liver": 80, "spleen": 150, "portal_vein": 130},
    Phase.PORTAL_VENOUS: {"aorta": 160, "liver": 118, "spleen": 128, "portal_vein": 172},
    Phase.DELAYED: {"aorta": 112, "liver": 94, "spleen": 100, "portal_vein": 113},
}


def scan(medians: dict[str, float]) -> tuple[torch.Tensor, torch.Tensor]:
    hu = torch.zeros(10, 10, 10)
    probabilities = torch.zeros(CLASS_COUNT, 10, 10, 10)
    probabilities[0] = 1.0
    for row, (name, value) in enumerate(medians.items()):
        probabilities[:, row] = 0.0
        probabilities[label_index(name), row] = 1.0
        hu[row] = value + torch.linspace(-20, 20, 100).view(10, 10)
    return hu, probabilities


@pytest.mark.parametrize("phase", list(Phase))
def test_typical_intensities_name_their_phase(phase: Phase) -> None:
    guess = guess_phase(*scan(TYPICAL[phase]))
    assert guess.phase is phase and not guess.given
    assert guess.probabilities[phase.value] > 0.9
    assert abs(sum(guess.probabilities.values()) - 1) < 1e-9


@pytest.mark.parametrize("phase", list(Phase))
def test_one_wrong_organ_does_not_decide(phase: Phase) -> None:
    assert guess_phase(*scan({**TYPICAL[phase], "spleen": -80.0})).phase is phase


def test_without_organs_there_is_no_guess() -> None:
    assert guess_phase(*scan({})).phase is None


def test_a_given_phase_is_kept() -> None:
    assert given_phase(Phase.DELAYED).given
