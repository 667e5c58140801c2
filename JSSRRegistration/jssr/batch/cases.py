"""Which scans of each patient to register to which, from a table or a folder."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from jssr.batch.folder import read_folder
from jssr.batch.study import ScanFile, Study
from jssr.batch.table import read_table
from jssr.errors import InputError, counted
from jssr.labels import Phase

_TOLD = 3


@dataclass(frozen=True)
class Case:
    """One registration; ``name`` is its folder below the output, like ``patient 7/arterial``."""

    name: str
    fixed: ScanFile
    moving: ScanFile

    @property
    def patient(self) -> str:
        """The patient as the input calls it."""
        return self.fixed.patient


@dataclass(frozen=True)
class Unusable:
    """A patient of whom nothing can be registered; ``fault`` says why, with the patient before it.

    ``name`` stands where a case has its own. No path is in ``fault``.
    """

    name: str
    patient: str
    fault: str


@dataclass(frozen=True)
class Worklist:
    """What a batch has to do; ``left_out`` counts the series that are not used, by kind."""

    cases: list[Case]
    unusable: list[Unusable]
    left_out: Counter[str]

    def remark(self) -> str:
        """One line on the series that were left out; empty if none was."""
        if not self.left_out:
            return ""
        return f"Series left out: {', '.join(_counts(self.left_out))}."


def read_worklist(source: Path, fixed_phase: Phase = Phase.PORTAL_VENOUS) -> Worklist:
    """The cases in a table or in a folder of studies.

    A table (CSV with the columns :data:`jssr.batch.table.COLUMNS`, of which ``patient`` and
    ``image`` are needed) has one row a scan; relative paths start at the table's folder. A folder
    has one folder a patient, which holds image files or DICOM slices; the phases are taken from
    their names and from the series' descriptions. In each patient the scan with the role ``fixed``,
    or else the one of ``fixed_phase``, is the one that the others are registered to.

    Raises:
        InputError: the source is missing or faulty, or no patient can be used.
    """
    if source.is_dir():
        studies = read_folder(source)
    elif source.is_file():
        studies = read_table(source)
    else:
        raise InputError(f"There is no table or folder '{source}'; check the path.")
    if not studies:
        raise InputError(f"'{source}' holds no scans; see the documentation of batches.")
    cases: list[Case] = []
    unusable: list[Unusable] = []
    for study in studies:
        try:
            cases += _cases(study, fixed_phase, named=source.is_dir())
        except InputError as fault:
            name = _folder_name(study.patient)
            unusable.append(Unusable(name, study.patient, str(fault)))
    if not cases:
        told = [f"patient '{each.patient}' {each.fault}" for each in unusable[:_TOLD]]
        if len(unusable) > _TOLD:
            told.append(f"and so on for {counted(len(unusable) - _TOLD, 'more patient')}")
        raise InputError(f"'{source}' cannot be used: {'; '.join(told)}.")
    left_out = Counter(series.kind for study in studies for series in study.left_out)
    taken: set[str] = set()
    return Worklist(_unique(cases, taken), _unique(unusable, taken), left_out)


def _cases(study: Study, fixed_phase: Phase, *, named: bool) -> list[Case]:
    if study.fault:
        raise InputError(study.fault)
    fixed = _fixed_scan(study, fixed_phase, named=named)
    others = [scan for scan in study.scans if scan is not fixed]
    if not others:
        raise InputError(
            f"has a single scan{_found(study)}; add another phase, or leave the patient out"
        )
    return [
        Case(f"{_folder_name(study.patient)}/{_scan_name(scan, number)}", fixed, scan)
        for number, scan in enumerate(others, start=1)
    ]


def _fixed_scan(study: Study, fixed_phase: Phase, *, named: bool) -> ScanFile:
    """The scan that the others are registered to; ``named``: phases come from names of files."""
    marked = [scan for scan in study.scans if scan.role == "fixed"]
    if not marked:
        marked = [scan for scan in study.scans if scan.phase is fixed_phase and scan.role == ""]
    if len(marked) == 1:
        return marked[0]
    what = "no scan that is" if not marked else f"{len(marked)} scans that are"
    phase = fixed_phase.value
    if not named:
        raise InputError(
            f"has {what} marked as fixed or known as {phase}; "
            "write 'fixed' into the column 'role' of one"
        )
    told = ""
    if any(scan.title for scan in study.scans):
        told = ", where a file stands for its series (jssr info FOLDER lists them)"
    raise InputError(
        f"has {what} named as {phase}{_found(study)}; name the {phase} scan's file or folder so "
        f"(for example {phase}.nii.gz) and no other, or write a table with a column 'role'{told}"
    )


def _found(study: Study) -> str:
    """The patient's DICOM series and what was left out, in brackets; nothing without either."""
    found = [
        f"{scan.title}, {scan.phase.value if scan.phase else 'phase unknown'}"
        for scan in study.scans
        if scan.title
    ]
    out = [f"'{one.title}', {one.kind}" for one in study.left_out if one.title]
    out += _counts(Counter(one.kind for one in study.left_out if not one.title))
    parts = [
        f"{what}: {'; '.join(lines)}"
        for what, lines in (("series", found), ("left out", out))
        if lines
    ]
    return f" ({'; '.join(parts)})" if parts else ""


def _counts(kinds: Counter[str]) -> list[str]:
    return [f"{kind} ({count})" for kind, count in sorted(kinds.items())]


def _scan_name(scan: ScanFile, number: int) -> str:
    return scan.phase.value if scan.phase is not None else f"moving {number}"


def _folder_name(text: str) -> str:
    """``text`` without what file systems forbid in names."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]+', "_", text).strip(". ") or "_"


_Named = TypeVar("_Named", Case, Unusable)


def _unique(entries: list[_Named], taken: set[str]) -> list[_Named]:
    unique = []
    for entry in entries:
        name, number = entry.name, 2
        while name.lower() in taken:
            name, number = f"{entry.name} {number}", number + 1
        taken.add(name.lower())
        unique.append(replace(entry, name=name))
    return unique
