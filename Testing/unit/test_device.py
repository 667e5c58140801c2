"""The device is one that is there and computes."""

from typing import Any

import pytest
import torch

from jssr.device import choose_device
from jssr.errors import DeviceError


@pytest.fixture
def broken_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that PyTorch lists and that computes nothing."""
    ones = torch.ones

    def fail_on_gpu(*size: int, device: Any = None) -> torch.Tensor:
        if torch.device(device or "cpu").type == "cuda":
            raise RuntimeError("CUDA error: no kernel image is available\nCompile with …")
        return ones(*size)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch, "ones", fail_on_gpu)


def test_a_gpu_that_cannot_compute_gives_way_to_the_cpu(
    broken_gpu: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert choose_device() == torch.device("cpu")
    assert caplog.messages == [
        "The GPU cannot compute (CUDA error: no kernel image is available); the CPU does, which "
        "takes longer."
    ]


def test_a_gpu_that_was_asked_for_and_cannot_compute_is_refused(broken_gpu: None) -> None:
    with pytest.raises(DeviceError, match="'cuda:0' cannot compute .*no kernel image"):
        choose_device("cuda:0")
    with pytest.raises(DeviceError, match="offers 1 usable"):
        choose_device("cuda:1")


def test_a_gpu_that_is_full_is_left_to_the_cpu_or_to_the_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If it still has no room when the work begins, the CPU takes over then."""

    def full(*size: int, device: Any = None) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB. GPU 0 has …")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch, "ones", full)
    assert choose_device("cuda:0") == torch.device("cuda:0")
    assert choose_device() == torch.device("cpu")
    assert "its memory is full" in caplog.text


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(DeviceError, match="'mps' is unknown"):
        choose_device("mps")
