"""Bundles are told by their card and figures, wherever they lie, and checked."""

import shutil
from pathlib import Path

import pytest

from jssr.errors import BundleError
from jssr.info import describe
from jssr.section import Section
from sample_bundle import write_untrained_bundle


def _values(section: Section) -> dict[str, str]:
    return {row[0]: row[1] for row in section.rows}


@pytest.mark.parametrize("packed", [False, True])
def test_a_bundle_in_a_folder_and_in_a_zip(tmp_path: Path, packed: bool) -> None:
    path = write_untrained_bundle(tmp_path / "model")
    if packed:
        path = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", path))
    card, figures = describe(path)
    assert _values(card)["name"] == "untrained"
    assert _values(card)["limits"] == "knows nothing"
    assert _values(card)["labels"].startswith("1 liver, 2 lesion, 3 spleen")
    assert figures.rows == [("liver error", "1.25 mm", "no data at all")]


def test_a_bundle_that_was_altered_is_refused(tmp_path: Path) -> None:
    path = write_untrained_bundle(tmp_path / "model")
    (path / "training.yaml").write_text("stages: [other]\n")
    with pytest.raises(BundleError, match=r"training\.yaml"):
        describe(path)


def test_the_shipped_model_without_a_path() -> None:
    card, *_ = describe(None)
    assert _values(card)["files"] == "whole: every SHA-256 fits"
