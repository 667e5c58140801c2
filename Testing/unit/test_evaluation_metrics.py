"""Figures against MONAI, SimpleITK and closed forms, on anisotropic grids."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.evaluation import metrics
from jssr.spatial.geometry import Geometry
from jssr.spatial.jacobian import jacobian_determinant_on

SPACING = (0.8, 1.1, 2.5)


def ellipsoid(center, radii, shape=(20, 34, 40)):
    """An ellipsoid with axes in mm on a grid of SPACING, (z, y, x)."""
    z, y, x = np.indices(shape)
    points = np.stack([x, y, z]) * np.reshape(SPACING, (3, 1, 1, 1))
    scaled = (points - np.reshape(center, (3, 1, 1, 1))) / np.reshape(radii, (3, 1, 1, 1))
    return (scaled**2).sum(0) <= 1


@pytest.fixture(scope="module")
def organs():
    first = ellipsoid((15, 18, 24), (9, 12, 15))
    second = ellipsoid((17, 16, 27), (10, 11, 13)) | ellipsoid((26, 24, 20), (4, 5, 6))
    return first, second


def cube(side):
    return Geometry((side, side, side), SPACING, (0.0, 0.0, 0.0))


def one_hot(mask):
    return torch.from_numpy(mask)[None, None].float()


def test_dice_equals_simpleitk(organs):
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(sitk.GetImageFromArray(m.astype(np.uint8)) for m in organs))
    assert metrics.dice(*organs) == pytest.approx(overlap.GetDiceCoefficient(), abs=1e-12)


def test_dice_of_nothing_does_not_exist():
    empty = np.zeros((3, 3, 3), bool)
    assert metrics.dice(empty, empty) is None
    assert metrics.dice(empty, ~empty) == 0.0


def test_surface_distances_equal_monai_in_mm(organs):
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    a, b = map(one_hot, organs)
    zyx = SPACING[::-1]
    hausdorff = compute_hausdorff_distance(a, b, True, percentile=95, spacing=zyx).item()
    mean = compute_average_surface_distance(a, b, True, symmetric=True, spacing=zyx).item()
    found = metrics.surface_distance(*organs, SPACING)
    assert found.hd95_mm == pytest.approx(hausdorff, rel=1e-5)
    assert found.mean_mm == pytest.approx(mean, rel=1e-5)


def test_surface_distance_of_a_shifted_mask_is_the_shift(organs):
    first, _ = organs
    shifted = np.roll(first, 2, axis=0)
    assert metrics.surface_distance(first, shifted, SPACING).hd95_mm == pytest.approx(5.0)
    assert metrics.surface_distance(first, first, SPACING).mean_mm == 0.0


def test_surface_distance_needs_both_masks(organs):
    first, _ = organs
    assert metrics.surface_distance(first, np.zeros_like(first), SPACING) is None


def test_registration_error_of_a_constant_offset():
    truth = np.zeros((3, 4, 5, 6))
    found = truth + np.reshape([3.0, 0.0, 4.0], (3, 1, 1, 1))
    mask = np.zeros((4, 5, 6), bool)
    assert metrics.displacement_error(found, truth, mask) is None
    mask[1:3] = True
    error = metrics.displacement_error(found, truth, mask)
    assert (error.mean_mm, error.p95_mm) == pytest.approx((5.0, 5.0))


def test_registration_error_leaves_out_what_is_not_masked():
    truth = np.zeros((3, 4, 5, 6))
    found = truth.copy()
    found[:, 0] = 100.0
    mask = np.ones((4, 5, 6), bool)
    mask[0] = False
    assert metrics.displacement_error(found, truth, mask).mean_mm == 0.0


def test_determinant_of_a_scaling():
    z, y, x = np.indices((12, 12, 12))
    points = np.stack([x * SPACING[0], y * SPACING[1], z * SPACING[2]])
    determinant = jacobian_determinant_on(cube(12), 0.1 * points)
    mask = np.zeros((12, 12, 12), bool)
    mask[4:8, 4:8, 4:8] = True
    np.testing.assert_allclose(determinant[mask], 1.1**3, rtol=1e-5)
    assert metrics.log_jacobian_sd(determinant, mask) == pytest.approx(0.0, abs=1e-5)
    assert metrics.folding_fraction(determinant, mask) == 0.0


def test_folding_counts_every_fold():
    x = np.indices((10, 10, 10))[2]
    displacement = np.zeros((3, 10, 10, 10))
    displacement[0] = -2.0 * x * SPACING[0] * (x > 4)
    determinant = jacobian_determinant_on(cube(10), displacement)
    mask = np.zeros((10, 10, 10), bool)
    mask[..., 6:9] = True
    assert metrics.folding_fraction(determinant, mask) == 1.0
    mask[..., 0:3] = True
    assert metrics.folding_fraction(determinant, mask) == 0.5


def test_intensity_figures_equal_monai():
    from monai.metrics import PSNRMetric, SSIMMetric

    rng = np.random.default_rng(5)
    a = rng.normal(50, 40, (16, 18, 20)).cumsum(0).astype(np.float32)
    b = a + rng.normal(0, 25, a.shape).astype(np.float32)
    everywhere = np.ones(a.shape, bool)
    data_range = 400.0
    tensors = [torch.from_numpy(v)[None, None] for v in (a, b)]
    ssim = SSIMMetric(spatial_dims=3, data_range=torch.tensor(data_range))(*tensors).item()
    psnr = PSNRMetric(max_val=data_range)(*tensors).item()
    assert metrics.structural_similarity(a, b, data_range) == pytest.approx(ssim, abs=1e-4)
    assert metrics.peak_signal_to_noise(a, b, everywhere, data_range) == pytest.approx(
        psnr, abs=1e-3
    )
    assert metrics.mean_absolute_error(a, b, everywhere) == pytest.approx(
        np.abs(a - b).mean(), rel=1e-5
    )
    assert metrics.mean_absolute_error(a, b, ~everywhere) is None


def test_what_loses_its_whole_volume_folds_and_counts_as_the_floor():
    determinant = np.array([0.0, 1.0])
    everywhere = np.ones(2, bool)
    assert metrics.folding_fraction(determinant, everywhere) == 0.5
    assert metrics.log_jacobian_sd(determinant, everywhere) == pytest.approx(-0.5 * np.log(1e-9))


def test_the_95th_percentile_of_an_error_that_grows_evenly():
    found = np.zeros((101, 3))
    found[:, 1] = np.arange(101)
    error = metrics.target_registration_error(found, np.zeros((101, 3)))
    assert (error.mean_mm, error.p95_mm) == pytest.approx((50.0, 95.0))
