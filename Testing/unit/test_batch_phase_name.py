"""Phases from names, as hospitals write them."""

import pytest

from jssr.batch.phase_name import phase_from_name
from jssr.labels import Phase


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("non-contrast", Phase.NON_CONTRAST),
        ("CT_Abdomen_NON CONTRAST_3mm", Phase.NON_CONTRAST),
        ("Abdomen nativ 5.0 B30f", Phase.NON_CONTRAST),
        ("unenhanced", Phase.NON_CONTRAST),
        ("LIVER W/O CONTRAST", Phase.NON_CONTRAST),
        ("patient12_NC", Phase.NON_CONTRAST),
        ("arterial", Phase.ARTERIAL),
        ("Late arterial phase", Phase.ARTERIAL),
        ("Leber art. 1.0", Phase.ARTERIAL),
        ("HAP 35s", Phase.ARTERIAL),
        ("portal-venous", Phase.PORTAL_VENOUS),
        ("PortalVenous", Phase.PORTAL_VENOUS),
        ("CT_PV_1mm", Phase.PORTAL_VENOUS),
        ("PVP", Phase.PORTAL_VENOUS),
        ("venös", Phase.PORTAL_VENOUS),
        ("delayed", Phase.DELAYED),
        ("5 min delay", Phase.DELAYED),
        ("Leber spät", Phase.DELAYED),
        ("equilibrium", Phase.DELAYED),
        ("CT Abdomen Pelvis with contrast", None),
        ("Pavlov", None),
        ("Carter_Departure", None),
        ("", None),
    ],
)
def test_phase_from_name(text: str, phase: Phase | None) -> None:
    assert phase_from_name(text) == phase


@pytest.mark.parametrize("phase", list(Phase))
def test_the_phases_own_names_are_understood(phase: Phase) -> None:
    assert phase_from_name(phase.value) is phase
    assert phase_from_name(phase.name) is phase
