"""The reader of safetensors, against the package of that name."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from jssr.bundle.weights import read_safetensors

DTYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)


# The same examples at every run, and no limit of time for one that the computer interrupts.
repeatable = settings(derandomize=True, deadline=None)


def _file(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_reads_what_the_package_wrote(dtype: torch.dtype) -> None:
    written = {
        "matrix": torch.randn(3, 4, 5).mul(9).to(dtype),
        "scalar": torch.tensor(1).to(dtype),
        "empty": torch.zeros((0, 3), dtype=dtype),
    }
    read = read_safetensors(save(written, metadata={"about": "x"}))
    assert set(read) == set(written)
    for name, tensor in written.items():
        assert read[name].dtype == dtype
        assert torch.equal(read[name], tensor)


@repeatable
@given(st.integers(min_value=0, max_value=10_000))
def test_a_file_cut_short_is_refused(length: int) -> None:
    content = save({"a": torch.ones(7), "b": torch.ones(2, 3)})
    with pytest.raises(ValueError, match="no safetensors file"):
        read_safetensors(content[: length % len(content)])


@repeatable
@given(st.binary(max_size=64))
def test_noise_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no safetensors file"):
        read_safetensors(content)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
        {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]},
        {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]},
        {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2]},
        [],
    ],
)
def test_a_header_that_lies_is_refused(entry: object) -> None:
    with pytest.raises(ValueError, match="no safetensors file"):
        read_safetensors(_file({"a": entry}, bytes(8)))
