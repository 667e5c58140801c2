"""One patient of the cohort: read, align, crop, resample, write."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from jssr.errors import InputError, JSSRError
from jssr.io.atomic import whole_file
from jssr.io.images import read_scan
from jssr.io.segmentation import read_segmentation_of
from jssr.labels import LABELS, Phase
from jssr.registration.field_of_view import Scan
from jssr.registration.prealign import prealign
from jssr.registration.working_grid import resample_to_grid, working_grid
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import affine_to_sitk
from jssr.training.data.cache import OUTSIDE, CachedPatient, CachedScan
from jssr.training.prepare.table import Fault, ScanRow

REFERENCE_ORDER = (Phase.PORTAL_VENOUS, Phase.DELAYED, Phase.ARTERIAL, Phase.NON_CONTRAST)
_LEAST_SIDE_MM = 60.0
_LEAST_SHARED = 0.1


@dataclass(frozen=True)
class Loaded:
    """A row with its scan in memory; ``linear`` maps reference points to scan points."""

    row: ScanRow
    scan: Scan
    linear: np.ndarray


def patient_key(patient: str) -> str:
    """Folder name of a patient in the cache: tells patients apart without naming them."""
    return hashlib.sha256(patient.encode()).hexdigest()[:12]


def prepare_patient(
    rows: list[ScanRow], cache: Path, spacing_mm: float
) -> tuple[CachedPatient | None, list[Fault]]:
    """Write one patient into the cache.

    The reference is the portal-venous scan, else the next in order of contrast; the others are
    pre-aligned to it, as registration does. All are resampled, once, onto the grid of their
    common field of view.

    Args:
        rows: the patient's rows.
        cache: the cache's folder.
        spacing_mm: isotropic voxel size.

    Returns:
        What the index says of the patient (``None`` where no scan is usable) and the faults.
    """
    ordered = sorted(rows, key=lambda row: REFERENCE_ORDER.index(row.phase))
    loaded: list[Loaded] = []
    faults: list[Fault] = []
    for row in ordered:
        try:
            scan = Scan.of(read_scan(row.image))
            linear = prealign(loaded[0].scan, scan) if loaded else np.eye(4)
            loaded.append(Loaded(row, scan, linear))
        except JSSRError as error:
            faults.append(Fault(row.line, row.patient, str(error)))
    if not loaded:
        return None, faults
    key = patient_key(rows[0].patient)
    (cache / key).mkdir(parents=True, exist_ok=True)
    scans: list[CachedScan] = []
    try:
        grid = common_grid(loaded, spacing_mm)
    except InputError as error:
        return None, [*faults, Fault(loaded[0].row.line, rows[0].patient, str(error))]
    for item in loaded:
        try:
            scans.append(_written(item, grid, cache, key))
        except JSSRError as error:
            faults.append(Fault(item.row.line, item.row.patient, str(error)))
    if not scans:
        return None, faults
    return CachedPatient(key, rows[0].split, grid.shape_zyx, tuple(scans)), faults


def common_grid(loaded: list[Loaded], spacing_mm: float) -> Geometry:
    """The part of the reference's working grid that every scan sees somewhere.

    It is cut from the very grid that registration would use, so both see the same voxels.

    Raises:
        InputError: the scans have hardly anything in common.
    """
    whole = working_grid(Geometry.of(loaded[0].scan.image), spacing_mm, 0.0, 1)
    shared = np.ones(whole.shape_zyx, dtype=bool)
    for item in loaded:
        volume = resample_to_grid(item.scan.image, whole, item.linear, item.scan.seen)
        shared &= volume.valid[0, 0].numpy()
    if shared.mean() < _LEAST_SHARED:
        raise InputError(
            "the phases have hardly anything in common after alignment; check the images."
        )
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(whole.image(shared.astype(np.uint8)))
    box = shape.GetBoundingBox(1)
    start, size = box[:3], box[3:]
    if min(size) * spacing_mm < _LEAST_SIDE_MM:
        raise InputError(
            f"the phases share a box of only {min(size) * spacing_mm:.0f} mm after alignment; "
            "check the images."
        )
    return whole.part(start, size)


def _written(item: Loaded, grid: Geometry, cache: Path, key: str) -> CachedScan:
    volume = resample_to_grid(item.scan.image, grid, item.linear, item.scan.seen)
    hu = volume.hu[0, 0].numpy().round().clip(-32000, 32000).astype(np.int16)
    hu[~volume.valid[0, 0].numpy()] = OUTSIDE
    image = f"{key}/{item.row.phase.value}.npy"
    labels, classes = None, item.row.classes
    if item.row.segmentation is not None:
        drawn = _resampled_labels(item, grid)
        labels = f"{key}/{item.row.phase.value}_labels.npy"
        if not classes:
            shown = set(np.unique(drawn).tolist())
            classes = tuple(label.name for label in LABELS if label.index in shown)
        _save(cache / labels, drawn)
    _save(cache / image, hu)
    return CachedScan(item.row.phase, image, labels, classes if labels else ())


def _resampled_labels(item: Loaded, grid: Geometry) -> np.ndarray:
    assert item.row.segmentation is not None
    drawn = read_segmentation_of(item.scan.image, item.row.segmentation, item.row.classes)
    placed = sitk.Resample(
        drawn,
        grid.empty_image(),
        affine_to_sitk(item.linear),
        sitk.sitkNearestNeighbor,
        0,
        sitk.sitkUInt8,
    )
    return sitk.GetArrayFromImage(placed)


def _save(path: Path, values: np.ndarray) -> None:
    with whole_file(path) as part:
        np.save(part, values)
