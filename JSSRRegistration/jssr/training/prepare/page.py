"""The page that shows a prepared cohort: one row of thumbnails a patient, and where faults are."""

import io
from pathlib import Path

import numpy as np

from jssr import page
from jssr.errors import counted
from jssr.io.atomic import whole_file
from jssr.labels import LABELS
from jssr.training.data.cache import OUTSIDE, CachedPatient, CachedScan, open_volume
from jssr.training.prepare.table import SPLITS, Fault

PAGE_NAME = "summary.html"
_WINDOW_HU = (-150.0, 250.0)


def write_page(cache: Path, patients: tuple[CachedPatient, ...], faults: tuple[Fault, ...]) -> None:
    """Write ``summary.html`` into the cache: nothing but this file is needed to read it."""
    splits = ", ".join(
        f"{sum(patient.split == split for patient in patients)} {split}" for split in SPLITS
    )
    content = [
        "<h1>Prepared cohort</h1>",
        f"<p>{counted(len(patients), 'patient')}: {splits}.</p>",
        _fault_list(faults),
        page.table(
            ["patient", "split", "voxels", "scans"],
            [_patient_row(cache, patient) for patient in patients],
            text_columns=(1, 2, 3),
        ),
    ]
    with whole_file(cache / PAGE_NAME) as part:
        part.write_text(page.document("Prepared cohort", content), "utf-8")


def thumbnail(cache: Path, scan: CachedScan) -> bytes:
    """PNG of the middle coronal slice, labels tinted."""
    volume = open_volume(cache, scan.image)
    middle = volume.shape[1] // 2
    hu = np.asarray(volume[::-1, middle], dtype=np.float32)
    low, high = _WINDOW_HU
    gray = ((np.where(hu == OUTSIDE, low, hu) - low) / (high - low)).clip(0, 1)
    picture = np.repeat(gray[..., None], 3, axis=2)
    if scan.labels is not None:
        labels = np.asarray(open_volume(cache, scan.labels)[::-1, middle])
        for label in LABELS:
            tint = np.asarray(label.color) / 255
            picture[labels == label.index] = 0.6 * picture[labels == label.index] + 0.4 * tint
    return _png(picture)


def _png(picture: np.ndarray) -> bytes:
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, picture, format="png")
    return buffer.getvalue()


def _patient_row(cache: Path, patient: CachedPatient) -> list[str]:
    voxels = " × ".join(str(size) for size in reversed(patient.shape_zyx))
    figures = "".join(_figure(cache, scan) for scan in patient.scans)
    return [f"<code>{patient.patient}</code>", patient.split, voxels, figures]


def _figure(cache: Path, scan: CachedScan) -> str:
    name = scan.phase.value
    drawn = f", {counted(len(scan.classes), 'label')}" if scan.labels is not None else ""
    return page.png_picture(
        thumbnail(cache, scan), f"{name}, middle coronal slice", f"{name}{drawn}"
    )


def _fault_list(faults: tuple[Fault, ...]) -> str:
    """Where faults are, not what they say: messages hold paths, which may name a patient."""
    if not faults:
        return "<p>No faults.</p>"
    lines = sorted({fault.line for fault in faults})
    return (
        f'<p class="fault">{counted(len(faults), "fault")} in {counted(len(lines), "line")} of the '
        f"table ({', '.join(map(str, lines))}); "
        "<code>jssr prepare</code> says what is wrong with each.</p>"
    )
