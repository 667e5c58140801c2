"""The four networks together."""

from torch import nn

from jssr.networks.config import NetworksConfig
from jssr.networks.discriminator import Discriminator
from jssr.networks.generator import Generator
from jssr.networks.paper import PaperGenerator, PaperRegister, PaperSegmentor
from jssr.networks.register import Register
from jssr.networks.segmentor import Segmentor


class Networks(nn.Module):
    """Generator, register, segmentor and discriminator; the last serves training alone.

    It only holds them: there is no ``forward``, since each step asks them in its own order.
    """

    def __init__(
        self,
        generator: nn.Module,
        register: nn.Module,
        segmentor: nn.Module,
        discriminator: nn.Module,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.register = register
        self.segmentor = segmentor
        self.discriminator = discriminator


def build_networks(config: NetworksConfig) -> Networks:
    """Freshly initialized networks of this architecture and these sizes.

    Raises:
        ValueError: there is no such architecture, or it has other numbers of levels.
    """
    config.check_levels()
    if config.architecture == "jssr":
        return Networks(
            Generator(config), Register(config), Segmentor(config), Discriminator(config)
        )
    if config.architecture == "paper":
        return Networks(
            PaperGenerator(config),
            PaperRegister(config),
            PaperSegmentor(config),
            Discriminator(config),
        )
    raise ValueError(f"there is no architecture '{config.architecture}'")
