"""What may be asked of the phantom: of a patient, and of a pair of scans of that patient."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jssr.labels import Phase

ContrastMode = Literal["physiological", "random", "mixed"]
OnPart = Callable[[str], None]
"""Called with the name of each part when it is finished."""


def ignore_part(part: str) -> None:
    """An ``OnPart`` that does nothing."""


@dataclass(frozen=True)
class PatientOptions:
    """How a patient is drawn.

    ``center_z_mm`` fixes the level of the grid's middle (0 is the first lumbar vertebra, the
    liver reaches from about -50 to 105); None draws it. ``shape_variety`` scales the random
    bending of the anatomy, ``lesions`` the number of lesions (None draws 0 to 8).
    """

    center_z_mm: float | None = None
    shape_variety: float = 1.0
    lesions: int | None = None
    table_probability: float = 0.5
    motion_margin_mm: float = 30.0


@dataclass(frozen=True)
class PairOptions:
    """How a pair of scans is drawn from a patient.

    ``contrast`` "mixed" takes random contrast in half of the draws. The amplitudes scale what
    is drawn: ``breathing`` the cranio-caudal motion, ``residual`` the smooth random rest,
    ``rigid`` the shift and rotation of the whole patient, ``reshape_mm`` a random change of
    shape of the *fixed* anatomy, so that a patient from a pool looks new. ``noise`` scales the
    noise, ``artefacts`` the chance of streaks, padding and cropped fields of view; 0 for both
    and ``blur`` False give clean scans. ``physiology_seed`` draws what all phases of one
    examination share (dose, uptake, unenhanced tissue), so that several pairs can belong to it;
    None draws it for each pair.
    """

    contrast: ContrastMode = "mixed"
    fixed_phase: Phase | None = None
    moving_phase: Phase | None = None
    breathing: float = 1.0
    residual: float = 1.0
    rigid: float = 1.0
    reshape_mm: float = 4.0
    noise: float = 1.0
    artefacts: float = 1.0
    blur: bool = True
    physiology_seed: int | None = None
