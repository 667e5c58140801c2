"""The limits in the liver: shifts are found where something shows, and are any shift where not."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.evaluation.cohort import Case, CaseData
from jssr.registration.inference import Displacements
from jssr.spatial.fields import smooth_gaussian
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import rotation, translation
from sample_tool import TOOLS, load_tool

TOOL = TOOLS / "liver_limits.py"
liver_limits = load_tool(TOOL)

SHAPE = (60, 60, 60)
WHOLE = torch.ones(1, 1, *SHAPE, dtype=torch.bool)


def noise(seed: int, sigma: float = 1.0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return smooth_gaussian(torch.randn(1, 1, *SHAPE, generator=random), sigma)


@pytest.mark.parametrize("shift", [(0, 0, 0), (1, -2, 0), (3, 3, -3)])
def test_a_known_shift_is_found(shift: tuple[int, int, int]) -> None:
    fixed = noise(0)
    moving = torch.roll(fixed, shift, (2, 3, 4)) + 0.05 * noise(1)
    found = liver_limits.best_shifts_mm(fixed, moving, WHOLE, 1.5)
    assert found == pytest.approx(1.5 * np.linalg.norm(shift), abs=1e-5)


def test_where_nothing_shows_the_best_shift_is_any_shift() -> None:
    found = [
        liver_limits.best_shifts_mm(noise(2 * i), noise(2 * i + 1), WHOLE, 1.5) for i in range(4)
    ]
    assert np.mean(found) == pytest.approx(liver_limits.chance_mm(1.5), rel=0.15)


def test_blocks_outside_of_the_region_do_not_count() -> None:
    fixed = noise(0)
    moving = torch.roll(fixed, (2, 0, 0), (2, 3, 4))
    moving[..., 30:] = noise(1)[..., 30:]
    region = WHOLE.clone()
    region[..., 24:] = False
    assert liver_limits.best_shifts_mm(fixed, moving, region, 2.0) == pytest.approx(4.0)
    assert np.isnan(liver_limits.best_shifts_mm(fixed, moving, ~WHOLE, 2.0))


def test_the_truth_is_what_the_linear_part_leaves() -> None:
    scan = sitk.Image(20, 24, 16, sitk.sitkInt16)
    scan.SetSpacing((3.0, 2.0, 4.0))
    scan.SetOrigin((-30.0, 10.0, 50.0))
    constant = np.array([3.0, -2.0, 5.0])
    liver = np.zeros((16, 24, 20), bool)
    liver[4:12, 6:18, 5:15] = True
    case = Case("a", Path("fixed"), Path("moving"))
    truth = np.broadcast_to(constant[:, None, None, None], (3, 16, 24, 20)).copy()
    data = CaseData(case, scan, scan, truth, liver, liver, None, None, None, None)
    linear = translation((1.0, 1.0, 1.0)) @ rotation(np.deg2rad([3.0, 0.0, 5.0]), np.zeros(3))
    grid = Geometry((12, 10, 14), (4.0, 4.0, 4.0), (-25.0, 15.0, 52.0))
    found = liver_limits.truth_on(grid, data, linear)
    for x, y, z in ((0, 0, 0), (5, 4, 7), (11, 9, 13)):
        point = grid.index_to_world @ np.array([x, y, z, 1.0])
        left = (np.linalg.inv(linear) @ (point + np.array([*constant, 0.0])) - point)[:3]
        assert np.allclose(found.displacement_mm[0, :, z, y, x].numpy(), left, atol=1e-3)
        inside = scan.TransformPhysicalPointToIndex(point[:3].tolist())
        assert bool(found.liver[0, 0, z, y, x]) == bool(liver[inside[::-1]])
    empty = torch.zeros(1, 3, 7, 5, 6)
    start = liver_limits.at_truth(
        Displacements(fixed_to_moving_mm=empty, moving_to_fixed_mm=empty), grid, data, np.eye(4)
    )
    assert (
        start.fixed_to_moving_mm - torch.from_numpy(truth[None, :, :1, :1, :1])
    ).abs().max() < 1e-3
    assert (start.moving_to_fixed_mm + start.fixed_to_moving_mm).abs().max() < 1e-3


def test_another_cohort_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, TOOL, tmp_path / "none", "--output", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "none" in done.stderr
    assert not (tmp_path / "out").exists()
