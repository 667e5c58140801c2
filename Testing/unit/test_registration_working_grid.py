"""The working grid covers the scan, and scans land on it as SimpleITK would put them."""

from math import erf

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.registration.window import to_hu, to_network
from jssr.registration.working_grid import resample_to_grid, working_grid
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import translation

WINDOW = (-200.0, 300.0)


def smooth_scan(spacing: tuple[float, float, float], direction: tuple[float, ...]) -> sitk.Image:
    """HU that vary slowly and equally in the world, whatever the grid."""
    image = sitk.Image([int(120 / s) for s in spacing], sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetDirection(direction)
    image.SetOrigin((-np.reshape(direction, (3, 3)) @ [60.0, 60.0, 60.0]).tolist())
    coordinates = sitk.PhysicalPointSource(
        sitk.sitkVectorFloat64, image.GetSize(), image.GetOrigin(), spacing, direction
    )
    x, y, z = np.moveaxis(sitk.GetArrayFromImage(coordinates), -1, 0)
    return Geometry.of(image).image((100 * np.sin(x / 25) + 2 * y - z).astype(np.float32))


def test_covers_the_box_and_the_margin_with_whole_blocks() -> None:
    geometry = Geometry((100, 90, 30), (0.8, 0.8, 5.0), (10.0, -20.0, 5.0))
    grid = working_grid(geometry, 3.0, 40.0, 16)
    corners, wanted = grid.corners_mm(), geometry.corners_mm()
    assert all(n % 16 == 0 for n in grid.size)
    assert (corners.min(axis=0) <= wanted.min(axis=0) - 40.0).all()
    assert (corners.max(axis=0) >= wanted.max(axis=0) + 40.0).all()
    assert (np.array(grid.size) * 3.0 < np.ptp(wanted, axis=0) + 80.0 + 17 * 3.0).all()


@pytest.mark.parametrize(("voxels", "size"), [(16, 16), (17, 32)])
def test_a_box_of_whole_blocks_needs_no_more_and_lies_in_the_middle(voxels: int, size: int) -> None:
    geometry = Geometry((voxels,) * 3, (3.0,) * 3, (10.0, -20.0, 5.0))
    grid = working_grid(geometry, 3.0, 0.0, 16)
    assert grid.size == (size,) * 3
    np.testing.assert_allclose(grid.corners_mm().mean(axis=0), geometry.corners_mm().mean(axis=0))


@pytest.mark.parametrize(
    "spacing", [(0.9, 0.9, 5.0), (2.0, 2.0, 2.0), (4.0, 3.0, 1.0), (0.7, 0.7, 0.8)]
)
@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.2, -0.1, 0.3)])
def test_spacing_and_orientation_do_not_matter(
    spacing: tuple[float, float, float], angles: tuple[float, float, float]
) -> None:
    direction = tuple(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix())
    grid = working_grid(Geometry((20, 20, 20), (3.0,) * 3, (-30.0,) * 3), 3.0, 0.0, 1)
    got = resample_to_grid(smooth_scan(spacing, direction), grid)
    wanted = smooth_scan((3.0, 3.0, 3.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    wanted_hu = sitk.GetArrayFromImage(sitk.Resample(wanted, grid.empty_image(), sitk.Transform()))
    assert bool(got.valid.all())
    assert np.abs(got.hu[0, 0].numpy() - wanted_hu).max() < 4.0


def test_thin_slices_are_averaged_not_skipped() -> None:
    rng = np.random.default_rng(0)
    noise = Geometry((40, 40, 160), (2.0, 2.0, 0.5), (0.0, 0.0, 0.0)).image(
        rng.normal(0, 30, (160, 40, 40)).astype(np.float32)
    )
    grid = Geometry((20, 20, 20), (3.0,) * 3, (8.0, 8.0, 8.0))
    assert resample_to_grid(noise, grid).hu.std() < 0.55 * 30


@pytest.mark.parametrize("spacing", [0.4, 0.7, 1.1])
def test_a_step_is_as_sharp_whatever_the_voxels(spacing: float) -> None:
    """As of a Gaussian of half a grid voxel less what the voxels blur, by its closed form."""
    n = round(60 / spacing)
    edge = np.where(np.arange(n) * spacing < 30.0, -100.0, 100.0).astype(np.float32)
    stored = Geometry((n, 8, 8), (spacing, 3.0, 3.0), (0.0, 0.0, 0.0))
    scan = stored.image(np.broadcast_to(edge, stored.shape_zyx).copy())
    grid = Geometry((13, 4, 4), (3.0,) * 3, (9.0, 3.0, 3.0))
    found = resample_to_grid(scan, grid).hu[0, 0, 2, 2].numpy()
    step_mm = spacing * (np.argmax(edge > 0) - 0.5)
    sigma_mm = np.sqrt((3.0**2 - spacing**2) / 4)
    wanted = [100 * erf((9 + 3 * i - step_mm) / sigma_mm / np.sqrt(2)) for i in range(13)]
    assert np.abs(found - wanted).max() < 8.0


def test_thin_voxels_that_fill_no_block_reach_to_the_end() -> None:
    stored = Geometry((43, 43, 43), (0.7, 0.7, 0.7), (0.0, 0.0, 0.0))
    scan = stored.image(np.full(stored.shape_zyx, 50, np.int16))
    grid = Geometry((10, 10, 10), (3.0,) * 3, (2.4, 2.4, 2.4))  # ends in the last voxel
    got = resample_to_grid(scan, grid)
    assert bool(got.valid.all()) and (got.hu - 50.0).abs().max() < 1e-3


def test_outside_is_air_and_not_valid_and_the_linear_part_maps_grid_to_scan() -> None:
    scan = Geometry((10, 10, 10), (3.0,) * 3, (100.0, 0.0, 0.0)).image(
        np.full((10, 10, 10), 50, np.int16)
    )
    grid = Geometry((10, 10, 10), (3.0,) * 3, (0.0, 0.0, 0.0))
    there = resample_to_grid(scan, grid, translation((100.0, 0.0, 0.0)))
    assert bool(there.valid.all()) and torch.allclose(there.hu, torch.tensor(50.0))
    elsewhere = resample_to_grid(scan, grid)
    assert not bool(elsewhere.valid.any()) and torch.allclose(elsewhere.hu, torch.tensor(-1024.0))


def test_continued_the_border_goes_on_beyond_the_scan() -> None:
    geometry = Geometry((8, 10, 12), (3.0,) * 3, (30.0, 30.0, 30.0))
    values = np.random.default_rng(0).normal(0, 30, geometry.shape_zyx).astype(np.float32)
    grid = geometry.part((-3, -2, -1), (15, 14, 15))
    plain = resample_to_grid(geometry.image(values), grid)
    got = resample_to_grid(geometry.image(values), grid, continued=True)
    assert torch.equal(got.valid, plain.valid)
    assert torch.equal(got.hu[got.valid], plain.hu[plain.valid])
    wanted = np.pad(values, ((1, 2), (2, 2), (3, 4)), mode="edge")
    assert np.abs(got.hu[0, 0].numpy() - wanted).max() < 1e-3


def test_filling_far_below_air_does_not_darken_what_lies_beside_it() -> None:
    """A step from -32768 HU would ring through a body beside it when slices are averaged."""
    hu = np.full((40, 8, 8), 50, np.int16)
    hu[:8] = -32768
    stored = Geometry((8, 8, 40), (3.0, 3.0, 0.8), (0.0, 0.0, 0.0))
    coarse = Geometry((8, 8, 10), (3.0, 3.0, 3.0), (0.0, 0.0, 1.0))
    got = resample_to_grid(stored.image(hu), coarse).hu[0, 0]
    air = resample_to_grid(stored.image(np.maximum(hu, -1024)), coarse).hu[0, 0]
    assert torch.equal(got, air)
    assert float(got[5:].sub(50.0).abs().max()) < 5.0


def test_a_mask_takes_voxels_away() -> None:
    geometry = Geometry((10, 10, 10), (3.0,) * 3, (0.0, 0.0, 0.0))
    mask = np.ones((10, 10, 10), np.uint8)
    mask[:, :, :4] = 0
    got = resample_to_grid(
        geometry.image(np.zeros((10, 10, 10), np.int16)), geometry, mask=geometry.image(mask)
    )
    assert torch.equal(got.valid[0, 0], torch.from_numpy(mask > 0))


def test_window_is_linear_inside_and_clips_outside() -> None:
    hu = torch.tensor([-1024.0, -200.0, 50.0, 300.0, 3000.0])
    assert torch.allclose(to_network(hu, WINDOW), torch.tensor([-1.0, -1.0, 0.0, 1.0, 1.0]))
    assert torch.allclose(to_hu(to_network(hu, WINDOW), WINDOW), hu.clamp(*WINDOW), atol=1e-4)
