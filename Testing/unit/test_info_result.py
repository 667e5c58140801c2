"""Registrations are told by their verdict, figures and files."""

import json
from pathlib import Path

import pytest

from jssr.errors import InputError
from jssr.info import describe
from jssr.registration.result import Output
from jssr.registration.write import write_result
from jssr.section import Section
from sample_results import make_result
from sample_scans import scan_image


def _values(section: Section) -> dict[str, str]:
    return {row[0]: row[1] for row in section.rows}


def _result(folder: Path) -> Path:
    folder.mkdir()
    fixed, moving = scan_image(seed=1), scan_image(seed=2)
    write_result(make_result(fixed, moving), fixed, moving, folder)
    return folder


def test_a_result(tmp_path: Path) -> None:
    overview, organs = describe(_result(tmp_path / "out"))
    values = _values(overview)
    assert values["verdict"] == "doubtful; the scans share little"
    assert values["fixed phase"] == "portal-venous (given)"
    assert values["moving phase"] == "arterial (guessed)"
    assert values["similarity before, after"] == "0.400, 0.800"
    assert values["time"] == "1.5 s on cpu"
    assert organs.rows == [("liver", "0.800", "0.900", "1500", "1510")]
    assert overview.note == organs.note == "Before: after the linear alignment, not yet deformed."


def test_a_result_tells_its_folder_and_its_files(tmp_path: Path) -> None:
    folder = _result(tmp_path / "out")
    (folder / "inverse_transform.h5").unlink()
    (folder / "notes.txt").write_text("mine")
    values = _values(describe(folder)[0])
    assert values["folder"] == str(folder)
    assert values["files"].split(", ") == [
        "transform.h5",
        "warped.nii.gz",
        "difference.nii.gz",
        "synthesized.nii.gz",
        "fixed_segmentation.seg.nrrd",
        "moving_segmentation.seg.nrrd",
        "metrics.json",
    ]


def test_a_result_without_figures(tmp_path: Path) -> None:
    fixed, moving = scan_image(seed=1), scan_image(seed=2)
    outputs = [Output.TRANSFORM, Output.WARPED]
    write_result(make_result(fixed, moving), fixed, moving, tmp_path, outputs)
    (section,) = describe(tmp_path)
    assert _values(section) == {
        "figures": "none: metrics.json is not there",
        "files": "transform.h5, warped.nii.gz",
    }


def test_several_results_in_their_folders(tmp_path: Path) -> None:
    for number in (1, 2):
        _result(tmp_path / f"moving_{number}")
    assert [section.title for section in describe(tmp_path)] == ["Registration", "Organs"] * 2


@pytest.mark.parametrize("text", ["no JSON", "[]", json.dumps({"verdict": "?"})])
def test_damaged_figures_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(InputError, match=r"metrics\.json' is no metrics file of JSSR"):
        describe(tmp_path)
