"""One registration from two scans to one :class:`RegistrationResult`."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
import SimpleITK as sitk

from jssr.bundle.load import Bundle
from jssr.errors import Cancelled
from jssr.labels import Phase
from jssr.registration.field_of_view import Scan
from jssr.registration.figures import measure
from jssr.registration.images import make_images, synthesized_image
from jssr.registration.inference import (
    Displacements,
    both_ways,
    find_displacement,
    finished,
    synthesize,
)
from jssr.registration.intensities import mean_intensities
from jssr.registration.phases import given_phase, guess_phase
from jssr.registration.prealign import prealign
from jssr.registration.preparation import prepare
from jssr.registration.refinement import refine_displacements
from jssr.registration.result import (
    ALL_OUTPUTS,
    CancelCallback,
    Output,
    PhaseGuess,
    ProgressCallback,
    Refine,
    RegistrationResult,
)
from jssr.registration.segment import Segmentation
from jssr.registration.settling import settle
from jssr.registration.synthetic_labels import with_synthetic_labels
from jssr.registration.verdict import judge
from jssr.spatial.compact import compact
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import SpatialTransform

_NEED_SYNTHETIC_LABELS = {Output.MOVING_SEGMENTATION, Output.METRICS, Output.REPORT}

# Names of the steps as users see them, with the part of the whole time at which each begins.
_STEPS = {
    "Pre-align": 0.02,
    "Segment both scans": 0.15,
    "Synthesize": 0.35,
    "Find the deformation": 0.45,
    "Refine": 0.55,
    "Check": 0.85,
    "Make the outputs": 0.92,
}


@dataclass
class _Steps:
    """Tells progress, stops on request, and takes the time of each step."""

    progress: ProgressCallback | None
    cancelled: CancelCallback | None
    seconds: dict[str, float] = field(default_factory=dict)

    def check(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.check()
        if self.progress is not None:
            self.progress(name, _STEPS[name])
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def register(
    fixed: sitk.Image,
    moving: sitk.Image,
    bundle: Bundle,
    *,
    fixed_phase: Phase | None = None,
    moving_phase: Phase | None = None,
    initial: Literal["rigid", "none"] | np.ndarray = "rigid",
    fixed_mask: sitk.Image | None = None,
    moving_mask: sitk.Image | None = None,
    refine: Refine = Refine.FAST,
    outputs: Collection[Output] = ALL_OUTPUTS,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    cancelled: CancelCallback | None = None,
) -> RegistrationResult:
    """Register ``moving`` to ``fixed``.

    Args:
        fixed, moving: 3D scans in HU.
        bundle: the model, on the device that shall compute.
        fixed_phase, moving_phase: contrast phases; ``None`` guesses them.
        initial: how the linear part is found: ``rigid`` pre-alignment, ``none``, or a given 4x4
            fixed-to-moving matrix in LPS mm.
        fixed_mask, moving_mask: uint8 images; what is zero counts as not scanned, as does what
            fills a scan's box beside its field of view.
        refine: instance optimization after the networks.
        outputs: which volumes to make; transforms and figures always come.
        seed: of the points that the refinement draws. On a CPU nothing else is left to chance; on
            a GPU sums are added up in any order.
        progress, cancelled: callbacks; see :mod:`jssr.registration.result`.

    Raises:
        InputError: the scans do not overlap after pre-alignment.
        Cancelled: ``cancelled`` said so.
    """
    steps = _Steps(progress, cancelled)
    with steps.step("Pre-align"):
        scans = Scan.of(fixed), Scan.of(moving)
        linear = _linear_part(initial, *scans, fixed_mask, moving_mask, steps.check)
    with steps.step("Segment both scans"):
        prepared = prepare(*scans, bundle, fixed_mask, moving_mask, steps.check)
        pair = prepared.pair(linear)
        fixed_segmentation = prepared.fixed.segmentation
        moving_segmentation = prepared.moving.segmentation
    fixed_guess = _phase(fixed_phase, fixed_segmentation)
    moving_guess = _phase(moving_phase, moving_segmentation)
    with steps.step("Synthesize"):
        synthesized = synthesize(pair, bundle)
    with steps.step("Find the deformation"):
        displacements = find_displacement(pair, synthesized, bundle)
    if refine is not Refine.OFF:
        with steps.step("Refine"):
            both, displacements = both_ways(pair, synthesized, displacements, bundle)
            finer = partial(prepared.finer, linear)
            displacements = refine_displacements(
                pair, finer, both, displacements, bundle, refine, seed, steps.check
            )
    with steps.step("Check"):
        settled = settle(linear, pair, finished(displacements, pair.field_grid))
        if settled.linear is not linear:
            linear, pair = settled.linear, prepared.pair(settled.linear)
            synthesized = synthesize(pair, bundle)
        intensities = mean_intensities(
            (fixed_segmentation.hu, fixed_segmentation.labels()),
            (moving_segmentation.hu, moving_segmentation.labels()),
        )
        agreement = None
        if _NEED_SYNTHETIC_LABELS & set(outputs):
            moving_segmentation, agreement = with_synthetic_labels(
                moving_segmentation, synthesized, pair, bundle, linear
            )
        metrics = measure(
            pair,
            prepared.moving.body_ml,
            linear,
            settled.fields,
            settled.similarities,
            intensities,
            agreement,
        )
        verdict = judge(metrics)
    with steps.step("Make the outputs"):
        forward, backward = _transforms(linear, settled.fields, pair.field_grid)
        images = make_images(
            outputs,
            prepared.fixed.scan,
            prepared.moving.scan,
            forward,
            partial(synthesized_image, pair, synthesized, bundle),
            (fixed_segmentation, moving_segmentation),
        )
    return RegistrationResult(
        fixed_to_moving=forward,
        moving_to_fixed=backward,
        images=images,
        fixed_phase=fixed_guess,
        moving_phase=moving_guess,
        metrics=replace(metrics, seconds=dict(steps.seconds)),
        verdict=verdict,
        model=bundle.label,
        device=str(bundle.device),
        refine=refine,
        seed=seed,
    )


def _linear_part(
    initial: Literal["rigid", "none"] | np.ndarray,
    fixed: Scan,
    moving: Scan,
    fixed_mask: sitk.Image | None,
    moving_mask: sitk.Image | None,
    check: Callable[[], None],
) -> np.ndarray:
    if isinstance(initial, np.ndarray):
        return initial
    if initial == "none":
        return np.eye(4)
    return prealign(fixed, moving, fixed_mask, moving_mask, check)


def _phase(given: Phase | None, segmentation: Segmentation) -> PhaseGuess:
    if given is not None:
        return given_phase(given)
    return guess_phase(segmentation.hu, segmentation.probabilities[0], segmentation.grid)


def _transforms(
    linear: np.ndarray, fields: Displacements, grid: Geometry
) -> tuple[SpatialTransform, SpatialTransform]:
    there, grid_there = compact(fields.fixed_to_moving_mm, grid)
    back, grid_back = compact(fields.moving_to_fixed_mm, grid)
    return (
        SpatialTransform(linear, there[0].numpy(), grid_there),
        SpatialTransform(np.linalg.inv(linear), back[0].numpy(), grid_back, linear_first=True),
    )
