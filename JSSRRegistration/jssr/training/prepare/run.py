"""Prepare a whole cohort: in parallel, resumable, with a page that shows what came out."""

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from jssr.errors import InputError, JSSRError
from jssr.io.atomic import write_json
from jssr.io.stamps import stamps
from jssr.training.data.cache import (
    CachedPatient,
    CacheIndex,
    open_volume,
    patient_from_json,
    write_index,
)
from jssr.training.prepare.decathlon import read_decathlon
from jssr.training.prepare.page import write_page
from jssr.training.prepare.patient import patient_key, prepare_patient
from jssr.training.prepare.table import Fault, ScanRow, read_table

_DONE_NAME = "patient.json"


@dataclass(frozen=True)
class Summary:
    """What came of a cohort."""

    patients: tuple[CachedPatient, ...]
    faults: tuple[Fault, ...]
    reused: int


def prepare_cohort(
    table: Path,
    cache: Path,
    *,
    spacing_mm: float = 2.0,
    workers: int = 1,
    progress: Callable[[str, float], None] | None = None,
) -> Summary:
    """Read the table, prepare every patient that can be, and report all faults at once.

    Patients that an earlier call finished with the same rows and spacing are not made again, unless
    a file of theirs is missing or cut short.

    Args:
        table: a CSV file or the folder of Task03_Liver.
        cache: the cache's folder; made where it is missing.
        spacing_mm: isotropic voxel size.
        workers: processes.
        progress: called with ``patient 3 of 7`` and the fraction done.

    Raises:
        InputError: the table cannot be read, or nothing in it is usable.
    """
    rows, faults = (read_decathlon(table), []) if table.is_dir() else read_table(table)
    by_patient: dict[str, list[ScanRow]] = {}
    for row in rows:
        by_patient.setdefault(row.patient, []).append(row)
    cache.mkdir(parents=True, exist_ok=True)
    waiting, patients = [], []
    for group in by_patient.values():
        done = _finished(cache, group, spacing_mm)
        if done is None:
            waiting.append(group)
        else:
            patients.append(done)
    reused = len(patients)
    for number, (patient, found) in enumerate(
        _prepared(waiting, cache, spacing_mm, workers), start=1
    ):
        faults.extend(found)
        if patient is not None:
            patients.append(patient)
        if progress is not None:
            progress(f"patient {number} of {len(waiting)}", number / len(waiting))
    faults.sort(key=lambda fault: fault.line)
    patients.sort(key=lambda patient: patient.patient)
    if not patients:
        first = f" (line {faults[0].line}: {faults[0].message})" if faults else ""
        raise InputError(f"Nothing in the table {table} can be prepared{first}.")
    write_index(cache, CacheIndex(spacing_mm, tuple(patients)))
    write_page(cache, tuple(patients), tuple(faults))
    return Summary(tuple(patients), tuple(faults), reused)


def _prepared(
    groups: list[list[ScanRow]], cache: Path, spacing_mm: float, workers: int
) -> Iterator[tuple[CachedPatient | None, list[Fault]]]:
    if workers <= 1:
        for group in groups:
            yield _one(group, cache, spacing_mm)
        return
    # Fresh interpreters: forking a process whose libraries run threads may lock it up.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for future in as_completed(
            [pool.submit(_one, group, cache, spacing_mm) for group in groups]
        ):
            yield future.result()


def _one(
    rows: list[ScanRow], cache: Path, spacing_mm: float
) -> tuple[CachedPatient | None, list[Fault]]:
    """Prepare a patient and remember that it is done; a patient with faults is tried again."""
    try:
        patient, faults = prepare_patient(rows, cache, spacing_mm)
    except (JSSRError, OSError, RuntimeError) as error:
        return None, [Fault(rows[0].line, rows[0].patient, f"it could not be prepared: {error}")]
    if patient is not None and not faults:
        record = {"of": _fingerprint(rows, spacing_mm), "patient": asdict(patient)}
        write_json(cache / patient.patient / _DONE_NAME, record)
    return patient, faults


def _finished(cache: Path, rows: list[ScanRow], spacing_mm: float) -> CachedPatient | None:
    path = cache / patient_key(rows[0].patient) / _DONE_NAME
    try:
        record = json.loads(path.read_text("utf-8"))
        patient = patient_from_json(record["patient"])
        names = [name for scan in patient.scans for name in (scan.image, scan.labels) if name]
        whole = all(open_volume(cache, name).shape == patient.shape_zyx for name in names)
        unchanged = record["of"] == _fingerprint(rows, spacing_mm)
    except (OSError, ValueError, KeyError, TypeError):  # missing, cut short or damaged
        return None
    return patient if whole and unchanged else None


def _fingerprint(rows: list[ScanRow], spacing_mm: float) -> str:
    """What decides a patient's cache: rows, spacing, and the files' sizes and times.

    It is hashed, since paths name patients.
    """
    files = [
        [str(path), *stamps(path)]
        for row in rows
        for path in (row.image, row.segmentation)
        if path is not None and path.exists()
    ]
    described = [[row.phase.value, row.split, list(row.classes)] for row in rows]
    text = json.dumps([spacing_mm, described, files])
    return hashlib.sha256(text.encode()).hexdigest()
