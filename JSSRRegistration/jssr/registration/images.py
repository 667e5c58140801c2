"""The volumes that a registration hands out."""

from collections.abc import Callable, Collection

import numpy as np
import SimpleITK as sitk
import torch

from jssr.bundle.load import Bundle
from jssr.hounsfield import AIR_HU
from jssr.registration.apply import difference, warp_scan
from jssr.registration.field_of_view import Scan
from jssr.registration.inference import Pair
from jssr.registration.result import Output
from jssr.registration.segment import Segmentation, label_map
from jssr.registration.window import to_hu
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import SpatialTransform

_SHOWN_IN_REPORT = {
    Output.WARPED,
    Output.DIFFERENCE,
    Output.SYNTHESIZED,
    Output.FIXED_SEGMENTATION,
    Output.MOVING_SEGMENTATION,
}


def make_images(
    outputs: Collection[Output],
    fixed: Scan,
    moving: Scan,
    fixed_to_moving: SpatialTransform,
    synthesized: Callable[[], sitk.Image],
    segmentations: tuple[Segmentation, Segmentation],
) -> dict[Output, sitk.Image]:
    """Those of ``outputs`` that are volumes, and what they or the report are made of.

    Args:
        synthesized: makes the synthesized scan; see :func:`synthesized_image`.
        segmentations: of the fixed and of the moving scan.
    """
    wanted = set(outputs)
    if Output.REPORT in wanted:
        wanted |= _SHOWN_IN_REPORT
    images: dict[Output, sitk.Image] = {}
    if wanted & {Output.WARPED, Output.DIFFERENCE}:
        images[Output.WARPED] = warp_scan(moving.image, fixed_to_moving, Geometry.of(fixed.image))
    if Output.DIFFERENCE in wanted:
        images[Output.DIFFERENCE] = difference(
            fixed, moving, images[Output.WARPED], fixed_to_moving
        )
    if Output.SYNTHESIZED in wanted:
        images[Output.SYNTHESIZED] = synthesized()
    for output, segmentation, scan in (
        (Output.FIXED_SEGMENTATION, segmentations[0], fixed),
        (Output.MOVING_SEGMENTATION, segmentations[1], moving),
    ):
        if output in wanted:
            images[output] = label_map(segmentation.probabilities, segmentation.grid, scan.image)
    return images


def synthesized_image(pair: Pair, synthesized: torch.Tensor, bundle: Bundle) -> sitk.Image:
    """G's repainting of the moving scan in whole HU on the working grid; air outside its field."""
    hu = to_hu(synthesized, bundle.manifest.window_hu)
    hu = torch.where(pair.moving.valid, hu, torch.tensor(AIR_HU))
    return pair.grid.image(hu[0, 0].round().numpy().astype(np.int16))
