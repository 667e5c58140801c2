"""Bright urine is found in the hilum of a kidney, and nowhere else."""

import pytest
import torch

from jssr.labels import CLASS_COUNT, label_index
from jssr.registration.excretion import excreting_kidneys
from jssr.spatial.geometry import Geometry

Center = tuple[float, float, float]
RIGHT, LEFT = (-66.0, 0.0, 0.0), (66.0, 0.0, 0.0)


def grid(spacing_mm: float) -> Geometry:
    size = round(216 / spacing_mm)
    origin = -spacing_mm * (size - 1) / 2
    return Geometry((size, size, size), (spacing_mm,) * 3, (origin,) * 3)


def ball(geometry: Geometry, center: Center, radius_mm: float) -> torch.Tensor:
    """``(z, y, x)`` bool, around (x, y, z) in mm."""
    axis = geometry.origin_mm[0] + geometry.spacing_mm[0] * torch.arange(geometry.size[0])
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    squared = (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2
    return squared < radius_mm**2


def found(
    bright: list[Center],
    *,
    kidney_hu: float = 140.0,
    bright_hu: float = 400.0,
    kidneys: tuple[str, ...] = ("right_kidney", "left_kidney"),
    spacing_mm: float = 3.0,
    radius_mm: float = 30.0,
) -> tuple[bool, ...]:
    """What is found of round kidneys beside which balls of 5 mm are bright."""
    geometry = grid(spacing_mm)
    hu = torch.full(geometry.shape_zyx, -100.0)
    probabilities = torch.zeros(CLASS_COUNT, *geometry.shape_zyx)
    for name, center in (("right_kidney", RIGHT), ("left_kidney", LEFT)):
        if name in kidneys:
            here = ball(geometry, center, radius_mm)
            probabilities[label_index(name)][here] = 0.95
            hu[here] = kidney_hu
    for center in bright:
        hu[ball(geometry, center, 5.0)] = bright_hu
    return excreting_kidneys(hu, probabilities.half(), geometry)


@pytest.mark.parametrize("spacing_mm", [2.0, 3.0])
def test_bright_urine_is_told_kidney_by_kidney(spacing_mm: float) -> None:
    right, left = (-33.0, -6.0, 3.0), (33.0, -6.0, 3.0)
    assert found([], spacing_mm=spacing_mm) == (False, False)
    assert found([right], spacing_mm=spacing_mm) == (True, False)
    assert found([left], spacing_mm=spacing_mm) == (False, True)
    assert found([left, right], spacing_mm=spacing_mm) == (True, True)


@pytest.mark.parametrize(
    ("place", "center"),
    [
        ("a rib at the side", (-100.0, 0.0, 0.0)),
        ("a rib behind", (-58.0, 32.0, 0.0)),
        ("the spine", (-26.0, 4.0, 0.0)),
        ("bowel in front", (-55.0, -32.0, 0.0)),
        ("bowel above", (-45.0, -8.0, 34.0)),
    ],
)
def test_what_is_bright_elsewhere_is_no_urine(place: str, center: Center) -> None:
    assert found([center]) == (False, False), place


def test_urine_has_to_be_brighter_than_the_kidney() -> None:
    hilum = [(-33.0, -6.0, 3.0)]
    assert found(hilum, bright_hu=240.0, kidney_hu=140.0) == (True, False)
    assert found(hilum, bright_hu=240.0, kidney_hu=200.0) == (False, False)
    assert found(hilum, bright_hu=150.0, kidney_hu=40.0) == (False, False)


def test_a_kidney_that_the_scan_hardly_shows_says_nothing() -> None:
    assert found([(33.0, -6.0, 3.0)], kidneys=("left_kidney",)) == (True,)
    assert found([(-54.0, -3.0, 0.0)], radius_mm=15.0) == ()
