"""From an evaluation of a bundle to the figures on its card."""

import json
from pathlib import Path

from jssr.bundle.card import Figure
from jssr.errors import InputError, counted
from jssr.evaluation.evaluate import SUMMARY_FILE

# Column of the summary: name and unit on the card.
_ON_THE_CARD = {
    "error_body_mm": ("tre_body_mm", "mm"),
    "error_liver_mm": ("tre_liver_mm", "mm"),
    "leakage_percent": ("leakage_percent", "%"),
    "log_jacobian_sd": ("log_jacobian_sd", ""),
    "segmentation_fixed_dice_lesion": ("dice_lesion", "Dice"),
    "segmentation_fixed_dice_liver": ("dice_liver", "Dice"),
    "synthesis_mae_hu": ("synthesis_mae_hu", "HU"),
}


def card_figures(evaluation: Path) -> tuple[Figure, ...]:
    """The means that a user wants to see beside a model's name.

    Args:
        evaluation: folder that ``jssr evaluate`` wrote.

    Raises:
        InputError: it holds no summary.
    """
    try:
        summary = json.loads((evaluation / SUMMARY_FILE).read_text("utf-8"))
        measured_on = (
            f"{counted(summary['pairs'], 'pair')} of {summary['cohort']}, "
            f"refinement {summary['refine']}, jssr evaluate"
        )
        return tuple(
            Figure(name, float(summary["figures"][column]["mean"]), unit, measured_on)
            for column, (name, unit) in _ON_THE_CARD.items()
            if column in summary["figures"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"'{evaluation}' holds no {SUMMARY_FILE} of an evaluation; name the folder that "
            "jssr evaluate wrote."
        ) from error
