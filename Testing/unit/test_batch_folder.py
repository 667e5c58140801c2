"""Folders of studies as archives export them: which scans are found, and what phase each has."""

import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from jssr.batch.folder import read_folder
from jssr.batch.state import STATE_NAME, State
from jssr.batch.study import Study
from jssr.io.images import read_scan, write_image
from jssr.io.segmentation import write_segmentation
from jssr.labels import Phase
from sample_scans import (
    forbidden,
    scan_image,
    write_dicom_series,
    write_dose_report,
    write_localizer,
    write_screen_capture,
)


def study(root: Path) -> Study:
    (only,) = read_folder(root)
    return only


def series(folder: Path, description: str, seed: int = 0, number: int = 3) -> list[Path]:
    return write_dicom_series(
        scan_image(seed=seed),
        folder,
        uid=f"1.2.{number}",
        description=description,
        prefix=f"IM{number}",
        tags={"0020|0011": str(number)},
    )


def beside_the_scans(folder: Path, *, one_folder: bool) -> None:
    places = [folder if one_folder else folder / name for name in ("1", "501", "999", "7")]
    write_localizer(places[0])
    write_screen_capture(places[1])
    write_dose_report(places[2] / "report")
    coronal = sitk.PermuteAxes(scan_image(), [0, 2, 1])
    write_dicom_series(coronal, places[3], uid="1.2.7", description="art cor", prefix="cor")


PHASES = [
    ("ART", Phase.ARTERIAL),
    ("PORTAL VENOUS 70s", Phase.PORTAL_VENOUS),
    ("NATIVE", Phase.NON_CONTRAST),
    ("delayed 3 min", Phase.DELAYED),
    ("Abdomen 5.0 B30f", None),
    ("ART + PV", None),
]


@pytest.mark.parametrize("one_folder", [False, True], ids=["folder a series", "one folder"])
def test_descriptions_tell_the_phases_and_what_is_no_scan_is_left_out(
    tmp_path: Path, one_folder: bool
) -> None:
    exported = tmp_path / "P1" / "ST0001"
    for number, (description, _) in enumerate(PHASES, start=11):
        place = exported if one_folder else exported / f"SE{number:04d}"
        series(place, description, seed=number, number=number)
    beside_the_scans(exported, one_folder=one_folder)
    found = study(tmp_path)
    assert [(scan.title, scan.phase) for scan in found.scans] == [
        (f"'{number} {description}', 12 slices", phase)
        for number, (description, phase) in enumerate(PHASES, start=11)
    ]
    assert sorted(one.kind for one in found.left_out) == [
        "localizer",
        "not axial",
        "screen capture",
    ]
    for number, scan in enumerate(found.scans, start=11):
        read = sitk.GetArrayFromImage(read_scan(scan.image))
        assert (read == sitk.GetArrayFromImage(scan_image(seed=number))).all()


@pytest.mark.parametrize(
    ("folder", "description", "phase"),
    [
        ("PV", "arterial", Phase.PORTAL_VENOUS),
        ("PV/DICOM", "arterial", Phase.ARTERIAL),
        ("PV/DICOM", "Abdomen 5.0", Phase.PORTAL_VENOUS),
        ("CT nativ, arteriell, venoes/SE0002", "ART", Phase.ARTERIAL),
        ("CT nativ/PV", "Abdomen 5.0", Phase.PORTAL_VENOUS),
        (".", "ART", Phase.ARTERIAL),
    ],
)
def test_the_nearest_word_counts(
    tmp_path: Path, folder: str, description: str, phase: Phase
) -> None:
    series(tmp_path / "delayed" / folder, description)
    (scan,) = study(tmp_path).scans
    assert scan.phase is phase


def test_the_name_of_a_folder_with_several_scans_tells_less_than_their_descriptions(
    tmp_path: Path,
) -> None:
    series(tmp_path / "P1" / "arterial", "PV", number=3)
    series(tmp_path / "P1" / "arterial", "Abdomen 5.0", number=4)
    assert [scan.phase for scan in study(tmp_path).scans] == [Phase.PORTAL_VENOUS, Phase.ARTERIAL]


def test_a_scan_beside_a_localizer_is_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "P1" / "arterial"
    write_localizer(folder)
    series(folder, "x")
    assert [scan.image for scan in study(tmp_path).scans] == [folder]


def test_damaged_slices_leave_the_other_series_alone(tmp_path: Path) -> None:
    mixed = series(tmp_path / "P1", "ART", number=3)
    series(tmp_path / "P1", "PV", number=4)
    mixed[5].write_bytes(mixed[5].read_bytes()[:700])
    broken = series(tmp_path / "P1" / "delayed", "x", number=5)
    for path in broken:
        path.write_bytes(path.read_bytes()[:700])
    assert [scan.phase for scan in study(tmp_path).scans] == [
        Phase.ARTERIAL,
        Phase.PORTAL_VENOUS,
        Phase.DELAYED,
    ]


def drawn() -> sitk.Image:
    """A label map of the sample scan."""
    return sitk.Cast(scan_image() > 0, sitk.sitkUInt8)


def write(image: sitk.Image, path: Path) -> None:
    """Writes a segmentation or another image, in a folder that may be new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (write_segmentation if path.name.endswith(".seg.nrrd") else write_image)(image, path)


def kinds(found: Study) -> list[tuple[str, str]]:
    return [(one.title, one.kind) for one in found.left_out]


def test_image_files_beside_slices_do_not_hide_them(tmp_path: Path) -> None:
    for phase, name in (("portal", "vendor_export"), ("arterial", "liver_mask")):
        series(tmp_path / "P2" / phase, "Abdomen 5.0")
        write(scan_image(), tmp_path / "P2" / phase / f"{name}.nii.gz")
    found = study(tmp_path)
    assert [(scan.image.name, scan.phase) for scan in found.scans] == [
        ("arterial", Phase.ARTERIAL),
        ("portal", Phase.PORTAL_VENOUS),
    ]
    assert kinds(found) == [
        ("", "segmentation or mask by its name"),
        ("", "image file beside DICOM slices"),
    ]


def test_an_image_file_of_another_phase_than_the_slices_beside_it_is_a_scan(
    tmp_path: Path,
) -> None:
    series(tmp_path / "P1", "PV")
    for name in ("arterial", "portal", "export"):
        write(scan_image(), tmp_path / "P1" / f"{name}.nii.gz")
    found = study(tmp_path)
    assert {scan.image.name for scan in found.scans} == {"arterial.nii.gz", "P1"}
    assert kinds(found) == [("", "image file beside DICOM slices")] * 2
    series(tmp_path / "P1", "Abdomen 5.0", number=4)
    assert [scan.title for scan in study(tmp_path).scans] == [
        "'3 PV', 12 slices",
        "'4 Abdomen 5.0', 12 slices",
    ]


def test_annotations_beside_image_files_are_no_scans(tmp_path: Path) -> None:
    for name in ("portal", "arterial"):
        write(scan_image(), tmp_path / "P1" / f"{name}.nii.gz")
    for name in ("portal_seg", "liver", "segments/portal"):
        write(drawn(), tmp_path / "P1" / f"{name}.nii.gz")
    write(drawn(), tmp_path / "P1" / "arterial.seg.nrrd")
    found = study(tmp_path)
    assert [scan.image.name for scan in found.scans] == ["arterial.nii.gz", "portal.nii.gz"]
    assert kinds(found) == [
        ("", "segmentation"),
        ("", "segmentation or mask by its values"),
        ("", "segmentation or mask by its name"),
        ("", "segmentation or mask by its values"),
    ]


def test_what_else_lies_beside_image_files_is_no_matter(tmp_path: Path) -> None:
    write(scan_image(), tmp_path / "P1" / "portal.nii.gz")
    (tmp_path / "P1" / "README").write_text("seen by radiology")
    write_dose_report(tmp_path / "P1" / "report")
    found = study(tmp_path)
    assert [scan.image.name for scan in found.scans] == ["portal.nii.gz"] and not found.left_out
    write_localizer(tmp_path / "P1")
    assert kinds(study(tmp_path)) == [("1 Topogram", "localizer")]


def test_damaged_slices_give_way_to_an_image_file_and_not_to_a_mask(tmp_path: Path) -> None:
    for path in series(tmp_path / "P1", "ART"):
        path.write_bytes(path.read_bytes()[:700])
    write(drawn(), tmp_path / "P1" / "liver.nii.gz")
    assert [scan.image.name for scan in study(tmp_path).scans] == ["P1"]
    write(scan_image(), tmp_path / "P1" / "arterial.nii.gz")
    found = study(tmp_path)
    assert [scan.image.name for scan in found.scans] == ["arterial.nii.gz"]
    assert ("", "damaged DICOM slices beside an image file") in kinds(found)


def test_a_folder_of_slicers_segmentations_is_no_patient_but_one_of_masks_is_told(
    tmp_path: Path,
) -> None:
    write(drawn(), tmp_path / "P1" / "a.seg.nrrd")
    write(drawn(), tmp_path / "P2" / "portal.nii.gz")
    found = study(tmp_path)
    assert found.patient == "P2" and not found.scans and len(found.left_out) == 1


def test_a_patient_who_must_not_be_read_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patient in ("P1", "P2"):
        (tmp_path / patient).mkdir()
        (tmp_path / patient / "portal.nii").touch()
    iterdir = Path.iterdir
    monkeypatch.setattr(
        Path, "iterdir", lambda path: (forbidden if path.name == "P1" else iterdir)(path)
    )
    first, second = read_folder(tmp_path)
    assert "cannot be read (Permission denied)" in first.fault and not first.scans
    assert str(tmp_path) not in first.fault
    assert len(second.scans) == 1 and not second.fault


def test_what_jssr_wrote_itself_is_no_scan(tmp_path: Path) -> None:
    for name in ("portal", "arterial", "result/warped", "result/difference", "result/synthesized"):
        write(scan_image(), tmp_path / "P1" / f"{name}.nii.gz")
    write(drawn(), tmp_path / "P1" / "result" / "fixed_segmentation.seg.nrrd")
    for folder in (tmp_path / "results", tmp_path / "P1" / "batch"):
        State(folder, {})
        write(scan_image(), folder / "P1" / "arterial" / "warped.nii.gz")
        write(scan_image(), folder / "P1" / "arterial" / "exported.nii.gz")
    found = study(tmp_path)
    assert found.patient == "P1"
    assert [scan.image.name for scan in found.scans] == ["arterial.nii.gz", "portal.nii.gz"]
    assert kinds(found) == [("", "result of JSSR")] * 5


def test_a_file_that_is_called_like_a_batchs_own_hides_no_scan(tmp_path: Path) -> None:
    write(scan_image(), tmp_path / "P1" / "portal.nii.gz")
    for content in ("{}", "[]", '{"settings": null}', "no JSON"):
        (tmp_path / "P1" / STATE_NAME).write_text(content)
        assert len(study(tmp_path).scans) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_links_that_lead_back_or_to_the_same_folder_find_no_scan_twice(tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    for patient in ("P1", "P2"):
        write(scan_image(), root / patient / "CT" / "portal.nii.gz")
    for name, target in (("again", "CT"), ("here", "."), ("root", ".."), ("above", "../..")):
        (root / "P1" / name).symlink_to(target)
        (root / "P1" / "CT" / name).symlink_to(Path("..", target))
    (root / "P3").symlink_to("P2")
    assert [(study.patient, len(study.scans)) for study in read_folder(root)] == [
        ("P1", 1),
        ("P2", 1),
        ("P3", 1),
    ]


def test_a_folder_without_scans_is_no_patient(tmp_path: Path) -> None:
    (tmp_path / "P1").mkdir()
    (tmp_path / "P2").mkdir()
    (tmp_path / "P2" / "notes.txt").touch()
    assert read_folder(tmp_path) == []
