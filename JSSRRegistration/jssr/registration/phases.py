"""Guess a scan's contrast phase from the mean intensities of its organs."""

import math

import torch

from jssr.labels import Phase, label_index
from jssr.registration.result import PhaseGuess

# Mean and standard deviation over patients, HU, of what tells the phases apart: enhancement of
# 171 patients in MDCT and textbook ranges.
_TYPICAL: dict[Phase, dict[str, tuple[float, float]]] = {
    Phase.NON_CONTRAST: {
        "aorta": (42, 8),
        "portal_vein": (42, 8),
        "spleen": (50, 8),
        "liver": (60, 10),
        "kidney": (36, 10),
        "inferior_vena_cava": (42, 10),
    },
    Phase.ARTERIAL: {
        "aorta": (340, 60),
        "portal_vein": (125, 30),
        "spleen": (145, 30),
        "liver": (78, 14),
        "kidney": (140, 30),
        "inferior_vena_cava": (90, 40),
    },
    Phase.PORTAL_VENOUS: {
        "aorta": (162, 22),
        "portal_vein": (170, 22),
        "spleen": (126, 16),
        "liver": (118, 14),
        "kidney": (175, 25),
        "inferior_vena_cava": (135, 25),
    },
    Phase.DELAYED: {
        "aorta": (115, 15),
        "portal_vein": (115, 15),
        "spleen": (100, 12),
        "liver": (95, 12),
        "kidney": (150, 35),
        "inferior_vena_cava": (115, 15),
    },
}
_LEAST_VOXELS = 30
_ORGANS = {
    "aorta": ("aorta",),
    "portal_vein": ("portal_vein",),
    "spleen": ("spleen",),
    "liver": ("liver",),
    "kidney": ("right_kidney", "left_kidney"),
    "inferior_vena_cava": ("inferior_vena_cava",),
}


def given_phase(phase: Phase) -> PhaseGuess:
    """A phase that the user named."""
    return PhaseGuess(phase, given=True, probabilities={phase.value: 1.0})


def guess_phase(hu: torch.Tensor, probabilities: torch.Tensor) -> PhaseGuess:
    """The most probable phase from organ medians, each phase equally likely beforehand.

    Args:
        hu: ``(z, y, x)``.
        probabilities: S's opinion ``(classes, z, y, x)`` on the same grid; only voxels of which it
            is sure count, so that the organs' rims do not blur their medians.

    Returns:
        ``phase`` is ``None`` where no organ is large enough to tell.
    """
    medians = _organ_medians(hu, probabilities)
    if not medians:
        return PhaseGuess(None, given=False)
    logs = {
        phase: sum(_log_density(value, *typical[organ]) for organ, value in medians.items())
        for phase, typical in _TYPICAL.items()
    }
    top = max(logs.values())
    weights = {phase: math.exp(value - top) for phase, value in logs.items()}
    total = sum(weights.values())
    best = max(weights, key=lambda phase: weights[phase])
    return PhaseGuess(
        best, given=False, probabilities={p.value: w / total for p, w in weights.items()}
    )


def _organ_medians(hu: torch.Tensor, probabilities: torch.Tensor) -> dict[str, float]:
    medians = {}
    for organ, names in _ORGANS.items():
        sure = torch.stack([probabilities[label_index(name)] for name in names]).amax(dim=0) > 0.9
        if int(sure.sum()) >= _LEAST_VOXELS:
            medians[organ] = float(hu[sure].median())
    return medians


def _log_density(value: float, mean: float, sd: float) -> float:
    # A Student density: one organ that S got wrong must not outvote all others.
    return -2.5 * math.log1p(((value - mean) / sd) ** 2 / 4.0) - math.log(sd)
