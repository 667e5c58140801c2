"""One optimization step of a stage, and the optimizers that it needs."""

import math
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from jssr.errors import JSSRError
from jssr.networks import Networks
from jssr.training.augmentation import augment_annotated, augment_pair, random_smooth_field
from jssr.training.config import StageConfig, TrainingConfig
from jssr.training.data.batch import AnnotatedBatch, PairBatch, StepInput, to_device
from jssr.training.data.stream import DataStream, step_generator
from jssr.training.losses import adversarial
from jssr.training.objective import Objective
from jssr.training.schedule import learning_rate

_AUGMENT, _STYLE, _TORCH = 11, 12, 13
_MOST_BAD_STEPS = 3


@dataclass
class StepReport:
    """What one step has to say; ``terms`` hold unweighted losses as plain numbers."""

    terms: dict[str, float]
    gradient_norm: float
    learning_rate: float
    skipped: bool


class StageSteps:
    """Makes the steps of one stage: G, Phi and S together, D alternating.

    Args:
        fabric: devices and precision.
        networks: all four, trained in place.
        config: the run.
        stage: the stage to make.
        stream: batches by step.
    """

    def __init__(
        self,
        fabric: Fabric,
        networks: Networks,
        config: TrainingConfig,
        stage: StageConfig,
        stream: DataStream,
    ) -> None:
        self._fabric = fabric
        self._config = config
        self._stage = stage
        self._stream = stream
        self._weights = config.weights(stage)
        self._bad_steps = 0
        freeze_for_stage(networks, config, stage)
        self._objective = Objective(networks, config)
        parameters = [p for p in self._objective.parameters() if p.requires_grad]
        optimizer = _adam(parameters, stage.learning_rate, config)
        self._model, self._optimizer = fabric.setup(self._objective, optimizer)
        self.optimizers: dict[str, Optimizer] = {"main": optimizer}
        self._discriminator = networks.discriminator
        self._wrapped_discriminator = self._discriminator_optimizer = None
        if self._adversarial:
            self._discriminator.requires_grad_(True)
            rate = config.optimizer.discriminator_learning_rate
            discriminator_optimizer = _adam(list(self._discriminator.parameters()), rate, config)
            self._wrapped_discriminator, self._discriminator_optimizer = fabric.setup(
                self._discriminator, discriminator_optimizer
            )
            self.optimizers["discriminator"] = discriminator_optimizer

    def make(self, stage_step: int, step: int) -> StepReport:
        """Make one step.

        Args:
            stage_step: step inside the stage, for the learning rate.
            step: step of the whole run, for data and random numbers.

        Raises:
            JSSRError: three steps in a row had no finite gradient.
        """
        seed = step_generator(self._config.seed, step, self._fabric.global_rank, _TORCH)
        torch.manual_seed(int(seed.integers(2**62)))
        rate = learning_rate(self._stage, stage_step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        pair, annotated = self._batches(step)
        judged = self._adversarial and stage_step >= self._stage.discriminator_from
        weights = self._weights if judged else self._weights.model_copy(update={"adversarial": 0.0})
        # While G learns, D gives gradients to its input and takes none itself. G asks the bare
        # network: DDP's wrapper would wait for gradients that never come.
        self._discriminator.requires_grad_(False)
        total, terms, synthesized = self._model(
            self._stage,
            weights,
            StepInput(pair, annotated),
            self._discriminator if judged else None,
            self._style_warp(pair, step),
        )
        self._fabric.backward(total)
        norm = self._clipped(self._model, self._optimizer)
        report = StepReport(
            {
                "total": float(total.detach()),
                **{name: float(value) for name, value in terms.items()},
            },
            norm,
            rate,
            skipped=not self._apply(self._optimizer, norm),
        )
        if judged and pair is not None and synthesized is not None:
            report.terms.update(self._teach_discriminator(pair, synthesized))
        self._watch(report, step)
        return report

    @property
    def _adversarial(self) -> bool:
        return (
            self._stage.trains_registration
            and self._config.method.synthesis
            and self._weights.adversarial > 0
        )

    def _batches(self, step: int) -> tuple[PairBatch | None, AnnotatedBatch | None]:
        device = self._fabric.device
        spacing = self._objective.spacing_mm
        rank = self._fabric.global_rank
        generator = step_generator(self._config.seed, step, rank, _AUGMENT)
        pair = annotated = None
        if self._stage.trains_registration:
            pair = to_device(self._stream.pairs(step), device)
            pair = augment_pair(pair, self._config.augmentation, spacing, generator)
        if self._needs_annotations():
            annotated = to_device(self._stream.annotated(step), device)
            annotated = augment_annotated(annotated, self._config.augmentation, spacing, generator)
        return pair, annotated

    def _needs_annotations(self) -> bool:
        """S learns from annotated scans, unless a joint step's pairs are annotated themselves."""
        if not self._stage.trains_registration:
            return True
        learns = self._stage.joint and self._config.method.segmentation
        return learns and self._weights.dice_supervised > 0 and not self._stream.labels_are_complete

    def _style_warp(self, pair: PairBatch | None, step: int) -> Tensor | None:
        method = self._config.method
        generator = step_generator(self._config.seed, step, self._fabric.global_rank, _STYLE)
        if pair is None or not method.synthesis or generator.random() >= method.warp_style:
            return None
        size = pair.fixed_hu.shape
        shape = (size[2], size[3], size[4])
        return random_smooth_field(shape, method.style_warp_mm, generator, pair.fixed_hu.device)

    def _teach_discriminator(self, pair: PairBatch, synthesized: Tensor) -> dict[str, float]:
        discriminator, optimizer = self._wrapped_discriminator, self._discriminator_optimizer
        assert discriminator is not None and optimizer is not None
        self._discriminator.requires_grad_(True)
        real = self._objective.network_values(pair.fixed_hu)
        opinions = discriminator(torch.cat([real, synthesized]))
        real_opinion, fake_opinion = opinions.chunk(2)
        loss = adversarial.discriminator_loss(
            real_opinion, fake_opinion, self._config.method.adversarial_form
        )
        self._fabric.backward(loss)
        self._apply(optimizer, self._clipped(discriminator, optimizer))
        gap = adversarial.opinion_gap(real_opinion, fake_opinion)
        return {"discriminator": float(loss.detach()), "opinion_gap": float(gap)}

    def _clipped(self, model: nn.Module, optimizer: Optimizer) -> float:
        norm = self._fabric.clip_gradients(
            model,
            optimizer,
            max_norm=self._config.optimizer.gradient_clip,
            error_if_nonfinite=False,
        )
        return float(norm) if norm is not None else 0.0

    def _apply(self, optimizer: Optimizer, norm: float) -> bool:
        """Step unless the gradient is not finite; the norm is the same in all processes."""
        finite = math.isfinite(norm)
        if finite:
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return finite

    def _watch(self, report: StepReport, step: int) -> None:
        self._bad_steps = self._bad_steps + 1 if report.skipped else 0
        if self._bad_steps >= _MOST_BAD_STEPS:
            bad = [name for name, value in report.terms.items() if not math.isfinite(value)] or [
                "the gradient"
            ]
            raise JSSRError(
                f"Training diverged at step {step}: {', '.join(bad)} is not finite in "
                f"{_MOST_BAD_STEPS} steps in a row; begin a new run with a lower learning rate."
            )


def freeze_for_stage(networks: Networks, config: TrainingConfig, stage: StageConfig) -> None:
    """Let learn what the stage trains: S first, then G and Phi, then all three."""
    learns_segmentor = stage.trains_segmentor and config.method.segmentation
    networks.segmentor.requires_grad_(learns_segmentor)
    networks.register.requires_grad_(stage.trains_registration)
    networks.generator.requires_grad_(stage.trains_registration and config.method.synthesis)


def _adam(parameters: list[nn.Parameter], rate: float, config: TrainingConfig) -> AdamW:
    settings = config.optimizer
    return AdamW(parameters, lr=rate, betas=settings.betas, weight_decay=settings.weight_decay)
