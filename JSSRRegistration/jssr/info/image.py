"""What an image or a folder of DICOM series holds."""

from collections.abc import Sequence

import SimpleITK as sitk

from jssr.io.checks import is_hounsfield
from jssr.io.dicom_series import DicomSeries
from jssr.section import Section
from jssr.spatial.geometry import Geometry


def describe_series(series: Sequence[DicomSeries]) -> Section:
    """Each series of a folder, with a file that stands for it where a scan is asked for."""
    rows = [
        (one.number, one.description, str(len(one.slices)), one.slices[0].path.name, one.no_scan)
        for one in series
    ]
    return Section("DICOM series", ("number", "description", "files", "first file", "remark"), rows)


def describe_image(image: sitk.Image) -> Section:
    """Grid and values of an image."""
    geometry = Geometry.of(image)
    values = sitk.GetArrayViewFromImage(image)
    rows = [
        ("size", " × ".join(map(str, geometry.size))),
        ("spacing", f"{_numbers(geometry.spacing_mm)} mm"),
        ("origin", f"{_numbers(geometry.origin_mm)} mm (LPS)"),
        ("direction", _numbers(geometry.direction)),
        ("type", image.GetPixelIDTypeAsString()),
        ("values", f"{values.min():g} to {values.max():g}"),
        ("Hounsfield units", "plausible" if is_hounsfield(image) else "no"),
    ]
    return Section("Image", ("", "value"), rows)


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
