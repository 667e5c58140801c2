"""What a model bundle, a scan or a folder of results is, in tables of text."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from jssr.bundle.manifest import MANIFEST_NAME, Manifest
from jssr.bundle.verify import verify_bundle
from jssr.errors import InputError
from jssr.io.checks import is_hounsfield
from jssr.io.dicom import list_series
from jssr.io.dicom_series import DicomSeries
from jssr.io.images import read_image
from jssr.labels import LABELS
from jssr.registration.result import BEFORE, Output
from jssr.registration.write import OUTPUT_FILES
from jssr.spatial.geometry import Geometry

METRICS_FILE = OUTPUT_FILES[Output.METRICS]


@dataclass(frozen=True)
class Section:
    """A titled table; ``note`` stands below it."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def describe(path: Path | None) -> list[Section]:
    """The tables for a bundle, an image, a DICOM or result folder; ``None`` is the default model.

    Raises:
        InputError: it is none of these, or damaged.
    """
    if path is None or (path / MANIFEST_NAME).is_file():
        return describe_bundle(verify_bundle(path))
    if not path.exists():
        raise InputError(f"There is no file or folder '{path}'; check the path.")
    if path.is_file() and zipfile.is_zipfile(path):
        return describe_bundle(verify_bundle(path))
    if (path / METRICS_FILE).is_file():
        return describe_result(path / METRICS_FILE)
    if path.is_dir():
        several = [sub / METRICS_FILE for sub in sorted(path.iterdir())]
        found = [metrics for metrics in several if metrics.is_file()]
        if found:
            return [section for metrics in found for section in describe_result(metrics)]
        series = list_series(path, skip_damaged=True) or list_series(path)
        if not series:
            return [_written(path)]
        if len(series) > 1:
            return [describe_series(series)]
    return [describe_image(read_image(path))]


def _written(folder: Path) -> Section:
    """The files of a registration whose figures were not asked for."""
    files = _files(folder)
    if not files:
        raise InputError(
            f"'{folder}' holds no DICOM image, and nothing that register, batch, train or export "
            "has written; give one of their folders, or the folder in which the slices lie."
        )
    rows = [("figures", f"none: {METRICS_FILE} is not there"), ("files", files)]
    return Section("Registration", ("", "value"), rows)


def _files(folder: Path) -> str:
    return ", ".join(name for name in OUTPUT_FILES.values() if (folder / name).is_file())


def describe_bundle(manifest: Manifest) -> list[Section]:
    """The model's card and figures."""
    low, high = manifest.window_hu
    card = [
        ("name", manifest.name),
        ("version", manifest.version),
        ("date", manifest.date),
        ("license", manifest.license),
        ("description", manifest.description),
        ("intended use", manifest.intended_use),
        ("limits", manifest.limits),
        ("citation", manifest.citation),
        ("window", f"{low:g} to {high:g} HU"),
        ("working spacing", f"{manifest.spacing_mm:g} mm"),
        ("phases", ", ".join(phase.value for phase in manifest.phases)),
        ("labels", ", ".join(f"{label.index} {label.name}" for label in LABELS)),
        ("files", "whole: every SHA-256 fits"),
    ]
    figures = [(f.name, f"{f.value:g} {f.unit}".strip(), f.measured_on) for f in manifest.figures]
    sections = [Section("Model bundle", ("", "value"), [row for row in card if row[1]])]
    if figures:
        sections.append(Section("Measured", ("figure", "value", "on"), figures))
    return sections


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


def describe_result(metrics_file: Path) -> list[Section]:
    """The verdict and figures of a registration, from its metrics file."""
    try:
        stored = json.loads(metrics_file.read_text(encoding="utf-8"))
        return [_overview(stored, metrics_file.parent), _organs(stored["metrics"]["organs"])]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"'{metrics_file}' is no metrics file of JSSR, or damaged; register again."
        ) from error


def _overview(stored: dict[str, Any], folder: Path) -> Section:
    metrics, verdict = stored["metrics"], stored["verdict"]
    deformation = metrics["deformation"]
    rows = [
        ("verdict", "; ".join([verdict["level"], *verdict["reasons"]])),
        ("fixed phase", _phase(stored["fixed_phase"])),
        ("moving phase", _phase(stored["moving_phase"])),
        ("fixed body covered", f"{metrics['overlap_fraction']:.0%}"),
        (
            "similarity before, after",
            f"{metrics['similarity_before']:.3f}, {metrics['similarity_after']:.3f}",
        ),
        (
            "deformation mean, largest",
            f"{deformation['mean_mm']:.1f} mm, {deformation['max_mm']:.1f} mm",
        ),
        ("folding", f"{deformation['folding_fraction']:.4%}"),
        ("time", f"{sum(metrics['seconds'].values()):.1f} s on {stored['device']}"),
        ("model", stored["model"]),
        ("folder", str(folder)),
        ("files", _files(folder)),
    ]
    return Section("Registration", ("", "value"), rows, BEFORE)


def _organs(organs: list[dict[str, Any]]) -> Section:
    rows = [
        (
            organ["name"],
            _optional(organ["dice_before"]),
            _optional(organ["dice_after"]),
            f"{organ['fixed_volume_ml']:.0f}",
            f"{organ['moving_volume_ml']:.0f}",
        )
        for organ in organs
    ]
    columns = ("organ", "Dice before", "Dice after", "fixed ml", "moving ml")
    return Section("Organs", columns, rows, BEFORE)


def _phase(stored: dict[str, Any]) -> str:
    return f"{stored['phase'] or 'unknown'} ({'given' if stored['given'] else 'guessed'})"


def _optional(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
