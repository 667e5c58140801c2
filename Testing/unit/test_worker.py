"""The worker's protocol under fault, on a real process whose jobs are made up."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from jssr.errors import JSSRError
from jssr.service.client import WorkerProcess, worker_command, worker_environment
from jssr.worker import list_devices

FAKE = Path(__file__).parent / "fake_worker.py"
TIMEOUT_S = 120.0


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    process = WorkerProcess([sys.executable, str(FAKE)], worker_environment())
    yield process
    process.close()


def wait_for(worker: WorkerProcess, kind: str, job_id: str | None = None) -> dict[str, Any]:
    """The next message of a kind; everything else is passed over."""
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        message = worker.wait(0.5)
        if message and message["type"] == kind and job_id in (None, message.get("id")):
            return message
    raise AssertionError(f"no message '{kind}' came")


def job(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "register", "id": name, "fixed": "f", "moving": "m", "output": "o", **fields}


def test_it_says_hello_with_its_versions(worker: WorkerProcess) -> None:
    hello = wait_for(worker, "hello")
    assert hello["protocol"] == 1
    assert hello["python"].startswith("3.")
    assert hello["devices"][0]["name"] == "cpu"


def test_a_job_gives_progress_and_a_result(worker: WorkerProcess) -> None:
    worker.send(job("one"))
    assert wait_for(worker, "progress", "one")["step"] == "Begin"
    assert wait_for(worker, "result", "one")["output"] == "o"


def test_what_a_job_prints_does_not_disturb_the_messages(worker: WorkerProcess) -> None:
    worker.send(job("print"))
    worker.send(job("after"))
    wait_for(worker, "result", "print")
    wait_for(worker, "result", "after")
    worker.close_input()
    assert "noise from a native library" in wait_for(worker, "exited")["message"]


@pytest.mark.parametrize(
    ("name", "kind", "part"),
    [
        ("bad", "input", "The scan is empty"),
        ("full", "resource", "no space left"),
        ("bug", "internal", "ZeroDivisionError"),
        ("memory", "memory", "not enough memory"),
        ("device", "resource", "CUDA error: no kernel image"),
    ],
)
def test_a_failing_job_is_told_and_the_next_one_done(
    worker: WorkerProcess, name: str, kind: str, part: str
) -> None:
    worker.send(job(name))
    worker.send(job("next"))
    error = wait_for(worker, "error", name)
    assert error["kind"] == kind
    assert part in error["message"]
    wait_for(worker, "result", "next")


@pytest.mark.parametrize("name", ["gpu", "script"])
def test_a_gpu_that_fails_ends_the_worker(worker: WorkerProcess, name: str) -> None:
    """Its process could not use the GPU again, so a new one has to."""
    worker.send(job(name))
    worker.send(job("next"))
    error = wait_for(worker, "error", name)
    assert error["ending"] and error["message"] == (
        "The GPU failed (CUDA error: an illegal memory access was encountered); try again, or "
        "choose the CPU."
    )
    assert wait_for(worker, "error", "next")["ending"]
    assert wait_for(worker, "exited")["code"] == 0


def test_a_name_that_is_no_utf_8_comes_through(worker: WorkerProcess) -> None:
    name = os.fsdecode(b"M\xfcller")
    worker.send(job("one", output=name))
    assert wait_for(worker, "result", "one")["output"] == name


def test_a_gpu_that_is_full_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(index: int) -> tuple[int, int]:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "A GPU")
    monkeypatch.setattr(torch.cuda, "mem_get_info", full)
    assert list_devices()[1] == {"name": "cuda:0", "title": "A GPU", "free_bytes": None}


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b"\xff\xfe\x00\n",
        b"[1, 2]\n",
        b"{}\n",
        b'{"type": "dance"}\n',
        b'{"type": "register", "id": 5}\n',
        b'{"type": "register", "id": "x", "fixed": "f", "moving": "m", "output": "o", "far": 1}\n',
        b'{"type": "register", "id": "x", "fixed": "f", "moving": "m", "output": "o",'
        b' "initial": [1, 2]}\n',
        b"[" * 100_000 + b"\n",
        b"x" * (3 << 20) + b"\n",
    ],
    ids=lambda line: str(line[:24]),
)
def test_garbage_is_answered_and_survived(worker: WorkerProcess, line: bytes) -> None:
    assert worker._process.stdin is not None
    worker._process.stdin.write(line)
    worker._process.stdin.flush()
    assert wait_for(worker, "error")["kind"] == "input"
    worker.send(job("after"))
    wait_for(worker, "result", "after")


def test_a_name_in_use_is_refused(worker: WorkerProcess) -> None:
    worker.send(job("wait"))
    wait_for(worker, "progress", "wait")
    worker.send(job("wait"))
    assert "waits or runs already" in wait_for(worker, "error", "wait")["message"]


def test_cancel_stops_the_running_job_and_keeps_the_worker(worker: WorkerProcess) -> None:
    pid = wait_for(worker, "hello")["pid"]
    worker.send(job("wait"))
    wait_for(worker, "progress", "wait")
    worker.send({"type": "cancel", "id": "wait"})
    assert wait_for(worker, "error", "wait")["kind"] == "cancelled"
    worker.send(job("after"))
    assert wait_for(worker, "result", "after")["pid"] == pid


def test_cancel_takes_a_waiting_job_out_of_the_queue(worker: WorkerProcess) -> None:
    worker.send(job("wait"))
    worker.send(job("second"))
    wait_for(worker, "progress", "wait")
    worker.send({"type": "cancel", "id": "second"})
    worker.send({"type": "cancel", "id": "nobody"})
    worker.send({"type": "cancel", "id": "wait"})
    assert wait_for(worker, "error", "wait")["kind"] == "cancelled"
    assert wait_for(worker, "error", "second")["kind"] == "cancelled"


def test_a_job_that_does_not_listen_is_ended_within_two_seconds(worker: WorkerProcess) -> None:
    worker.send(job("stuck"))
    worker.send(job("waiting"))
    wait_for(worker, "progress", "stuck")
    start = time.monotonic()
    worker.send({"type": "cancel", "id": "stuck"})
    assert wait_for(worker, "error", "stuck")["kind"] == "cancelled"
    assert "start it again" in wait_for(worker, "error", "waiting")["message"]
    wait_for(worker, "exited")
    assert time.monotonic() - start < 2.0


@pytest.mark.parametrize("name", ["wait", "stuck"])
def test_no_orphan_when_the_client_goes_away(
    worker: WorkerProcess, name: str, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "volume.nrrd").write_bytes(b"voxels")
    worker.send(job(name, scratch=str(scratch)))
    wait_for(worker, "progress", name)
    start = time.monotonic()
    worker.close_input()
    wait_for(worker, "exited")
    assert time.monotonic() - start < 2.0
    assert not scratch.exists()


def test_a_client_that_dies_without_a_word_leaves_no_worker() -> None:
    """The client is a process of its own here, killed while its job runs."""
    script = (
        "import sys; from jssr.service.client import *; "
        f"w = WorkerProcess([sys.executable, {str(FAKE)!r}], worker_environment()); "
        "w.send({'type': 'register', 'id': 'stuck', 'fixed': 'f', 'moving': 'm', 'output': 'o'})\n"
        "while True:\n    m = w.wait(1)\n    m and print(__import__('json').dumps(m), flush=True)"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", script], env=worker_environment(), stdout=subprocess.PIPE
    )
    assert client.stdout is not None
    pid = json.loads(client.stdout.readline())["pid"]
    assert json.loads(client.stdout.readline())["type"] == "progress"
    client.kill()
    client.wait()
    client.stdout.close()
    end = time.monotonic() + 3.0
    while process_runs(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not process_runs(pid)


def process_runs(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
            != "Z"
        )
    except (OSError, IndexError):
        return False


def test_a_crash_in_the_middle_is_told_with_its_traceback(worker: WorkerProcess) -> None:
    worker.send(job("crash"))
    exited = wait_for(worker, "exited")
    assert exited["code"] != 0
    assert "Aborted" in exited["message"]
    worker.send(job("after"))
    assert not worker.alive()


def test_kill_ends_a_busy_worker(worker: WorkerProcess) -> None:
    worker.send(job("stuck"))
    wait_for(worker, "progress", "stuck")
    worker.kill()
    wait_for(worker, "exited")
    assert not worker.alive()


def test_shutdown_ends_it_with_code_zero(worker: WorkerProcess) -> None:
    wait_for(worker, "hello")
    worker.send({"type": "shutdown"})
    assert wait_for(worker, "exited")["code"] == 0


def test_a_hundred_jobs_do_not_let_it_grow(worker: WorkerProcess) -> None:
    pid = wait_for(worker, "hello")["pid"]
    sizes = []
    for index in range(100):
        worker.send(job(f"job-{index}"))
        wait_for(worker, "result", f"job-{index}")
        if index in (20, 99):
            sizes.append(resident_bytes(pid))
    assert sizes[1] - sizes[0] < 2 << 20


def resident_bytes(pid: int) -> int:
    statm = Path(f"/proc/{pid}/statm")
    if not statm.exists():
        pytest.skip("needs /proc")
    return int(statm.read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_python_without_torch_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(name='torch')\n")
    environment = worker_environment({**os.environ, "PYTHONPATH": ""})
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), environment["PYTHONPATH"]])
    process = WorkerProcess(worker_command(), environment)
    error = wait_for(process, "error")
    assert error["message"] == "The Python package 'torch' is missing; install it first."
    assert wait_for(process, "exited")["code"] == 3
    process.close()


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(JSSRError, match="cannot be started"):
        WorkerProcess(["/nowhere/python", "-m", "jssr.worker"], worker_environment())


def test_it_ends_when_nobody_listens_any_more(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(FAKE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=worker_environment(),
    )
    assert process.stdin is not None and process.stdout is not None
    assert json.loads(process.stdout.readline())["type"] == "hello"
    process.stdout.close()
    process.stdin.write(json.dumps(job("one", scratch=str(scratch))).encode() + b"\n")
    process.stdin.flush()
    assert process.wait(TIMEOUT_S) == 1
    process.stdin.close()
    assert not scratch.exists()
