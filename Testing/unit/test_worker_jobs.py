"""The real worker on real jobs, with an untrained model and small scans."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from jssr.errors import Cancelled, InputError
from jssr.labels import Phase
from jssr.phantom import PairOptions, Patient, PhantomPair, make_pair
from jssr.registration.result import Output, Refine
from jssr.service import phantom
from jssr.service.client import worker_command, worker_environment
from jssr.service.protocol import Job, Message, PhantomJob, RegisterJob
from jssr.service.runner import Listener, Runner
from jssr.service.server import JobContext
from sample_bundle import write_untrained_bundle
from sample_pair import pair_images

IMAGES = {
    Output.WARPED,
    Output.DIFFERENCE,
    Output.SYNTHESIZED,
    Output.FIXED_SEGMENTATION,
    Output.MOVING_SEGMENTATION,
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained_bundle(tmp_path_factory.mktemp("model") / "bundle", spacing_mm=8.0)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("scans")
    fixed, moving = folder / "fixed.nrrd", folder / "moving.nrrd"
    for image, path in zip(pair_images(), (fixed, moving), strict=True):
        sitk.WriteImage(image, str(path))
    return fixed, moving


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    made = Runner(worker_command(), worker_environment())
    yield made
    made.close()


class Sent:
    """Sends a job and keeps what comes back."""

    def __init__(self, runner: Runner, job: Job) -> None:
        self.steps: list[str] = []
        self.result: Message | None = None
        self.error: Exception | None = None
        self._runner = runner
        runner.submit(
            job,
            Listener(
                finished=lambda message: setattr(self, "result", message),
                failed=lambda error: setattr(self, "error", error),
                progress=lambda step, fraction: self.steps.append(step),
                log=lambda level, message: None,
            ),
        )

    def wait_for_step(self, step: str, limit_s: float = 300.0) -> None:
        end = time.monotonic() + limit_s
        while step not in self.steps:
            assert time.monotonic() < end and self.result is None and self.error is None
            self._runner.wait(0.05)

    def wait(self, limit_s: float = 300.0) -> dict[str, Any]:
        end = time.monotonic() + limit_s
        while self.result is None and self.error is None:
            assert time.monotonic() < end
            self._runner.wait(0.05)
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result


def job(
    scans: tuple[Path, Path], bundle: Path, output: Path, name: str = "1", **fields: Any
) -> RegisterJob:
    known: dict[str, Any] = {"device": "cpu", "initial": "none", "refine": Refine.OFF}
    return RegisterJob(name, *scans, output, model=bundle, **{**known, **fields})


def test_a_job_leaves_the_files_that_were_asked_for(
    runner: Runner, scans: tuple[Path, Path], bundle: Path, tmp_path: Path
) -> None:
    outputs = frozenset({Output.TRANSFORM, Output.INVERSE_TRANSFORM, *IMAGES})
    result = Sent(
        runner, job(scans, bundle, tmp_path / "out", outputs=outputs, compress=False)
    ).wait()
    assert set(result["files"]) == {output.value for output in outputs}
    for output in outputs:
        path = result["files"][output.value]
        if output in IMAGES:
            assert path.endswith(".nrrd")
            assert "encoding: raw" in Path(path).read_bytes()[:600].decode("latin1")
        else:
            sitk.ReadTransform(path)
    assert result["verdict"]["level"] in ("good", "doubtful", "failed")
    assert result["metrics"]["organs"] is not None


@pytest.mark.slow
def test_the_model_is_loaded_once(
    runner: Runner, scans: tuple[Path, Path], bundle: Path, tmp_path: Path
) -> None:
    outputs = frozenset({Output.TRANSFORM})
    first = Sent(runner, job(scans, bundle, tmp_path / "1", outputs=outputs))
    first.wait()
    second = Sent(runner, job(scans, bundle, tmp_path / "2", "2", outputs=outputs))
    second.wait()
    assert "Load the model" not in second.steps
    first_bytes = (tmp_path / "1" / "transform.h5").read_bytes()
    assert first_bytes == (tmp_path / "2" / "transform.h5").read_bytes()
    os.utime(bundle / "model.json.sha256")  # as if it had been exported anew
    third = Sent(runner, job(scans, bundle, tmp_path / "3", "3", outputs=outputs))
    third.wait()
    assert "Load the model" in third.steps


def test_a_scan_that_is_not_there_is_told(
    runner: Runner, scans: tuple[Path, Path], bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"no file or folder '.*absent\.nii'"):
        Sent(runner, job((scans[0], tmp_path / "absent.nii"), bundle, tmp_path / "out")).wait()
    with pytest.raises(InputError, match="model"):
        Sent(runner, job(scans, tmp_path / "no model", tmp_path / "out")).wait()
    assert list(tmp_path.iterdir()) == []


def test_cancel_comes_through_within_two_seconds(
    runner: Runner, scans: tuple[Path, Path], bundle: Path, tmp_path: Path
) -> None:
    running = Sent(runner, job(scans, bundle, tmp_path / "out", refine=Refine.FULL))
    running.wait_for_step("Segment both scans")
    start = time.monotonic()
    runner.cancel()
    with pytest.raises(Cancelled):
        running.wait()
    assert time.monotonic() - start < 2.0
    assert not (tmp_path / "out").exists()


def test_a_phantom_patient_has_four_phases(runner: Runner, tmp_path: Path) -> None:
    result = Sent(runner, PhantomJob("p", tmp_path / "patient", 3, 8.0, "cpu")).wait()
    assert set(result["files"]) == {phase.value for phase in Phase}
    images = [sitk.ReadImage(path) for path in result["files"].values()]
    assert {image.GetPixelID() for image in images} == {sitk.sitkInt16}
    assert len({image.GetSize() for image in images}) == 1
    first, second = (sitk.GetArrayFromImage(image).astype(float) for image in images[:2])
    assert np.abs(first - second).mean() > 5


def test_the_phases_of_a_phantom_patient_are_one_examination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def note(patient: Patient, seed: int, *, options: PairOptions) -> PhantomPair:
        drawn.append((seed, options.physiology_seed))
        return make_pair(patient, seed, options=options)

    monkeypatch.setattr(phantom, "make_pair", note)
    job = PhantomJob("p", tmp_path / "patient", 3, 16.0, "cpu")
    phantom.make_phantom(job, JobContext(job, lambda message: None))
    assert len({seed for seed, _ in drawn}) == 3
    assert {shared for _, shared in drawn} == {3}


@pytest.mark.slow
def test_a_hundred_real_jobs_do_not_let_it_grow(
    runner: Runner, scans: tuple[Path, Path], bundle: Path, tmp_path: Path
) -> None:
    outputs = frozenset({Output.TRANSFORM, Output.WARPED})
    sizes = []
    for index in range(100):
        fields = {"outputs": outputs, "overwrite": True}
        Sent(runner, job(scans, bundle, tmp_path / "out", str(index), **fields)).wait()
        assert runner.hello is not None
        sizes.append(resident_bytes(runner.hello["pid"]))
    assert np.median(sizes[90:]) < 1.05 * np.median(sizes[10:20])


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
