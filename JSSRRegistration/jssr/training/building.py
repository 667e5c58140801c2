"""Fresh networks as a configuration asks for them."""

from jssr.networks import Networks, build_networks
from jssr.training.config import TrainingConfig


def fresh_networks(config: TrainingConfig) -> Networks:
    """Networks of the configured architecture and sizes, freshly initialized."""
    return build_networks(config.networks_config())
