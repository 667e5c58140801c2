"""The page that shows a prepared cohort: one row of thumbnails a patient, and where faults are."""

import base64
import io
from pathlib import Path

import numpy as np

from jssr.labels import LABELS
from jssr.training.data.cache import OUTSIDE, CachedPatient, CachedScan, open_volume
from jssr.training.prepare.table import Fault

PAGE_NAME = "summary.html"
_WINDOW_HU = (-150.0, 250.0)
_HEIGHT = 160

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #1c2430; background: #fff }
table { border-collapse: collapse } td, th { padding: .4rem .8rem }
td, th { text-align: left; vertical-align: top }
tr + tr { border-top: 1px solid #d8dee6 } figure { display: inline-block; margin: 0 .6rem 0 0 }
figcaption { font-size: 12px; color: #566273 } .fault { color: #a3261d }
"""


def write_page(cache: Path, patients: tuple[CachedPatient, ...], faults: tuple[Fault, ...]) -> Path:
    """Write ``summary.html`` into the cache: nothing but this file is needed to read it."""
    splits = {
        split: sum(p.split == split for p in patients) for split in ("train", "validation", "test")
    }
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Prepared cohort</title>",
        f"<style>{_STYLE}</style><h1>Prepared cohort</h1>",
        f"<p>{len(patients)} patients: "
        + ", ".join(f"{count} {split}" for split, count in splits.items())
        + ".</p>",
        _fault_list(faults),
        "<table><tr><th>patient</th><th>split</th><th>voxels</th><th>scans</th></tr>",
        *[_patient_row(cache, patient) for patient in patients],
        "</table></html>",
    ]
    path = cache / PAGE_NAME
    path.write_text("\n".join(parts), "utf-8")
    return path


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


def _patient_row(cache: Path, patient: CachedPatient) -> str:
    figures = "".join(_figure(cache, scan) for scan in patient.scans)
    voxels = " × ".join(str(size) for size in reversed(patient.shape_zyx))
    return (
        f"<tr><td><code>{patient.patient}</code></td><td>{patient.split}</td>"
        f"<td>{voxels}</td><td>{figures}</td></tr>"
    )


def _figure(cache: Path, scan: CachedScan) -> str:
    name = scan.phase.value if scan.phase is not None else "no phase"
    drawn = f", {len(scan.classes)} labels" if scan.labels is not None else ""
    data = base64.b64encode(thumbnail(cache, scan)).decode()
    return (
        f"<figure><img alt='{name}, middle coronal slice' height='{_HEIGHT}' "
        f"src='data:image/png;base64,{data}'><figcaption>{name}{drawn}</figcaption></figure>"
    )


def _fault_list(faults: tuple[Fault, ...]) -> str:
    """Where faults are, not what they say: messages hold paths, which may name a patient."""
    if not faults:
        return "<p>No faults.</p>"
    lines = ", ".join(str(line) for line in sorted({fault.line for fault in faults}))
    return (
        f"<p class='fault'>{len(faults)} faults in the table's lines {lines}; "
        "<code>jssr prepare</code> says what is wrong with each.</p>"
    )
