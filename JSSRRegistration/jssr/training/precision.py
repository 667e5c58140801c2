"""Mixed precision that leaves the data alone."""

from typing import Any

from lightning_fabric.plugins import MixedPrecision


class ExactInputMixedPrecision(MixedPrecision):
    """bf16 where autocast knows it to be safe, inputs untouched.

    Lightning's own casts every input to bf16 first, which keeps 8 bits: steps of 4 HU at 1000 HU
    and of 0.06 mm in a displacement of 10 mm.
    """

    def convert_input(self, data: Any) -> Any:
        """``data`` as it is."""
        return data
