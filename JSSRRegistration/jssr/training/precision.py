"""Mixed precision where it pays, and that leaves the data alone."""

from typing import Any

import torch
from lightning_fabric.plugins import MixedPrecision


class ExactInputMixedPrecision(MixedPrecision):
    """bf16 where autocast knows it to be safe, inputs untouched.

    Lightning's own casts every input to bf16 first, which keeps 8 bits: steps of 4 HU at 1000 HU
    and of 0.06 mm in a displacement of 10 mm.
    """

    def convert_input(self, data: Any) -> Any:
        """``data`` as it is."""
        return data


def computes_bf16(device: torch.device) -> bool:
    """Whether the processor itself computes in bf16; imitated, a step takes ten times as long."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Older versions of torch cannot tell: full precision is right everywhere.
    known = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
