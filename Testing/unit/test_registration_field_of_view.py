"""What was scanned is told from what fills the box; the truth is how the box was filled."""

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.phantom.options import PairOptions
from jssr.phantom.pair import make_pair
from jssr.phantom.patient import make_patient
from jssr.registration.field_of_view import Scan
from jssr.spatial.geometry import Geometry

GRID = Geometry((62, 55, 31), (2.0, 2.0, 3.0), (-60.0, 30.0, 500.0))
_Z, _Y, _X = np.indices(GRID.shape_zyx)
CIRCLE = (_X - 30) ** 2 + (_Y - 27) ** 2 < 25**2
SLICES = (_Z >= 5) & (_Z < 27)
TURNED = np.abs(_X - 30 + 0.3 * (_Y - 27)) < 20


def air_and_body(noise_hu: float = 10.0) -> np.ndarray:
    """A cylinder of tissue that holds gas, in air; noise is cut off at -1024 HU."""
    hu = np.full(GRID.shape_zyx, -1000.0)
    hu[(_X - 30) ** 2 + (_Y - 27) ** 2 < 18**2] = 40
    hu += np.random.default_rng(0).normal(0.0, noise_hu, hu.shape)
    hu[(_X - 30) ** 2 + (_Y - 20) ** 2 + (_Z - 15) ** 2 < 7**2] = -1024
    return np.clip(hu.round(), -1024, 3071).astype(np.int16)


def seen(hu: np.ndarray) -> np.ndarray | None:
    mask = Scan.of(GRID.image(hu)).seen
    if mask is None:
        return None
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert Geometry.of(mask) == GRID
    return sitk.GetArrayFromImage(mask) > 0


@pytest.mark.parametrize("noise_hu", [5.0, 10.0, 25.0])
def test_a_whole_scan_has_no_mask(noise_hu: float) -> None:
    assert seen(air_and_body(noise_hu)) is None


@pytest.mark.parametrize("filling", [-1024, -2000, -3024])
@pytest.mark.parametrize(
    "field", [CIRCLE, SLICES, TURNED, CIRCLE & SLICES], ids=["circle", "slices", "turned", "both"]
)
def test_the_filling_is_found_voxel_by_voxel(field: np.ndarray, filling: int) -> None:
    hu = np.where(field, air_and_body(), filling).astype(np.int16)
    mask = seen(hu)
    assert mask is not None
    # Where the filling's value is also the darkest air, a few voxels of air look like it.
    assert not mask[~field].any()
    assert (~mask & field).sum() <= (0.002 * field.sum() if filling == -1024 else 0)


@pytest.mark.parametrize("filling", [0, -200])
@pytest.mark.parametrize("field", [SLICES, CIRCLE & SLICES], ids=["slices", "both"])
def test_filling_of_another_value_than_air_is_found_and_becomes_air(
    field: np.ndarray, filling: int
) -> None:
    scanned = air_and_body()
    image = GRID.image(np.where(field, scanned, filling).astype(np.int16))
    scan = Scan.of(image)
    assert scan.seen is not None
    mask = sitk.GetArrayFromImage(scan.seen) > 0
    assert np.array_equal(mask, field)
    assert scan.image.GetPixelID() == image.GetPixelID()
    assert Geometry.of(scan.image) == GRID
    assert np.array_equal(sitk.GetArrayFromImage(scan.image), np.where(field, scanned, -1024))


def test_air_is_left_as_it_was_stored() -> None:
    image = GRID.image(np.where(CIRCLE, air_and_body(), -2000).astype(np.int16))
    assert Scan.of(image).image is image


@pytest.mark.parametrize(("low", "high"), [(-160, 240), (-300, 30)])
def test_what_a_clipped_range_ends_with_was_scanned_and_its_darkest_is_air(
    low: int, high: int
) -> None:
    hu = air_and_body().clip(low, high)  # air is all of one value
    hu[-8:, :12, :12] = high  # and so is bone, here in a corner
    scan = Scan.of(GRID.image(hu))
    assert scan.seen is None
    wanted = np.where(hu == low, -1024, hu)
    assert np.array_equal(sitk.GetArrayFromImage(scan.image), wanted)


def test_a_crop_without_air_stays_as_it_is() -> None:
    tissue = np.random.default_rng(2).normal(-60.0, 20.0, GRID.shape_zyx).round().astype(np.int16)
    image = GRID.image(tissue)
    assert Scan.of(image).image is image


def test_gas_inside_is_no_filling() -> None:
    hu = air_and_body()
    hu[10:18, 20:30, 25:33] = -1024
    assert seen(hu) is None


def test_only_what_lies_within_a_mask_is_seen() -> None:
    hu = air_and_body()
    mask = GRID.image(SLICES.astype(np.uint8) * 7)
    whole, cut = Scan.of(GRID.image(hu)), Scan.of(GRID.image(np.where(CIRCLE, hu, -2000)))
    for scan, wanted in (whole, SLICES), (cut, SLICES & CIRCLE):
        assert scan.within(None) is scan
        part = scan.within(mask)
        assert part.image is scan.image
        assert part.seen is not None
        assert np.array_equal(sitk.GetArrayFromImage(part.seen) > 0, wanted)


@pytest.mark.parametrize("shape_zyx", [(1, 40, 40), (3, 40, 41)])
def test_scans_of_few_slices(shape_zyx: tuple[int, int, int]) -> None:
    hu = np.random.default_rng(1).normal(0, 20, shape_zyx).astype(np.int16)
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((1.0, 1.0, 5.0))
    assert Scan.of(image).seen is None
    hu[..., : shape_zyx[2] // 2] = -1024
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((1.0, 1.0, 5.0))
    mask = Scan.of(image).seen
    assert mask is not None
    assert np.array_equal(sitk.GetArrayFromImage(mask) > 0, hu != -1024)


def test_the_field_of_view_of_phantoms() -> None:
    patient = make_patient(3, (40, 56, 64), 5.0)
    cut = 0
    for seed in range(5):
        pair = make_pair(patient, seed, options=PairOptions(contrast="physiological"))
        for hu, valid in (pair.fixed_hu, pair.fixed_valid), (pair.moving_hu, pair.moving_valid):
            image = sitk.GetImageFromArray(hu.numpy())
            image.SetSpacing((5.0, 5.0, 5.0))
            mask = Scan.of(image).seen
            found = np.ones(hu.shape, bool) if mask is None else sitk.GetArrayFromImage(mask) > 0
            assert (found != valid.numpy()).mean() < 0.01
            cut += not bool(valid.all())
    assert cut >= 3
