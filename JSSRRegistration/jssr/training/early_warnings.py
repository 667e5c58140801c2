"""Signs that a run goes wrong, seen in its validation figures."""

import math
from collections.abc import Mapping

_MOST_FOLDING = 0.005
_MOST_LEAKAGE = 50.0
_COLLAPSED_MAE_HU = 120.0
_LEAST_CONTRAST = 0.25


def early_warnings(figures: Mapping[str, float]) -> list[str]:
    """Plain sentences about figures that are no numbers, folding, collapse of G and geometry
    leakage; empty when all is well.

    Args:
        figures: as :func:`jssr.training.validation.validate` gives them.
    """
    found = []
    broken = [name for name, value in figures.items() if not math.isfinite(value)]
    if broken:
        found.append(
            f"{', '.join(broken)}: not a finite number; begin a new run with a lower learning rate"
        )
    if figures.get("folding", 0.0) > _MOST_FOLDING:
        found.append(
            f"{100 * figures['folding']:.1f} % of the voxels fold; "
            "raise loss.folding or loss.smoothness"
        )
    if abs(figures.get("leakage_percent", 0.0)) > _MOST_LEAKAGE:
        found.append(
            f"G's output moves with the fixed scan ({figures['leakage_percent']:.0f} % leakage): "
            "it copies; raise method.warp_style"
        )
    if figures.get("synthesis_mae_hu", 0.0) > _COLLAPSED_MAE_HU:
        found.append("G's output is far from the exact answer: it may have collapsed")
    contrast = figures.get("synthesis_contrast_ratio", 1.0)
    if contrast < _LEAST_CONTRAST:
        found.append(
            f"G's output has only {contrast:.2f} of the fixed scan's contrast: it may have "
            "collapsed; raise loss.joint_l1 or lower loss.adversarial"
        )
    return found
