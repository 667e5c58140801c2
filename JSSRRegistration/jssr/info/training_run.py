"""What a folder of ``jssr train`` holds."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from jssr.section import Section
from jssr.training.run_files import FIGURES_NAME, SETTINGS_NAME

if TYPE_CHECKING:
    from jssr.training.checkpoint import Position


def is_run(folder: Path) -> bool:
    """Whether ``folder`` is that of a training run, finished or not."""
    return (folder / SETTINGS_NAME).is_file() and (folder / FIGURES_NAME).is_file()


def describe_run(folder: Path) -> Section:
    """Where the run stands, and how to go on from there.

    Raises:
        InputError: the last checkpoint is damaged.
    """
    # Nothing else that is described here needs PyTorch, which takes its time to load.
    from jssr.training.checkpoint import latest_checkpoint, read_position

    latest = latest_checkpoint(folder)
    rows = [("settings", str(folder / SETTINGS_NAME)), ("figures", str(folder / FIGURES_NAME))]
    if latest is None:
        rows.append(("last checkpoint", "none yet"))
    else:
        rows += _checkpoints(read_position(latest))
        rows.append(
            ("make a model", f"{shlex.join(['jssr', 'export', str(folder)])} --output MODEL")
        )
    resume = ["jssr", "train", str(folder / SETTINGS_NAME), "--output", str(folder), "--resume"]
    rows.append(("go on if it was stopped", shlex.join(resume)))
    return Section("Training run", ("", "value"), rows)


def _checkpoints(position: "Position") -> list[tuple[str, str]]:
    best = "validation marked none yet"
    if position.best_step is not None:
        best = f"step {position.best_step}, with {position.best_value:.4g} in validation"
    return [
        ("last checkpoint", f"step {position.step}, after {position.minutes:.0f} min"),
        ("best checkpoint", best),
    ]
