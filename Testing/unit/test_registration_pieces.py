"""Pieces of masks, against boxes that are apart."""

import numpy as np
import pytest

from jssr.registration.pieces import connected_pieces, large_pieces

LARGE, HALF, SPECK = np.s_[2:10, 4:9, 4:9], np.s_[20:24, 4:9, 4:9], np.s_[28:29, 14:15, 17:18]


def mask(*boxes: tuple[slice, ...]) -> np.ndarray:
    made = np.zeros((30, 20, 20), bool)
    for box in boxes:
        made[box] = True
    return made


def test_pieces_are_numbered_from_one() -> None:
    pieces = connected_pieces(mask(LARGE, SPECK))
    assert np.array_equal(np.unique(pieces), [0, 1, 2])
    assert (pieces[LARGE] == pieces[2, 4, 4]).all() and pieces[SPECK] != pieces[2, 4, 4]


@pytest.mark.parametrize(
    ("least", "kept"), [(1.0, [LARGE]), (0.5, [LARGE, HALF]), (0.0, [LARGE, HALF, SPECK])]
)
def test_pieces_are_kept_by_their_part_of_the_largest(
    least: float, kept: list[tuple[slice, ...]]
) -> None:
    assert np.array_equal(large_pieces(mask(LARGE, HALF, SPECK), least), mask(*kept))


def test_an_empty_mask_has_no_pieces() -> None:
    assert not large_pieces(mask()).any()
