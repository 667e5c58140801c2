"""Mixed precision is taken where the processor computes in it, and nowhere else."""

from typing import Literal

import pytest
import torch

from jssr.training.config import HardwareConfig
from jssr.training.launch import open_fabric
from jssr.training.precision import computes_bf16

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "computes"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, False),
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"amx_bf16": True}, True),
        ({"neon": True}, False),
    ],
)
def test_a_processor_without_bf16_trains_in_full_precision(
    capabilities: dict[str, bool], computes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert computes_bf16(CPU) is computes
    fabric = open_fabric(HardwareConfig(device="cpu"))
    assert fabric._precision.precision == ("bf16-mixed" if computes else "32-true")


def test_a_torch_that_cannot_tell_trains_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not computes_bf16(CPU)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_what_is_asked_for_is_taken_as_it_is(precision: Literal["32-true", "bf16-mixed"]) -> None:
    fabric = open_fabric(HardwareConfig(device="cpu", precision=precision))
    assert fabric._precision.precision == precision
