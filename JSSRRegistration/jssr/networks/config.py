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

    def check_levels(self) -> None:
        """Refuses numbers of levels that the architecture does not work with.

        Each level of a U-Net halves the grid, whose sizes are multiples of :data:`SIZE_DIVISOR`.

        Raises:
            ValueError: names the field and what it may have.
        """
        halvings = SIZE_DIVISOR.bit_length() - 1
        # The paper's first level is the grid itself, ours is half as fine already.
        ours = self.architecture == "jssr"
        body = (2, halvings if ours else halvings + 1)
        # Our register has a stage for each of its features at 1/2, 1/4 and 1/8.
        register = (3, 3) if ours else body
        for name, (least, most) in (
            ("segmentor_channels", body),
            ("generator_channels", body),
            ("register_channels", register),
        ):
            levels = len(getattr(self, name))
            if not least <= levels <= most:
                allowed = f"{least} to {most}" if least < most else f"exactly {most}"
                raise ValueError(
                    f"{name} has {levels} levels, but the architecture '{self.architecture}' takes "
                    f"{allowed}"
                )

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
