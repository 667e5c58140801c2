"""CSV tables as users' programs save them."""

from pathlib import Path

import pytest

from jssr.errors import InputError
from jssr.io.table import TableRow, read_rows

COLUMNS = ("patient", "image", "phase")
REQUIRED = ("patient", "image")


def table(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    return path


def rows(tmp_path: Path, text: str, encoding: str = "utf-8") -> list[TableRow]:
    return read_rows(table(tmp_path, text, encoding), COLUMNS, REQUIRED)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_programs_write_between_cells_makes_no_difference(
    tmp_path: Path, delimiter: str, encoding: str, end: str
) -> None:
    lines = [["patient", "image", "phase"], ["Müller", "a.nii", "portal"], ["B", "b.nii", ""]]
    text = end.join(delimiter.join(cells) for cells in lines) + end
    assert rows(tmp_path, text, encoding) == [
        TableRow(2, {"patient": "Müller", "image": "a.nii", "phase": "portal"}, ()),
        TableRow(3, {"patient": "B", "image": "b.nii", "phase": ""}, ()),
    ]


def test_the_header_may_be_in_any_order_and_case(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "IMAGE , Patient\n a.nii, A \n")
    assert row.values == {"patient": "A", "image": "a.nii", "phase": ""}


def test_empty_rows_are_left_out_but_counted(tmp_path: Path) -> None:
    read = rows(tmp_path, "patient;image;phase\n\n;;\nA;a.nii\n; ;\n")
    assert [(row.line, row.values["phase"]) for row in read] == [(4, "")]


def test_quotes_hold_a_cell_together(tmp_path: Path) -> None:
    read = rows(tmp_path, 'patient;image\n"A;1";"a\nb.nii"\nB;b.nii\n')
    assert [row.values["patient"] for row in read] == ["A;1", "B"]
    assert read[0].values["image"] == "a\nb.nii" and read[1].line == 4


def test_cells_beyond_the_header_are_kept_apart(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "patient,image\nA,a.nii,,x\n")
    assert row.surplus == ("", "x") and row.values["image"] == "a.nii"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the column 'patient' is missing; the column 'image' is missing"),
        ("patient,file\n", "the column 'image' is missing; the column 'file' is unknown"),
        ("patient image\n", "the column 'patient image' is unknown"),
    ],
)
def test_a_bad_header_is_told_with_the_right_one(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        rows(tmp_path, text)
    assert told in str(caught.value)
    right = "Its first line must name patient, image, and may name phase."
    assert str(caught.value).endswith(right)


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t\.csv' cannot be read .*; save it as CSV in UTF-8"):
        rows(tmp_path, "patient,image\nMüller,a\n", "cp1252")


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="save it as CSV in UTF-8"):
        rows(tmp_path, "patient,image\nA," + "a" * 200_000)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no table '.*missing\.csv'; check the path\."):
        read_rows(tmp_path / "missing.csv", COLUMNS, REQUIRED)
