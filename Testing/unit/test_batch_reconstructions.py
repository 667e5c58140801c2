"""One acquisition that was stored several times is registered once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from jssr.batch.folder import read_folder
from jssr.batch.study import Study
from sample_scans import scan_image, write_dicom_series

ARTERIAL, PORTAL = "101500.0", "101545.5"


def series(
    patient: Path,
    number: int,
    description: str,
    time: str,
    slices: int,
    *,
    low_mm: float = 0.0,
    high_mm: float = 55.0,
    **tags: str,
) -> None:
    """So many slices from one place to another."""
    places = np.zeros((slices, 3))
    places[:, 2] = np.linspace(low_mm, high_mm, slices)
    write_dicom_series(
        scan_image(seed=number)[:, :, :slices],
        patient / f"SE{number}",
        positions_mm=places,
        uid=f"1.2.{number}",
        description=description,
        tags={
            "0020|0011": str(number),
            "0008|0022": "20260301",
            "0008|0032": time,
            **{key.replace("_", "|"): value for key, value in tags.items()},
        },
    )


def study(root: Path) -> Study:
    (only,) = read_folder(root)
    return only


def used(found: Study) -> list[str]:
    return [scan.image.name for scan in found.scans]


def left_out(found: Study) -> list[tuple[str, str]]:
    return [(one.title, one.kind) for one in found.left_out]


def test_the_one_with_the_most_slices_is_taken_of_each_phase(tmp_path: Path) -> None:
    patient = tmp_path / "P1"
    for number, (description, time, slices) in enumerate(
        [("ART 5", ARTERIAL, 5), ("ART 1", ARTERIAL, 12), ("PV 1", PORTAL, 12), ("PV 5", PORTAL, 5)]
    ):
        series(patient, number, description, time, slices)
    found = study(tmp_path)
    assert used(found) == ["SE1", "SE2"]
    assert left_out(found) == [
        ("0 ART 5", "another reconstruction of '1 ART 1'"),
        ("3 PV 5", "another reconstruction of '2 PV 1'"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "PV LUNG 1.0",
        "pv lunge",
        "PV poumon",
        "PV pulmón",
        "PV Bone",
        "portal Knochen 1mm",
        "PV Iodine 1.0",
        "PV VNC",
        "PV MonoE 40keV",
        "PV MIP 10",
    ],
)
def test_what_is_made_for_something_else_is_taken_where_there_is_no_other(
    tmp_path: Path, name: str
) -> None:
    series(tmp_path / "P1", 1, name, PORTAL, 12)
    series(tmp_path / "P1", 2, "PV 5.0 soft", PORTAL, 5)
    series(tmp_path / "P2", 1, name, PORTAL, 12)
    series(tmp_path / "P2", 2, "ART", ARTERIAL, 5)
    first, second = read_folder(tmp_path)
    assert used(first) == ["SE2"] and len(first.left_out) == 1
    assert used(second) == ["SE1", "SE2"] and not second.left_out


@pytest.mark.parametrize(
    ("descriptions", "tags"),
    [
        (("ART", "PV"), {}),
        (("Abdomen 1", "Abdomen 5"), {}),
        (("PV", "PV"), {"0008_0032": "101545.6"}),
        (("PV", "PV"), {"0008_0032": ""}),
        (("PV", "PV"), {"0008_0022": "20260302"}),
    ],
    ids=["other phase", "no phase", "other time", "no time", "other day"],
)
def test_what_may_be_another_acquisition_stays(
    tmp_path: Path, descriptions: Sequence[str], tags: dict[str, str]
) -> None:
    series(tmp_path / "P1", 1, descriptions[0], PORTAL, 12)
    series(tmp_path / "P1", 2, descriptions[1], PORTAL, 5, **tags)
    found = study(tmp_path)
    assert len(found.scans) == 2 and not found.left_out


def test_parts_of_one_acquisition_stay(tmp_path: Path) -> None:
    """One helix stored as chest and abdomen, and a slab around the pancreas."""
    for number, (low, high) in enumerate([(0.0, 30.0), (30.0, 55.0), (20.0, 40.0)]):
        series(
            tmp_path / "P1",
            number,
            f"PV part {number}",
            PORTAL,
            6 + number,
            low_mm=low,
            high_mm=high,
        )
    series(tmp_path / "P1", 9, "PV whole", PORTAL, 12)
    found = study(tmp_path)
    assert len(found.scans) == 4 and not found.left_out


def test_where_nothing_decides_both_stay(tmp_path: Path) -> None:
    for number in (1, 2):
        series(tmp_path / "P1", number, f"PV {number}", PORTAL, 12)
    assert len(study(tmp_path).scans) == 2


@pytest.mark.parametrize("time", ["000000", "000000.000", "101545"])
def test_times_that_were_blanked_tell_nothing(tmp_path: Path, time: str) -> None:
    """Midnight, or one time for two phases."""
    for number, description in enumerate(["ART early", "ART late", "PV"]):
        series(tmp_path / "P1", number, description, time, 10 + number)
    found = study(tmp_path)
    assert len(found.scans) == 3 and not found.left_out


def test_a_projection_that_its_image_type_tells_is_not_taken(tmp_path: Path) -> None:
    projection = {"0008_0008": "DERIVED\\SECONDARY\\AXIAL\\MIP"}
    series(tmp_path / "P1", 1, "PV", PORTAL, 12, **projection)
    series(tmp_path / "P1", 2, "PV 3.0", PORTAL, 6)
    assert used(study(tmp_path)) == ["SE2"]


def test_date_and_time_may_stand_in_one_element(tmp_path: Path) -> None:
    series(tmp_path / "P1", 1, "PV", PORTAL, 12)
    both = {"0008_002a": f"20260301{PORTAL}", "0008_0032": ""}
    series(tmp_path / "P1", 2, "PV", PORTAL, 5, **both)
    assert used(study(tmp_path)) == ["SE1"]


def test_times_that_run_through_the_slices_overlap(tmp_path: Path) -> None:
    """A slice's own time, as some scanners store it: thick slices start and end elsewhere."""
    for number, step in ((1, 1), (2, 2)):
        for second in range(10 + number, 22, step):
            write_dicom_series(
                scan_image(seed=number)[:, :, :1],
                tmp_path / "P1" / f"SE{number}",
                uid=f"1.2.{number}",
                prefix=f"{second}-",
                positions_mm=np.array([[0.0, 0.0, 5.0 * second]]),
                tags={"0008|0022": "20260301", "0008|0032": f"1015{second}.5"},
            )
    found = study(tmp_path)
    assert used(found) == ["SE1"]
    assert [one.kind for one in found.left_out] == ["another reconstruction of '3 portal venous'"]
