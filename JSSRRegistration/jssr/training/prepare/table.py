"""The cohort's table: what it must say, and everything that is wrong with it at once."""

from dataclasses import dataclass
from pathlib import Path

from jssr.errors import InputError
from jssr.io.table import TableRow, read_rows
from jssr.labels import LABELS, Phase
from jssr.phase_name import read_phase
from jssr.training.data.cache import Split

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_COLUMNS = ("patient", "phase", "image", "segmentation", "split", "classes")
_REQUIRED = ("patient", "phase", "image")


@dataclass(frozen=True)
class ScanRow:
    """One scan of the table; ``line`` is its line in the file, the header being line 1.

    ``classes`` are the labels that the segmentation covers; empty means those that it shows.
    """

    line: int
    patient: str
    phase: Phase
    image: Path
    segmentation: Path | None
    split: Split
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fault:
    """What is wrong with one line, or with a patient (then with the patient's first line)."""

    line: int
    patient: str
    message: str


def read_table(path: Path) -> tuple[list[ScanRow], list[Fault]]:
    """The rows of a table and the faults of the rows left out.

    Args:
        path: a CSV file with the columns patient, phase, image and optionally segmentation, split
            (train, validation, test) and classes (names joined by ``;``); paths are relative to
            the file.

    Raises:
        InputError: no such table, or as :func:`jssr.io.table.read_rows`.
    """
    rows: list[ScanRow] = []
    faults: list[Fault] = []
    for written in read_rows(path, _COLUMNS, _REQUIRED):
        row, found = _parsed(written, path.parent)
        faults.extend(found)
        if row is not None:
            rows.append(row)
    faults.extend(_contradictions(rows))
    bad = {fault.line for fault in faults}
    return [row for row in rows if row.line not in bad], faults


def _parsed(written: TableRow, folder: Path) -> tuple[ScanRow | None, list[Fault]]:
    line, value = written.line, written.values
    patient = value["patient"]
    messages = [f"the column {name} is empty" for name in _REQUIRED if not value[name]]
    phase = None
    try:
        phase = read_phase(value["phase"], strict=True) if value["phase"] else None
    except InputError as error:
        messages.append(str(error))
    split = value["split"] or "train"
    if split not in SPLITS:
        messages.append(f"the split '{split}' is unknown; write {', '.join(SPLITS)}")
    classes = tuple(name.strip() for name in value["classes"].split(";") if name.strip())
    strange = [name for name in classes if name not in [label.name for label in LABELS]]
    if strange:
        messages.append(f"the class '{strange[0]}' is unknown")
    if any(written.surplus):  # as when semicolons separate columns and unquoted classes too
        messages.append("there are more cells than columns; put a cell with separators in quotes")
    image, segmentation = folder / value["image"], folder / value["segmentation"]
    if value["image"] and not image.exists():
        messages.append(f"there is no image '{value['image']}'")
    if value["segmentation"] and not segmentation.exists():
        messages.append(f"there is no segmentation '{value['segmentation']}'")
    if messages or phase is None:
        return None, [Fault(line, patient, message) for message in messages]
    where: Split = next(known for known in SPLITS if known == split)
    drawn = segmentation if value["segmentation"] else None
    return ScanRow(line, patient, phase, image, drawn, where, classes), []


def _contradictions(rows: list[ScanRow]) -> list[Fault]:
    """Rows that are fine alone but not together."""
    faults = []
    first: dict[tuple[str, Phase], int] = {}
    splits: dict[str, tuple[Split, int]] = {}
    for row in rows:
        earlier = first.setdefault((row.patient, row.phase), row.line)
        if earlier != row.line:
            faults.append(
                Fault(
                    row.line,
                    row.patient,
                    f"the phase {row.phase.value} is already in line {earlier}",
                )
            )
        split, line = splits.setdefault(row.patient, (row.split, row.line))
        if split != row.split:
            faults.append(
                Fault(
                    row.line,
                    row.patient,
                    f"the split is {row.split}, but in line {line} it is {split}: a "
                    "patient must not be in two splits",
                )
            )
    return faults
