"""Registration of files: progress of many, and a GPU that is too small."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.errors import InputError
from jssr.registration import files
from jssr.registration.files import Moving, Request, register_files, with_cpu_fallback
from jssr.registration.result import Output
from sample_results import make_result
from sample_scans import scan_image

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def request_of_two(tmp_path: Path) -> Request:
    """A fixed scan and two moving ones, with a request for their warped scans alone."""
    for seed, name in enumerate(("fixed", "first", "second")):
        sitk.WriteImage(scan_image(seed=seed), str(tmp_path / f"{name}.nrrd"))
    moving = [Moving(tmp_path / f"{name}.nrrd") for name in ("first", "second")]
    wanted = frozenset({Output.WARPED})
    return Request(
        fixed=tmp_path / "fixed.nrrd", moving=moving, output=tmp_path / "out", outputs=wanted
    )


@pytest.fixture(autouse=True)
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registration gives a ready result whose warped scan is the moving one."""

    def register(fixed: sitk.Image, moving: sitk.Image, bundle: Any, **options: Any) -> Any:
        options["progress"]("Check", 0.5)
        return make_result(fixed, moving)

    monkeypatch.setattr(files, "register", register)
    monkeypatch.setattr(files, "load_bundle", lambda path, device: None)


def _register(request: Request, told: list[tuple[str, float]] | None = None) -> list[Any]:
    return register_files(
        request,
        CPU,
        report=lambda *_: None,
        progress=lambda step, part: (told if told is not None else []).append((step, part)),
        warn=lambda text: None,
    )


def test_each_moving_scan_has_its_folder_and_results_come_without_images(
    request_of_two: Request,
) -> None:
    results = _register(request_of_two)
    assert [result.images for result in results] == [{}, {}]
    for number, seed in ((1, 1), (2, 2)):
        path = request_of_two.output / f"moving_{number}" / "warped.nii.gz"
        stored = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        assert np.array_equal(stored, sitk.GetArrayFromImage(scan_image(seed=seed)))


def test_progress_of_many_rises_to_one(request_of_two: Request) -> None:
    told: list[tuple[str, float]] = []
    _register(request_of_two, told)
    parts = [part for _, part in told]
    assert parts == sorted(parts) and parts[0] == 0.0 and parts[-1] == 1.0
    assert ("1 of 2: Check", 0.25) in told and ("2 of 2: Check", 0.75) in told


def test_one_bad_scan_of_many_is_told_before_the_first_registration(
    request_of_two: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "second.nrrd").write_text("no image")
    before = set(tmp_path.rglob("*"))
    monkeypatch.setattr(files, "register", lambda *_, **options: pytest.fail("the work began"))
    with pytest.raises(InputError, match=r"second\.nrrd'"):
        _register(request_of_two)
    assert set(tmp_path.rglob("*")) == before


def test_what_fails_on_the_way_leaves_nothing(
    request_of_two: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = files.register

    def register(fixed: sitk.Image, moving: sitk.Image, *rest: Any, **options: Any) -> Any:
        calls.append(moving)
        if len(calls) == 2:
            raise InputError("The scans do not overlap.")
        return ready(fixed, moving, *rest, **options)

    calls: list[sitk.Image] = []
    before = set(tmp_path.rglob("*"))
    monkeypatch.setattr(files, "register", register)
    with pytest.raises(InputError, match=r"^'.*second\.nrrd': The scans do not overlap"):
        _register(request_of_two)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("what", ["fixed", "moving", "fixed mask", "moving mask"])
def test_a_mistyped_path_is_told_before_the_first_registration(
    request_of_two: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    typo = tmp_path / "typo.nrrd"
    first, second = request_of_two.moving
    request = {
        "fixed": replace(request_of_two, fixed=typo),
        "moving": replace(request_of_two, moving=[first, replace(second, path=typo)]),
        "fixed mask": replace(request_of_two, fixed_mask=typo),
        "moving mask": replace(request_of_two, moving=[first, replace(second, mask=typo)]),
    }[what]
    monkeypatch.setattr(files, "read_scan", lambda path: pytest.fail("the work began"))
    with pytest.raises(InputError, match=r"There is no file.* '.*typo\.nrrd'; check the path"):
        _register(request)
    assert not request.output.exists()


def test_overwriting_takes_away_folders_of_an_earlier_run(request_of_two: Request) -> None:
    _register(request_of_two)
    (request_of_two.output / "notes.txt").write_text("mine")
    _register(replace(request_of_two, moving=request_of_two.moving[:1], overwrite=True))
    names = {path.name for path in request_of_two.output.iterdir()}
    assert names == {"warped.nii.gz", "notes.txt"}


def test_overwriting_leaves_scans_with_similar_names(request_of_two: Request) -> None:
    output = request_of_two.output
    (output / "moving_2020").mkdir(parents=True)
    kept = [output / "moving_1.nii.gz", output / "moving_2020" / "scan.nrrd"]
    for path in kept:
        path.write_text("mine")
    _register(replace(request_of_two, moving=request_of_two.moving[:1], overwrite=True))
    assert all(path.read_text() == "mine" for path in kept)


def test_no_moving_scan_is_refused(request_of_two: Request) -> None:
    with pytest.raises(InputError, match="no moving scan"):
        _register(replace(request_of_two, moving=[]))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError(
            "The following operation failed in the TorchScript interpreter.\n"
            "Traceback of TorchScript, serialized code (most recent call last):\n"
            "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB."
        ),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
    ids=["PyTorch", "TorchScript", "driver", "cuDNN"],
)
def test_the_cpu_takes_over_once_and_says_so(error: RuntimeError) -> None:
    tried, told = [], []

    def work(device: torch.device) -> str:
        tried.append(device.type)
        if device.type == "cuda":
            raise error
        return "done"

    assert with_cpu_fallback(GPU, work, told.append) == "done"
    assert tried == ["cuda", "cpu"]
    assert told == [
        "The memory of cuda does not suffice; going on with the CPU, which takes longer."
    ]


def test_other_errors_and_the_cpus_own_pass_on() -> None:
    def broken(device: torch.device) -> None:
        raise RuntimeError("broken")

    def too_large(device: torch.device) -> None:
        raise torch.OutOfMemoryError("no memory")

    def computer_full(device: torch.device) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(RuntimeError, match="broken"):
        with_cpu_fallback(GPU, broken, pytest.fail)
    with pytest.raises(RuntimeError, match="CPUAllocator"):
        with_cpu_fallback(GPU, computer_full, pytest.fail)
    with pytest.raises(torch.OutOfMemoryError):
        with_cpu_fallback(CPU, too_large, pytest.fail)
