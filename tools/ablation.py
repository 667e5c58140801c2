"""Train Φ alone, with G, with S and with both, on one small budget, and compare them.

Each arm makes the same number of registration steps on the same phantoms; where S takes part it is
trained first, as in the paper. No true field or synthesis supervises Φ or G; segmentations teach
S, and tell Φ which lesions keep their volume. All arms are validated on the same phantoms, which
none was trained on. Run again to go on where it stopped.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from jssr.training.monitor import read_figures
from jssr.training.settings import load_config

ARMS = ("reg", "jsynr", "jsegr", "jssr")
"""Φ alone, with G, with S, with both: names of shipped configurations."""

SETTINGS = (
    "spacing_mm=4",
    "data.shape_zyx=[48,64,80]",
    "validation.every_steps=100000",
    "checkpoint.every_steps=50",
)
COLUMNS = {
    "tre_liver_mm": "error in the liver (mm)",
    "tre_body_mm": "error in the body (mm)",
    "warped_dice_liver": "Dice of the warped liver",
    "warped_dice": "of all organs",
    "folding": "folding",
    "log_jacobian_sd": "sd of log-Jacobian",
    "dice_mean": "Dice of S",
}


def stages(arm: str, steps: int) -> list[dict]:
    """As the shipped arm's, with ``steps`` steps of registration in all."""
    if not load_config(arm).method.segmentation:
        return [{"name": "registration", "steps": steps, "learning_rate": 1e-3}]
    joint = steps // 4
    return [
        {"name": "segmentor", "steps": 2 * steps, "learning_rate": 2e-3},
        {"name": "registration", "steps": steps - joint, "learning_rate": 1e-3},
        {"name": "joint", "steps": joint, "learning_rate": 4e-4},
    ]


def train(arm: str, folder: Path, steps: int, pairs: int, threads: int) -> None:
    """Train one arm, or go on with it, and validate it on ``pairs`` phantoms."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "jssr.cli",
            "train",
            arm,
            *SETTINGS,
            f"hardware.threads={threads}",
            f"validation.pairs={pairs}",
            f"stages={json.dumps(stages(arm, steps))}",
            "--output",
            folder,
            *(["--resume"] if (folder / "checkpoints").is_dir() else []),
        ],
        check=True,
    )


def table(runs: dict[str, dict[str, float]]) -> str:
    """Arms as rows of a Markdown table, unregistered pairs first."""
    lines = ["| | " + " | ".join(COLUMNS.values()) + " |", "| --- |" + " --- |" * len(COLUMNS)]
    first = next(iter(runs.values()))
    identity = {
        "tre_liver_mm": first["tre_liver_identity_mm"],
        "tre_body_mm": first["tre_body_identity_mm"],
        "warped_dice_liver": first["warped_dice_liver_identity"],
        "warped_dice": first["warped_dice_identity"],
    }
    for name, row in {"unregistered": identity, **runs}.items():
        cells = [f"{row[column]:.3g}" if column in row else "–" for column in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for runs and table.md")
    parser.add_argument("--steps", type=int, default=400, help="registration steps of each arm")
    parser.add_argument("--pairs", type=int, default=20, help="phantoms to validate on")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    runs = {}
    for arm in ARMS:
        folder = arguments.output / arm
        train(arm, folder, arguments.steps, arguments.pairs, arguments.threads)
        runs[arm] = read_figures(folder, "validation")[-1]
    text = table(runs)
    (arguments.output / "table.md").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
