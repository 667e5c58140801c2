"""The runner: jobs in turn, cancelling, and a new worker after the old one is gone."""

import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jssr.errors import Cancelled, InputError, JSSRError, ResourceError
from jssr.service import runner as runner_module
from jssr.service.client import worker_environment
from jssr.service.protocol import Message, RegisterJob
from jssr.service.runner import Listener, Runner, WorkerError

FAKE = Path(__file__).parent / "fake_worker.py"


@dataclasses.dataclass
class Record:
    """Collects what a job's listener is told."""

    results: list[Message] = dataclasses.field(default_factory=list)
    errors: list[JSSRError] = dataclasses.field(default_factory=list)
    steps: list[str] = dataclasses.field(default_factory=list)

    def listener(self) -> Listener:
        return Listener(
            finished=self.results.append,
            failed=self.errors.append,
            progress=lambda step, fraction: self.steps.append(step),
            log=lambda level, message: None,
        )


@pytest.fixture
def runner() -> Iterator[Runner]:
    made = Runner([sys.executable, str(FAKE)], worker_environment())
    yield made
    made.close()


def submit(runner: Runner, name: str) -> Record:
    record = Record()
    job = RegisterJob(name, Path("f"), Path("m"), Path("o"))
    runner.submit(job, record.listener())
    return record


def finish(runner: Runner, limit_s: float = 120.0) -> None:
    end = time.monotonic() + limit_s
    while runner.busy():
        assert time.monotonic() < end, "the runner did not come to an end"
        runner.wait(0.05)


def wait_for_step(runner: Runner, record: Record, limit_s: float = 120.0) -> None:
    end = time.monotonic() + limit_s
    while not record.steps:
        assert time.monotonic() < end and not record.errors, "the job did not begin"
        runner.wait(0.05)


def test_jobs_are_done_in_turn_by_one_worker(runner: Runner) -> None:
    records = [submit(runner, f"job-{index}") for index in range(3)]
    finish(runner)
    assert [len(record.results) for record in records] == [1, 1, 1]
    assert len({record.results[0]["pid"] for record in records}) == 1
    assert runner.hello is not None and runner.hello["jssr"]


def test_errors_become_exceptions_of_their_kind(runner: Runner) -> None:
    bad, full, bug = (submit(runner, name) for name in ("bad", "full", "bug"))
    finish(runner)
    assert type(bad.errors[0]) is InputError
    assert isinstance(full.errors[0], ResourceError)
    assert isinstance(bug.errors[0], WorkerError)


def test_a_crash_fails_its_job_and_the_next_gets_a_new_worker(runner: Runner) -> None:
    crashed, after = submit(runner, "crash"), submit(runner, "after")
    finish(runner)
    assert isinstance(crashed.errors[0], WorkerError)
    assert "Aborted" in crashed.errors[0].details
    assert after.results


@pytest.mark.parametrize("name", ["wait", "stuck"])
def test_cancel_ends_running_and_waiting_jobs_within_two_seconds(runner: Runner, name: str) -> None:
    running, waiting = submit(runner, name), submit(runner, "waiting")
    wait_for_step(runner, running)
    start = time.monotonic()
    runner.cancel()
    finish(runner)
    assert time.monotonic() - start < 2.0
    assert isinstance(running.errors[0], Cancelled)
    assert isinstance(waiting.errors[0], Cancelled)
    assert not waiting.steps
    after = submit(runner, "after")
    finish(runner)
    assert after.results


def test_a_killed_worker_is_told_and_replaced(runner: Runner) -> None:
    record = submit(runner, "stuck")
    wait_for_step(runner, record)
    assert runner._worker is not None
    runner._worker._process.kill()
    finish(runner)
    assert "want of memory" in str(record.errors[0])
    after = submit(runner, "after")
    finish(runner)
    assert after.results


def test_a_worker_that_died_idle_is_replaced_without_a_word(runner: Runner) -> None:
    before = submit(runner, "before")
    finish(runner)
    assert runner._worker is not None
    runner._worker._process.kill()
    runner._worker._process.wait()
    after = submit(runner, "after")
    finish(runner)
    assert after.results and not after.errors
    assert after.results[0]["pid"] != before.results[0]["pid"]


def test_close_ends_a_running_job_and_the_runner_can_go_on(runner: Runner) -> None:
    record = submit(runner, "wait")
    wait_for_step(runner, record)
    runner.close()
    assert isinstance(record.errors[0], Cancelled)
    after = submit(runner, "after")
    finish(runner)
    assert after.results


def test_close_does_not_wait_for_a_worker_that_only_starts(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf.py"
    deaf.write_text("import time; time.sleep(60)")
    runner = Runner([sys.executable, str(deaf)], worker_environment())
    record = submit(runner, "one")
    worker = runner._worker
    assert worker is not None
    start = time.monotonic()
    runner.close()
    assert time.monotonic() - start < 1.0
    assert not worker.alive()
    assert isinstance(record.errors[0], Cancelled)


def test_a_worker_of_another_version_is_refused(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "__version__", "99.0")
    record = submit(runner, "wait")
    finish(runner)
    assert "99.0" in str(record.errors[0])


def test_a_python_that_is_not_there_fails_the_job() -> None:
    runner = Runner(["/nowhere/python"], worker_environment())
    record = submit(runner, "one")
    assert "cannot be started" in str(record.errors[0])
    assert not runner.busy()


def test_every_waiting_job_is_answered_when_no_worker_starts_any_more(runner: Runner) -> None:
    records = [submit(runner, name) for name in ("crash", "second", "third")]
    runner._command = ["/nowhere/python"]
    finish(runner)
    assert [len(record.errors) for record in records] == [1, 1, 1]
