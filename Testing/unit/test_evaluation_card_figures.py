"""What an evaluation measured stands on the model's card."""

import json
from pathlib import Path

import pytest

from jssr.bundle.card import Figure
from jssr.errors import InputError
from jssr.evaluation.card_figures import card_figures


def write_summary(folder: Path, **changes: object) -> Path:
    figures = {
        "error_liver_mm": {"count": 12, "mean": 2.25, "sd": 0.5, "median": 2.0},
        "segmentation_fixed_dice_liver": {"count": 12, "mean": 0.9, "sd": 0.0, "median": 0.9},
        "error_liver_p95_mm": {"count": 12, "mean": 5.0, "sd": 1.0, "median": 5.0},
    }
    summary = {"figures": figures, "pairs": 12, "cohort": "phantoms:1-12", "refine": "fast"}
    (folder / "summary.json").write_text(json.dumps(summary | changes), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("pairs", "told"), [(12, "12 pairs"), (1, "1 pair")])
def test_means_are_carried_with_what_they_were_measured_on(
    tmp_path: Path, pairs: int, told: str
) -> None:
    on = f"{told} of phantoms:1-12, refinement fast, jssr evaluate"
    assert card_figures(write_summary(tmp_path, pairs=pairs)) == (
        Figure("tre_liver_mm", 2.25, "mm", on),
        Figure("dice_liver", 0.9, "Dice", on),
    )


@pytest.mark.parametrize("figures", [None, {"error_liver_mm": 3.0}])
def test_what_is_no_summary_is_refused(tmp_path: Path, figures: object) -> None:
    with pytest.raises(InputError, match="name the folder that jssr evaluate wrote"):
        card_figures(write_summary(tmp_path, figures=figures))


def test_a_folder_without_an_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no summary.json"):
        card_figures(tmp_path)
