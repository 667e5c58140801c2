"""Organs are told from what looks like them by where they lie."""

import numpy as np
import pytest

from jssr.labels import label_index
from jssr.registration.places import Landmarks

SHAPE = (60, 50, 80)
SPACING_MM = (3.0, 3.0, 3.0)
AORTA, VENA_CAVA = np.s_[0:60, 28:34, 42:46], np.s_[0:60, 28:34, 34:38]
LIVER = np.s_[36:56, 10:35, 5:30]


def labels(**boxes: tuple[slice, ...]) -> np.ndarray:
    made = np.zeros(SHAPE, np.uint8)
    for name, box in {"aorta": AORTA, "inferior_vena_cava": VENA_CAVA, **boxes}.items():
        made[box] = label_index(name)
    return made


def mask(*boxes: tuple[slice, ...]) -> np.ndarray:
    made = np.zeros(SHAPE, bool)
    for box in boxes:
        made[box] = True
    return made


@pytest.fixture
def landmarks() -> Landmarks:
    found = Landmarks.of(labels(liver=LIVER), SPACING_MM)
    assert found is not None
    return found


def test_the_vessels_middle_and_the_livers_slices(landmarks: Landmarks) -> None:
    assert landmarks.vessels_yx == (30.5, 39.5)
    assert landmarks.level_z == (36 - 10, 55 + 10)  # 30 mm are ten slices


def test_a_larger_piece_left_of_the_vessels_is_not_the_liver() -> None:
    pelvis = np.s_[2:30, 8:40, 50:76]
    drawn = labels(liver=LIVER)
    drawn[pelvis] = label_index("liver")
    found = Landmarks.of(drawn, SPACING_MM)
    assert found is not None and found.level_z == (36 - 10, 55 + 10)


def test_without_vessels_nothing_is_known() -> None:
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[LIVER] = label_index("liver")
    assert Landmarks.of(drawn, SPACING_MM) is None


def test_without_a_liver_only_sides_are_known() -> None:
    found = Landmarks.of(labels(), SPACING_MM)
    assert found is not None and found.level_z is None
    low = np.s_[2:8, 34:40, 52:60]
    assert found.in_place(mask(low), "left_kidney").any()


@pytest.mark.parametrize(
    ("name", "here", "elsewhere"),
    [
        ("liver", LIVER, np.s_[36:56, 10:35, 50:75]),
        ("gallbladder", np.s_[38:42, 10:16, 24:30], np.s_[38:42, 10:16, 44:50]),
        ("spleen", np.s_[40:52, 30:42, 62:74], np.s_[40:52, 30:42, 6:18]),
        ("right_kidney", np.s_[36:48, 32:40, 20:28], np.s_[36:48, 32:40, 52:60]),
        ("left_kidney", np.s_[36:48, 32:40, 52:60], np.s_[36:48, 32:40, 20:28]),
        # Bowel in front of the kidney, and muscle of the hip far below it.
        ("left_kidney", np.s_[36:48, 32:40, 52:60], np.s_[30:40, 8:26, 52:60]),
        ("right_kidney", np.s_[36:48, 32:40, 20:28], np.s_[2:10, 32:40, 12:20]),
        ("pancreas", np.s_[38:42, 20:26, 36:50], np.s_[4:8, 20:26, 36:50]),
    ],
)
def test_only_what_lies_in_its_place_stays(
    landmarks: Landmarks,
    name: str,
    here: tuple[slice, ...],
    elsewhere: tuple[slice, ...],
) -> None:
    found = landmarks.in_place(mask(here, elsewhere), name)
    assert np.array_equal(found, mask(here))


@pytest.mark.parametrize("name", ["aorta", "inferior_vena_cava", "lung", "stomach", "bone"])
def test_the_others_may_lie_anywhere(landmarks: Landmarks, name: str) -> None:
    pieces = mask(np.s_[2:8, 4:9, 4:9], np.s_[50:58, 40:46, 70:78])
    assert np.array_equal(landmarks.in_place(pieces, name), pieces)


def test_the_margin_below_the_liver_is_in_millimetres() -> None:
    beside, below = np.s_[40:48, 32:40, 60:68], np.s_[26:34, 32:40, 52:60]
    pieces = mask(beside, below)  # the lower one's middle lies 6.5 slices below the liver
    for slice_mm, wanted in (3.0, pieces), (6.0, mask(beside)):
        landmarks = Landmarks.of(labels(liver=LIVER), (3.0, 3.0, slice_mm))
        assert landmarks is not None
        assert np.array_equal(landmarks.in_place(pieces, "left_kidney"), wanted)


def test_a_kidney_far_below_the_liver_stays_where_there_is_no_other(landmarks: Landmarks) -> None:
    low = mask(np.s_[4:14, 32:40, 52:60])
    assert np.array_equal(landmarks.in_place(low, "left_kidney"), low)


def test_what_surgery_leaves_of_a_liver_stays_left_of_the_vessels(landmarks: Landmarks) -> None:
    remnant = mask(np.s_[36:56, 10:25, 36:60])
    assert np.array_equal(landmarks.in_place(remnant, "liver"), remnant)
    assert not landmarks.in_place(remnant, "right_kidney").any()


def test_a_part_of_the_volume_keeps_its_places(landmarks: Landmarks) -> None:
    pieces = mask(np.s_[36:48, 32:40, 52:60], np.s_[30:40, 8:26, 52:60])
    box = np.s_[25:50, 5:45, 48:64]
    part = landmarks.seen_from((25, 5, 48)).in_place(pieces[box], "left_kidney")
    assert np.array_equal(part, landmarks.in_place(pieces, "left_kidney")[box])
