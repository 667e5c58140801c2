"""Architecture and sizes of the networks, as the manifest of a bundle stores them."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from jssr.labels import CLASS_COUNT

SIZE_DIVISOR = 16
"""Every network takes grids whose sizes are multiples of this."""

Architecture = Literal["jssr", "paper"]
"""Our networks, or the paper's plain U-Nets."""


@dataclass(frozen=True)
class NetworksConfig:
    """Architecture, channels per level (finest first) and the number of classes.

    The finest level has half the grid's resolution in our networks and all of it in the paper's.

    ``register_features`` is the width of the learned features that the register correlates,
    ``register_head`` the width of the layers that turn the matching into a velocity.
    """

    architecture: Architecture = "jssr"
    classes: int = CLASS_COUNT
    segmentor_channels: tuple[int, ...] = (16, 32, 64, 128)
    generator_channels: tuple[int, ...] = (16, 32, 48)
    register_channels: tuple[int, ...] = (16, 24, 32)
    register_features: int = 12
    register_head: int = 24
    discriminator_channels: tuple[int, ...] = (16, 32, 64)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON holds it."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "NetworksConfig":
        """The configuration from :meth:`to_dict`'s answer or its JSON; absent keys keep defaults.

        Raises:
            TypeError: a key is unknown.
        """
        restored: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return NetworksConfig(**restored)
