"""Signs that a run goes wrong, seen in its validation figures."""

from collections.abc import Mapping

_MOST_FOLDING = 0.005
_MOST_LEAKAGE = 50.0
_COLLAPSED_MAE_HU = 120.0


def early_warnings(figures: Mapping[str, float]) -> list[str]:
    """Plain sentences about folding, collapse of G and geometry leakage; empty when all is well.

    Args:
        figures: as :func:`jssr.training.validation.validate` gives them.
    """
    found = []
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
    return found
