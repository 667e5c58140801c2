"""Φ: geometry that holds whatever its weights are."""

import pytest
import torch

from jssr.networks.config import NetworksConfig
from jssr.networks.register import Register, eroded
from jssr.spatial.fields import compose_mm, smooth_gaussian
from jssr.spatial.jacobian import jacobian_determinant
from jssr.spatial.warp import warp

SHAPE = (48, 48, 64)
SPACING_MM = 3.0


@pytest.fixture(scope="module")
def register() -> Register:
    torch.manual_seed(0)
    network = Register(NetworksConfig()).eval()
    with torch.no_grad():
        for stage in network.stages:
            # Fresh learned features are noise; here only structure shall decide.
            stage.sharpness[2] = -4.0
    return network


def textured(seed: int) -> torch.Tensor:
    noise = torch.randn(1, 1, *SHAPE, generator=torch.Generator().manual_seed(seed))
    return (smooth_gaussian(noise, 2.0) * 8).clamp(-1, 1)


def registered(
    network: torch.nn.Module, moving: torch.Tensor, fixed: torch.Tensor, taper: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    valid = torch.ones_like(fixed)
    with torch.no_grad():
        return network(moving, moving, fixed, valid, valid, taper, SPACING_MM)


def shifted_pair(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A moving scan, its fixed scan, and the translation fixed-to-moving in mm."""
    fixed = textured(seed)
    shift = torch.tensor([6.0, -3.0, 9.0]).view(1, 3, 1, 1, 1)
    return warp(fixed, (-shift).expand(1, 3, *SHAPE), (SPACING_MM,) * 3), fixed, shift


def test_recovers_a_known_translation(register: Register) -> None:
    moving, fixed, shift = shifted_pair(1)
    there, back = registered(register, moving, fixed, torch.ones_like(fixed))
    inside = (slice(None), slice(None), *(slice(6, -6),) * 3)
    # An untrained Φ ends on a 6 mm grid with soft votes: a fifth of that is what it can resolve.
    assert (there - shift)[inside].norm(dim=1).mean() < 1.2
    assert (back + shift)[inside].norm(dim=1).mean() < 1.2


def test_a_scan_stays_on_itself(register: Register) -> None:
    fixed = textured(2)
    there, _ = registered(register, fixed, fixed, torch.ones_like(fixed))
    assert there.norm(dim=1).mean() < 0.3


def test_both_directions_are_inverse_and_nothing_folds(register: Register) -> None:
    moving, fixed, _ = shifted_pair(3)
    there, back = registered(register, moving, fixed, torch.ones_like(fixed))
    spacing = (2 * SPACING_MM,) * 3
    inside = (slice(None), slice(None), *(slice(4, -4),) * 3)
    assert compose_mm(there, back, spacing)[inside].norm(dim=1).mean() < 0.1
    assert jacobian_determinant(there, spacing).min() > 0


def test_nothing_moves_where_the_taper_is_zero(register: Register) -> None:
    moving, fixed, _ = shifted_pair(5)
    taper = torch.zeros(1, 1, *SHAPE)
    taper[..., 8:-8, 8:-8, 8:-8] = 1.0
    for field in registered(register, moving, fixed, taper):
        assert field.abs().max() > 1.0
        field[..., 1:-1, 1:-1, 1:-1] = 0
        # Coordinates go through float32, so a millionth of a voxel may remain.
        assert field.abs().max() < 1e-3


def test_motion_fades_in_a_margin_without_scans(register: Register) -> None:
    moving, fixed, shift = shifted_pair(6)
    taper = torch.zeros(1, 1, *(n + 32 for n in SHAPE))
    taper[..., 4:-4, 4:-4, 4:-4] = 1.0
    tight = registered(register, moving, fixed, torch.ones_like(fixed))
    for field, close in zip(registered(register, moving, fixed, taper), tight, strict=True):
        assert field.shape[2:] == torch.Size(n // 2 + 16 for n in SHAPE)
        inside = field[..., 8:-8, 8:-8, 8:-8]
        assert (inside - close)[..., 4:-4, 4:-4, 4:-4].norm(dim=1).mean() < 0.2
        # Beyond the scans the motion goes on, and ends at the border.
        assert field[..., 6, 20, 20].norm() > 0.5 * shift.norm()
        assert jacobian_determinant(field, (2 * SPACING_MM,) * 3).min() > 0
        field[..., 1:-1, 1:-1, 1:-1] = 0
        assert field.abs().max() < 1e-3


def test_scripted_and_eager_answers_agree(register: Register) -> None:
    scripted = torch.jit.script(register)
    arguments = textured(7), textured(8), torch.ones(1, 1, *SHAPE)
    for a, b in zip(
        registered(scripted, *arguments), registered(register, *arguments), strict=True
    ):
        assert (a - b).abs().max() < 1e-4


def test_levels_grow_finer(register: Register) -> None:
    image, valid = textured(9), torch.ones(1, 1, *SHAPE)
    with torch.no_grad():
        levels = register.forward_levels(image, image, image, valid, valid, valid, SPACING_MM)
    assert [48 // there.shape[2] for there, _ in levels] == [8, 8, 4, 4, 2]


def test_erosion_takes_two_voxels_off_every_border() -> None:
    valid = torch.zeros(1, 1, 12, 12, 12)
    valid[..., 2:10, 2:10, :] = 1.0
    assert eroded(valid).sum() == 4 * 4 * 8
