"""The table of a batch: one row a scan."""

import csv
from collections.abc import Sequence
from pathlib import Path

from jssr.batch.study import ScanFile, Study
from jssr.errors import InputError
from jssr.phase_name import read_phase_or_auto

COLUMNS = ("patient", "image", "phase", "role", "mask")
_REQUIRED = ("patient", "image")
_ROLES = ("", "fixed", "moving")


def read_table(path: Path) -> list[Study]:
    """The patients of a CSV table, in the order of their first rows.

    Raises:
        InputError: a column is missing or unknown, or rows are faulty; the message tells all.
    """
    patients: dict[str, list[ScanFile]] = {}
    for scan in _scans(path):
        patients.setdefault(scan.patient, []).append(scan)
    return [Study(patient, tuple(scans)) for patient, scans in patients.items()]


def _scans(path: Path) -> list[ScanFile]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The table '{path}' cannot be read ({error}); save it as CSV in UTF-8."
        ) from None
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
    names = [name.strip().lower() for name in reader.fieldnames or []]
    reader.fieldnames = names
    faults = [f"the column '{name}' is missing" for name in _REQUIRED if name not in names]
    faults += [f"the column '{name}' is unknown" for name in names if name not in COLUMNS]
    _raise_all(path, faults)
    scans = []
    for row in reader:
        values = {key: (value or "").strip() for key, value in row.items() if key}
        if not any(values.values()):
            continue
        try:
            scans.append(_scan_of_row(values, path.parent))
        except InputError as fault:
            faults.append(f"row {reader.line_num}: {fault}")
    _raise_all(path, faults)
    return scans


def _scan_of_row(values: dict[str, str], root: Path) -> ScanFile:
    for name in _REQUIRED:
        if not values[name]:
            raise InputError(f"'{name}' is empty")
    role = values.get("role", "").lower()
    if role not in _ROLES:
        raise InputError(f"the role '{role}' is unknown, write fixed, moving or nothing")
    mask = values.get("mask")
    return ScanFile(
        values["patient"],
        root / values["image"],
        read_phase_or_auto(values.get("phase", "")),
        role,
        root / mask if mask else None,
    )


def _raise_all(source: Path, faults: Sequence[str]) -> None:
    if faults:
        raise InputError(f"'{source}' cannot be used: {'; '.join(faults)}.")
