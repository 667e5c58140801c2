"""The cohort's table: what it must say, and everything that is wrong with it at once."""

import csv
from dataclasses import dataclass
from pathlib import Path

from jssr.errors import InputError
from jssr.labels import LABELS, Phase
from jssr.phase_name import read_phase
from jssr.training.data.cache import Split

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_COLUMNS = ("patient", "phase", "image", "segmentation", "split", "classes")
_REQUIRED = ("patient", "phase", "image")


@dataclass(frozen=True)
class Row:
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


def read_table(path: Path) -> tuple[list[Row], list[Fault]]:
    """The rows of a table and the faults of the rows left out.

    Args:
        path: a CSV file with the columns patient, phase, image and optionally segmentation, split
            (train, validation, test) and classes (names joined by ``;``); paths are relative to
            the file.

    Raises:
        InputError: no such table, or a required column is missing.
    """
    if not path.is_file():
        raise InputError(f"There is no table '{path}'; check the path.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            _check_columns(path, reader.fieldnames)
            lines = [(number, record) for number, record in enumerate(reader, start=2)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"The table {path} is no CSV text in UTF-8; save it as 'CSV UTF-8'."
        ) from error
    rows: list[Row] = []
    faults: list[Fault] = []
    for number, record in lines:
        row, found = _parsed(number, record, path.parent)
        faults.extend(found)
        if row is not None and not found:
            rows.append(row)
    faults.extend(_contradictions(rows))
    bad = {fault.line for fault in faults}
    return [row for row in rows if row.line not in bad], faults


def _check_columns(path: Path, names: object) -> None:
    present = list(names) if isinstance(names, list) else []
    missing = [name for name in _REQUIRED if name not in present]
    if missing:
        raise InputError(
            f"The table {path} lacks the column {', '.join(missing)}; its first line must name "
            "patient, phase and image, with commas between them."
        )
    unknown = [name for name in present if name not in _COLUMNS]
    if unknown:
        raise InputError(
            f"The table {path} has the unknown column {', '.join(map(str, unknown))}; known are "
            f"{', '.join(_COLUMNS)}."
        )


def _parsed(
    line: int, record: dict[str, str | None], folder: Path
) -> tuple[Row | None, list[Fault]]:
    value = {name: (record.get(name) or "").strip() for name in _COLUMNS}
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
    image, segmentation = folder / value["image"], folder / value["segmentation"]
    if value["image"] and not image.exists():
        messages.append(f"there is no image '{value['image']}'")
    if value["segmentation"] and not segmentation.exists():
        messages.append(f"there is no segmentation '{value['segmentation']}'")
    if messages or phase is None:
        return None, [Fault(line, patient, message) for message in messages]
    where: Split = next(known for known in SPLITS if known == split)
    drawn = segmentation if value["segmentation"] else None
    return Row(line, patient, phase, image, drawn, where, classes), []


def _contradictions(rows: list[Row]) -> list[Fault]:
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
