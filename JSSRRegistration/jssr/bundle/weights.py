"""The weights of all four networks as one safetensors file."""

import json
import math
from typing import Any

import torch

from jssr.networks.build import Networks

_HEADER_LENGTH_BYTES = 8
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def weights_to_bytes(networks: Networks) -> bytes:
    """Every parameter and buffer, named ``network.parameter``, in the precision it has."""
    from safetensors.torch import save

    return save({name: tensor.contiguous() for name, tensor in networks.state_dict().items()})


def weights_from_bytes(content: bytes, networks: Networks) -> None:
    """Fill ``networks`` in their own precision from what :func:`weights_to_bytes` gave.

    Raises:
        ValueError: the content is no safetensors file, or does not fit the networks.
    """
    try:
        networks.load_state_dict(read_safetensors(content))
    except RuntimeError as error:
        raise ValueError("it holds other parameters") from error


def read_safetensors(content: bytes) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file.

    Read here and not by the package of that name, which Slicer's Python may lack just where an old
    torch needs the weights. The layout: the header's length as 8 bytes, little end first; the
    header as JSON, giving type, shape and the range of bytes of each tensor; the bytes.

    Raises:
        ValueError: the content is cut short or follows another layout.
    """
    start = _HEADER_LENGTH_BYTES + int.from_bytes(content[:_HEADER_LENGTH_BYTES], "little")
    try:
        header: dict[str, Any] = json.loads(content[_HEADER_LENGTH_BYTES:start])
        header.pop("__metadata__", None)
        return {
            name: _tensor(memoryview(content)[start:], **entry) for name, entry in header.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("it is no safetensors file") from error


def _tensor(
    data: memoryview, *, dtype: str, shape: list[int], data_offsets: list[int]
) -> torch.Tensor:
    kind = _DTYPES[dtype]
    first, end = data_offsets
    size = math.prod(shape) * torch.empty(0, dtype=kind).element_size()
    if not 0 <= first <= end <= len(data) or end - first != size:
        raise ValueError("a tensor lies outside of the file")
    # A copy: torch wants memory that may be written and is aligned.
    values = torch.frombuffer(bytearray(data[first:end]) or bytearray(8), dtype=kind)
    return values[: math.prod(shape)].reshape(shape)
