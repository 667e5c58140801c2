"""Tables that users write: CSV as spreadsheet programs of any country save it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jssr.errors import InputError

_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class TableRow:
    """A row that is not empty.

    Attributes:
        line: its last line in the file, the header being line 1.
        values: what stands in each known column, without blanks around it; ``""`` where nothing
            does, or where the table has no such column.
        surplus: what stands beyond the last column of the header, in the same way.
    """

    line: int
    values: dict[str, str]
    surplus: tuple[str, ...]


def read_rows(path: Path, columns: Sequence[str], required: Sequence[str]) -> list[TableRow]:
    """The rows of a CSV table; their cells are not checked.

    The text is UTF-8, with or without a byte order mark. Commas, semicolons or tabs stand between
    the cells, whichever the header has most of; the columns may be in any order and in any case.

    Args:
        path: the table.
        columns: names of all columns that it may have, in lower case.
        required: those that it must have.

    Raises:
        InputError: there is no such file, it is no text, or columns are missing or unknown.
    """
    if not path.is_file():
        raise InputError(f"There is no table '{path}'; check the path.")
    try:
        text = path.read_text("utf-8-sig")
        header = text.partition("\n")[0]
        delimiter = max(_DELIMITERS, key=header.count)
        reader = csv.reader(io.StringIO(text), delimiter=delimiter)
        names = [name.lower() for name in _cells(next(reader, []))]
        _check_columns(path, names, columns, required)
        return [
            _row(reader.line_num, names, cells, columns)
            for cells in map(_cells, reader)
            if any(cells)
        ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"The table '{path}' cannot be read ({error}); save it as CSV in UTF-8 (in Excel, "
            "save it as 'CSV UTF-8')."
        ) from error


def _cells(row: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in row]


def _check_columns(
    path: Path, names: Sequence[str], columns: Sequence[str], required: Sequence[str]
) -> None:
    faults = [f"the column '{name}' is missing" for name in required if name not in names]
    faults += [f"the column '{name}' is unknown" for name in names if name not in columns]
    if faults:
        optional = [name for name in columns if name not in required]
        raise InputError(
            f"'{path}' cannot be used: {'; '.join(faults)}. Its first line must name "
            f"{', '.join(required)}, and may name {', '.join(optional)}."
        )


def _row(line: int, names: Sequence[str], cells: Sequence[str], columns: Sequence[str]) -> TableRow:
    values = dict.fromkeys(columns, "") | dict(zip(names, cells, strict=False))
    return TableRow(line, values, tuple(cells[len(names) :]))
