"""What is handed out: the deformation where it helps, its rigid part where that is enough."""

import numpy as np
import torch

from jssr.registration.inference import Displacements
from jssr.registration.settling import settle
from jssr.registration.similarity import similarity
from jssr.spatial.fields import smooth_gaussian
from jssr.spatial.linear import apply_linear, rotation, translation
from jssr.spatial.warp import warp
from sample_scene import GRID, ball, moved_pair, on_field_grid, pair_of, textured_hu

START = translation((10.0, -5.0, 3.0))
CENTER = GRID.corners_mm().mean(axis=0)
SPACING = (3.0, 3.0, 3.0)


def rigid_motion() -> np.ndarray:
    """Fixed-to-moving beyond the start, in LPS mm."""
    return translation((4.0, -3.0, 5.0)) @ rotation(np.deg2rad([0.0, 0.0, 3.0]), CENTER)


def displacement_of(matrix: np.ndarray) -> torch.Tensor:
    """What a matrix moves the working grid's voxels by, ``(1, 3, z, y, x)`` mm."""
    points = GRID.points_mm().reshape(3, -1).T
    moved = apply_linear(matrix, points) - points
    return torch.from_numpy(moved.T.reshape(1, 3, *GRID.shape_zyx)).float()


def displacements_of(pair, displacement_mm: torch.Tensor) -> Displacements:
    return Displacements(
        fixed_to_moving_mm=on_field_grid(pair, displacement_mm),
        moving_to_fixed_mm=on_field_grid(pair, -displacement_mm),
    )


def test_a_deformation_that_makes_the_scans_alike_is_kept() -> None:
    pair, truth = moved_pair(1, 30.0)
    fields = displacements_of(pair, truth)
    settled = settle(START, pair, fields)
    assert settled.fields is fields and settled.linear is START
    before, after = settled.similarities
    assert after > before + 0.1


def test_a_noisy_field_around_a_rigid_motion_becomes_the_rigid_motion() -> None:
    fixed = textured_hu(2)
    truth = rigid_motion()
    moving = warp(fixed, displacement_of(np.linalg.inv(truth)), SPACING)
    pair = pair_of(fixed, moving, ball(50.0))
    noise = smooth_gaussian(torch.randn(1, 3, *GRID.shape_zyx), 3.0) * 20.0
    settled = settle(START, pair, displacements_of(pair, displacement_of(truth) + noise))
    assert float(settled.fields.fixed_to_moving_mm.abs().max()) == 0.0
    points = CENTER + np.random.default_rng(0).uniform(-40, 40, (50, 3))
    found = apply_linear(settled.linear, points)
    assert np.linalg.norm(found - apply_linear(START @ truth, points), axis=1).max() < 0.5


def test_a_deformation_that_hardly_gains_gives_way_to_its_rigid_part() -> None:
    fixed, truth = textured_hu(4), rigid_motion()
    small = smooth_gaussian(torch.randn(1, 3, *GRID.shape_zyx), 3.0) * 12.0
    moving = warp(warp(fixed, -small, SPACING), displacement_of(np.linalg.inv(truth)), SPACING)
    pair = pair_of(fixed, moving, ball(50.0))
    displacement = displacement_of(truth) + small
    gain = similarity(pair, displacement) - similarity(pair, displacement_of(truth))
    assert 0.005 < gain < 0.02
    settled = settle(START, pair, displacements_of(pair, displacement))
    assert float(settled.fields.fixed_to_moving_mm.abs().max()) == 0.0
    points = CENTER + np.random.default_rng(2).uniform(-40, 40, (50, 3))
    found = apply_linear(settled.linear, points)
    assert np.linalg.norm(found - apply_linear(START @ truth, points), axis=1).max() < 0.5


def test_scans_in_place_are_left_alone() -> None:
    fixed = textured_hu(3)
    pair = pair_of(fixed, fixed, ball(50.0))
    wrong = smooth_gaussian(torch.randn(1, 3, *GRID.shape_zyx), 3.0) * 60.0
    settled = settle(START, pair, displacements_of(pair, wrong))
    assert float(settled.fields.fixed_to_moving_mm.abs().max()) == 0.0
    points = CENTER + np.random.default_rng(1).uniform(-40, 40, (50, 3))
    assert (
        np.linalg.norm(
            apply_linear(settled.linear, points) - apply_linear(START, points), axis=1
        ).max()
        < 0.1
    )
    assert settled.similarities[1] >= settled.similarities[0]
