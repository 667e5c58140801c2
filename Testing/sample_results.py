"""A registration's result without a registration, for the tests of what is done with results."""

import numpy as np
import SimpleITK as sitk

from jssr.labels import Phase
from jssr.registration.phases import given_phase
from jssr.registration.result import (
    Deformation,
    Metrics,
    OrganFigures,
    Output,
    PhaseGuess,
    Refine,
    RegistrationResult,
    Verdict,
    VerdictLevel,
)
from jssr.spatial.geometry import Geometry
from jssr.spatial.transform import SpatialTransform
from sample_scans import scan_image


def make_metrics() -> Metrics:
    """The figures of :func:`make_result`."""
    return Metrics(
        overlap_fraction=1.0,
        shared_fraction=0.97,
        linear_stretch=(0.0, 0.0, 0.0),
        grid_spacing_mm=3.0,
        difference_before_hu=60.0,
        similarity_before=0.4,
        similarity_after=0.8,
        deformation=Deformation(2.0, 4.0, 6.0, 0.0, 0.1, (0.0, 0.01, -0.03)),
        organs=(OrganFigures("liver", 0.8, 0.9, 1500.0, 1510.0, 0.01, False),),
        lesions=(),
        intensities=(),
        synthesis_dice=0.9,
        seconds={"register": 1.5},
        peak_memory_mb=900.0,
    )


def make_result(
    fixed: sitk.Image | None = None, moving: sitk.Image | None = None
) -> RegistrationResult:
    """A result with every output, without having registered; of two small scans unless given."""
    fixed = scan_image() if fixed is None else fixed
    moving = scan_image() if moving is None else moving
    grid = Geometry.of(fixed)
    field = np.random.default_rng(0).normal(0, 2, (3, *grid.shape_zyx)).astype(np.float32)
    return RegistrationResult(
        fixed_to_moving=SpatialTransform(np.eye(4), field, grid),
        moving_to_fixed=SpatialTransform(np.eye(4), -field, grid, linear_first=True),
        images={
            Output.WARPED: moving,
            Output.DIFFERENCE: sitk.Cast(fixed - moving, sitk.sitkInt16),
            Output.SYNTHESIZED: moving,
            Output.FIXED_SEGMENTATION: sitk.Cast(fixed > 0, sitk.sitkUInt8),
            Output.MOVING_SEGMENTATION: sitk.Cast(moving > 0, sitk.sitkUInt8),
        },
        fixed_phase=given_phase(Phase.PORTAL_VENOUS),
        moving_phase=PhaseGuess(Phase.ARTERIAL, given=False, probabilities={"arterial": 0.9}),
        metrics=make_metrics(),
        verdict=Verdict(VerdictLevel.DOUBTFUL, ("the scans share little",)),
        model="default 1.0 (0123456789ab)",
        device="cpu",
        refine=Refine.OFF,
        seed=3,
    )
