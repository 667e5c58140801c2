"""A folder of batch results is told as that, whether the batch is finished, stopped or damaged."""

from dataclasses import replace
from pathlib import Path

import pytest

from jssr.batch.cases import Case
from jssr.batch.state import STATE_NAME, Outcome, State
from jssr.batch.study import ScanFile
from jssr.batch.summary import TABLE_NAME, write_summary
from jssr.errors import InputError
from jssr.info import describe
from jssr.registration.result import Verdict, VerdictLevel
from jssr.section import Section
from sample_results import make_result

SETTINGS = {"model": "made-up 1.0 0123456789ab", "refinement": "fast"}
CASES = [
    Case(f"{name}/arterial", ScanFile(name, Path("p.nii")), ScanFile(name, Path("a.nii")))
    for name in ("P1", "P2", "P3", "P4", "P5")
]


def values_of(folder: Path) -> dict[str, str]:
    (section,) = describe(folder)
    assert isinstance(section, Section) and section.title == "Batch"
    return {row[0]: row[1] for row in section.rows}


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    """Of five cases three are done, each with another verdict; one could not be registered."""
    doubtful = make_result()
    good = replace(doubtful, verdict=Verdict(VerdictLevel.GOOD))
    failed = replace(doubtful, verdict=Verdict(VerdictLevel.FAILED, ("Both scans differ.",)))
    outcomes = {
        "P1/arterial": Outcome(True, "", 1.0, summary=doubtful.summary()),
        "P2/arterial": Outcome(True, "", 1.0, summary=good.summary()),
        "P3/arterial": Outcome(False, "", 1.0, "input", "The moving scan is cut short."),
        "P4/arterial": Outcome(True, "", 1.0, summary=failed.summary()),
    }
    State(tmp_path, SETTINGS)
    write_summary(tmp_path, CASES, outcomes)
    return tmp_path


def test_how_many_came_out_how_and_where_more_is_told(batch: Path) -> None:
    assert values_of(batch) == {
        "cases": "1 good, 1 doubtful, 1 failed, 1 not registered, 1 waiting",
        "page": str(batch / "summary.html"),
        "table": str(batch / "summary.csv"),
        "model": "made-up 1.0 0123456789ab",
        "refinement": "fast",
    }


def test_a_batch_that_has_just_begun(tmp_path: Path) -> None:
    State(tmp_path, SETTINGS)
    assert values_of(tmp_path)["cases"] == "none is done yet"


@pytest.mark.parametrize(("name", "content"), [(STATE_NAME, "{"), (TABLE_NAME, "a,b\n1,2\n")])
def test_a_damaged_batch_is_told(batch: Path, name: str, content: str) -> None:
    (batch / name).write_text(content)
    with pytest.raises(InputError, match="The batch .* is damaged; run it again"):
        describe(batch)
