"""Messages that are recorded name no path and stay sentences."""

from pathlib import Path

import pytest

from jssr.errors import counted, without_paths

NAMES = {Path("/a/scan.nii"): "the moving scan", Path("/a/mask.nii"): "the moving mask"}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "There is no file or folder '/a/scan.nii'; check the path.",
            "There is no file or folder for the moving scan; check the path.",
        ),
        (
            "There is no file '/a/mask.nii'; check the path.",
            "There is no file for the moving mask; check the path.",
        ),
        (
            "The mask '/a/mask.nii' marks no voxel of its scan; give the mask of this scan.",
            "The moving mask marks no voxel of its scan; give the mask of this scan.",
        ),
        (
            "The DICOM series '/a/scan.nii' has a damaged slice or one cut short; get it again.",
            "The moving scan has a damaged slice or one cut short; get it again.",
        ),
        (
            "'/a/scan.nii' is cut short; get it again.",
            "The moving scan is cut short; get it again.",
        ),
    ],
)
def test_a_name_stands_in_a_sentence_in_the_place_of_a_path(message: str, told: str) -> None:
    assert without_paths(message, NAMES) == told


@pytest.mark.parametrize(("number", "told"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_one_thing_is_no_plural(number: int, told: str) -> None:
    assert counted(number, "file") == told
