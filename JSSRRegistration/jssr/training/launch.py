"""Set devices up, start the trainer, and stop it cleanly when asked to."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.rank_zero import rank_zero_only

from jssr.bundle.load import load_networks
from jssr.device import choose_device
from jssr.errors import InputError
from jssr.networks import Networks, build_networks
from jssr.training.config import HardwareConfig, TrainingConfig
from jssr.training.precision import ExactInputMixedPrecision, computes_bf16
from jssr.training.trainer import Ending, ProgressCallback, Trainer


def train(
    config: TrainingConfig,
    *,
    resume: bool = False,
    init_from: Path | None = None,
    progress: ProgressCallback | None = None,
) -> Ending:
    """Train as configured; Ctrl-C and SIGTERM end the run with a checkpoint.

    Under ``torchrun`` or SLURM every process calls this; else Fabric starts the processes that
    ``hardware.devices`` asks for.

    Args:
        config: the run.
        resume: go on from the latest checkpoint in ``config.output``.
        init_from: a bundle whose networks to start from.
        progress: called after each step of the first process.

    Raises:
        InputError: the folder holds a run already, or one of other settings, or cannot be written,
            or the bundle's networks are others.
    """
    if config.hardware.threads is not None:
        torch.set_num_threads(config.hardware.threads)
    initial = None if init_from is None else _initial(init_from, config)
    fabric = open_fabric(config.hardware)
    fabric.launch()
    with _stop_request() as should_stop:
        trainer = Trainer(
            config,
            fabric,
            resume=resume,
            initial=initial,
            progress=progress if fabric.is_global_zero else None,
            should_stop=should_stop,
        )
        return trainer.run()


def is_first_process() -> bool:
    """Whether this process speaks for the run: the only one, or the first that was started."""
    return getattr(rank_zero_only, "rank", None) in (None, 0)


def open_fabric(hardware: HardwareConfig) -> Fabric:
    """Fabric for the configured devices; sizes come from ``torchrun`` where that started us."""
    device = choose_device(hardware.device)
    per_node = int(os.environ.get("LOCAL_WORLD_SIZE", hardware.devices))
    nodes = int(os.environ.get("GROUP_WORLD_SIZE", hardware.nodes))
    on_gpu = device.type == "cuda"
    devices: int | list[int] = per_node
    if on_gpu and per_node == 1 and device.index is not None:
        devices = [device.index]
    several = per_node * nodes > 1
    mixed = hardware.precision == "bf16-mixed" or (
        hardware.precision == "auto" and computes_bf16(device)
    )
    return Fabric(
        accelerator="cuda" if on_gpu else "cpu",
        devices=devices,
        num_nodes=nodes,
        strategy=DDPStrategy(find_unused_parameters=True) if several else "auto",
        precision=None if mixed else "32-true",
        plugins=[ExactInputMixedPrecision("bf16-mixed", device.type)] if mixed else None,
    )


def _initial(bundle: Path, config: TrainingConfig) -> Networks:
    """The bundle's networks, refused where the configuration describes others."""
    networks, wanted = load_networks(bundle), build_networks(config.networks_config())
    shapes = {name: tensor.shape for name, tensor in networks.state_dict().items()}
    if shapes != {name: tensor.shape for name, tensor in wanted.state_dict().items()}:
        raise InputError(
            f"The networks of the bundle {bundle} have another architecture or other sizes than "
            "the configuration asks for; take over method.architecture and the 'networks' section "
            "of the bundle's training.yaml."
        )
    return networks


@contextmanager
def _stop_request() -> Iterator[Callable[[], bool]]:
    """Turns the first SIGINT or SIGTERM into a request; a second one acts as usual."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: object) -> None:
        asked.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
