"""The four networks of JSSR: segmentor S, generator G, register Φ and discriminator D."""

from jssr.networks.build import Networks, build_networks
from jssr.networks.config import NetworksConfig

__all__ = ["Networks", "NetworksConfig", "build_networks"]
