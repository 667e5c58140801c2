"""Cohorts by what users name: a folder, a table, or seeds of phantoms.

``phantoms:1000-1011`` stands for twelve patients.
"""

import re
from pathlib import Path

from jssr.errors import InputError
from jssr.evaluation.cohort import Case, read_cohort
from jssr.evaluation.table_cohort import TABLE_SUFFIX, read_table_cohort
from jssr.phantom.cohort import is_current, write_cohort
from jssr.phantom.options import PairOptions
from jssr.registration.result import ProgressCallback

SHAPE_ZYX = (112, 144, 176)
SPACING_MM = 2.0

_PATTERN = re.compile(r"phantoms:(\d+)-(\d+)")


def cohort_name(cohort: str) -> str:
    """What reports call a cohort: its seeds, or its folder's or table's name without the path."""
    return Path(cohort).resolve().name


def open_cohort(
    cohort: str, workspace: Path, *, limit: int | None = None, progress: ProgressCallback
) -> tuple[Case, ...]:
    """The first ``limit`` pairs of a folder, of a table's test patients, or of phantom seeds.

    Phantoms are written below ``workspace`` once, and again when their generator has changed; a
    range that was cut short by ``limit`` is a cohort of its own, so no phantom is made that is not
    used.

    Raises:
        InputError: there is no such folder or table, it holds no pairs, or the range is empty.
    """
    match = _PATTERN.fullmatch(cohort)
    if match is None and cohort.endswith(TABLE_SUFFIX):
        return read_table_cohort(Path(cohort))[:limit]
    if match is None:
        return read_cohort(Path(cohort))[:limit]
    first, last = int(match[1]), int(match[2])
    if last < first:
        raise InputError(f"The range '{cohort}' is empty; write the lower seed first.")
    count = last - first + 1 if limit is None else min(limit, last - first + 1)
    folder = workspace / "phantoms" / f"{first}-{first + count - 1}"
    if not is_current(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_cohort(
            folder,
            count,
            first,
            SHAPE_ZYX,
            SPACING_MM,
            pair_options=PairOptions(contrast="physiological"),
            overwrite=True,
            progress=lambda name, done: progress(f"Make phantom {name}", done),
        )
    return read_cohort(folder)
