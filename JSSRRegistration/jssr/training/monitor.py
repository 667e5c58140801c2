"""A run's figures: one JSON object a line, TensorBoard beside it, and early warnings."""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jssr.training.run_files import FIGURES_NAME

_LOGGER = logging.getLogger(__name__)


class Monitor:
    """Writes ``metrics.jsonl`` and, where it is installed, TensorBoard events.

    Args:
        run: the run's folder.
        step: the step that the run continues from; rows behind it, which an interrupted run left,
            are dropped.
        tensorboard: whether to write events.
    """

    def __init__(self, run: Path, step: int, tensorboard: bool = True) -> None:
        run.mkdir(parents=True, exist_ok=True)
        self._path = run / FIGURES_NAME
        _truncate(self._path, step)
        self._handle = self._path.open("a", encoding="utf-8")
        self._writer = _tensorboard_writer(run / "tensorboard", step) if tensorboard else None

    def figures(self, step: int, group: str, values: Mapping[str, float], **labels: Any) -> None:
        """Record scalars of one step under ``group`` (``train`` or ``validation``)."""
        row = {"step": step, "group": group, **labels}
        row.update({name: _plain(value) for name, value in values.items()})
        self._handle.write(json.dumps(row) + "\n")
        self._handle.flush()
        if self._writer is not None:
            for name, value in values.items():
                if math.isfinite(value):
                    self._writer.add_scalar(f"{group}/{name}", value, step)

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        """Record one picture, (y, x) or (y, x, 3), values 0 to 1."""
        if self._writer is not None:
            formats = "HW" if image.ndim == 2 else "HWC"
            self._writer.add_image(name, image, step, dataformats=formats)

    def warn(self, step: int, message: str) -> None:
        """Say early that something goes wrong, in the log and in the figures."""
        _LOGGER.warning("step %d: %s", step, message)
        self._handle.write(
            json.dumps({"step": step, "group": "warning", "message": message}) + "\n"
        )
        self._handle.flush()

    def close(self) -> None:
        """Flush and close the files."""
        self._handle.close()
        if self._writer is not None:
            self._writer.close()


def read_figures(run: Path, group: str) -> list[dict[str, Any]]:
    """The recorded rows of ``group``, oldest first."""
    path = run / FIGURES_NAME
    if not path.is_file():
        return []
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.endswith("}")]
    return [row for row in rows if row["group"] == group]


def _plain(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _truncate(path: Path, step: int) -> None:
    if not path.is_file():
        return
    kept = [
        line
        for line in path.read_text("utf-8").splitlines()
        if line.endswith("}") and json.loads(line)["step"] <= step
    ]
    path.write_text("".join(line + "\n" for line in kept) if step else "", "utf-8")


def _tensorboard_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _LOGGER.info("TensorBoard is not installed; figures go to metrics.jsonl alone")
        return None
    return SummaryWriter(str(folder), purge_step=step or None)
