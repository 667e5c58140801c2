"""What a folder of ``jssr register`` holds."""

import json
from pathlib import Path
from typing import Any

from jssr.errors import InputError
from jssr.registration.result import BEFORE, Output
from jssr.registration.write import OUTPUT_FILES
from jssr.section import Section

METRICS_FILE = OUTPUT_FILES[Output.METRICS]


def metrics_files(folder: Path) -> list[Path]:
    """The metrics file in ``folder``, or else those in its folders: one a moving scan."""
    own = folder / METRICS_FILE
    if own.is_file():
        return [own]
    several = [sub / METRICS_FILE for sub in sorted(folder.iterdir())]
    return [metrics for metrics in several if metrics.is_file()]


def describe_result(metrics_file: Path) -> list[Section]:
    """The verdict and figures of a registration, from its metrics file.

    Raises:
        InputError: the file is damaged.
    """
    try:
        stored = json.loads(metrics_file.read_text(encoding="utf-8"))
        return [_overview(stored, metrics_file.parent), _organs(stored["metrics"]["organs"])]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"'{metrics_file}' is no metrics file of JSSR, or damaged; register again."
        ) from error


def describe_outputs(folder: Path) -> Section | None:
    """The files of a registration whose figures were not asked for; ``None`` without any."""
    files = _files(folder)
    if not files:
        return None
    rows = [("figures", f"none: {METRICS_FILE} is not there"), ("files", files)]
    return Section("Registration", ("", "value"), rows)


def _overview(stored: dict[str, Any], folder: Path) -> Section:
    metrics, verdict = stored["metrics"], stored["verdict"]
    deformation = metrics["deformation"]
    rows = [
        ("verdict", "; ".join([verdict["level"], *verdict["reasons"]])),
        ("fixed phase", _phase(stored["fixed_phase"])),
        ("moving phase", _phase(stored["moving_phase"])),
        ("fixed body covered", f"{metrics['overlap_fraction']:.0%}"),
        (
            "similarity before, after",
            f"{metrics['similarity_before']:.3f}, {metrics['similarity_after']:.3f}",
        ),
        (
            "deformation mean, largest",
            f"{deformation['mean_mm']:.1f} mm, {deformation['max_mm']:.1f} mm",
        ),
        ("folding", f"{deformation['folding_fraction']:.4%}"),
        ("time", f"{sum(metrics['seconds'].values()):.1f} s on {stored['device']}"),
        ("model", stored["model"]),
        ("folder", str(folder)),
        ("files", _files(folder)),
    ]
    return Section("Registration", ("", "value"), rows, BEFORE)


def _organs(organs: list[dict[str, Any]]) -> Section:
    rows = [
        (
            organ["name"],
            _optional(organ["dice_before"]),
            _optional(organ["dice_after"]),
            f"{organ['fixed_volume_ml']:.0f}",
            f"{organ['moving_volume_ml']:.0f}",
        )
        for organ in organs
    ]
    columns = ("organ", "Dice before", "Dice after", "fixed ml", "moving ml")
    return Section("Organs", columns, rows, BEFORE)


def _phase(stored: dict[str, Any]) -> str:
    return f"{stored['phase'] or 'unknown'} ({'given' if stored['given'] else 'guessed'})"


def _optional(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _files(folder: Path) -> str:
    return ", ".join(name for name in OUTPUT_FILES.values() if (folder / name).is_file())
