"""Open the source of data that a configuration names."""

from lightning_fabric import Fabric

from jssr.training.config import TrainingConfig
from jssr.training.data.cohort import CohortStream
from jssr.training.data.phantoms import PhantomStream
from jssr.training.data.stream import DataStream


def open_stream(config: TrainingConfig, fabric: Fabric) -> DataStream:
    """The stream of this process: phantoms from memory, or a cohort's cache."""
    rank = fabric.global_rank
    if config.data.source == "phantoms":
        return PhantomStream(
            config.data, config.spacing_mm, config.seed, fabric.device, rank, fabric.world_size
        )
    return CohortStream(config.data, config.spacing_mm, config.seed, rank)
