"""Cohorts: folders of scan pairs with what is known about them.

Two layouts are read. One is a folder with ``manifest.json``, as ``jssr phantom`` writes it: a list
of pairs with paths relative to the folder. The other is a folder of cases, each with
``fixed.nii.gz``, ``moving.nii.gz`` and the true displacement ``fixed_to_moving_mm.nrrd``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from jssr.errors import InputError
from jssr.io.images import read_mask, read_scan
from jssr.io.segmentation import read_segmentation_of
from jssr.io.transforms import read_transform
from jssr.labels import Phase, is_liver
from jssr.phantom.cohort import MANIFEST, SCHEMA
from jssr.registration.body import BODY_THRESHOLD_HU
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import displacement_on

BORDER_VOXELS = 6
"""Where the truth is known everywhere, so many outer voxels are left out of the body."""

_CASE_FIXED, _CASE_MOVING = "fixed.nii.gz", "moving.nii.gz"
_CASE_TRUTH = "fixed_to_moving_mm.nrrd"


@dataclass(frozen=True)
class Case:
    """The files of one pair; what is unknown is ``None``.

    ``truth_displacement`` is a vector image in LPS mm at fixed points, ``truth_transform`` a
    transform of fixed to moving points: a case has at most one of them. ``fixed_classes`` and
    ``moving_classes`` are the names of the labels that a segmentation covers; empty means that
    nothing says so. Cases of one ``patient`` show the same person.
    """

    name: str
    fixed: Path
    moving: Path
    fixed_phase: Phase | None = None
    moving_phase: Phase | None = None
    truth_displacement: Path | None = None
    truth_transform: Path | None = None
    truth_mask: Path | None = None
    fixed_segmentation: Path | None = None
    moving_segmentation: Path | None = None
    synthesis_truth: Path | None = None
    landmarks: Path | None = None
    patient: str | None = None
    fixed_classes: tuple[str, ...] = ()
    moving_classes: tuple[str, ...] = ()

    @property
    def truth_is_known(self) -> bool:
        """Whether one scan was made of the other, and so one segmentation of the other, too."""
        return self.truth_displacement is not None or self.truth_transform is not None

    def files(self) -> dict[Path, str]:
        """Its files, each with what it is called where no path may be named."""
        scans = {"fixed": "the fixed scan", "moving": "the moving scan"}
        return {
            path: scans.get(name, f"the {name.replace('_', ' ')}")
            for name, path in vars(self).items()
            if isinstance(path, Path)
        }


@dataclass(frozen=True)
class CaseData:
    """One pair in memory.

    Attributes:
        truth_mm: ``(3, z, y, x)`` true displacement on the fixed grid, LPS.
        body, liver: ``(z, y, x)`` fixed voxels of tissue and of the liver where the truth is known,
            all of them without a truth; no ``liver`` without a fixed segmentation.
        synthesis_truth: the moving scan as it would look in the fixed scan's phase, HU.
        landmarks: fixed and moving points, each ``(n, 3)`` LPS mm.
    """

    case: Case
    fixed: sitk.Image
    moving: sitk.Image
    truth_mm: np.ndarray | None
    body: np.ndarray
    liver: np.ndarray | None
    fixed_labels: sitk.Image | None
    moving_labels: sitk.Image | None
    synthesis_truth: sitk.Image | None
    landmarks: tuple[np.ndarray, np.ndarray] | None


def read_cohort(folder: Path) -> tuple[Case, ...]:
    """The pairs of a cohort folder, in the manifest's or the alphabet's order.

    Raises:
        InputError: the folder is missing, holds no pairs, or its manifest is wrong.
    """
    if not folder.is_dir():
        raise InputError(f"The cohort '{folder}' is no folder; name one that holds pairs of scans.")
    manifest = folder / MANIFEST
    cases = _from_manifest(manifest) if manifest.is_file() else _from_subfolders(folder)
    if not cases:
        raise InputError(
            f"The cohort '{folder}' holds no pairs: it needs a {MANIFEST}, or a folder with "
            f"{_CASE_FIXED} and {_CASE_MOVING} for each pair."
        )
    return cases


def load_case(case: Case) -> CaseData:
    """Reads a case's scans, truth and segmentations.

    Raises:
        InputError: a file is missing or unusable.
    """
    fixed, moving = read_scan(case.fixed), read_scan(case.moving)
    fixed_labels = _labels(case.fixed_segmentation, fixed, case.fixed_classes)
    moving_labels = _labels(case.moving_segmentation, moving, case.moving_classes)
    truth_mm = _truth(case, Geometry.of(fixed))
    body = _body(case, fixed)
    liver = None
    if fixed_labels is not None:
        values = sitk.GetArrayViewFromImage(fixed_labels)
        liver = is_liver(values) & _known(case, fixed)
    return CaseData(
        case=case,
        fixed=fixed,
        moving=moving,
        truth_mm=truth_mm,
        body=body,
        liver=liver,
        fixed_labels=fixed_labels,
        moving_labels=moving_labels,
        synthesis_truth=None if case.synthesis_truth is None else read_scan(case.synthesis_truth),
        landmarks=None if case.landmarks is None else _read_landmarks(case.landmarks),
    )


def _from_manifest(path: Path) -> tuple[Case, ...]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"The cohort's '{path}' is no JSON; write the cohort again.") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(f"The cohort's '{path}' has another schema than {SCHEMA}; update JSSR.")
    pairs = content.get("pairs")
    if not isinstance(pairs, list):
        raise InputError(f"The cohort's '{path}' lists no pairs; write the cohort again.")
    return tuple(_manifest_case(path, pair) for pair in pairs)


def _manifest_case(manifest: Path, pair: Mapping[str, Any]) -> Case:
    def located(key: str) -> Path | None:
        name = pair.get(key)
        return None if name is None else manifest.parent / name

    fixed, moving = located("fixed"), located("moving")
    if fixed is None or moving is None or "name" not in pair:
        raise InputError(f"A pair in '{manifest}' lacks its name, fixed or moving scan; add it.")
    return Case(
        name=str(pair["name"]),
        fixed=fixed,
        moving=moving,
        fixed_phase=_phase(pair.get("fixed_phase"), manifest),
        moving_phase=_phase(pair.get("moving_phase"), manifest),
        truth_transform=located("fixed_to_moving"),
        truth_mask=located("fixed_truth_mask"),
        fixed_segmentation=located("fixed_segmentation"),
        moving_segmentation=located("moving_segmentation"),
        synthesis_truth=located("synthesis_truth"),
        landmarks=located("landmarks"),
        patient=pair.get("patient"),
    )


def _phase(value: Any, manifest: Path) -> Phase | None:
    try:
        return None if value is None else Phase(value)
    except ValueError as error:
        known = ", ".join(phase.value for phase in Phase)
        raise InputError(f"'{manifest}' names the phase '{value}'; JSSR knows {known}.") from error


def _from_subfolders(folder: Path) -> tuple[Case, ...]:
    cases = []
    for place in sorted(folder.iterdir()):
        fixed, moving, truth = (place / n for n in (_CASE_FIXED, _CASE_MOVING, _CASE_TRUTH))
        if fixed.is_file() and moving.is_file():
            known = truth if truth.is_file() else None
            cases.append(Case(place.name, fixed, moving, truth_displacement=known))
    return tuple(cases)


def _truth(case: Case, grid: Geometry) -> np.ndarray | None:
    path = case.truth_displacement or case.truth_transform
    return None if path is None else displacement_on(read_transform(path).to_sitk(), grid)


def _body(case: Case, fixed: sitk.Image) -> np.ndarray:
    """Fixed voxels of tissue where the truth is known; without a truth, all of the tissue."""
    return (sitk.GetArrayViewFromImage(fixed) > BODY_THRESHOLD_HU) & _known(case, fixed)


def _known(case: Case, fixed: sitk.Image) -> np.ndarray:
    if case.truth_mask is not None:
        return sitk.GetArrayFromImage(read_mask(case.truth_mask, fixed)) > 0
    known = np.ones(Geometry.of(fixed).shape_zyx, bool)
    if case.truth_displacement is not None:
        inner = (slice(BORDER_VOXELS, -BORDER_VOXELS),) * 3
        known[:] = False
        known[inner] = True
    return known


def _labels(path: Path | None, scan: sitk.Image, classes: Sequence[str]) -> sitk.Image | None:
    return None if path is None else read_segmentation_of(scan, path, classes)


def _read_landmarks(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A CSV with a header and six columns: fixed x, y, z and moving x, y, z in LPS mm."""
    try:
        values = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"The landmarks '{path}' cannot be read as a CSV of numbers.") from error
    if values.shape[1] != 6:
        raise InputError(
            f"The landmarks '{path}' need six columns: fixed x, y, z and moving x, y, z in LPS mm."
        )
    return values[:, :3], values[:, 3:]
