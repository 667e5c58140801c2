"""The table of a batch: one row a scan."""

from pathlib import Path

from jssr.batch.study import ScanFile, Study
from jssr.errors import InputError
from jssr.io.table import read_rows
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
    scans, faults = [], []
    for row in read_rows(path, COLUMNS, _REQUIRED):
        try:
            scans.append(_scan_of_row(row.values, path.parent))
        except InputError as fault:
            faults.append(f"row {row.line}: {fault}")
    if faults:
        raise InputError(f"'{path}' cannot be used: {'; '.join(faults)}.")
    return scans


def _scan_of_row(values: dict[str, str], root: Path) -> ScanFile:
    for name in _REQUIRED:
        if not values[name]:
            raise InputError(f"'{name}' is empty")
    role = values["role"].lower()
    if role not in _ROLES:
        raise InputError(f"the role '{role}' is unknown, write fixed, moving or nothing")
    mask = values["mask"]
    return ScanFile(
        values["patient"],
        root / values["image"],
        read_phase_or_auto(values["phase"]),
        role,
        root / mask if mask else None,
    )
