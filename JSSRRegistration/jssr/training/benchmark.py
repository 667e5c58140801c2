"""How fast a configuration trains here, and what its parts cost."""

import time
from dataclasses import dataclass

import torch

from jssr.networks import build_networks
from jssr.training.config import TrainingConfig
from jssr.training.data.phantoms import PhantomStream
from jssr.training.data.sources import open_stream
from jssr.training.data.stream import DataStream
from jssr.training.launch import open_fabric
from jssr.training.steps import StageSteps

_READS = 8


@dataclass(frozen=True)
class StageTimes:
    """What one step of a stage takes, seconds on the wall.

    Attributes:
        network_seconds: augmentation, networks, losses, gradients, optimizer.
        data_seconds: making or reading the data; for phantoms the cost of a new pair spread over
            the steps until the next one.
        pairs: pairs that a step trains on, over all processes.
    """

    stage: str
    network_seconds: float
    data_seconds: float
    pairs: int

    @property
    def step_seconds(self) -> float:
        """The whole step."""
        return self.network_seconds + self.data_seconds


def benchmark(config: TrainingConfig, steps: int) -> list[StageTimes]:
    """Time ``steps`` steps of each stage after one to warm up; nothing is written.

    Args:
        config: the run.
        steps: at least 1.
    """
    if config.hardware.threads is not None:
        torch.set_num_threads(config.hardware.threads)
    fabric = open_fabric(config.hardware)
    fabric.launch()
    networks = build_networks(config.networks_config()).to(fabric.device)
    stream = open_stream(config, fabric)
    data_seconds = _data_seconds(config, stream)
    times = []
    for stage in config.stages:
        maker = StageSteps(fabric, networks, config, stage, stream)
        maker.make(0, 0)
        started = _now(fabric.device)
        for stage_step in range(1, steps + 1):
            # The run's first step over and over: its pairs are in memory.
            maker.make(stage_step, 0)
        spent = _now(fabric.device) - started
        pairs = config.data.batch_size * fabric.world_size
        times.append(StageTimes(stage.name, spent / steps, data_seconds, pairs))
    return times


def benchmark_table(config: TrainingConfig, steps: int) -> str:
    """The times of every stage as lines of text."""
    lines = [f"{'stage':<14}{'pairs/s':>9}{'s/step':>9}{'networks':>10}{'data':>7}"]
    for item in benchmark(config, steps):
        whole = item.step_seconds
        lines.append(
            f"{item.stage:<14}{item.pairs / whole:>9.2f}{whole:>9.2f}"
            f"{item.network_seconds / whole:>10.0%}{item.data_seconds / whole:>7.0%}"
        )
    return "\n".join(lines)


def _data_seconds(config: TrainingConfig, stream: DataStream) -> float:
    """Mean seconds of data a step in a long run."""
    started = time.perf_counter()
    if isinstance(stream, PhantomStream):
        phantoms = config.data.phantoms
        for number in range(2 * phantoms.pairs_per_patient):
            stream.pair(number)
        each = (time.perf_counter() - started) / (2 * phantoms.pairs_per_patient)
        return each / phantoms.refresh_every
    for step in range(_READS):
        stream.pairs(step)
    return (time.perf_counter() - started) / _READS


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
