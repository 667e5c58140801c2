"""The volumes handed out: those asked for, each on its own scan's grid."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.bundle.load import Bundle
from jssr.registration.field_of_view import Scan
from jssr.registration.images import make_images, synthesized_image
from jssr.registration.result import Output
from jssr.registration.segment import Segmentation
from jssr.registration.working_grid import GridVolume
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import SpatialTransform
from sample_pair import pair_images
from sample_scene import GRID, ball, pair_of, textured_hu


def made(*outputs: Output) -> dict[Output, sitk.Image]:
    """For a transform that moves by one voxel along x."""
    fixed, moving = pair_images()
    geometry = Geometry.of(fixed)
    probabilities = torch.zeros(1, 15, *geometry.shape_zyx)
    probabilities[:, 0] = 1.0
    segmentations = []
    for label, scan in ((1, fixed), (3, moving)):
        found = probabilities.clone()
        found[:, label, 10:20, 10:20, 10:20], found[:, 0, 10:20, 10:20, 10:20] = 1.0, 0.0
        hu = torch.from_numpy(sitk.GetArrayFromImage(scan)).float()
        segmentations.append(Segmentation(hu, found, geometry))
    linear = np.eye(4)
    linear[0, 3] = 5.0
    still = np.zeros((3, *geometry.shape_zyx), np.float32)
    transform = SpatialTransform(linear, still, geometry)
    return make_images(
        outputs,
        Scan(fixed, None),
        Scan(moving, None),
        transform,
        lambda: geometry.image(np.full(geometry.shape_zyx, 7, np.int16)),
        (segmentations[0], segmentations[1]),
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ((), set()),
        ((Output.METRICS,), set()),
        ((Output.WARPED,), {Output.WARPED}),
        ((Output.DIFFERENCE,), {Output.WARPED, Output.DIFFERENCE}),
        ((Output.SYNTHESIZED,), {Output.SYNTHESIZED}),
        ((Output.MOVING_SEGMENTATION,), {Output.MOVING_SEGMENTATION}),
        (
            (Output.REPORT,),
            {
                Output.WARPED,
                Output.DIFFERENCE,
                Output.SYNTHESIZED,
                Output.FIXED_SEGMENTATION,
                Output.MOVING_SEGMENTATION,
            },
        ),
    ],
)
def test_what_is_asked_for_and_what_it_is_made_of(
    asked: tuple[Output, ...], found: set[Output]
) -> None:
    assert set(made(*asked)) == found


def test_each_is_what_it_is_called() -> None:
    fixed, moving = (sitk.GetArrayFromImage(scan).astype(int) for scan in pair_images())
    images = {
        output: sitk.GetArrayFromImage(image) for output, image in made(Output.REPORT).items()
    }
    inside = np.s_[:, :, :-1]
    assert np.array_equal(images[Output.WARPED][inside], moving[:, :, 1:])
    expected = fixed[inside] - moving[:, :, 1:]
    assert np.array_equal(images[Output.DIFFERENCE][inside], expected)
    assert (images[Output.SYNTHESIZED] == 7).all()
    for output, label in ((Output.FIXED_SEGMENTATION, 1), (Output.MOVING_SEGMENTATION, 3)):
        assert set(np.unique(images[output])) == {0, label}
        assert (images[output][11:19, 11:19, 11:19] == label).all()


def test_the_synthesized_scan_is_in_hu_and_air_where_the_moving_scan_ends(bundle: Bundle) -> None:
    low, high = bundle.manifest.window_hu
    pair = pair_of(textured_hu(0), textured_hu(1), ball(50.0))
    valid = pair.moving.valid.clone()
    valid[:, :, :10] = False
    ends = replace(pair, moving=GridVolume(pair.moving.hu, valid))
    image = synthesized_image(ends, torch.full((1, 1, *GRID.shape_zyx), 0.5), bundle)
    values = sitk.GetArrayFromImage(image)
    assert (values[:10] == -1024).all()
    assert (values[10:] == round(low + 0.75 * (high - low))).all()
    assert Geometry.of(image) == GRID
