"""One of two processes: the gradients of one joint step, written by the first process.

Called as ``python training_ddp_process.py RANK WORLD_SIZE PORT OUTPUT``.
"""

import os
import sys
from dataclasses import fields, is_dataclass

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from safetensors.torch import save_file
from training_samples import random_pair, tiny_config

from jssr.networks import build_networks
from jssr.training.config import StageConfig
from jssr.training.data.batch import StepInput
from jssr.training.objective import Objective
from jssr.training.steps import freeze_for_stage

PAIRS = 2


def part_of(value, first, last):
    """Samples ``first`` to ``last`` of a batch, in float64."""
    if isinstance(value, torch.Tensor):
        return value[first:last].double() if value.is_floating_point() else value[first:last]
    if is_dataclass(value):
        return type(value)(
            **{f.name: part_of(getattr(value, f.name), first, last) for f in fields(value)}
        )
    return value


def main(rank, world_size, port, output):
    torch.set_num_threads(1)
    os.environ.update(
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=port,
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world_size),
        NODE_RANK="0",
        LOCAL_WORLD_SIZE=str(world_size),
    )
    fabric = Fabric(
        accelerator="cpu",
        devices=world_size,
        strategy=DDPStrategy(find_unused_parameters=True, process_group_backend="gloo")
        if world_size > 1
        else "auto",
    )
    fabric.launch()
    config = tiny_config("unused")
    torch.manual_seed(0)
    networks = build_networks(config.networks_config()).double()
    stage = StageConfig(name="joint", steps=1)
    freeze_for_stage(networks, config, stage)
    networks.discriminator.requires_grad_(False)
    objective = Objective(networks, config)
    model = fabric.setup(objective)
    each = PAIRS // world_size
    pair = part_of(random_pair(seed=3, batch=PAIRS), rank * each, (rank + 1) * each)
    total, _, _ = model(stage, config.weights(stage), StepInput(pair), networks.discriminator, None)
    fabric.backward(total)
    if fabric.is_global_zero:
        gradients = {n: p.grad for n, p in objective.named_parameters() if p.grad is not None}
        save_file(gradients, output)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
