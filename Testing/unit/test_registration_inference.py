"""Fields as they are stored: free inside, zero at the border, exact inverse."""

import torch

from jssr.bundle.load import Bundle
from jssr.registration.inference import (
    Displacements,
    Pair,
    Scans,
    both_ways,
    find_displacement,
    finished,
    synthesize,
    taper,
)
from jssr.registration.working_grid import GridVolume
from jssr.spatial.fields import compose_mm, exponentiate_mm, smooth_gaussian
from jssr.spatial.geometry import Geometry, same_geometry
from sample_scene import moved_pair

GRID = Geometry((64, 64, 48), (3.0, 3.0, 3.0), (0.0, 0.0, 0.0))


def test_the_taper_is_one_beyond_thirty_millimetres_and_zero_at_the_border() -> None:
    window = taper(GRID)
    assert window[..., 10:-10, 10:-10, 10:-10].min() == 1.0
    assert window[..., 0].max() == 0.0 and window[:, :, 0].max() == 0.0
    assert abs(float(window[0, 0, 24, 32, 5]) - 0.5) < 1e-6


def test_the_field_has_a_margin_of_its_own_around_the_scans() -> None:
    nothing = GridVolume(torch.zeros(1, 1, *GRID.shape_zyx), torch.ones(1, 1, *GRID.shape_zyx) > 0)
    scans = Scans(grid=GRID, fixed=nothing, moving=nothing)
    field = scans.field_grid
    assert scans.margin * 3.0 >= 40.0 and scans.margin % 8 == 0
    x, y, z = (scans.margin,) * 3
    assert same_geometry(field.part((x, y, z), GRID.size), GRID)
    index = torch.arange(float(field.size[0])).expand(1, 1, *field.shape_zyx)
    within = scans.within(index)
    assert within.shape[2:] == GRID.shape_zyx
    assert within[..., 0].max() == within[..., 0].min() == scans.margin


def test_both_ways_know_no_fixed_and_no_moving_scan(bundle: Bundle) -> None:
    pair, _ = moved_pair(1, 12.0)

    def asked(scans: Pair) -> tuple[tuple[torch.Tensor, torch.Tensor], Displacements]:
        synthesized = synthesize(scans, bundle)
        displacements = find_displacement(scans, synthesized, bundle)
        return both_ways(scans, synthesized, displacements, bundle)

    (fixed, moving), displacements = asked(pair)
    (moving_swapped, fixed_swapped), swapped = asked(pair.swapped())
    assert torch.equal(fixed, fixed_swapped) and torch.equal(moving, moving_swapped)
    assert torch.equal(displacements.fixed_to_moving_mm, swapped.moving_to_fixed_mm)
    assert torch.equal(displacements.moving_to_fixed_mm, swapped.fixed_to_moving_mm)
    assert not torch.equal(fixed, moving)


def test_stored_fields_are_inverse_within_a_tenth_of_a_millimetre() -> None:
    noise = torch.randn(1, 3, 24, 32, 32, generator=torch.Generator().manual_seed(0))
    velocity = smooth_gaussian(noise, 3.0) * 60 * taper(GRID)[..., ::2, ::2, ::2]
    spacing = (6.0, 6.0, 6.0)
    displacements = Displacements(
        fixed_to_moving_mm=exponentiate_mm(velocity, spacing, 6),
        moving_to_fixed_mm=exponentiate_mm(-velocity, spacing, 6),
    )
    fields = finished(displacements, GRID)
    assert fields.fixed_to_moving_mm.abs().max() > 5.0
    miss = compose_mm(fields.fixed_to_moving_mm, fields.moving_to_fixed_mm, (3.0, 3.0, 3.0)).norm(
        dim=1
    )
    assert miss.flatten().quantile(0.99) < 0.1
    for field in (fields.fixed_to_moving_mm, fields.moving_to_fixed_mm):
        field[..., 1:-1, 1:-1, 1:-1] = 0.0
        assert field.abs().max() == 0.0
