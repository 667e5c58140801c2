"""What a folder of ``jssr batch`` holds."""

import csv
import json
from pathlib import Path

from jssr.batch.state import STATE_NAME
from jssr.batch.summary import PAGE_NAME, TABLE_NAME, counts
from jssr.errors import InputError
from jssr.section import Section


def is_batch(folder: Path) -> bool:
    """Whether ``folder`` is the output of a batch, finished or not."""
    return (folder / STATE_NAME).is_file()


def describe_batch(folder: Path) -> Section:
    """How many cases came out how, with which settings, and where more is told.

    Raises:
        InputError: the batch's files are damaged.
    """
    try:
        settings = json.loads((folder / STATE_NAME).read_text("utf-8"))["settings"]
        rows = [
            ("cases", _counts(folder / TABLE_NAME)),
            ("page", str(folder / PAGE_NAME)),
            ("table", str(folder / TABLE_NAME)),
            ("model", settings["model"]),
            ("refinement", settings["refinement"]),
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The batch '{folder}' is damaged; run it again with the same input and output, or "
            "into another folder."
        ) from error
    return Section("Batch", ("", "value"), rows)


def _counts(table: Path) -> str:
    if not table.is_file():
        return "none is done yet"
    with table.open(newline="", encoding="utf-8") as stream:
        return counts(csv.DictReader(stream))
