"""Pairs of the split ``test`` of the table that ``jssr prepare`` reads."""

from pathlib import Path

from jssr.errors import InputError, counted
from jssr.evaluation.cohort import Case
from jssr.training.prepare.patient import REFERENCE_ORDER, patient_key
from jssr.training.prepare.table import ScanRow, read_table

TABLE_SUFFIX = ".csv"


def read_table_cohort(path: Path) -> tuple[Case, ...]:
    """Every phase of each test patient as a moving scan, its reference phase as the fixed one.

    The reference is the one that ``jssr prepare`` aligns to: the portal-venous scan, else the next
    in order of contrast. The cases are named after the hash by which the cache knows a patient.

    Raises:
        InputError: there is no such table, a line of it is wrong, or no test patient has two
            phases.
    """
    rows, faults = read_table(path)
    if faults:
        first = faults[0]
        raise InputError(
            f"The table {path} has {counted(len(faults), 'fault')}, as in line {first.line}: "
            f"{first.message}; mend it, since a patient left out would change the figures."
        )
    patients: dict[str, list[ScanRow]] = {}
    for row in rows:
        if row.split == "test":
            patients.setdefault(row.patient, []).append(row)
    cases = [case for patient in patients.values() for case in _pairs(patient)]
    if not cases:
        raise InputError(
            f"The table {path} has no patient of the split 'test' with two phases; check its split "
            "and phase columns."
        )
    return tuple(cases)


def _pairs(rows: list[ScanRow]) -> list[Case]:
    fixed, *others = sorted(rows, key=lambda row: REFERENCE_ORDER.index(row.phase))
    return [
        Case(
            f"{patient_key(fixed.patient)}-{moving.phase.value}",
            fixed.image,
            moving.image,
            fixed.phase,
            moving.phase,
            fixed_segmentation=fixed.segmentation,
            moving_segmentation=moving.segmentation,
            patient=patient_key(fixed.patient),
            fixed_classes=fixed.classes,
            moving_classes=moving.classes,
        )
        for moving in others
    ]
