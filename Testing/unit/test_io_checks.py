"""What counts as Hounsfield units and as a volume, at the limits."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.io.checks import (
    check_extent,
    check_hounsfield,
    check_length,
    is_hounsfield,
    is_label_map,
)
from sample_scans import body_array, scan_image

PATH = Path("scan.nrrd")


def _image(values: np.ndarray) -> sitk.Image:
    return sitk.GetImageFromArray(values)


@pytest.mark.parametrize(("shift", "plausible"), [(0, True), (1024, False), (32768, False)])
def test_stored_values_without_rescale_are_no_hounsfield_units(shift: int, plausible: bool) -> None:
    assert is_hounsfield(_image(body_array().astype(np.int32) + shift)) is plausible


@pytest.mark.parametrize(("padding", "plausible"), [(-1024, True), (-2000, True), (-3024, True)])
def test_padding_outside_the_field_of_view_does_not_matter(padding: int, plausible: bool) -> None:
    values = body_array()
    values[:, :4] = padding
    assert is_hounsfield(_image(values)) is plausible


@pytest.mark.parametrize(("part", "plausible"), [(0.0005, False), (0.002, True)])
def test_one_voxel_in_a_thousand_must_be_fat_or_air(part: float, plausible: bool) -> None:
    values = np.random.default_rng(0).normal(200, 40, (40, 50, 50)).clip(0, 400).astype(np.int16)
    values.ravel()[: round(part * values.size)] = -100
    assert is_hounsfield(_image(values)) is plausible


@pytest.mark.parametrize(("high", "plausible"), [(40, False), (60, True)])
def test_values_must_span_150_units(high: int, plausible: bool) -> None:
    values = np.full((10, 10, 10), -100, np.int16)
    values[5:] = high
    assert is_hounsfield(_image(values)) is plausible


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_broken_voxel_is_enough(value: float) -> None:
    values = body_array().astype(np.float32)
    values[-1, -1, -1] = value
    with pytest.raises(InputError, match=r"scan\.nrrd' holds NaN or infinite"):
        check_hounsfield(_image(values), PATH)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_eight_voxels_along_each_axis(axis: int) -> None:
    shape = [12, 20, 24]
    for count, told in ((8, ""), (7, "has 7 slices"), (1, "has 1 slice ")):
        shape[axis] = count
        image = scan_image((shape[0], shape[1], shape[2]))
        if count == 8:
            check_extent(image, PATH)
        else:
            with pytest.raises(InputError, match=told):
                check_extent(image, PATH)


def _blocks(values: list[int], side: int = 6) -> np.ndarray:
    """Cubes of these values side by side, in zeros."""
    array = np.zeros((side + 4, side + 4, len(values) * (side + 2)), np.int16)
    for number, value in enumerate(values):
        start = number * (side + 2)
        array[2:-2, 2:-2, start : start + side] = value
    return array


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (_blocks([1, 5, 52]), True),
        (_blocks([1]), True),
        (_blocks(list(range(1, 118))), True),
        (_blocks([1, 5]).astype(np.float32), True),
        (_blocks([1, 5]) + 0.5, False),
        (_blocks([1, -5]), False),
        (np.zeros((9, 9, 9), np.uint8), True),
        (body_array(), False),
        # MR, and CT windowed to 256 grey values.
        (np.random.default_rng(0).gamma(2, 150, (20, 20, 20)).astype(np.int16), False),
        (((body_array() + 160.0) * 0.64).clip(0, 255).astype(np.uint8), False),
    ],
)
def test_a_label_map_holds_few_numbers_in_pieces(values: np.ndarray, told: bool) -> None:
    assert is_label_map(_image(values)) is told


@pytest.mark.parametrize(("spacing_mm", "enough"), [(1.6, False), (1.7, True)])
def test_a_scan_is_40_mm_long_along_one_axis(spacing_mm: float, enough: bool) -> None:
    image = scan_image((12, 20, 24))
    image.SetSpacing((spacing_mm, 1.0, 1.0))
    if enough:
        check_length(image, PATH)
    else:
        with pytest.raises(InputError, match="only 38 mm long"):
            check_length(image, PATH)
