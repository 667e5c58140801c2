"""What one registration gives: the value that command line, worker, Slicer and evaluation share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from jssr.errors import InputError
from jssr.labels import Phase

# Not for the command's help to wait for.
if TYPE_CHECKING:
    import SimpleITK as sitk

    from jssr.spatial.transform import SpatialTransform

ProgressCallback = Callable[[str, float], None]
"""Called with the step's name and the fraction of the whole job that is done (0 to 1)."""

CancelCallback = Callable[[], bool]
"""Asked between steps; ``True`` ends the registration with :class:`jssr.errors.Cancelled`."""


class Output(str, Enum):
    """What a registration can hand out."""

    TRANSFORM = "transform"
    INVERSE_TRANSFORM = "inverse_transform"
    WARPED = "warped"
    DIFFERENCE = "difference"
    SYNTHESIZED = "synthesized"
    FIXED_SEGMENTATION = "fixed_segmentation"
    MOVING_SEGMENTATION = "moving_segmentation"
    METRICS = "metrics"
    REPORT = "report"


ALL_OUTPUTS = frozenset(Output)
OUTPUT_NAMES = ", ".join(output.value for output in Output)


def chosen_outputs(texts: Sequence[str] | None) -> frozenset[Output]:
    """The outputs that a repeated or comma-separated ``--outputs`` names; all without it.

    Raises:
        InputError: a name is unknown.
    """
    if not texts:
        return ALL_OUTPUTS
    names = [name.strip() for text in texts for name in text.split(",")]
    unknown = sorted(set(names) - {output.value for output in Output})
    if unknown:
        raise InputError(f"--outputs does not know '{unknown[0]}'; choose among {OUTPUT_NAMES}.")
    return frozenset(Output(name) for name in names)


class Refine(str, Enum):
    """How long instance optimization may improve the networks' answer on this pair."""

    OFF = "off"
    FAST = "fast"
    FULL = "full"


class Interpolation(str, Enum):
    """LINEAR: images. LABELS: label maps, smooth borders. NEAREST: label maps, voxel by voxel."""

    LINEAR = "linear"
    LABELS = "labels"
    NEAREST = "nearest"


class VerdictLevel(str, Enum):
    """GOOD: use it. DOUBTFUL: look first. FAILED: do not use it."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """A plain judgement from figures that need no truth, with the reasons in plain words.

    With GOOD, what a user should know of the scans all the same.
    """

    level: VerdictLevel
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class PhaseGuess:
    """A scan's contrast phase: given by the user or guessed from organ intensities."""

    phase: Phase | None
    given: bool
    probabilities: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Deformation:
    """The displacement beyond the linear part, over the fixed body as far as both scans show it.

    ``stretch`` is by how much the body as a whole is longer in the moving scan along x, y and z:
    the diagonal of the affine map nearest to the displacement, 0 of none.
    """

    mean_mm: float
    p95_mm: float
    max_mm: float
    folding_fraction: float
    log_jacobian_sd: float
    stretch: tuple[float, float, float]


BEFORE = "Before: after the linear alignment, not yet deformed."
"""What "before" means wherever a figure is told before and after registration."""


@dataclass(frozen=True)
class OrganFigures:
    """One organ before (linear part only) and after registration.

    Dice counts what both scans show. ``volume_change`` is the mean Jacobian determinant over the
    fixed organ minus one: positive where it is larger in the moving scan. Both are ``None`` where a
    scan holds less than 5 ml of the organ; the change also where a field of view cuts it.
    """

    name: str
    dice_before: float | None
    dice_after: float | None
    fixed_volume_ml: float
    moving_volume_ml: float
    volume_change: float | None
    cut_by_field_of_view: bool


@dataclass(frozen=True)
class LesionFigures:
    """One lesion seen on the fixed scan, carried to the moving scan by the transform.

    ``volume_change`` is the mean Jacobian determinant over it minus one, ``None`` where a field of
    view cuts it.
    """

    centre_mm: tuple[float, float, float]
    diameter_mm: float
    volume_ml: float
    volume_change: float | None


@dataclass(frozen=True)
class MeanIntensity:
    """Mean and standard deviation in HU of one label on each scan; ``None`` where it is absent."""

    name: str
    fixed_mean_hu: float | None
    fixed_sd_hu: float | None
    moving_mean_hu: float | None
    moving_sd_hu: float | None


@dataclass(frozen=True)
class Metrics:
    """The figures of one registration; none of them needs a truth.

    "Before" is with the linear part alone: :data:`BEFORE`.

    ``grid_spacing_mm`` is that of the networks' grid, on which organs and lesions are measured.
    ``difference_before_hu`` is by how much both scans differ on average inside the fixed body,
    ``None`` where they share nothing of it.
    ``similarity_before``, ``similarity_after``: mean absolute local correlation of both scans
    inside the fixed body, 0 to 1.
    ``overlap_fraction`` is the part of the fixed body that the moving scan covers,
    ``shared_fraction`` the part of the smaller body, as far as each was scanned, that both show.
    ``linear_stretch`` is by how much the linear part lengthens along x, y and z, 0 of a rigid one.
    ``synthesis_dice`` is the mean Dice of S(G(x)) with S(x), ``None`` if no output needs S(G(x)) or
    S finds no organ.
    """

    overlap_fraction: float
    shared_fraction: float
    linear_stretch: tuple[float, float, float]
    grid_spacing_mm: float
    difference_before_hu: float | None
    similarity_before: float
    similarity_after: float
    deformation: Deformation
    organs: tuple[OrganFigures, ...]
    lesions: tuple[LesionFigures, ...]
    intensities: tuple[MeanIntensity, ...]
    synthesis_dice: float | None
    seconds: Mapping[str, float]
    peak_memory_mb: float


@dataclass(frozen=True)
class RegistrationResult:
    """Everything one call of :func:`jssr.registration.pipeline.register` gives.

    ``fixed_to_moving`` resamples the moving scan onto the fixed grid; ``moving_to_fixed`` is its
    inverse. ``images`` holds the volumes that were asked for: warped and difference (int16 HU,
    fixed grid), synthesized (int16 HU, moving content in the fixed scan's phase on the working
    grid, not for diagnosis), fixed and moving segmentation (uint8, each on its own scan's grid).
    """

    fixed_to_moving: "SpatialTransform"
    moving_to_fixed: "SpatialTransform"
    images: "Mapping[Output, sitk.Image]"
    fixed_phase: PhaseGuess
    moving_phase: PhaseGuess
    metrics: Metrics
    verdict: Verdict
    model: str
    device: str
    refine: Refine
    seed: int

    def summary(self) -> dict[str, Any]:
        """The result without its volumes and transforms, ready for JSON."""
        return {
            "verdict": {"level": self.verdict.level.value, "reasons": list(self.verdict.reasons)},
            "fixed_phase": _phase_summary(self.fixed_phase),
            "moving_phase": _phase_summary(self.moving_phase),
            "metrics": asdict(self.metrics),
            "model": self.model,
            "device": self.device,
            "refine": self.refine.value,
            "seed": self.seed,
        }


def _phase_summary(guess: PhaseGuess) -> dict[str, Any]:
    return {
        "phase": None if guess.phase is None else guess.phase.value,
        "given": guess.given,
        "probabilities": dict(guess.probabilities),
    }
