"""Guess a scan's contrast phase from the intensities of its organs and from bright urine."""

import math

import torch

from jssr.labels import Phase, label_index
from jssr.registration.excretion import excreting_kidneys
from jssr.registration.result import PhaseGuess
from jssr.spatial.geometry import Geometry

# Mean and standard deviation over patients, HU, of what tells the phases apart. Aorta, spleen and
# liver in the arterial and the portal-venous phase rest on mean enhancement measured by
# multi-detector CT in 171 patients (the publication is not on record); the rest and all deviations
# are typical values, chosen. The portal vein is left out: too much of what S labels so is liver and
# bowel.
_TYPICAL: dict[Phase, dict[str, tuple[float, float]]] = {
    Phase.NON_CONTRAST: {
        "aorta": (42, 8),
        "spleen": (50, 8),
        "liver": (60, 10),
        "kidney": (36, 10),
        "inferior_vena_cava": (42, 10),
    },
    Phase.ARTERIAL: {
        "aorta": (340, 60),
        "spleen": (145, 30),
        "liver": (78, 14),
        "kidney": (140, 30),
        "inferior_vena_cava": (90, 40),
    },
    Phase.PORTAL_VENOUS: {
        "aorta": (162, 22),
        "spleen": (126, 16),
        "liver": (118, 14),
        "kidney": (175, 25),
        "inferior_vena_cava": (135, 25),
    },
    Phase.DELAYED: {
        "aorta": (115, 15),
        "spleen": (100, 12),
        "liver": (95, 12),
        "kidney": (150, 35),
        "inferior_vena_cava": (115, 15),
    },
}
# How often a kidney's urine is bright. Excretion begins two to three minutes after injection; what
# is found before are stones and vessels of the hilum, which in the arterial phase are as bright.
_BRIGHT_URINE = {
    Phase.NON_CONTRAST: 0.05,
    Phase.ARTERIAL: 0.3,
    Phase.PORTAL_VENOUS: 0.05,
    Phase.DELAYED: 0.7,
}
# Iodine per kilogram, heart and protocol differ, and change what all organs take up alike. Two of
# three patients count as typical; the logarithm of the others' factor has this standard deviation.
_LOG_UPTAKE_SD = 0.35
_UPTAKES = {math.exp(_LOG_UPTAKE_SD * z / 2): math.exp(-z * z / 8) for z in range(-5, 6)}
_UPTAKES[1.0] += 2 * sum(_UPTAKES.values())
_LEAST_VOXELS = 30
_ORGANS = {
    "aorta": ("aorta",),
    "spleen": ("spleen",),
    "liver": ("liver",),
    "kidney": ("right_kidney", "left_kidney"),
    "inferior_vena_cava": ("inferior_vena_cava",),
}


def given_phase(phase: Phase) -> PhaseGuess:
    """A phase that the user named."""
    return PhaseGuess(phase, given=True, probabilities={phase.value: 1.0})


def guess_phase(hu: torch.Tensor, probabilities: torch.Tensor, grid: Geometry) -> PhaseGuess:
    """The most probable phase, each equally likely beforehand.

    Organ medians and the urine of each kidney count as independent of each other, but for a factor
    of uptake that all organs share.

    Args:
        hu: ``(z, y, x)``.
        probabilities: S's opinion ``(classes, z, y, x)`` on the same grid; only voxels of which it
            is sure count, so that the organs' rims do not blur their medians.
        grid: where both lie, along the patient's axes.

    Returns:
        ``phase`` is ``None`` where no organ is large enough to tell.
    """
    medians = _organ_medians(hu, probabilities)
    if not medians:
        return PhaseGuess(None, given=False)
    urine = excreting_kidneys(hu, probabilities, grid)
    logs = {phase: _log_likelihood(phase, medians, urine) for phase in Phase}
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


def _log_likelihood(phase: Phase, medians: dict[str, float], urine: tuple[bool, ...]) -> float:
    often = _BRIGHT_URINE[phase]
    organs = sum(
        weight * math.exp(_log_likelihood_of_organs(phase, medians, uptake))
        for uptake, weight in _UPTAKES.items()
    )
    return math.log(organs) + sum(math.log(often if bright else 1.0 - often) for bright in urine)


def _log_likelihood_of_organs(phase: Phase, medians: dict[str, float], uptake: float) -> float:
    total = 0.0
    for organ, value in medians.items():
        plain, _ = _TYPICAL[Phase.NON_CONTRAST][organ]
        mean, sd = _TYPICAL[phase][organ]
        total += _log_density(value, plain + uptake * (mean - plain), sd)
    return total


def _log_density(value: float, mean: float, sd: float) -> float:
    # A Student density: one organ that S got wrong must not outvote all others.
    return -2.5 * math.log1p(((value - mean) / sd) ** 2 / 4.0) - math.log(sd)
