"""One acquisition that was stored several times is registered once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from jssr.batch.folder import read_folder
from jssr.batch.study import Study
from jssr.labels import Phase
from sample_scans import scan_image, write_dicom_series

ARTERIAL, PORTAL = "101500.0", "101545.5"


def series(
    patient: Path, number: int, description: str, time: str, slices: int, **tags: str
) -> None:
    write_dicom_series(
        scan_image(seed=number)[:, :, :slices],
        patient / f"SE{number}",
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


DOUBLE = "another reconstruction of the same scan"


def test_the_one_with_the_most_slices_is_taken_of_each_phase(tmp_path: Path) -> None:
    patient = tmp_path / "P1"
    for number, (description, time, slices) in enumerate(
        [("ART 5", ARTERIAL, 5), ("ART 1", ARTERIAL, 12), ("PV 1", PORTAL, 12), ("PV 5", PORTAL, 5)]
    ):
        series(patient, number, description, time, slices)
    found = study(tmp_path)
    assert used(found) == ["SE1", "SE2"]
    assert left_out(found) == [("0 ART 5", DOUBLE), ("3 PV 5", DOUBLE)]


@pytest.mark.parametrize("name", ["PV LUNG 1.0", "pv lunge", "PV Bone", "portal Knochen 1mm"])
def test_a_kernel_for_lung_or_bone_is_taken_where_there_is_no_other(
    tmp_path: Path, name: str
) -> None:
    series(tmp_path / "P1", 1, name, PORTAL, 12)
    series(tmp_path / "P1", 2, "PV 5.0 soft", PORTAL, 5)
    series(tmp_path / "P2", 1, name, PORTAL, 12)
    series(tmp_path / "P2", 2, "ART", ARTERIAL, 5)
    first, second = read_folder(tmp_path)
    assert used(first) == ["SE2"] and len(first.left_out) == 1
    assert used(second) == ["SE1", "SE2"] and not second.left_out


OTHER = {"0008_0032": "101545.6"}


@pytest.mark.parametrize(
    ("descriptions", "tags"),
    [
        (("ART", "PV"), {}),
        (("Abdomen 1", "Abdomen 5"), {}),
        (("PV", "PV"), OTHER),
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


def test_date_and_time_may_stand_in_one_element(tmp_path: Path) -> None:
    series(tmp_path / "P1", 1, "PV", PORTAL, 12)
    both = {"0008_002a": f"20260301{PORTAL}", "0008_0032": ""}
    series(tmp_path / "P1", 2, "PV", PORTAL, 5, **both)
    assert used(study(tmp_path)) == ["SE1"]


def test_times_that_run_through_the_slices_overlap(tmp_path: Path) -> None:
    """A slice's own time, as some scanners store it: thick slices start and end elsewhere."""
    for number, times in ((1, range(10, 22)), (2, range(12, 20, 2))):
        image = scan_image(seed=number)
        for index, second in enumerate(times):
            place = image.TransformIndexToPhysicalPoint((0, 0, index))
            write_dicom_series(
                image[:, :, index : index + 1],
                tmp_path / "P1" / f"SE{number}",
                uid=f"1.2.{number}",
                prefix=f"{index}-",
                positions_mm=np.array([place]),
                tags={"0008|0022": "20260301", "0008|0032": f"1015{second}"},
            )
    found = study(tmp_path)
    assert used(found) == ["SE1"]
    assert [scan.phase for scan in found.scans] == [Phase.PORTAL_VENOUS]
