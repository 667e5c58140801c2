"""The test patients of a cohort's table as pairs to evaluate on."""

from pathlib import Path

import pytest

from jssr.errors import InputError
from jssr.evaluation.open_cohort import open_cohort
from jssr.labels import Phase

HEADER = "patient,phase,image,segmentation,split\n"


def _table(folder: Path, lines: list[str]) -> str:
    for name in ("n.nrrd", "a.nrrd", "v.nrrd", "labels.nrrd"):
        (folder / name).touch()
    path = folder / "cohort.csv"
    path.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def _open(cohort: str, folder: Path, limit: int | None = None):
    return open_cohort(cohort, folder, limit=limit, progress=lambda step, fraction: None)


def test_each_phase_of_a_test_patient_meets_the_portal_venous_one(tmp_path: Path) -> None:
    table = _table(
        tmp_path,
        [
            "Doe,non-contrast,n.nrrd,,test",
            "Doe,portal-venous,v.nrrd,labels.nrrd,test",
            "Doe,arterial,a.nrrd,,test",
            "Roe,arterial,a.nrrd,,train",
            "Roe,delayed,v.nrrd,,train",
        ],
    )
    cases = _open(table, tmp_path)
    assert [(c.fixed_phase, c.moving_phase) for c in cases] == [
        (Phase.PORTAL_VENOUS, Phase.ARTERIAL),
        (Phase.PORTAL_VENOUS, Phase.NON_CONTRAST),
    ]
    assert {c.fixed for c in cases} == {tmp_path / "v.nrrd"}
    assert cases[0].moving == tmp_path / "a.nrrd"
    assert cases[0].fixed_segmentation == tmp_path / "labels.nrrd"
    assert len({c.patient for c in cases}) == 1
    assert len({c.name for c in cases}) == 2 and not any("Doe" in c.name for c in cases)
    assert len(_open(table, tmp_path, limit=1)) == 1


def test_a_faulty_line_is_named_rather_than_left_out(tmp_path: Path) -> None:
    table = _table(
        tmp_path,
        ["p,arterial,a.nrrd,,test", "p,portal-venous,v.nrrd,,test", "q,late,v.nrrd,,test"],
    )
    with pytest.raises(InputError, match="has 1 fault, as in line 4: the phase 'late' is unknown"):
        _open(table, tmp_path)


@pytest.mark.parametrize(
    "lines", [["p,arterial,a.nrrd,,train", "p,delayed,v.nrrd,,train"], ["p,arterial,a.nrrd,,test"]]
)
def test_a_table_without_test_pairs_says_so(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(InputError, match="no patient of the split 'test' with two phases"):
        _open(_table(tmp_path, lines), tmp_path)


def test_a_case_knows_the_classes_of_its_scans(tmp_path: Path) -> None:
    path = Path(_table(tmp_path, []))
    path.write_text(
        HEADER.strip() + ",classes\np,pv,v.nrrd,labels.nrrd,test,liver;spleen\n"
        "p,arterial,a.nrrd,labels.nrrd,test,liver\np,delayed,n.nrrd,labels.nrrd,test,\n"
    )
    found = [(case.fixed_classes, case.moving_classes) for case in _open(str(path), tmp_path)]
    assert found == [(("liver", "spleen"), ()), (("liver", "spleen"), ("liver",))]
