"""The four networks together."""

from torch import nn

from jssr.networks.config import NetworksConfig
from jssr.networks.discriminator import Discriminator
from jssr.networks.generator import Generator
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
    """Freshly initialized networks of these sizes."""
    return Networks(Generator(config), Register(config), Segmentor(config), Discriminator(config))
