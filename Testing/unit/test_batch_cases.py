"""Tables and folders of studies as cases."""

import os
import sys
from pathlib import Path

import pytest

from jssr.batch.cases import read_worklist
from jssr.errors import InputError
from jssr.labels import Phase
from sample_scans import scan_image, write_dicom_series, write_localizer


def table(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_a_table_gives_a_case_for_each_moving_scan(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "patient,image,phase,role,mask",
        "A,a/1.nii.gz,portal-venous,,a/body.nii.gz",
        "A,a/2.nii.gz,arterial,,",
        "A,/elsewhere/3.nii.gz,auto,,",
        "",
        "B,b/1.nrrd,late,fixed,",
        "B,b/2.nrrd,PV,,",
    )
    cases = read_worklist(path).cases
    assert [case.name for case in cases] == ["A/arterial", "A/moving 2", "B/portal-venous"]
    first, second, third = cases
    assert first.fixed.image == tmp_path / "a/1.nii.gz"
    assert first.fixed.mask == tmp_path / "a/body.nii.gz"
    assert first.moving.phase is Phase.ARTERIAL
    assert second.moving.image == Path("/elsewhere/3.nii.gz")
    assert second.moving.phase is None
    assert third.fixed.phase is Phase.DELAYED


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_a_byte_order_mark_are_understood(
    tmp_path: Path, delimiter: str
) -> None:
    rows = ["Patient,Image,Phase", "A,1.nii,portal", "A,2.nii,arterial"]
    path = table(tmp_path, "\ufeff" + rows[0].replace(",", delimiter))
    with path.open("a") as stream:
        stream.writelines("\n" + row.replace(",", delimiter) for row in rows[1:])
    assert [case.name for case in read_worklist(path).cases] == ["A/arterial"]


def test_the_same_phase_twice_gets_two_folders(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "patient,image,phase,role",
        "A/..,1.nii,portal,fixed",
        "A/..,2.nii,portal,",
        "A/..,3.nii,portal,",
    )
    assert [case.name for case in read_worklist(path).cases] == [
        "A_/portal-venous",
        "A_/portal-venous 2",
    ]


def test_the_fixed_phase_can_be_chosen(tmp_path: Path) -> None:
    path = table(tmp_path, "patient,image,phase", "A,1.nii,portal", "A,2.nii,delayed")
    (case,) = read_worklist(path, Phase.DELAYED).cases
    assert case.fixed.image.name == "2.nii"


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "patient,image,phase,role",
        "A,,arterial,",
        "",
        "A,2.nii,purple,",
        "A,3.nii,arterial,king",
    )
    with pytest.raises(InputError) as caught:
        read_worklist(path)
    for part in ("row 2: 'image' is empty", "row 4: the phase 'purple'", "row 5: the role 'king'"):
        assert part in str(caught.value)


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    path.write_bytes("patient,image\nMüller,1.nii".encode("latin-1"))
    with pytest.raises(InputError, match="save it as CSV in UTF-8"):
        read_worklist(path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are Unicode")
def test_a_folder_whose_name_is_no_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    folder.mkdir()
    for name in ("portal", "arterial"):
        (folder / f"{name}.nii").touch()
    (case,) = read_worklist(tmp_path).cases
    assert case.name == "M_xfcller/arterial" and case.fixed.patient == r"M\xfcller"
    assert case.moving.image == folder / "arterial.nii"


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (["patient,file", "A,1.nii"], "column 'image' is missing; the column 'file' is unknown"),
        (["patient,image,phase", "A,1.nii,portal"], "patient 'A' has a single scan"),
        (["patient,image,phase", "A,1.nii,arterial", "A,2.nii,delayed"], "has no scan that is"),
        (["patient,image,phase", "A,1.nii,pv", "A,2.nii,pv"], "has 2 scans that are marked"),
        (["patient,image,phase"], "holds no scans"),
    ],
)
def test_what_cannot_be_registered_is_refused(tmp_path: Path, lines: list[str], part: str) -> None:
    with pytest.raises(InputError, match=part):
        read_worklist(table(tmp_path, *lines))


def test_a_source_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table or folder"):
        read_worklist(tmp_path / "missing.csv")


def test_a_folder_of_studies(tmp_path: Path) -> None:
    for name in (
        "P1/portal.nii.gz",
        "P1/art.nii.gz",
        "P1/art.seg.nrrd",
        "P1/notes.txt",
        "P2/2024/PV/IM0001",
        "P2/2024/PV/IM0002",
        "P2/2024/delayed/1.dcm",
        ".hidden/portal.nii",
        "readme.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    cases = read_worklist(tmp_path).cases
    assert [case.name for case in cases] == ["P1/arterial", "P2/delayed"]
    assert cases[0].fixed.image == tmp_path / "P1/portal.nii.gz"
    assert cases[1].fixed.image == tmp_path / "P2/2024/PV"
    assert cases[1].moving.image == tmp_path / "P2/2024/delayed"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("a.nii", "arterial.nii"), "has no scan that is named as portal-venous"),
        (("pv.nii", "portal.nii", "late.nii"), "has 2 scans that are named as portal-venous"),
    ],
)
def test_a_folder_without_one_fixed_scan_is_told_how_to_name_it(
    tmp_path: Path, names: tuple[str, ...], told: str
) -> None:
    (tmp_path / "P1").mkdir()
    for name in names:
        (tmp_path / "P1" / name).touch()
    with pytest.raises(InputError, match=told) as caught:
        read_worklist(tmp_path)
    advice = "file or folder so (for example portal-venous.nii.gz) and no other, or write a table"
    assert advice in str(caught.value) and "of one" not in str(caught.value)


def test_slices_that_are_named_by_their_uid_are_found(tmp_path: Path) -> None:
    for phase in ("portal", "arterial"):
        for path in write_dicom_series(scan_image(), tmp_path / "P1" / phase):
            path.rename(path.with_name(f"CT.1.2.840.{path.stem[-3:]}"))
    (case,) = read_worklist(tmp_path).cases
    assert case.fixed.image.name == "portal" and case.moving.image.name == "arterial"


def test_a_patient_who_cannot_be_used_leaves_the_others_alone(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "patient,image,phase",
        "A,1.nii,portal",
        "B,1.nii,portal",
        "B,2.nii,arterial",
        "C,1.nii,pv",
        "C,2.nii,pv",
        "C,3.nii,late",
    )
    work = read_worklist(path)
    assert [case.name for case in work.cases] == ["B/arterial"]
    single, double = work.unusable
    assert (single.name, single.patient) == ("A", "A")
    assert single.fault.startswith("has a single scan; add another phase")
    assert double.name == "C" and "has 2 scans that are marked as fixed" in double.fault
    assert work.remark() == ""


def test_patients_who_cannot_be_used_have_names_of_their_own(tmp_path: Path) -> None:
    rows = [f"{patient},1.nii,portal" for patient in ("A/1", "A_1", "B", "B")]
    path = table(tmp_path, "patient,image,phase", *rows, "B,2.nii,arterial", "C,1.nii,portal")
    path.write_text(path.read_text().replace("B,1.nii,portal", "B,1.nii,auto", 1))
    work = read_worklist(path)
    assert [(each.name, each.patient) for each in work.unusable] == [
        ("A_1", "A/1"),
        ("A_1 2", "A_1"),
        ("C", "C"),
    ]


def test_of_many_patients_of_whom_none_can_be_used_some_are_told(tmp_path: Path) -> None:
    rows = [f"P{number},1.nii,portal" for number in range(1, 8)]
    with pytest.raises(InputError, match=r"'P3' has .*; and so on for 4 more patients\.") as caught:
        read_worklist(table(tmp_path, "patient,image,phase", *rows))
    assert "P4" not in str(caught.value)


def exported(folder: Path, *descriptions: str) -> None:
    """A study of series whose folders have no names that tell anything."""
    write_localizer(folder / "SE0001")
    for number, description in enumerate(descriptions, start=2):
        write_dicom_series(
            scan_image(),
            folder / f"SE{number:04d}",
            uid=f"1.2.{number}",
            description=description,
            tags={"0020|0011": str(number)},
        )


def test_an_exported_study_needs_no_names(tmp_path: Path) -> None:
    exported(tmp_path / "P1", "NATIVE", "ART", "PORTAL VENOUS 70s", "delayed 3 min")
    work = read_worklist(tmp_path)
    assert [case.name for case in work.cases] == ["P1/non-contrast", "P1/arterial", "P1/delayed"]
    assert {case.fixed.image.name for case in work.cases} == {"SE0004"}
    assert work.remark() == "Series left out: localizer (1)."


def test_series_that_leave_the_fixed_scan_open_are_listed(tmp_path: Path) -> None:
    exported(tmp_path / "P1", "ART", "PV 1.0", "PV 5.0")
    with pytest.raises(InputError) as caught:
        read_worklist(tmp_path)
    told = (
        "patient 'P1' has 2 scans that are named as portal-venous (series: "
        "'2 ART', 12 slices, arterial; '3 PV 1.0', 12 slices, portal-venous; "
        "'4 PV 5.0', 12 slices, portal-venous; left out: '1 Topogram', localizer); name the "
    )
    assert told in str(caught.value)
    assert "a file stands for its series (jssr info FOLDER lists them)." in str(caught.value)


def test_image_files_that_are_left_out_are_told_without_their_names(tmp_path: Path) -> None:
    (tmp_path / "P1").mkdir()
    for name in ("portal", "portal_seg", "liver_mask"):
        (tmp_path / "P1" / f"{name}.nii.gz").touch()
    with pytest.raises(InputError) as caught:
        read_worklist(tmp_path)
    told = "has a single scan (left out: segmentation or mask by its name (2)); add another phase"
    assert told in str(caught.value)
    (tmp_path / "P1" / "arterial.nii.gz").touch()
    work = read_worklist(tmp_path)
    assert [case.name for case in work.cases] == ["P1/arterial"]
    assert work.remark() == "Series left out: segmentation or mask by its name (2)."
