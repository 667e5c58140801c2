"""The cache that ``jssr prepare`` writes: int16 memory maps and one index."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jssr.errors import InputError
from jssr.io.atomic import write_json
from jssr.labels import Phase

FORMAT = 1
INDEX_NAME = "cache.json"
OUTSIDE = np.int16(-32768)
"""Marks voxels where the scan has none; every HU is larger."""

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class CachedScan:
    """One scan of the cache; paths are relative to its folder.

    Attributes:
        phase: contrast phase.
        image: ``.npy``, int16 HU (z, y, x), ``OUTSIDE`` where the scan has no voxel.
        labels: ``.npy``, uint8 (z, y, x), or ``None``.
        classes: names of the labels that the segmentation covers.
    """

    phase: Phase
    image: str
    labels: str | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CachedPatient:
    """The scans of one patient, all on one grid of ``shape_zyx`` voxels."""

    patient: str
    split: Split
    shape_zyx: tuple[int, int, int]
    scans: tuple[CachedScan, ...]


@dataclass(frozen=True)
class CacheIndex:
    """What is in a cache."""

    spacing_mm: float
    patients: tuple[CachedPatient, ...]


def write_index(folder: Path, index: CacheIndex) -> None:
    """Write the index; it appears whole or not at all."""
    write_json(folder / INDEX_NAME, {"format": FORMAT, **asdict(index)})


def read_index(folder: Path) -> CacheIndex:
    """The index of the cache in ``folder``; raises :class:`InputError` where there is none."""
    path = folder / INDEX_NAME
    if not path.is_file():
        raise InputError(
            f"The folder {folder} holds no prepared cohort; make one with 'jssr prepare'."
        )
    values = json.loads(path.read_text("utf-8"))
    if values.get("format") != FORMAT:
        raise InputError(f"The cache {folder} has another format; prepare the cohort again.")
    return CacheIndex(
        values["spacing_mm"], tuple(patient_from_json(item) for item in values["patients"])
    )


def open_volume(folder: Path, relative: str) -> np.ndarray:
    """A cached array, mapped and not read."""
    return np.load(folder / relative, mmap_mode="r")


def patient_from_json(item: dict[str, Any]) -> CachedPatient:
    """A patient as the index's JSON holds it."""
    z, y, x = item["shape_zyx"]
    return CachedPatient(
        item["patient"], item["split"], (z, y, x), tuple(_scan(scan) for scan in item["scans"])
    )


def _scan(item: dict[str, Any]) -> CachedScan:
    return CachedScan(Phase(item["phase"]), item["image"], item["labels"], tuple(item["classes"]))
