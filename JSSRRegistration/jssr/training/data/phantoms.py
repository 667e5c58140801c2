"""Phantom pairs from memory: a pool that slowly renews itself while training runs."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d

from jssr.errors import InputError
from jssr.labels import CLASS_COUNT
from jssr.phantom import (
    PairOptions,
    Patient,
    PhantomPair,
    make_pair,
    make_patient,
    make_shapes_pair,
)
from jssr.spatial.warp import isotropic, warp
from jssr.training.config import DataConfig
from jssr.training.data.batch import AnnotatedBatch, PairBatch, Truth, collate
from jssr.training.data.stream import step_generator

_DRAW, _SCAN, _SHAPES = 1, 2, 3
_TRAINING_SEEDS = 1_000_000
"""Phantom seeds below this are for tests, evaluation and validation; training never uses them."""
_VALIDATION_SEED = 500_000


class PhantomStream:
    """Pairs drawn from a pool of the latest phantoms.

    Which phantoms are in the pool at a step, and which of them the step draws, follows from the
    step's number alone; a phantom is made when it is first drawn. So a resumed run sees exactly
    the data of an uninterrupted one.
    """

    labels_are_complete = True

    def __init__(
        self,
        config: DataConfig,
        spacing_mm: float,
        seed: int,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._config = config
        self._spacing_mm = spacing_mm
        self._seed = seed
        self._device = device
        self._rank = rank
        self._world_size = world_size
        self._pool: dict[int, PairBatch] = {}
        self._patients: dict[int, Patient] = {}

    def pairs(self, step: int) -> PairBatch:
        """Pairs of one step, (B, ...), on the stream's device in compact number types."""
        return collate([self.pair(number) for number in self._drawn(step)])

    def annotated(self, step: int) -> AnnotatedBatch:
        """One of the two scans of each pair of the step, with its exact labels."""
        fixed = bool(step_generator(self._seed, step, self._rank, _SCAN).integers(2))
        return collate(
            [self._scan(self._nearest_anatomy(n, step), fixed) for n in self._drawn(step)]
        )

    def validation_pairs(self, count: int) -> list[PairBatch]:
        """Pairs of held-out patients with physiological contrast."""
        shape = self._config.shape_zyx
        options = PairOptions(contrast="physiological")
        pairs = []
        for number in range(count):
            seed = _VALIDATION_SEED + number
            patient = make_patient(seed, shape, self._spacing_mm, device=str(self._device))
            pairs.append(compact(make_pair(patient, seed, options=options)))
        return pairs

    def pair(self, number: int) -> PairBatch:
        """The pool's pair of this number, made where it is not there yet; a batch of one."""
        if number not in self._pool:
            self._pool[number] = self._make(number)
        return self._pool[number]

    def _window(self, step: int) -> tuple[int, int]:
        phantoms = self._config.phantoms
        last = phantoms.first_pairs + step // phantoms.refresh_every
        return max(0, last - phantoms.pool_size), last

    def _drawn(self, step: int) -> list[int]:
        """The numbers of the step's pairs; what the pool has outlived is dropped."""
        first, last = self._window(step)
        for old in [number for number in self._pool if number < first]:
            del self._pool[old]
        per_patient = self._config.phantoms.pairs_per_patient
        for old in [number for number in self._patients if number < first // per_patient]:
            del self._patients[old]
        generator = step_generator(self._seed, step, self._rank, _DRAW)
        drawn = generator.integers(first, last, size=self._config.batch_size)
        return [int(number) for number in drawn]

    def _nearest_anatomy(self, number: int, step: int) -> int:
        """``number``, or where that shows shapes the nearest pair of the pool that shows organs."""
        first, last = self._window(step)
        for candidate in sorted(range(first, last), key=lambda other: abs(other - number)):
            if not self._shows_shapes(candidate):
                return candidate
        raise InputError(
            "The pool holds nothing but random shapes, from which S cannot learn organs; lower "
            "data.phantoms.shapes_fraction."
        )

    def _scan(self, number: int, fixed: bool) -> AnnotatedBatch:
        pair = self.pair(number)
        labels = pair.fixed_labels if fixed else pair.moving_labels
        assert labels is not None
        return AnnotatedBatch(
            hu=pair.fixed_hu if fixed else pair.moving_hu,
            valid=pair.fixed_valid if fixed else pair.moving_valid,
            labels=labels,
            classes=torch.ones(1, CLASS_COUNT, dtype=torch.bool, device=labels.device),
        )

    def _shows_shapes(self, number: int) -> bool:
        draw = step_generator(self._seed, number, self._rank, _SHAPES).random()
        return bool(draw < self._config.phantoms.shapes_fraction)

    def _make(self, number: int) -> PairBatch:
        phantoms = self._config.phantoms
        seed = self._phantom_seed(number)
        if self._shows_shapes(number):
            shape = self._config.shape_zyx
            pair = compact(
                make_shapes_pair(seed, shape, self._spacing_mm, device=str(self._device))
            )
            # Its labels number shapes, not organs.
            return replace(pair, fixed_labels=None, moving_labels=None)
        options = PairOptions(
            contrast=phantoms.contrast,
            breathing=phantoms.motion_scale,
            residual=phantoms.motion_scale,
        )
        return compact(make_pair(self._patient_of(number), seed, options=options))

    def _patient_of(self, number: int) -> Patient:
        patient = number // self._config.phantoms.pairs_per_patient
        if patient not in self._patients:
            self._patients[patient] = make_patient(
                self._phantom_seed(patient),
                self._config.shape_zyx,
                self._spacing_mm,
                device=str(self._device),
            )
        return self._patients[patient]

    def _phantom_seed(self, number: int) -> int:
        """Seeds of two processes, and of training and validation, never meet.

        Those of two runs do not either, as long as all processes of a run together make less than
        a million phantoms.
        """
        return _TRAINING_SEEDS * (1 + self._seed) + self._rank + self._world_size * number


def compact(pair: PhantomPair) -> PairBatch:
    """A phantom pair as a batch of one: HU as int16, fields on the half-resolution grid.

    The fixed anatomy in the moving phase is the moving scan pulled through the true field, where
    that exists.
    """
    spacing_mm = isotropic(pair.spacing_mm)
    pulled = warp(pair.moving_clean_hu[None, None], pair.fixed_to_moving_mm[None], spacing_mm)
    fixed_valid, moving_valid = pair.fixed_valid[None, None], pair.moving_valid[None, None]
    truth = Truth(
        fixed_to_moving_mm=_halved(pair.fixed_to_moving_mm),
        moving_to_fixed_mm=_halved(pair.moving_to_fixed_mm),
        fixed_mask=_halved(pair.fixed_truth[None].float()).ge(0.99),
        moving_mask=_halved(pair.moving_truth[None].float()).ge(0.99),
        synthesis_hu=_int16(pair.moving_in_fixed_phase_hu),
        reverse_synthesis_hu=_int16(pulled[0, 0]),
        synthesis_mask=moving_valid,
        reverse_synthesis_mask=pair.fixed_truth[None, None],
    )
    return PairBatch(
        fixed_hu=_int16(pair.fixed_hu),
        moving_hu=_int16(pair.moving_hu),
        fixed_valid=fixed_valid,
        moving_valid=moving_valid,
        fixed_labels=pair.fixed_labels[None],
        moving_labels=pair.moving_labels[None],
        truth=truth,
    )


def _halved(field: Tensor) -> Tensor:
    return avg_pool3d(field[None].float(), 2)


def _int16(hu: Tensor) -> Tensor:
    return hu.round().clamp(-32000, 32000).to(torch.int16)[None, None]
