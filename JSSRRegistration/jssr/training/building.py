"""Fresh networks as a configuration asks for them."""

from jssr.networks import Networks, build_networks
from jssr.networks.discriminator import Discriminator
from jssr.networks.paper import PaperGenerator, PaperRegister, PaperSegmentor
from jssr.training.config import TrainingConfig


def fresh_networks(config: TrainingConfig) -> Networks:
    """Networks of the configured architecture and sizes, freshly initialized."""
    sizes = config.networks_config()
    if config.method.architecture == "jssr":
        return build_networks(sizes)
    return Networks(
        PaperGenerator(sizes), PaperRegister(sizes), PaperSegmentor(sizes), Discriminator(sizes)
    )
