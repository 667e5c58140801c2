"""A registration's outputs as files in one folder."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jssr import __version__
from jssr.io.atomic import write_json
from jssr.io.images import write_image
from jssr.io.segmentation import write_segmentation
from jssr.io.transforms import write_transform
from jssr.registration.result import ALL_OUTPUTS, Output, RegistrationResult
from jssr.spatial.geometry import Geometry

if TYPE_CHECKING:
    import SimpleITK as sitk

OUTPUT_FILES: dict[Output, str] = {
    Output.TRANSFORM: "transform.h5",
    Output.INVERSE_TRANSFORM: "inverse_transform.h5",
    Output.WARPED: "warped.nii.gz",
    Output.DIFFERENCE: "difference.nii.gz",
    Output.SYNTHESIZED: "synthesized.nii.gz",
    Output.FIXED_SEGMENTATION: "fixed_segmentation.seg.nrrd",
    Output.MOVING_SEGMENTATION: "moving_segmentation.seg.nrrd",
    Output.METRICS: "metrics.json",
    Output.REPORT: "report.html",
}

_NOTES = {
    Output.WARPED: "moving scan on the fixed grid, HU",
    Output.DIFFERENCE: "fixed minus warped, HU",
    Output.SYNTHESIZED: "synthetic, not for diagnosis",
}
_SEGMENTATIONS = frozenset({Output.FIXED_SEGMENTATION, Output.MOVING_SEGMENTATION})


def write_result(
    result: RegistrationResult,
    fixed: "sitk.Image",
    moving: "sitk.Image",
    folder: Path,
    outputs: Collection[Output] = ALL_OUTPUTS,
    *,
    report: Callable[[Path], None] | None = None,
) -> None:
    """Writes ``outputs`` of ``result`` into ``folder`` under the names in :data:`OUTPUT_FILES`.

    Nothing that is written names a patient or a source file. The folder should be an
    :class:`jssr.io.atomic.OutputFolder`, so that all files appear together.

    Args:
        fixed, moving: the scans; their grids go into the figures.
        report: writes the quality report to the path it is given; without it there is none.

    Raises:
        InputError: the disk is full.
    """
    for output in sorted(outputs, key=lambda one: one.value):
        path = folder / OUTPUT_FILES[output]
        if output is Output.TRANSFORM:
            write_transform(result.fixed_to_moving, path)
        elif output is Output.INVERSE_TRANSFORM:
            write_transform(result.moving_to_fixed, path)
        elif output is Output.METRICS:
            write_json(path, _metrics(result, fixed, moving))
        elif output is Output.REPORT:
            if report is not None:
                report(path)
        elif output in _SEGMENTATIONS:
            write_segmentation(result.images[output], path)
        else:
            write_image(result.images[output], path, _NOTES[output])


def _metrics(
    result: RegistrationResult, fixed: "sitk.Image", moving: "sitk.Image"
) -> dict[str, Any]:
    return {
        "jssr": __version__,
        "fixed_grid": _grid(fixed),
        "moving_grid": _grid(moving),
        **result.summary(),
    }


def _grid(image: "sitk.Image") -> dict[str, Any]:
    geometry = Geometry.of(image)
    return {"size": list(geometry.size), "spacing_mm": list(geometry.spacing_mm)}
