"""Both scans on the working grid: what counts as scanned, where the grid lies, what is refused."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.bundle.load import Bundle
from jssr.errors import Cancelled, InputError
from jssr.registration.body import body_mask
from jssr.registration.field_of_view import Scan
from jssr.registration.preparation import BODY_MARGIN_MM, prepare
from jssr.spatial.linear import translation
from sample_pair import pair_images

STILL = np.eye(4)


def scans() -> tuple[Scan, Scan]:
    fixed, moving = pair_images()
    return Scan.of(fixed), Scan.of(moving)


def marked(image: sitk.Image, part: tuple[slice, ...], inside: int, outside: int) -> sitk.Image:
    values = np.full(image.GetSize()[::-1], outside, np.uint8)
    values[part] = inside
    mask = sitk.GetImageFromArray(values)
    mask.CopyInformation(image)
    return mask


def padded(image: sitk.Image, part: tuple[slice, ...]) -> sitk.Image:
    """Only ``part`` was scanned: the rest of the box holds one value."""
    values = sitk.GetArrayFromImage(image)
    kept = np.full_like(values, -2000)
    kept[part] = values[part]
    stored = sitk.GetImageFromArray(kept)
    stored.CopyInformation(image)
    return stored


def test_the_grid_encloses_the_fixed_body(bundle: Bundle) -> None:
    fixed, moving = scans()
    grid = prepare(fixed, moving, bundle).grid
    index = np.argwhere(sitk.GetArrayFromImage(body_mask(fixed.image)) > 0)[:, ::-1]
    ends = [fixed.image.TransformContinuousIndexToPhysicalPoint(p.tolist()) for p in index[::50]]
    low, high = grid.corners_mm().min(axis=0), grid.corners_mm().max(axis=0)
    assert (np.min(ends, axis=0) - low >= BODY_MARGIN_MM - 4.0).all()
    assert (high - np.max(ends, axis=0) >= BODY_MARGIN_MM - 4.0).all()
    assert grid.spacing_mm == (bundle.manifest.spacing_mm,) * 3


def test_the_finer_grid_shows_the_same_scans(bundle: Bundle) -> None:
    prepared = prepare(*scans(), bundle)
    coarse, fine = prepared.pair(STILL), prepared.finer(STILL)
    assert fine.grid.spacing_mm[0] == coarse.grid.spacing_mm[0] / 2
    mean = torch.nn.functional.avg_pool3d(fine.fixed.hu, 2)
    inside = torch.nn.functional.avg_pool3d(fine.fixed.valid.float(), 2) == 1
    assert (mean - coarse.fixed.hu)[inside].abs().mean() < 15.0


def test_what_fills_the_box_and_what_the_mask_leaves_out_is_not_valid(bundle: Bundle) -> None:
    fixed, moving = pair_images()
    z, _, x = fixed.GetSize()[::-1]
    left, lower = (slice(None), slice(None), slice(x // 2)), (slice(z // 2),)
    whole = prepare(*scans(), bundle).pair(STILL).fixed.valid
    cut = Scan.of(padded(fixed, left))
    prepared = prepare(cut, Scan.of(moving), bundle, fixed_mask=marked(fixed, lower, 7, 0))
    both = marked(fixed, (lower[0], slice(None), slice(x // 2)), 1, 0)
    reference = prepared.grid.empty_image()
    wanted = sitk.Resample(both, reference, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    found = prepared.pair(STILL)
    body = found.fixed_body.numpy()  # the sample's air has no noise, so it fills the box as well
    assert np.array_equal(
        found.fixed.valid[0, 0].numpy()[body], sitk.GetArrayFromImage(wanted)[body] > 0
    )
    assert 0 < found.fixed.valid.sum() < whole.sum()


def test_the_body_is_measured_as_far_as_it_counts(bundle: Bundle) -> None:
    fixed, _ = pair_images()
    half = (slice(None), slice(None), slice(fixed.GetSize()[0] // 2, None))
    mask = marked(fixed, half, 1, 0)
    body = sitk.GetArrayFromImage(body_mask(fixed)) > 0
    voxel_ml = np.prod(fixed.GetSpacing()) / 1000
    whole = prepare(*scans(), bundle).fixed
    masked = prepare(*scans(), bundle, fixed_mask=mask).fixed
    assert whole.body_ml == pytest.approx(body.sum() * voxel_ml, rel=0.03)
    assert masked.body_ml == pytest.approx(body[half].sum() * voxel_ml, rel=0.03)


def test_the_linear_part_moves_the_moving_scan(bundle: Bundle) -> None:
    prepared = prepare(*scans(), bundle)
    step = prepared.grid.spacing_mm[0]
    still, moved = prepared.pair(STILL), prepared.pair(translation((step, 0.0, 0.0)))
    assert torch.equal(still.fixed.hu, moved.fixed.hu)
    difference = (moved.moving.hu[..., :-1] - still.moving.hu[..., 1:]).abs()
    known = moved.moving.valid[..., :-1] & still.moving.valid[..., 1:]
    assert difference[known].max() < 0.5


def test_scans_that_do_not_meet_are_refused(bundle: Bundle) -> None:
    prepared = prepare(*scans(), bundle)
    with pytest.raises(InputError, match="do not overlap in space from where .* starts"):
        prepared.pair(translation((2000.0, 0.0, 0.0)))


def test_it_stops_when_asked(bundle: Bundle) -> None:
    def stop() -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        prepare(*scans(), bundle, check=stop)
