"""A batch from table to page: one broken case, stopping and going on, a worker that dies."""

import csv
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from jssr.batch import run as run_module
from jssr.batch import state
from jssr.batch.cases import Case, read_worklist
from jssr.batch.run import BatchListener, BatchSettings, run_batch
from jssr.batch.state import STATE_NAME, Outcome, fingerprint
from jssr.batch.study import ScanFile
from jssr.batch.summary import PAGE_NAME, TABLE_NAME
from jssr.errors import InputError, ResourceError
from jssr.labels import Phase
from jssr.registration.result import Output, Refine
from jssr.service.client import worker_environment
from jssr.service.runner import Runner
from sample_bundle import pretend_verified
from sample_scans import scan_image, write_dicom_series

WORKER = Path(__file__).parent / "batch_worker.py"


class Cohort:
    """A table of patients with two phases each, and a log of what the worker did."""

    def __init__(self, root: Path, patients: list[str]) -> None:
        self.root = root
        self.output = root / "results"
        self.log = root / "jobs.log"
        rows = ["patient,image,phase"]
        for patient in patients:
            for phase in ("portal-venous", "arterial"):
                (root / f"{patient}-{phase}.nii").write_bytes(b"voxels")
                rows.append(f"{patient},{patient}-{phase}.nii,{phase}")
        self.table = root / "cohort.csv"
        self.table.write_text("\n".join(rows))
        self.finished: list[tuple[str, bool]] = []
        self.logged: list[str] = []

    def scan(self, patient: str) -> Path:
        return self.root / f"{patient}-arterial.nii"

    def jobs(self) -> list[str]:
        return self.log.read_text("utf-8").splitlines() if self.log.exists() else []

    def run(self, settings: BatchSettings | None = None) -> dict[str, Outcome]:
        environment = {**worker_environment(), "JSSR_TEST_LOG": str(self.log)}
        runner = Runner([sys.executable, str(WORKER)], environment)
        listener = BatchListener(
            progress=lambda case, step, fraction: None,
            finished=self._note,
            log=lambda level, message: self.logged.append(message),
        )
        work = read_worklist(self.table)
        return run_batch(
            work.cases,
            self.output,
            settings or BatchSettings(),
            runner,
            listener,
            work.unusable,
        )

    def _note(self, case: Case, outcome: Outcome, folder: Path) -> None:
        self.finished.append((case.name, outcome.done))


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A bundle's name and digest, without a bundle."""
    return pretend_verified(monkeypatch)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return Cohort(tmp_path, [f"P{number}" for number in range(1, 7)])


def test_one_broken_case_among_six(cohort: Cohort) -> None:
    cohort.scan("P4").write_bytes(b"")
    outcomes = cohort.run()
    assert [name for name, outcome in outcomes.items() if not outcome.done] == ["P4/arterial"]
    assert len({line.split()[0] for line in cohort.jobs()}) == 1, "one worker for all"
    assert (cohort.output / "P1/arterial/transform.h5").exists()
    assert not (cohort.output / "P4/arterial").exists()
    with (cohort.output / TABLE_NAME).open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["status"] for row in rows] == ["done"] * 3 + ["failed"] + ["done"] * 2
    assert rows[3]["message"].startswith("The moving scan is cut short")
    assert rows[0]["similarity_after"] == "0.82"
    assert rows[0]["folding_percent"] == "0.02"
    assert rows[0]["liver_dice_after"] == ""
    page = (cohort.output / PAGE_NAME).read_text("utf-8")
    assert "6 cases: 0 good, 5 doubtful, 0 failed, 1 not registered, 0 waiting" in page
    assert 'href="P1/arterial/report.html"' in page
    assert "&lt;little&gt;" in page
    assert any(str(cohort.scan("P4")) in line for line in cohort.logged)


def test_no_path_enters_an_output(cohort: Cohort) -> None:
    cohort.scan("P4").write_bytes(b"")
    cohort.run()
    for name in (STATE_NAME, TABLE_NAME, PAGE_NAME):
        assert str(cohort.root) not in (cohort.output / name).read_text("utf-8")


def test_one_registration_is_no_plural(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, ["P1"])
    cohort.run()
    page = (cohort.output / PAGE_NAME).read_text("utf-8")
    assert "1 case: 0 good, 1 doubtful" in page


def test_run_again_nothing_is_recomputed(cohort: Cohort) -> None:
    cohort.scan("P4").write_bytes(b"")
    first = cohort.run()
    jobs = cohort.jobs()
    assert cohort.run() == first
    assert cohort.jobs() == jobs
    assert cohort.finished[6:] == cohort.finished[:6]


def test_a_mended_or_lost_case_is_done_again(cohort: Cohort) -> None:
    cohort.scan("P4").write_bytes(b"")
    cohort.run()
    cohort.scan("P4").write_bytes(b"mended voxels")
    for file in (cohort.output / "P2/arterial").iterdir():
        file.unlink()
    (cohort.output / "P2/arterial").rmdir()
    before = len(cohort.jobs())
    outcomes = cohort.run()
    assert all(outcome.done for outcome in outcomes.values())
    assert [line.split()[1] for line in cohort.jobs()[before:]] == ["P2/arterial", "P4/arterial"]


def test_a_scan_that_was_written_anew_is_done_again_though_its_size_is_the_same(
    cohort: Cohort,
) -> None:
    cohort.run()
    later = cohort.scan("P2").stat().st_mtime_ns + 10**9
    os.utime(cohort.scan("P2"), ns=(later, later))
    before = len(cohort.jobs())
    cohort.run()
    assert [line.split()[1] for line in cohort.jobs()[before:]] == ["P2/arterial"]


def test_another_phase_makes_another_input(cohort: Cohort) -> None:
    case = read_worklist(cohort.table).cases[0]
    other = replace(case, fixed=replace(case.fixed, phase=Phase.DELAYED))
    assert fingerprint(other) != fingerprint(case) == fingerprint(replace(case))


def test_another_slice_of_a_folder_makes_another_input_and_is_not_named(tmp_path: Path) -> None:
    series = [
        write_dicom_series(scan_image(), tmp_path, uid=f"1.2.{number}", prefix=f"Doe{number}")
        for number in (1, 2, 3)
    ]
    one, two, three = (ScanFile("P1", slices[0]) for slices in series)
    case = Case("P1/moving 1", one, two)
    others = [Case(case.name, one, three), Case(case.name, two, one)]
    assert len({fingerprint(each) for each in (case, *others)}) == 3
    assert fingerprint(case) == fingerprint(replace(case))
    assert "Doe" not in fingerprint(case)


def test_a_patient_is_registered_once_the_missing_phase_is_there(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, ["P1", "P2"])
    whole = cohort.table.read_text()
    cohort.table.write_text(whole.replace("P1,P1-arterial.nii,arterial\n", ""))
    outcomes = cohort.run()
    assert {name: outcome.done for name, outcome in outcomes.items()} == {
        "P1": False,
        "P2/arterial": True,
    }
    assert any("P1: The patient has a single scan" in line for line in cohort.logged)
    cohort.table.write_text(whole)
    assert all(outcome.done for outcome in cohort.run().values())
    assert [line.split()[1] for line in cohort.jobs()] == ["P2/arterial", "P1/arterial"]
    with (cohort.output / TABLE_NAME).open() as stream:
        assert [row["case"] for row in csv.DictReader(stream)] == ["P1/arterial", "P2/arterial"]


def test_slices_beside_the_one_that_stands_for_a_series_count_and_are_not_named(
    tmp_path: Path,
) -> None:
    cohort = Cohort(tmp_path, ["P1"])
    slices = write_dicom_series(scan_image(), tmp_path / "study", prefix="Doe_Jane")
    whole = slices[5].read_bytes()
    slices[5].write_bytes(whole[:700])
    named = slices[0].relative_to(tmp_path)
    cohort.table.write_text(cohort.table.read_text().replace("P1-arterial.nii", str(named)))
    (outcome,) = cohort.run().values()
    assert outcome.message == (
        "A DICOM slice of these scans is damaged or cut short; get it again."
    )
    assert any(str(slices[5]) in line for line in cohort.logged)
    slices[5].write_bytes(whole)
    (outcome,) = cohort.run().values()
    assert outcome.done


def test_a_crash_fails_its_case_alone_and_is_tried_again(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, ["P1", "crash", "P3"])
    outcomes = cohort.run()
    assert [outcome.done for outcome in outcomes.values()] == [True, False, True]
    assert outcomes["crash/arterial"].kind == "other"
    before = len(cohort.jobs())
    cohort.run()
    assert len(cohort.jobs()) == before + 1


def test_cases_that_lacked_a_device_are_tried_again(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, ["P1", "P2"])
    outcomes = cohort.run(BatchSettings(device="cuda"))
    assert {outcome.kind for outcome in outcomes.values()} == {"other"}
    assert all(outcome.done for outcome in cohort.run(BatchSettings(device="cpu")).values())


def test_a_table_that_is_open_elsewhere_does_not_end_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = Cohort(tmp_path, ["P1", "P2"])
    written: list[int] = []

    def locked_at_first(output: Path, cases: list[Case], outcomes: dict[str, Outcome]) -> None:
        written.append(len(outcomes))
        if len(outcomes) == 1:
            raise ResourceError("'summary.csv' cannot be written for want of permission.")

    monkeypatch.setattr(run_module, "write_summary", locked_at_first)
    assert all(outcome.done for outcome in cohort.run().values())
    assert written == [1, 2]
    assert any("summary.csv" in line for line in cohort.logged)


def test_a_stopped_batch_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = Cohort(tmp_path, ["P1", "slow", "P3"])

    def interrupt(self: Runner, timeout_s: float) -> None:
        original(self, timeout_s)
        if len(cohort.jobs()) == 2:
            raise KeyboardInterrupt

    original = Runner.wait
    with monkeypatch.context() as patch:
        patch.setattr(Runner, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            cohort.run()
    assert list(json.loads((cohort.output / STATE_NAME).read_text("utf-8"))["cases"]) == [
        "P1/arterial"
    ]
    assert "2 waiting" in (cohort.output / PAGE_NAME).read_text("utf-8")


def test_a_batch_stopped_in_its_first_case_goes_on_and_clears_up(cohort: Cohort) -> None:
    def stop(self: Runner, timeout_s: float) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, "wait", stop)
        with pytest.raises(KeyboardInterrupt):
            cohort.run()
    leftover = cohort.output / "P1" / ".arterial-part-x1y2"
    leftover.mkdir(parents=True)
    (leftover / "half.h5").write_bytes(b"half")
    assert all(outcome.done for outcome in cohort.run().values())
    assert [path.name for path in (cohort.output / "P1").iterdir()] == ["arterial"]


@pytest.mark.parametrize(
    ("settings", "word"),
    [(BatchSettings(refine=Refine.OFF), "refinement"), (BatchSettings(seed=3), "seed")],
)
def test_other_settings_do_not_mix(cohort: Cohort, settings: BatchSettings, word: str) -> None:
    cohort.run()
    with pytest.raises(InputError, match=rf"made with other settings \({word}\);"):
        cohort.run(settings)


def test_another_version_and_other_outputs_do_not_mix(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort.run()
    monkeypatch.setattr(state, "__version__", "0.0")
    told = r"made with other settings \(version of JSSR, outputs\);"
    with pytest.raises(InputError, match=told):
        cohort.run(BatchSettings(outputs=frozenset({Output.WARPED})))


def test_another_model_does_not_mix(cohort: Cohort, model: SimpleNamespace) -> None:
    cohort.run()
    model.digest = "fedcba9876543210"
    with pytest.raises(InputError, match=r"made with other settings \(model\);"):
        cohort.run()


def test_a_folder_with_other_things_is_not_written_to(cohort: Cohort) -> None:
    cohort.output.mkdir()
    (cohort.output / "thesis.txt").write_text("words")
    with pytest.raises(InputError, match="no batch's"):
        cohort.run()


def test_a_damaged_state_is_told(cohort: Cohort) -> None:
    cohort.run()
    (cohort.output / STATE_NAME).write_text('{"schema": 1')
    with pytest.raises(InputError, match="damaged"):
        cohort.run()
