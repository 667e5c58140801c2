"""A run's state on disk: safetensors beside JSON, written whole or not at all, never a pickle."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.optim import Optimizer

from jssr.errors import InputError
from jssr.io.atomic import hidden_folder

FORMAT = 1
_PREFIX = "step-"


@dataclass(frozen=True)
class Position:
    """Where a run stands.

    Random numbers and data are functions of the configuration's seed and ``step``, so this is
    their state as well.
    """

    stage: int = 0
    stage_step: int = 0
    step: int = 0
    minutes: float = 0.0
    average_updates: int = 0
    best_step: int | None = None
    best_value: float | None = None


def save_checkpoint(
    run: Path,
    position: Position,
    modules: dict[str, nn.Module],
    optimizers: dict[str, Optimizer],
    keep: int,
) -> None:
    """Write the state under ``run/checkpoints`` and drop all but the latest ``keep`` and the best.

    The folder is filled under a hidden name and renamed at the end: whatever interrupts this
    function, every visible checkpoint is complete.
    """
    folder = run / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{_PREFIX}{position.step:08d}"
    temporary = hidden_folder(folder, "writing")
    try:
        for name, module in modules.items():
            _write(_contiguous(module.state_dict()), temporary / f"{name}.safetensors")
        groups: dict[str, Any] = {}
        for name, optimizer in optimizers.items():
            tensors, groups[name] = _flattened(optimizer)
            _write(tensors, temporary / f"optimizer-{name}.safetensors")
        state = {"format": FORMAT, "position": asdict(position), "optimizers": groups}
        (temporary / "state.json").write_text(json.dumps(state, indent=1), "utf-8")
        _flush(temporary)
        if target.exists():
            os.replace(target, folder / f".writing-old-{target.name}")
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _prune(folder, keep, position.best_step)


def latest_checkpoint(run: Path) -> Path | None:
    """The complete checkpoint with the highest step, or ``None``."""
    found = sorted((run / "checkpoints").glob(f"{_PREFIX}*/state.json"))
    return found[-1].parent if found else None


def best_checkpoint(run: Path) -> Path | None:
    """The checkpoint that validated best, else the latest, or ``None``."""
    latest = latest_checkpoint(run)
    if latest is None:
        return None
    best = read_position(latest).best_step
    candidate = run / "checkpoints" / f"{_PREFIX}{best or 0:08d}"
    return candidate if best is not None and (candidate / "state.json").is_file() else latest


def read_position(checkpoint: Path) -> Position:
    """Where the run stood when the checkpoint was written.

    Raises:
        InputError: the checkpoint is damaged or of another format.
    """
    with _telling_damage(checkpoint):
        state = json.loads((checkpoint / "state.json").read_text("utf-8"))
        if state["format"] != FORMAT:
            raise InputError(
                f"The checkpoint {checkpoint} has format {state['format']}, but this version reads "
                f"{FORMAT}; resume it with the version of JSSR that wrote it."
            )
        return Position(**state["position"])


def load_module(checkpoint: Path, name: str, module: nn.Module) -> None:
    """Fill ``module`` with the checkpoint's tensors called ``name``.

    Raises:
        InputError: the checkpoint is damaged, or the tensors do not fit, as after a change of the
            networks' sizes.
    """
    with _telling_damage(checkpoint):
        tensors = load_file(checkpoint / f"{name}.safetensors")
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(
            f"The checkpoint {checkpoint} does not fit the configured networks ({name}): "
            "resume with the configuration that the run was started with."
        ) from error


def load_optimizer(checkpoint: Path, name: str, optimizer: Optimizer) -> None:
    """Fill ``optimizer``'s state; it stays as it is where the checkpoint has none of that name.

    Raises:
        InputError: the checkpoint is damaged.
    """
    path = checkpoint / f"optimizer-{name}.safetensors"
    if not path.is_file():
        return
    with _telling_damage(checkpoint):
        groups = json.loads((checkpoint / "state.json").read_text("utf-8"))["optimizers"][name]
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in load_file(path).items():
            number, _, slot = key.partition(".")
            state.setdefault(int(number), {})[slot] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def with_best(position: Position, value: float) -> Position:
    """The position with itself recorded as the best so far."""
    return replace(position, best_step=position.step, best_value=value)


@contextmanager
def _telling_damage(checkpoint: Path) -> Iterator[None]:
    """Raises one sentence in place of what reading a cut or altered file of it ends in."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(
            f"The checkpoint '{checkpoint}' is damaged; remove it to go on from the one before."
        ) from error


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    # Python's own writing: a full disk is an OSError then, not one of safetensors'.
    path.write_bytes(save(tensors))


def _contiguous(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}


def _flattened(optimizer: Optimizer) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    state = optimizer.state_dict()
    tensors = {
        f"{number}.{slot}": torch.as_tensor(value).detach().cpu().contiguous().clone()
        for number, slots in state["state"].items()
        for slot, value in slots.items()
    }
    return tensors, state["param_groups"]


def _flush(folder: Path) -> None:
    """Have the files on the disk before the folder gets its name."""
    for path in folder.iterdir():
        with path.open("rb") as handle:
            os.fsync(handle.fileno())


def _prune(folder: Path, keep: int, best_step: int | None) -> None:
    found = sorted(folder.glob(f"{_PREFIX}*"))
    best = f"{_PREFIX}{best_step:08d}" if best_step is not None else None
    for old in found[:-keep]:
        if old.name != best:
            shutil.rmtree(old, ignore_errors=True)
    for leftover in folder.glob(".writing-*"):
        shutil.rmtree(leftover, ignore_errors=True)
