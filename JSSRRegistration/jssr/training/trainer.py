"""The training run: stages one after the other, with checkpoints, figures and a time budget."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import torch
from lightning_fabric import Fabric

from jssr.errors import InputError
from jssr.io.atomic import explaining, make_folder, whole_file
from jssr.networks import Networks, build_networks
from jssr.training.averaging import WeightAverage
from jssr.training.checkpoint import (
    Position,
    latest_checkpoint,
    load_module,
    load_optimizer,
    read_position,
    save_checkpoint,
    with_best,
)
from jssr.training.config import StageConfig, TrainingConfig
from jssr.training.data.batch import PairBatch
from jssr.training.data.sources import open_stream
from jssr.training.early_warnings import early_warnings
from jssr.training.monitor import Monitor
from jssr.training.objective import Objective
from jssr.training.resuming import check_same_settings
from jssr.training.run_files import SETTINGS_NAME
from jssr.training.settings import to_yaml
from jssr.training.steps import StageSteps, StepReport
from jssr.training.validation import pictures, validate, validate_segmentor

_LOGGER = logging.getLogger(__name__)
_FIGURES_EVERY = 10


class Ending(str, Enum):
    """Why a run returned."""

    FINISHED = "finished"
    OUT_OF_TIME = "out of time"
    STOPPED = "stopped"


@dataclass(frozen=True)
class TrainingProgress:
    """What the caller may show after each step."""

    stage: str
    stage_step: int
    stage_steps: int
    steps_per_second: float
    seconds_left: float
    report: StepReport


ProgressCallback = Callable[[TrainingProgress], None]


class Trainer:
    """Trains the networks as a configuration says and leaves everything in the run's folder.

    Args:
        config: the run.
        fabric: a launched Fabric.
        resume: go on from the folder's latest checkpoint; else the folder must hold none.
        initial: networks to start from (``--init-from``), sizes as configured.
        progress: called after each step.
        should_stop: asked after each step; ``True`` ends the run with a checkpoint.

    Raises:
        InputError: the folder holds a run that is not to be resumed, or one of other settings.
    """

    def __init__(
        self,
        config: TrainingConfig,
        fabric: Fabric,
        *,
        resume: bool = False,
        initial: Networks | None = None,
        progress: ProgressCallback | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        self._config = config
        self._fabric = fabric
        self._progress = progress
        self._should_stop = should_stop
        self._run = Path(config.output)
        self._started = time.monotonic()
        self._checkpoint = self._find_checkpoint(resume)
        self._position = read_position(self._checkpoint) if self._checkpoint else Position()
        self._minutes_before = self._position.minutes
        torch.manual_seed(config.seed)
        networks = initial if initial is not None else build_networks(config.networks_config())
        self._networks = networks.to(fabric.device)
        if config.hardware.channels_last:
            _channels_last(self._networks)
        self._average = WeightAverage(self._networks, config.optimizer.ema_decay)
        self._stream = open_stream(config, fabric)
        self._held_out: list[PairBatch] | None = None
        self._last_saved = time.monotonic()

    def run(self) -> Ending:
        """Train to the end, the time budget or a request to stop; always ends on a checkpoint.

        Raises:
            InputError: the run's folder cannot be made or written, or its disk is full.
        """
        if self._checkpoint is not None:
            load_module(self._checkpoint, "networks", self._networks)
            load_module(self._checkpoint, "average", self._average.module)
            self._average.updates = self._position.average_updates
        if self._fabric.is_global_zero:
            make_folder(self._run)
            with whole_file(self._run / SETTINGS_NAME) as part:
                part.write_text(to_yaml(self._config), "utf-8")
        self._monitor = None
        if self._fabric.is_global_zero:
            self._monitor = Monitor(self._run, self._position.step, self._config.tensorboard)
        try:
            with explaining(self._run):
                return self._stages()
        finally:
            if self._monitor is not None:
                self._monitor.close()

    def _stages(self) -> Ending:
        while self._position.stage < len(self._config.stages):
            ending = self._stage(self._config.stages[self._position.stage])
            if ending is not None:
                return ending
            self._position = replace(self._position, stage=self._position.stage + 1, stage_step=0)
            self._save({})
        return Ending.FINISHED

    def _stage(self, stage: StageConfig) -> Ending | None:
        steps = StageSteps(self._fabric, self._networks, self._config, stage, self._stream)
        if self._checkpoint is not None and self._position.stage_step > 0:
            for name, optimizer in steps.optimizers.items():
                load_optimizer(self._checkpoint, name, optimizer)
        self._checkpoint = None
        self._stage_started = time.monotonic(), self._position.stage_step
        while self._position.stage_step < stage.steps:
            report = steps.make(self._position.stage_step, self._position.step)
            self._average.update(self._networks)
            self._advance()
            self._tell(stage, report)
            last = self._position.stage_step == stage.steps
            better = False
            if last or self._position.step % self._config.validation.every_steps == 0:
                better = self._validate(stage)
            ending = None if last else self._ending()
            if ending is not None or (not last and (better or self._due())):
                self._save(dict(steps.optimizers))
            if ending is not None:
                return ending
        return None

    def _advance(self) -> None:
        self._position = replace(
            self._position,
            stage_step=self._position.stage_step + 1,
            step=self._position.step + 1,
            minutes=self._minutes_before + (time.monotonic() - self._started) / 60,
            average_updates=self._average.updates,
        )

    def _ending(self) -> Ending | None:
        """Whether to stop here; all processes hear the same answer."""
        limit = self._config.max_minutes
        elapsed = (time.monotonic() - self._started) / 60
        stop = self._should_stop is not None and self._should_stop()
        answer = 1 if limit is not None and elapsed >= limit else 2 if stop else 0
        if self._fabric.world_size > 1:
            answer = int(self._fabric.broadcast(answer))
        return {0: None, 1: Ending.OUT_OF_TIME, 2: Ending.STOPPED}[answer]

    def _due(self) -> bool:
        """Whether a checkpoint is due by steps or by time; all processes hear the same answer."""
        settings = self._config.checkpoint
        minutes = (time.monotonic() - self._last_saved) / 60
        due = self._position.step % settings.every_steps == 0 or minutes >= settings.every_minutes
        return bool(self._fabric.broadcast(due)) if self._fabric.world_size > 1 else due

    def _save(self, optimizers: dict[str, torch.optim.Optimizer]) -> None:
        self._last_saved = time.monotonic()
        if self._fabric.is_global_zero:
            modules: dict[str, torch.nn.Module] = {
                "networks": self._networks,
                "average": self._average.module,
            }
            save_checkpoint(
                self._run, self._position, modules, optimizers, self._config.checkpoint.keep
            )
        self._fabric.barrier()

    def _tell(self, stage: StageConfig, report: StepReport) -> None:
        if self._monitor is None:
            return
        started, first = self._stage_started
        rate = (self._position.stage_step - first) / max(1e-9, time.monotonic() - started)
        if self._position.step % _FIGURES_EVERY == 0 or self._position.stage_step == stage.steps:
            values = {
                **report.terms,
                "gradient_norm": report.gradient_norm,
                "learning_rate": report.learning_rate,
            }
            self._monitor.figures(self._position.step, "train", values, stage=stage.name)
        if report.skipped:
            self._monitor.warn(
                self._position.step, "the gradient was not finite; the step was skipped"
            )
        if self._progress is not None:
            steps = sum(item.steps for item in self._config.stages)
            left = (steps - self._position.step) / max(1e-9, rate)
            self._progress(
                TrainingProgress(
                    stage.name,
                    self._position.stage_step,
                    stage.steps,
                    rate,
                    left,
                    report,
                )
            )

    def _validate(self, stage: StageConfig) -> bool:
        """Figures of the averaged weights; whether they are the best so far."""
        better = False
        if self._fabric.is_global_zero:
            if self._held_out is None:
                self._held_out = self._stream.validation_pairs(self._config.validation.pairs)
            objective = Objective(self._average.module, self._config).eval()
            judge = validate if stage.trains_registration else validate_segmentor
            figures = judge(objective, self._held_out, self._fabric.device)
            self._record(stage, objective, figures)
            better = self._marked_as_best(stage, figures)
        return bool(self._fabric.broadcast(better)) if self._fabric.world_size > 1 else better

    def _record(self, stage: StageConfig, objective: Objective, figures: dict[str, float]) -> None:
        assert self._monitor is not None
        step = self._position.step
        if not self._held_out:
            self._monitor.warn(
                step, "there is no validation pair; the best checkpoint is the latest"
            )
            return
        self._monitor.figures(step, "validation", figures, stage=stage.name)
        for message in early_warnings(figures):
            self._monitor.warn(step, message)
        if self._config.validation.pictures and stage.trains_registration:
            shown = pictures(objective, self._held_out[0], self._fabric.device)
            for name, picture in shown.items():
                self._monitor.picture(step, name, picture)

    def _marked_as_best(self, stage: StageConfig, figures: dict[str, float]) -> bool:
        settings = self._config.validation
        value = figures.get(settings.best_figure)
        if not stage.trains_registration and len(self._config.stages) > 1:
            return False
        if value is None or not math.isfinite(value):
            self._say_that_nothing_is_best(figures)
            return False
        best = self._position.best_value
        sign = 1 if settings.best_is_lowest else -1
        if best is not None and sign * value >= sign * best:
            return False
        self._position = with_best(self._position, value)
        return True

    def _say_that_nothing_is_best(self, figures: dict[str, float]) -> None:
        assert self._monitor is not None
        if figures:
            self._monitor.warn(
                self._position.step,
                f"validation gives no {self._config.validation.best_figure}, by which the best "
                "checkpoint is chosen; set validation.best_figure to one of "
                f"{', '.join(figures)}",
            )

    def _find_checkpoint(self, resume: bool) -> Path | None:
        with explaining(self._run):
            found = latest_checkpoint(self._run)
        if found is not None and not resume:
            raise InputError(
                f"The folder {self._run} already holds a training run; continue it with --resume "
                "or give another output."
            )
        if found is not None:
            check_same_settings(self._run, self._config)
        return found if resume else None


def _channels_last(networks: Networks) -> None:
    """Lay the kernels of 3D convolutions out channels last; what they compute follows."""
    for parameter in networks.parameters():
        if parameter.ndim == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
