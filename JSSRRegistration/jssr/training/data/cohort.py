"""Pairs and annotated scans of a prepared cohort."""

import itertools
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from jssr.errors import InputError
from jssr.hounsfield import AIR_HU
from jssr.labels import BACKGROUND, CLASS_COUNT, label_index
from jssr.training.config import DataConfig
from jssr.training.data.batch import AnnotatedBatch, PairBatch, collate
from jssr.training.data.cache import (
    OUTSIDE,
    CachedPatient,
    CachedScan,
    open_volume,
    read_index,
)
from jssr.training.data.stream import step_generator

_PAIR, _ANNOTATED = 1, 2
Corner = tuple[int, int, int]


class CohortStream:
    """Random crops of cached patients, each a pure function of the step.

    Raises:
        InputError: the cache has another spacing than the run, or nothing to train on.
    """

    labels_are_complete = False

    def __init__(self, config: DataConfig, spacing_mm: float, seed: int, rank: int = 0) -> None:
        self._shape = config.shape_zyx
        self._batch_size = config.batch_size
        self._seed = seed
        self._rank = rank
        cohort = config.cohort
        self._folder = Path(cohort.cache or "")
        self._fixed_phases = cohort.fixed_phases
        patients = _patients(self._folder, spacing_mm)
        self._training = [p for p in patients if p.split == "train" and self._pairings(p)]
        self._validation = [p for p in patients if p.split == "validation" and self._pairings(p)]
        held_out = {p.patient for p in patients if p.split != "train"}
        folders = [self._folder]
        if cohort.annotated_cache is not None:
            folders.append(Path(cohort.annotated_cache))
        self._annotated = [
            (folder, patient, scan)
            for folder in folders
            for patient in _patients(folder, spacing_mm)
            if patient.split == "train" and patient.patient not in held_out
            for scan in patient.scans
            if scan.labels is not None
        ]
        if not self._training:
            if self._fixed_phases is None:
                raise InputError(
                    f"The cache {self._folder} has no patient of the split 'train' with two "
                    "phases; check the table's split and phase columns."
                )
            phases = ", ".join(phase.value for phase in self._fixed_phases)
            raise InputError(
                f"The cache {self._folder} has no patient of the split 'train' with two phases of "
                f"which one is among data.cohort.fixed_phases ({phases}); change these, or check "
                "the table's split and phase columns."
            )

    def pairs(self, step: int) -> PairBatch:
        """Random crops of random pairs of phases."""
        generator = step_generator(self._seed, step, self._rank, _PAIR)
        return collate([self._random_pair(generator) for _ in range(self._batch_size)])

    def annotated(self, step: int) -> AnnotatedBatch:
        """Random crops of random annotated scans."""
        if not self._annotated:
            raise InputError(
                f"The cache {self._folder} has no segmentation in the split 'train', "
                "which S needs; add a segmentation column, name an annotated_cache, or start from "
                "a bundle."
            )
        generator = step_generator(self._seed, step, self._rank, _ANNOTATED)
        return collate([self._random_annotated(generator) for _ in range(self._batch_size)])

    def validation_pairs(self, count: int) -> list[PairBatch]:
        """Middle crops of ``count`` pairs of the split ``validation``, patients taking turns."""
        pairs = [[(p, *pairing) for pairing in self._pairings(p)] for p in self._validation]
        turns = itertools.chain.from_iterable(itertools.zip_longest(*pairs))
        chosen = itertools.islice((turn for turn in turns if turn is not None), count)
        return [
            self._pair(patient, fixed, moving, _middle(patient, self._shape))
            for patient, fixed, moving in chosen
        ]

    def _pairings(self, patient: CachedPatient) -> list[tuple[CachedScan, CachedScan]]:
        allowed = self._fixed_phases
        return [
            (fixed, moving)
            for fixed in patient.scans
            for moving in patient.scans
            if fixed is not moving and (allowed is None or fixed.phase in allowed)
        ]

    def _random_pair(self, generator: np.random.Generator) -> PairBatch:
        patient = self._training[generator.integers(len(self._training))]
        pairings = self._pairings(patient)
        fixed, moving = pairings[generator.integers(len(pairings))]
        return self._pair(patient, fixed, moving, _random_corner(patient, self._shape, generator))

    def _random_annotated(self, generator: np.random.Generator) -> AnnotatedBatch:
        folder, patient, scan = self._annotated[generator.integers(len(self._annotated))]
        corner = _random_corner(patient, self._shape, generator)
        hu, valid = _scan(folder, scan, corner, self._shape)
        labels = _labels(folder, scan, corner, self._shape)
        assert labels is not None
        return AnnotatedBatch(hu=hu, valid=valid, labels=labels, classes=_covered(scan.classes))

    def _pair(
        self, patient: CachedPatient, fixed: CachedScan, moving: CachedScan, corner: Corner
    ) -> PairBatch:
        fixed_hu, fixed_valid = _scan(self._folder, fixed, corner, self._shape)
        moving_hu, moving_valid = _scan(self._folder, moving, corner, self._shape)
        return PairBatch(
            fixed_hu=fixed_hu,
            moving_hu=moving_hu,
            fixed_valid=fixed_valid,
            moving_valid=moving_valid,
            fixed_labels=_labels(self._folder, fixed, corner, self._shape),
            moving_labels=_labels(self._folder, moving, corner, self._shape),
            classes=_covered(set(fixed.classes) & set(moving.classes)),
        )


def _patients(folder: Path, spacing_mm: float) -> list[CachedPatient]:
    index = read_index(folder)
    if abs(index.spacing_mm - spacing_mm) > 1e-6:
        raise InputError(
            f"The cache {folder} has voxels of {index.spacing_mm:g} mm, but spacing_mm is "
            f"{spacing_mm:g}; prepare it again with --spacing {spacing_mm:g} or change spacing_mm."
        )
    return list(index.patients)


def _random_corner(
    patient: CachedPatient, shape: tuple[int, int, int], generator: np.random.Generator
) -> Corner:
    """Where a crop begins; negative where the volume is smaller than the crop."""
    z, y, x = (
        int(generator.integers(min(0, have - want), max(0, have - want) + 1))
        for have, want in zip(patient.shape_zyx, shape, strict=True)
    )
    return z, y, x


def _middle(patient: CachedPatient, shape: tuple[int, int, int]) -> Corner:
    z, y, x = ((have - want) // 2 for have, want in zip(patient.shape_zyx, shape, strict=True))
    return z, y, x


def _crop(volume: np.ndarray, corner: Corner, shape: tuple[int, int, int], fill: int) -> np.ndarray:
    result = np.full(shape, fill, dtype=volume.dtype)
    source, target = [], []
    for start, size, have in zip(corner, shape, volume.shape, strict=True):
        low, high = max(0, start), min(have, start + size)
        source.append(slice(low, high))
        target.append(slice(low - start, high - start))
    result[tuple(target)] = volume[tuple(source)]
    return result


def _scan(
    folder: Path, scan: CachedScan, corner: Corner, shape: tuple[int, int, int]
) -> tuple[Tensor, Tensor]:
    stored = _crop(open_volume(folder, scan.image), corner, shape, int(OUTSIDE))
    valid = torch.from_numpy(stored != OUTSIDE)[None, None]
    hu = torch.from_numpy(np.where(stored == OUTSIDE, np.int16(AIR_HU), stored))[None, None]
    return hu, valid


def _covered(names: Collection[str]) -> Tensor:
    """The background and these classes as ``True``, (1, K)."""
    classes = torch.zeros(1, CLASS_COUNT, dtype=torch.bool)
    classes[0, [BACKGROUND, *(label_index(name) for name in names)]] = True
    return classes


def _labels(
    folder: Path, scan: CachedScan, corner: Corner, shape: tuple[int, int, int]
) -> Tensor | None:
    if scan.labels is None:
        return None
    return torch.from_numpy(_crop(open_volume(folder, scan.labels), corner, shape, BACKGROUND))[
        None
    ]
