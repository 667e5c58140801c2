"""What a model bundle holds."""

import zipfile
from pathlib import Path

from jssr.bundle.manifest import MANIFEST_NAME
from jssr.bundle.verify import verify_bundle
from jssr.labels import LABELS
from jssr.section import Section


def is_bundle(path: Path) -> bool:
    """Whether ``path`` is a bundle's folder, or a zip, which nothing else here is."""
    return (path / MANIFEST_NAME).is_file() or (path.is_file() and zipfile.is_zipfile(path))


def describe_bundle(path: Path | None) -> list[Section]:
    """The model's card and figures; ``None`` is the default model.

    Raises:
        BundleError: the bundle is damaged.
    """
    manifest = verify_bundle(path)
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
