"""A cohort of phantom patients on disk: scans, labels, truth and a manifest."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from torch import Tensor

from jssr.io.atomic import OutputFolder, write_json
from jssr.io.images import write_image
from jssr.io.segmentation import write_segmentation
from jssr.io.transforms import write_transform
from jssr.phantom.options import PairOptions, PatientOptions
from jssr.phantom.pair import PhantomPair, make_pair
from jssr.phantom.patient import make_patient
from jssr.phantom.shapes import make_shapes_pair
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import SpatialTransform

MANIFEST = "manifest.json"
SCHEMA = 1
GENERATOR = 1
"""Counted up whenever the same seed comes to mean another patient or pair."""
_PAIR_NAME = re.compile(r"patient\d+_pair\d+")
SYNTHETIC_NOTE = "Synthetic, not for diagnosis"

Progress = Callable[[str, float], None]


def write_cohort(
    folder: Path,
    patients: int,
    seed: int,
    shape_zyx: tuple[int, int, int],
    spacing_mm: float,
    *,
    pairs_per_patient: int = 1,
    shapes: bool = False,
    patient_options: PatientOptions | None = None,
    pair_options: PairOptions | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write the pairs of patients ``seed``, ``seed + 1``, ... and ``manifest.json``.

    Every pair has a folder with ``fixed.nii.gz``, ``moving.nii.gz``, both segmentations, the
    true transforms (fixed to moving and back), the mask of fixed voxels where the truth exists
    and the moving anatomy in the fixed scan's contrast; pairs of ``shapes``, which are no organs,
    have no segmentations. The folder appears whole or not at all; ``overwrite`` takes the pairs
    away that an earlier cohort there listed.

    Raises:
        InputError: the folder exists, cannot be written, or the disk is full.
    """
    entries = []
    total = patients * pairs_per_patient
    with OutputFolder(folder, overwrite=overwrite, owned=_listed_pairs(folder)) as root:
        for number in range(total):
            patient_seed, index = seed + number // pairs_per_patient, number % pairs_per_patient
            person = f"patient{patient_seed:05d}"
            name = f"{person}_pair{index}"
            if progress is not None:
                progress(name, number / total)
            if shapes:
                shape_seed = patient_seed * pairs_per_patient + index
                pair = make_shapes_pair(shape_seed, shape_zyx, spacing_mm, options=pair_options)
            else:
                patient = make_patient(patient_seed, shape_zyx, spacing_mm, options=patient_options)
                pair = make_pair(patient, index, options=pair_options)
            entries.append({"patient": person, **_write_pair(pair, root, name, organs=not shapes)})
        content = {"schema": SCHEMA, "generator": GENERATOR, "pairs": entries}
        write_json(root / MANIFEST, content)
    if progress is not None:
        progress("Done", 1.0)


def is_current(folder: Path) -> bool:
    """Whether a cohort lies there that this generator would write in the same way.

    Cohorts from before the generator was counted are those of the first.
    """
    manifest = _manifest(folder)
    return bool(manifest) and manifest.get("generator", 1) == GENERATOR


def pair_geometry(pair: PhantomPair) -> Geometry:
    """The grid of both scans of a pair."""
    z, y, x = pair.fixed_hu.shape
    return Geometry((x, y, z), (pair.spacing_mm, pair.spacing_mm, pair.spacing_mm), pair.origin_mm)


def _listed_pairs(folder: Path) -> set[str]:
    """Names of pairs that ``folder``'s manifest lists and a writer of phantoms gave."""
    try:
        names = [pair["name"] for pair in _manifest(folder)["pairs"]]
        return {name for name in names if _PAIR_NAME.fullmatch(name)}
    except (KeyError, TypeError):
        return set()


def _manifest(folder: Path) -> dict[str, Any]:
    """What ``folder``'s manifest holds; nothing where there is none."""
    try:
        content = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_pair(pair: PhantomPair, root: Path, name: str, *, organs: bool) -> dict[str, Any]:
    (root / name).mkdir()
    geometry = pair_geometry(pair)
    entry: dict[str, Any] = {
        "name": name,
        "fixed_phase": None if pair.fixed_phase is None else pair.fixed_phase.value,
        "moving_phase": None if pair.moving_phase is None else pair.moving_phase.value,
        "lesions": [asdict(lesion) for lesion in pair.lesions],
    }
    for key, file, volume, note in (
        ("fixed", "fixed.nii.gz", pair.fixed_hu, ""),
        ("moving", "moving.nii.gz", pair.moving_hu, ""),
        (
            "synthesis_truth",
            "synthesis_truth.nii.gz",
            pair.moving_in_fixed_phase_hu,
            SYNTHETIC_NOTE,
        ),
    ):
        write_image(_image(volume, geometry, np.int16), root / name / file, note)
        entry[key] = f"{name}/{file}"
    mask_file = "fixed_truth_mask.nii.gz"
    write_image(_image(pair.fixed_truth, geometry, np.uint8), root / name / mask_file)
    entry["fixed_truth_mask"] = f"{name}/{mask_file}"
    segmentations = {
        "fixed_segmentation": pair.fixed_labels,
        "moving_segmentation": pair.moving_labels,
    }
    for key, labels in segmentations.items() if organs else ():
        file = f"{key}.seg.nrrd"
        write_segmentation(_image(labels, geometry, np.uint8), root / name / file)
        entry[key] = f"{name}/{file}"
    for key, field in (
        ("fixed_to_moving", pair.fixed_to_moving_mm),
        ("moving_to_fixed", pair.moving_to_fixed_mm),
    ):
        displacement = field.cpu().numpy().astype(np.float32)
        transform = SpatialTransform(np.eye(4), displacement, geometry)
        write_transform(transform, root / name / f"{key}.h5")
        entry[key] = f"{name}/{key}.h5"
    return entry


def _image(volume: Tensor, geometry: Geometry, kind: type[np.generic]) -> sitk.Image:
    values = volume.cpu().numpy()
    if np.issubdtype(kind, np.integer) and values.dtype.kind == "f":
        values = np.rint(values)
    return geometry.image(values.astype(kind))
