"""Phases from names, as hospitals write them."""

import pytest

from jssr.errors import InputError
from jssr.labels import Phase
from jssr.phase_name import has_word, phase_from_name, read_phase, read_phase_or_auto


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
        ("ART", Phase.ARTERIAL),
        ("PORTAL VENOUS 70s", Phase.PORTAL_VENOUS),
        ("NATIVE", Phase.NON_CONTRAST),
        ("delayed 3 min", Phase.DELAYED),
        ("Abdomen spätarteriell 1.0", Phase.ARTERIAL),
        ("phase veineuse", Phase.PORTAL_VENOUS),
        ("fase arteriosa del fegato", Phase.ARTERIAL),
        ("artériel tardif", Phase.ARTERIAL),
        ("tardif", Phase.DELAYED),
        ("veno\u0308s", Phase.PORTAL_VENOUS),
        ("CT Abdomen Pelvis with contrast", None),
        ("CT ABD W/WO CONTRAST", None),
        ("CT LIVER WITHOUT AND WITH CONTRAST", None),
        ("ABD W WO CONTRAST ART", Phase.ARTERIAL),
        ("TDM sans et avec injection", None),
        ("Leber ohne u. mit KM", None),
        ("nativ und mit KM", None),
        ("PLAIN + CONTRAST", None),
        ("NON CONTRAST AND CONTRAST", None),
        ("W/ OR W/O", None),
        ("LIVER W/O ARTIFACT", None),
        ("sans injection", Phase.NON_CONTRAST),
        ("ABD W/O IV", Phase.NON_CONTRAST),
        ("NONCON 5.0", Phase.NON_CONTRAST),
        ("NON - CONTRAST", Phase.NON_CONTRAST),
        ("NO CONTRAST", Phase.NON_CONTRAST),
        ("unenh", Phase.NON_CONTRAST),
        ("LATE VENOUS", None),
        ("venöse Spätphase", None),
        ("temps excrétoire", Phase.DELAYED),
        ("PV 70s DELAY", Phase.PORTAL_VENOUS),
        ("portal_70s_delay", Phase.PORTAL_VENOUS),
        ("ART_DELAY_35_sec", Phase.ARTERIAL),
        ("Portal venous, 70 s delay", Phase.PORTAL_VENOUS),
        ("ART DELAY 35 s", Phase.ARTERIAL),
        ("Delay 180s", Phase.DELAYED),
        ("nativ, arteriell und venoes", None),
        ("NATIVE + PV", None),
        ("art pv", None),
        ("party", None),
        ("Metal Artifact Reduction", None),
        ("intravenous contrast", None),
        ("ventral", None),
        ("portable", None),
        ("Delta", None),
        ("TC del abdomen", None),
        ("spatial", None),
        ("lateral", None),
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


@pytest.mark.parametrize(
    ("text", "phase"),
    [("Portal Venous", Phase.PORTAL_VENOUS), ("ART", Phase.ARTERIAL), ("late", Phase.DELAYED)],
)
def test_what_is_asked_for_may_be_written_in_any_word(text: str, phase: Phase) -> None:
    assert read_phase(text) is phase and read_phase_or_auto(text) is phase


@pytest.mark.parametrize("text", ["", "auto", " Auto "])
def test_a_phase_may_be_left_open_where_that_is_offered(text: str) -> None:
    assert read_phase_or_auto(text) is None
    with pytest.raises(InputError, match="is unknown, write non-contrast, arterial"):
        read_phase(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [("purple", "is unknown"), ("arterial or venous", "names several phases")],
)
def test_another_word_is_refused_with_those_that_are_known(text: str, fault: str) -> None:
    with pytest.raises(InputError, match=f"phase '{text}' {fault}, write non-contrast"):
        read_phase(text)
    with pytest.raises(InputError, match=f"phase '{text}' {fault}, write auto, non-contrast"):
        read_phase_or_auto(text)


@pytest.mark.parametrize("text", ["late", "Leber spät", "tardif"])
def test_late_alone_is_too_little_where_a_wrong_phase_does_harm(text: str) -> None:
    with pytest.raises(InputError, match=f"the phase '{text}' is unknown"):
        read_phase(text, strict=True)
    assert read_phase(f"{text} arterial", strict=True) is Phase.ARTERIAL


@pytest.mark.parametrize(
    ("text", "told"), [("a_MASK2.nii", True), ("LiverMask", True), ("masked", False), ("", False)]
)
def test_other_words_are_told_apart_in_the_same_way(text: str, told: bool) -> None:
    assert has_word(text, "masks?") is told
