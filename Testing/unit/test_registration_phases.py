"""The phase is guessed from organ medians and from the kidneys' urine."""

import pytest
import torch

from jssr.labels import CLASS_COUNT, Phase, label_index
from jssr.registration.phases import given_phase, guess_phase
from jssr.spatial.geometry import Geometry

TYPICAL = {
    Phase.NON_CONTRAST: {"aorta": 42, "liver": 58, "spleen": 48},
    Phase.ARTERIAL: {"aorta": 350, "liver": 80, "spleen": 150},
    Phase.PORTAL_VENOUS: {"aorta": 160, "liver": 118, "spleen": 128},
    Phase.DELAYED: {"aorta": 112, "liver": 94, "spleen": 100},
}


def scan(medians: dict[str, float]) -> tuple[torch.Tensor, torch.Tensor, Geometry]:
    hu = torch.zeros(10, 10, 10)
    probabilities = torch.zeros(CLASS_COUNT, 10, 10, 10)
    probabilities[0] = 1.0
    for row, (name, value) in enumerate(medians.items()):
        probabilities[:, row] = 0.0
        probabilities[label_index(name), row] = 1.0
        hu[row] = value + torch.linspace(-20, 20, 100).view(10, 10)
    return hu, probabilities, Geometry((10, 10, 10), (3.0, 3.0, 3.0), (0.0, 0.0, 0.0))


@pytest.mark.parametrize("phase", list(Phase))
def test_typical_intensities_name_their_phase(phase: Phase) -> None:
    guess = guess_phase(*scan(TYPICAL[phase]))
    assert guess.phase is phase and not guess.given
    assert guess.probabilities[phase.value] > 0.9
    assert abs(sum(guess.probabilities.values()) - 1) < 1e-9


@pytest.mark.parametrize("phase", list(Phase))
def test_one_wrong_organ_does_not_decide(phase: Phase) -> None:
    assert guess_phase(*scan({**TYPICAL[phase], "spleen": -80.0})).phase is phase


@pytest.mark.parametrize(
    "medians",
    # As S found them on portal-venous scans of TCIA's HCC-TACE-Seg, patients 5 and 15.
    [(129, 112, 96, 125, 36), (231, 190, 175, 191, 114)],
)
def test_much_or_little_iodine_does_not_change_the_phase(medians: tuple[int, ...]) -> None:
    organs = ("aorta", "spleen", "liver", "left_kidney", "inferior_vena_cava")
    guess = guess_phase(*scan(dict(zip(organs, medians, strict=True))))
    assert guess.phase is Phase.PORTAL_VENOUS


def scan_of_kidneys(urine_hu: float) -> tuple[torch.Tensor, torch.Tensor, Geometry]:
    """Organs just between portal-venous and delayed, and what fills the renal pelves."""
    hu = torch.full((30, 30, 60), -100.0)
    probabilities = torch.zeros(CLASS_COUNT, 30, 30, 60)
    probabilities[0] = 1.0
    for name, value, columns in (
        ("aorta", 137.0, slice(28, 32)),
        ("spleen", 112.0, slice(54, 60)),
        ("right_kidney", 160.0, slice(4, 14)),
        ("left_kidney", 160.0, slice(42, 52)),
    ):
        probabilities[:, 7:23, 10:20, columns] = 0.0
        probabilities[label_index(name), 7:23, 10:20, columns] = 1.0
        hu[7:23, 10:20, columns] = value
    for hilum in (slice(14, 17), slice(39, 42)):
        hu[13:17, 12:15, hilum] = urine_hu
    return hu, probabilities, Geometry((60, 30, 30), (3.0, 3.0, 3.0), (-90.0, -45.0, 0.0))


@pytest.mark.parametrize(
    ("urine_hu", "phase"), [(10.0, Phase.PORTAL_VENOUS), (450.0, Phase.DELAYED)]
)
def test_bright_urine_tells_a_delayed_scan_from_a_portal_venous_one(
    urine_hu: float, phase: Phase
) -> None:
    guess = guess_phase(*scan_of_kidneys(urine_hu))
    assert guess.phase is phase and guess.probabilities[phase.value] > 0.9


def test_without_organs_there_is_no_guess() -> None:
    assert guess_phase(*scan({})).phase is None


def test_a_given_phase_is_kept() -> None:
    assert given_phase(Phase.DELAYED).given


def test_an_organ_s_rim_and_outliers_decide_nothing() -> None:
    hu, probabilities, grid = scan(TYPICAL[Phase.PORTAL_VENOUS])
    expected = guess_phase(hu, probabilities, grid).probabilities
    outliers = hu.clone()
    outliers[:3, 9, 6:] = 3000.0  # of each organ's brightest voxels
    assert guess_phase(outliers, probabilities, grid).probabilities == pytest.approx(expected)
    for row, name in enumerate(TYPICAL[Phase.PORTAL_VENOUS]):
        # As many voxels more, of which S is not sure.
        probabilities[label_index(name), 5 + row] = 0.8
        hu[5 + row] = -50.0
    assert guess_phase(hu, probabilities, grid).probabilities == pytest.approx(expected)


@pytest.mark.parametrize(("voxels", "told"), [(29, False), (30, True)])
def test_a_few_voxels_of_an_organ_tell_nothing(voxels: int, told: bool) -> None:
    hu, probabilities, grid = scan({"aorta": 340.0})
    aorta = probabilities[label_index("aorta")]
    aorta[0].view(-1)[voxels:] = 0.0
    assert (guess_phase(hu, probabilities, grid).phase is not None) is told


def test_an_aorta_between_two_phases_is_of_the_one_that_varies_less() -> None:
    """Two deviations from either mean, the densities are as the deviations: 22 to 60 HU."""
    guess = guess_phase(*scan({"aorta": 162 + 22 * 178 / 82})).probabilities
    ratio = guess[Phase.PORTAL_VENOUS.value] / guess[Phase.ARTERIAL.value]
    assert ratio == pytest.approx(60 / 22, rel=0.05)
