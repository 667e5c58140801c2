"""S on whole scans, and labels carried between grids, against SimpleITK."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.bundle.load import Bundle
from jssr.labels import CLASS_COUNT, label_index
from jssr.registration.segment import carried, label_map, segment
from jssr.registration.window import to_network
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_to_sitk, rotation, translation
from sample_pair import pair_images
from sample_scene import GRID, ball

ORGANS = {"liver": 40.0, "spleen": 15.0}


def probabilities() -> torch.Tensor:
    """A ball of spleen inside a ball of liver, soft at the rims, on ``GRID``."""
    found = torch.zeros(1, CLASS_COUNT, *GRID.shape_zyx)
    outer, inner = (torch.nn.functional.avg_pool3d(ball(r), 3, 1, 1) for r in ORGANS.values())
    found[:, label_index("spleen")] = inner[:, 0]
    found[:, label_index("liver")] = (outer - inner)[:, 0]
    found[:, 0] = 1.0 - outer[:, 0]
    return found


def test_a_segmentation_covers_the_whole_scan(bundle: Bundle) -> None:
    scan, _ = pair_images()
    found = segment(scan, bundle)
    low, high = found.grid.corners_mm().min(0), found.grid.corners_mm().max(0)
    corners = Geometry.of(scan).corners_mm()
    assert (low <= corners.min(0)).all() and (high >= corners.max(0)).all()
    assert found.grid.spacing_mm == (bundle.manifest.spacing_mm,) * 3
    assert found.probabilities.shape == (1, CLASS_COUNT, *found.grid.shape_zyx)
    # Kept in half precision, which rounds each share by at most 2^-11 of it.
    assert found.probabilities.dtype == torch.float16
    assert (found.probabilities.float().sum(1) - 1).abs().max() < 2.0**-11 + 1e-6
    assert found.hu.shape == found.grid.shape_zyx


def test_outside_the_scan_is_background(bundle: Bundle) -> None:
    scan, _ = pair_images()
    found = segment(scan, bundle)
    outside = found.hu == -1024.0
    assert outside.any() and (found.probabilities[0, 0][outside] == 1.0).all()


def test_beyond_a_scan_that_cuts_the_patient_there_is_no_air(bundle: Bundle) -> None:
    seen = []

    def look(image: torch.Tensor) -> torch.Tensor:
        seen.append(image)
        return torch.zeros(1, CLASS_COUNT, *image.shape[2:])

    tissue = np.full((30, 30, 30), 50, np.int16)
    inside = Geometry((30, 30, 30), (3.0,) * 3, (0.0, 0.0, 0.0)).image(tissue)
    found = segment(inside, replace(bundle, segmentor=look))
    assert (found.hu == -1024.0).any()
    wanted = to_network(torch.tensor(50.0), bundle.manifest.window_hu)
    assert (seen[0] - wanted).abs().max() < 1e-3


def test_carried_probabilities_are_simpleitks() -> None:
    linear = translation((7.0, -4.0, 9.0)) @ rotation(
        np.deg2rad([2.0, -3.0, 5.0]), GRID.corners_mm().mean(axis=0)
    )
    target = Geometry((40, 36, 30), (4.0, 4.0, 4.0), (-80.0, -70.0, 910.0))
    found = carried(probabilities(), GRID, target, linear)
    liver = label_index("liver")
    expected = sitk.GetArrayFromImage(
        sitk.Resample(
            GRID.image(probabilities()[0, liver].numpy()),
            target.empty_image(),
            affine_to_sitk(linear),
            sitk.sitkLinear,
            0.0,
        )
    )
    assert np.abs(found[0, liver].numpy() - expected).max() < 1e-3
    assert (found.sum(1) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("oblique", [False, True])
def test_a_label_map_is_the_most_probable_class_on_the_scans_own_grid(oblique: bool) -> None:
    center = GRID.corners_mm().mean(axis=0)
    direction = rotation(np.deg2rad([0.0, 10.0, 20.0]), center)[:3, :3] if oblique else np.eye(3)
    size, spacing = (90, 80, 30), np.array([1.2, 1.3, 4.0])
    origin = center - direction @ (spacing * (np.array(size) - 1) / 2)
    scan = Geometry(size, tuple(spacing), tuple(origin), tuple(direction.ravel())).empty_image()
    found = label_map(probabilities(), GRID, scan)
    assert Geometry.of(found) == Geometry.of(scan)
    shares = [
        sitk.GetArrayFromImage(
            sitk.Resample(GRID.image(share), scan, sitk.Transform(), sitk.sitkLinear)
        )
        for share in probabilities()[0].numpy()
    ]
    expected = np.argmax(shares, axis=0)
    values = sitk.GetArrayFromImage(found)
    assert set(np.unique(values)) == {0, label_index("liver"), label_index("spleen")}
    for name in ORGANS:
        a, b = values == label_index(name), expected == label_index(name)
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.99
    volume_ml = (values > 0).sum() * float(np.prod(spacing)) / 1000
    assert volume_ml == pytest.approx(4 / 3 * np.pi * ORGANS["liver"] ** 3 / 1000, rel=0.03)


def test_nothing_found_gives_an_empty_label_map() -> None:
    nothing = torch.zeros(1, CLASS_COUNT, *GRID.shape_zyx)
    nothing[:, 0] = 1.0
    scan, _ = pair_images()
    assert sitk.GetArrayViewFromImage(label_map(nothing, GRID, scan)).max() == 0
