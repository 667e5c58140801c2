"""Which scans there are, and which of them to register to which: from a table or a folder."""

import csv
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jssr.errors import InputError
from jssr.io.dicom import is_dicom
from jssr.labels import Phase
from jssr.phase_name import phase_from_name, read_phase_or_auto

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
COLUMNS = ("patient", "image", "phase", "role", "mask")
_REQUIRED = ("patient", "image")
_ROLES = ("", "fixed", "moving")


@dataclass(frozen=True)
class ScanFile:
    """One scan of a patient, as it lies on disk; ``role`` is ``fixed``, ``moving`` or empty."""

    patient: str
    image: Path
    phase: Phase | None = None
    role: str = ""
    mask: Path | None = None


@dataclass(frozen=True)
class Case:
    """One registration; ``name`` is its folder below the output, like ``patient 7/arterial``."""

    name: str
    fixed: ScanFile
    moving: ScanFile


def read_cases(source: Path, fixed_phase: Phase = Phase.PORTAL_VENOUS) -> list[Case]:
    """The cases in a table or in a folder of studies.

    A table (CSV with the columns of :data:`COLUMNS`, of which ``patient`` and ``image`` are needed)
    has one row a scan; relative paths start at the table's folder. A folder has one folder a
    patient, which holds image files or folders of DICOM slices; the phases are taken from their
    names. In each patient the scan with the role ``fixed``, or else the one of ``fixed_phase``, is
    the one that the others are registered to.

    Raises:
        InputError: the source is missing or faulty; the message tells every fault.
    """
    if source.is_dir():
        scans = _scans_of_folder(source)
    elif source.is_file():
        scans = _scans_of_table(source)
    else:
        raise InputError(f"There is no table or folder '{source}'; check the path.")
    patients: dict[str, list[ScanFile]] = {}
    for scan in scans:
        patients.setdefault(scan.patient, []).append(scan)
    if not patients:
        raise InputError(f"'{source}' holds no scans; see the documentation of batches.")
    faults: list[str] = []
    cases: list[Case] = []
    for patient, group in patients.items():
        try:
            fixed = _fixed_scan(patient, group, fixed_phase, named=source.is_dir())
            cases += _cases_of_patient(patient, group, fixed)
        except InputError as fault:
            faults.append(str(fault))
    _raise_all(source, faults)
    return _with_unique_names(cases)


def _scans_of_table(path: Path) -> list[ScanFile]:
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


def _scans_of_folder(root: Path) -> list[ScanFile]:
    scans = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and _visible(path)):
        for path in _images(folder):
            name = str(path.relative_to(folder))
            scans.append(ScanFile(_printable(folder.name), path, phase_from_name(name)))
    return scans


def _printable(name: str) -> str:
    """A file's name that can be written to tables and pages, whatever its bytes are."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _images(folder: Path) -> Iterator[Path]:
    """Image files below ``folder``, and the folders with other files, which DICOM slices are in."""
    entries = sorted(path for path in folder.iterdir() if _visible(path))
    files = [path for path in entries if path.is_file()]
    volumes = [path for path in files if path.name.lower().endswith(IMAGE_SUFFIXES)]
    yield from (path for path in volumes if not path.name.lower().endswith(".seg.nrrd"))
    if not volumes and any(_may_be_dicom(path) for path in files):
        yield folder
    for path in entries:
        if path.is_dir():
            yield from _images(path)


def _visible(path: Path) -> bool:
    return not path.name.startswith(".")


def _may_be_dicom(path: Path) -> bool:
    if path.name.upper() == "DICOMDIR":
        return False
    # Archives name slices by their UIDs, whose last part looks like a suffix.
    return path.suffix.lower() in (".dcm", ".ima", "") or is_dicom(path)


def _cases_of_patient(patient: str, scans: Sequence[ScanFile], fixed: ScanFile) -> list[Case]:
    others = [scan for scan in scans if scan is not fixed]
    if not others:
        raise InputError(f"patient '{patient}' has a single scan")
    return [
        Case(f"{_folder_name(patient)}/{_scan_name(scan, number)}", fixed, scan)
        for number, scan in enumerate(others, start=1)
    ]


def _fixed_scan(
    patient: str, scans: Sequence[ScanFile], fixed_phase: Phase, *, named: bool
) -> ScanFile:
    """The scan that the others are registered to; ``named``: phases come from names of files."""
    marked = [scan for scan in scans if scan.role == "fixed"]
    if not marked:
        marked = [scan for scan in scans if scan.phase is fixed_phase and scan.role == ""]
    if len(marked) == 1:
        return marked[0]
    what = "no scan that is" if not marked else f"{len(marked)} scans that are"
    phase = fixed_phase.value
    if named:
        raise InputError(
            f"patient '{patient}' has {what} named as {phase}; name the {phase} scan's file or "
            f"folder so (for example {phase}.nii.gz) and no other, or write a table with a column "
            "'role'"
        )
    raise InputError(
        f"patient '{patient}' has {what} marked as fixed or known as {phase}; "
        "write 'fixed' into the column 'role' of one"
    )


def _scan_name(scan: ScanFile, number: int) -> str:
    return scan.phase.value if scan.phase is not None else f"moving {number}"


def _folder_name(text: str) -> str:
    """``text`` without what file systems forbid in names."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]+', "_", text).strip(". ") or "_"


def _with_unique_names(cases: Iterable[Case]) -> list[Case]:
    taken: set[str] = set()
    unique = []
    for case in cases:
        name, number = case.name, 2
        while name.lower() in taken:
            name, number = f"{case.name} {number}", number + 1
        taken.add(name.lower())
        unique.append(replace(case, name=name))
    return unique


def _raise_all(source: Path, faults: Sequence[str]) -> None:
    if faults:
        raise InputError(f"'{source}' cannot be used: {'; '.join(faults)}.")
