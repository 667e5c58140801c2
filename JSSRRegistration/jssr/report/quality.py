"""Assembles the quality report."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr import __version__, page
from jssr.errors import ResourceError
from jssr.io.atomic import whole_file
from jssr.registration.result import Output, RegistrationResult
from jssr.report import pictures, summary
from jssr.report.planes import Plane, anatomical_planes, center_of_interest

SYNTHETIC = "synthetic, not for diagnosis"


def write_report(
    result: RegistrationResult, fixed: sitk.Image, moving: sitk.Image, path: Path
) -> None:
    """Writes one self-contained HTML file; what the result does not hold is left out.

    Nothing in it names a patient, a file or a folder.

    Raises:
        ResourceError: matplotlib is not installed, or the file cannot be written.
    """
    try:
        html = quality_report(result, fixed, moving)
    except ModuleNotFoundError as error:
        raise ResourceError(
            f"The report needs the Python package '{error.name}'; install it or leave the report "
            "out of the outputs."
        ) from error
    with whole_file(path) as part:
        part.write_text(html, encoding="utf-8")


def quality_report(result: RegistrationResult, fixed: sitk.Image, moving: sitk.Image) -> str:
    """The report as HTML."""
    center = center_of_interest(fixed, result.images.get(Output.FIXED_SEGMENTATION))
    planes = anatomical_planes(fixed, center)
    metrics = result.metrics
    sections = [
        "<h1>Registration of two contrast phases</h1>",
        f'<p class="lead">{summary.phase_sentence(result)}</p>',
        summary.verdict_box(result),
        summary.cards(result),
        *_fusion(result, fixed, moving, planes),
        *_scans(result, fixed, moving, planes),
        *_segmentations(result, fixed, moving, planes),
        *_deformation(result, fixed, planes),
    ]
    if metrics.organs:
        sections.append(page.section("Organs", summary.organ_table(metrics)))
    if metrics.lesions:
        sections.append(page.section("Liver lesions", summary.lesion_table(metrics)))
    if metrics.intensities:
        sections.append(page.section("Attenuation", summary.intensity_table(metrics, result)))
    phases = summary.phase_table(result)
    sections += [
        page.section(
            "How it was made",
            summary.technical_table(result, __version__),
            page.details("Time of each step", summary.time_table(metrics)),
            page.details("Contrast phases", phases) if phases else "",
        ),
        "<footer>Made by JSSR for research. Not a medical device: do not base a diagnosis or a "
        "treatment on it. Pictures show the patient's right on the left.</footer>",
    ]
    return page.document("Registration report", sections)


def _fusion(
    result: RegistrationResult,
    fixed: sitk.Image,
    moving: sitk.Image,
    planes: Sequence[Plane],
) -> list[str]:
    strips = [pictures.fusion_strip("Before registration, as scanned", fixed, moving)]
    warped = result.images.get(Output.WARPED)
    if warped is not None:
        strips.append(pictures.fusion_strip("After registration", fixed, warped))
    figure = pictures.strips_figure(strips, planes)
    caption = (
        "Fixed scan in green, moving scan in magenta; grey where they agree. Green or magenta "
        "inside an organ is contrast uptake, at its border it is misalignment."
    )
    return [page.section("Alignment", page.picture(figure, "Overlay of both scans", caption))]


def _scans(
    result: RegistrationResult,
    fixed: sitk.Image,
    moving: sitk.Image,
    planes: Sequence[Plane],
) -> list[str]:
    strips = [
        pictures.scan_strip("Fixed", fixed),
        pictures.scan_strip("Moving, as scanned", moving),
    ]
    if Output.WARPED in result.images:
        strips.append(pictures.scan_strip("Moving, warped", result.images[Output.WARPED]))
    if Output.DIFFERENCE in result.images:
        strips.append(
            pictures.difference_strip(
                "Fixed − warped",
                result.images[Output.DIFFERENCE],
                result.images.get(Output.WARPED),
            )
        )
    if Output.SYNTHESIZED in result.images:
        title = f"Synthesized: moving in the fixed scan's phase ({SYNTHETIC})"
        strips.append(pictures.scan_strip(title, result.images[Output.SYNTHESIZED]))
    figure = pictures.strips_figure(strips, planes)
    note = ""
    if Output.SYNTHESIZED in result.images:
        note = f'<p class="note">The synthesized scan is {SYNTHETIC}: a network painted it.</p>'
    low, high = pictures.SOFT_TISSUE_HU
    caption = (
        f"Grey from {low:.0f} to {high:.0f} HU. All rows show the same planes in space. "
        "The difference is contrast uptake where the alignment is right."
    )
    return [page.section("Scans", page.picture(figure, "The scans in three planes", caption), note)]


def _segmentations(
    result: RegistrationResult,
    fixed: sitk.Image,
    moving: sitk.Image,
    planes: Sequence[Plane],
) -> list[str]:
    content = []
    present: set[int] = set()
    fixed_labels = result.images.get(Output.FIXED_SEGMENTATION)
    if fixed_labels is not None:
        strip = pictures.segmentation_strip("Fixed scan", fixed, fixed_labels)
        figure = pictures.strips_figure([strip], planes)
        content.append(page.picture(figure, "Labels on the fixed scan"))
        present |= _labels_in(fixed_labels)
    moving_labels = result.images.get(Output.MOVING_SEGMENTATION)
    if moving_labels is not None:
        own = anatomical_planes(moving, center_of_interest(moving, moving_labels))
        strip = pictures.segmentation_strip("Moving scan, in its own place", moving, moving_labels)
        figure = pictures.strips_figure([strip], own)
        content.append(page.picture(figure, "Labels on the moving scan"))
        present |= _labels_in(moving_labels)
    if not content:
        return []
    return [page.section("Segmentations", *content, summary.legend(sorted(present)))]


def _deformation(
    result: RegistrationResult, fixed: sitk.Image, planes: Sequence[Plane]
) -> list[str]:
    transform = result.fixed_to_moving
    folds = pictures.jacobian_strip("Local volume change", fixed, transform)
    if folds is None:
        return []
    strips = [
        pictures.grid_strip("Deformed grid, 12 mm", fixed, transform),
        pictures.magnitude_strip("Displacement", fixed, transform),
        folds,
    ]
    figure = pictures.strips_figure(strips, planes)
    caption = (
        "What the registration adds to the linear alignment. Local volume change: red, the moving "
        "tissue is larger than the fixed; blue, smaller; yellow, the transform folds."
    )
    return [page.section("Deformation", page.picture(figure, "The deformation", caption))]


def _labels_in(labels: sitk.Image) -> set[int]:
    return {int(value) for value in np.unique(sitk.GetArrayViewFromImage(labels))}
