"""The joint objective of one step: networks and data in, weighted terms out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d

from jssr.labels import label_index
from jssr.networks import Networks
from jssr.registration.window import to_hu, to_network
from jssr.spatial.fields import resample_field
from jssr.spatial.warp import Spacing, isotropic, warp
from jssr.training.config import LossWeights, StageConfig, TrainingConfig
from jssr.training.data.batch import AnnotatedBatch, PairBatch, StepInput, Truth
from jssr.training.losses import adversarial, deformation, overlap, similarity
from jssr.training.losses.reduce import full_precision, masked_mean


@dataclass(frozen=True)
class Views:
    """What the networks make of a pair.

    Attributes:
        moving, fixed, synthesized: (B, 1, z, y, x) in [-1, 1].
        moving_logits, fixed_logits: (B, K, z, y, x), ``None`` without S.
        levels: (fixed_to_moving_mm, moving_to_fixed_mm) of Phi, coarse to fine.
    """

    moving: Tensor
    fixed: Tensor
    synthesized: Tensor
    moving_logits: Tensor | None
    fixed_logits: Tensor | None
    levels: list[tuple[Tensor, Tensor]]


@dataclass
class Terms:
    """Unweighted loss terms by name, and their weighted sum."""

    values: dict[str, Tensor] = field(default_factory=dict)
    total: Tensor | None = None

    def add(self, name: str, value: Tensor, weight: float) -> None:
        """Take in one term."""
        self.values[name] = value.detach()
        weighted = weight * value
        self.total = weighted if self.total is None else self.total + weighted


class Objective(nn.Module):
    """The loss of G, Phi and S in one forward pass, so that DDP sees a single module.

    The discriminator is no submodule: it has its own optimizer and its own wrapper.
    """

    def __init__(self, networks: Networks, config: TrainingConfig) -> None:
        super().__init__()
        self.generator = networks.generator
        self.register = networks.register
        self.segmentor = networks.segmentor
        self._config = config
        self._window = config.window_hu
        self.synthesizes = config.method.synthesis
        self.spacing_mm: Spacing = isotropic(config.spacing_mm)
        self.field_spacing_mm: Spacing = isotropic(2 * config.spacing_mm)

    def forward(
        self,
        stage: StageConfig,
        weights: LossWeights,
        data: StepInput,
        discriminator: nn.Module | None,
        style_warp_mm: Tensor | None,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor | None]:
        """The weighted loss, its terms, and G's output (detached) for the discriminator.

        Args:
            data: a pair where registration learns, annotated scans where they supervise S.
            discriminator: judges G's output where the adversarial term has a weight.
            style_warp_mm: (1, 3, z, y, x), how G's view of the fixed scan is moved, or ``None``.
        """
        terms = Terms()
        pair = data.pair
        if data.annotated is not None:
            self._add_supervised(terms, data.annotated, weights)
        if pair is None:
            assert terms.total is not None
            return terms.total, terms.values, None
        views = self.views(pair, learn_segmentor=stage.joint, style_warp_mm=style_warp_mm)
        synthesized_logits = None
        if stage.joint and weights.dice_consistency > 0 and self._config.method.segmentation:
            # Networks run in the step's precision, the terms of what they give in float32.
            synthesized_logits = self.segmentor(views.synthesized)
        with torch.autocast(pair.fixed_hu.device.type, enabled=False):
            self._add_pair_terms(terms, pair, views, synthesized_logits, weights, stage)
        if discriminator is not None and weights.adversarial > 0:
            opinion = discriminator(views.synthesized)
            value = adversarial.generator_loss(opinion, self._config.method.adversarial_form)
            terms.add("adversarial", value, weights.adversarial)
        assert terms.total is not None
        return terms.total, terms.values, views.synthesized.detach()

    def views(
        self, pair: PairBatch, learn_segmentor: bool = False, style_warp_mm: Tensor | None = None
    ) -> Views:
        """Run S, G and Phi on a pair, as registration does."""
        moving = to_network(pair.moving_hu, self._window)
        fixed = to_network(pair.fixed_hu, self._window)
        moving_logits = fixed_logits = None
        if self._config.method.segmentation:
            with torch.set_grad_enabled(learn_segmentor and torch.is_grad_enabled()):
                both = self.segmentor(torch.cat([moving, fixed]))
            moving_logits, fixed_logits = both.chunk(2)
        synthesized = moving
        if self._config.method.synthesis:
            synthesized = self._synthesized(
                moving, moving_logits, fixed, fixed_logits, style_warp_mm
            )
        taper = torch.ones_like(pair.fixed_valid)
        forward_levels = cast(
            Callable[..., list[tuple[Tensor, Tensor]]], self.register.forward_levels
        )
        levels = forward_levels(
            moving,
            synthesized,
            fixed,
            pair.moving_valid,
            pair.fixed_valid,
            taper,
            self._config.spacing_mm,
        )
        return Views(moving, fixed, synthesized, moving_logits, fixed_logits, levels)

    def synthesizer(self, pair: PairBatch) -> Callable[[Tensor], Tensor]:
        """G of this pair's moving scan as a function of its view of the fixed one, in [-1, 1]."""
        moving = to_network(pair.moving_hu, self._window)
        segments = self._config.method.segmentation
        moving_logits = self.segmentor(moving) if segments else None

        def synthesize(fixed: Tensor) -> Tensor:
            fixed_logits = self.segmentor(fixed) if segments else None
            return self._synthesized(moving, moving_logits, fixed, fixed_logits, None)

        return synthesize

    def network_values(self, hu: Tensor) -> Tensor:
        """HU as the networks see them."""
        return to_network(hu, self._window)

    def hu(self, value: Tensor) -> Tensor:
        """Network values as HU."""
        return to_hu(full_precision(value), self._window)

    def clipped(self, hu: Tensor) -> Tensor:
        """HU as far as the networks' window shows it."""
        return hu.clamp(*self._window)

    def _synthesized(
        self,
        moving: Tensor,
        moving_logits: Tensor | None,
        fixed: Tensor,
        fixed_logits: Tensor | None,
        style_warp_mm: Tensor | None,
    ) -> Tensor:
        moving_probabilities = self._probabilities(moving, moving_logits)
        fixed_probabilities = self._probabilities(fixed, fixed_logits)
        if style_warp_mm is not None:
            shift = style_warp_mm.expand(len(fixed), -1, -1, -1, -1)
            fixed = warp(fixed, shift, self.spacing_mm)
            fixed_probabilities = warp(fixed_probabilities, shift, self.spacing_mm)
        return self.generator(moving, moving_probabilities, fixed, fixed_probabilities)

    def _probabilities(self, image: Tensor, logits: Tensor | None) -> Tensor:
        """S's opinion as an input of G; without S everything is background."""
        if logits is not None:
            return logits.detach().softmax(1)
        classes = self._config.networks_config().classes
        everywhere = image.new_zeros((len(image), classes, *image.shape[2:]))
        everywhere[:, 0] = 1
        return everywhere

    def _add_supervised(
        self, terms: Terms, annotated: AnnotatedBatch, weights: LossWeights
    ) -> None:
        if weights.dice_supervised <= 0:
            return
        logits = self.segmentor(to_network(annotated.hu, self._window))
        with torch.autocast(annotated.hu.device.type, enabled=False):
            value = overlap.supervised_segmentation(
                logits, annotated.labels, mask=annotated.valid, annotated=annotated.classes
            )
        terms.add("dice_supervised", value, weights.dice_supervised)

    def _add_pair_terms(
        self,
        terms: Terms,
        pair: PairBatch,
        views: Views,
        synthesized_logits: Tensor | None,
        weights: LossWeights,
        stage: StageConfig,
    ) -> None:
        fixed_to_moving_mm, moving_to_fixed_mm = views.levels[-1]
        moving_valid = avg_pool3d(full_precision(pair.moving_valid), 2)
        seen = warp(moving_valid, fixed_to_moving_mm, self.field_spacing_mm, padding="zeros")
        seen = (seen * avg_pool3d(full_precision(pair.fixed_valid), 2)).detach()
        self._add_similarity(terms, views, seen, weights)
        self._add_deformation(terms, pair, fixed_to_moving_mm, moving_to_fixed_mm, weights)
        if stage.joint:
            self._add_consistency(terms, views, synthesized_logits, seen, weights)
            self._add_own_labels(terms, pair, views, weights)
        if (
            weights.true_labels > 0
            and pair.fixed_labels is not None
            and pair.moving_labels is not None
        ):
            classes = self._config.networks_config().classes
            moving = overlap.label_fractions(pair.moving_labels, classes)
            fixed = overlap.label_fractions(pair.fixed_labels, classes)
            moved = warp(moving, fixed_to_moving_mm, self.field_spacing_mm)
            value = overlap.dice_consistency(moved, fixed, seen, pair.classes)
            terms.add("true_labels", value, weights.true_labels)
        if pair.truth is not None:
            self._add_truth(terms, pair, pair.truth, views, weights)

    def _add_similarity(
        self, terms: Terms, views: Views, seen: Tensor, weights: LossWeights
    ) -> None:
        """The image terms, on the field's grid or, as the paper has them, the image's."""
        if weights.joint_l1 <= 0 and weights.local_correlation <= 0:
            return
        fixed_to_moving_mm = views.levels[-1][0]
        if self._config.method.full_resolution_similarity:
            shape = list(views.fixed.shape[2:])
            warped = warp(
                views.synthesized, resample_field(fixed_to_moving_mm, shape), self.spacing_mm
            )
            fixed, seen = views.fixed, resample_field(seen, shape)
        else:
            warped = warp(
                avg_pool3d(full_precision(views.synthesized), 2),
                fixed_to_moving_mm,
                self.field_spacing_mm,
            )
            fixed = avg_pool3d(views.fixed, 2)
        if weights.joint_l1 > 0:
            terms.add("joint_l1", similarity.joint_l1(warped, fixed, seen), weights.joint_l1)
        if weights.local_correlation > 0:
            radius = self._config.method.correlation_radius
            value = similarity.local_correlation_loss(warped, fixed, seen, radius)
            terms.add("local_correlation", value, weights.local_correlation)

    def _add_deformation(
        self,
        terms: Terms,
        pair: PairBatch,
        fixed_to_moving_mm: Tensor,
        moving_to_fixed_mm: Tensor,
        weights: LossWeights,
    ) -> None:
        spacing_mm = self.field_spacing_mm
        if weights.smoothness > 0:
            there = deformation.smoothness(fixed_to_moving_mm, spacing_mm)
            back = deformation.smoothness(moving_to_fixed_mm, spacing_mm)
            terms.add("smoothness", 0.5 * (there + back), weights.smoothness)
        if weights.folding > 0:
            value = deformation.folding_penalty(fixed_to_moving_mm, spacing_mm)
            terms.add("folding", value, weights.folding)
        if weights.inverse_consistency > 0:
            value = deformation.inverse_inconsistency(
                fixed_to_moving_mm, moving_to_fixed_mm, spacing_mm
            )
            terms.add("inverse_consistency", value, weights.inverse_consistency)
        if weights.lesion_volume > 0 and pair.fixed_labels is not None:
            lesions = (pair.fixed_labels == label_index("lesion")).float()[:, None]
            value = deformation.lesion_volume_change(
                fixed_to_moving_mm, avg_pool3d(lesions, 2), spacing_mm
            )
            terms.add("lesion_volume", value, weights.lesion_volume)

    def _add_consistency(
        self,
        terms: Terms,
        views: Views,
        synthesized_logits: Tensor | None,
        seen: Tensor,
        weights: LossWeights,
    ) -> None:
        if synthesized_logits is None or views.fixed_logits is None:
            return
        moved = warp(
            avg_pool3d(full_precision(synthesized_logits).softmax(1), 2),
            views.levels[-1][0],
            self.field_spacing_mm,
        )
        fixed = avg_pool3d(full_precision(views.fixed_logits).softmax(1), 2)
        terms.add(
            "dice_consistency",
            overlap.dice_consistency(moved, fixed, seen),
            weights.dice_consistency,
        )

    def _add_own_labels(
        self, terms: Terms, pair: PairBatch, views: Views, weights: LossWeights
    ) -> None:
        """Supervise S on the pair itself where nobody else does: its logits are there already."""
        if weights.dice_supervised <= 0 or "dice_supervised" in terms.values:
            return
        scans = (
            (views.fixed_logits, pair.fixed_labels, pair.fixed_valid),
            (views.moving_logits, pair.moving_labels, pair.moving_valid),
        )
        losses = [
            overlap.supervised_segmentation(logits, labels, mask=valid)
            for logits, labels, valid in scans
            if logits is not None and labels is not None
        ]
        if not losses:
            return
        value = torch.stack(losses).mean()
        terms.add("dice_supervised", value, weights.dice_supervised)

    def _add_truth(
        self, terms: Terms, pair: PairBatch, truth: Truth, views: Views, weights: LossWeights
    ) -> None:
        if weights.true_field > 0:
            levels = views.levels if self._config.method.deep_supervision else views.levels[-1:]
            emphasis = (
                self._organ_emphasis(pair.fixed_labels),
                self._organ_emphasis(pair.moving_labels),
            )
            factors = [0.5**rank for rank in reversed(range(len(levels)))]
            value = levels[-1][0].new_zeros(())
            for factor, level in zip(factors, levels, strict=True):
                error = _level_error(
                    level[0], truth.fixed_to_moving_mm, truth.fixed_mask * emphasis[0]
                )
                error = error + _level_error(
                    level[1], truth.moving_to_fixed_mm, truth.moving_mask * emphasis[1]
                )
                value = value + 0.5 * factor / sum(factors) * error
            terms.add("true_field", value, weights.true_field)
        if weights.true_synthesis > 0 and self._config.method.synthesis:
            answer = to_network(truth.synthesis_hu, self._window)
            mask = truth.synthesis_mask * pair.moving_valid
            difference = (full_precision(views.synthesized) - answer).abs()
            terms.add("true_synthesis", masked_mean(difference, mask), weights.true_synthesis)

    def _organ_emphasis(self, labels: Tensor | None) -> Tensor | float:
        """Weight of the field's truth: organs count more than muscle, fat and gas."""
        if labels is None:
            return 1.0
        organs = avg_pool3d((labels > 0).float()[:, None], 2)
        return 1.0 + self._config.method.organ_emphasis * organs


def _level_error(predicted_mm: Tensor, truth_mm: Tensor, weight: Tensor) -> Tensor:
    """Endpoint error on the grid of one level: the truth is averaged over each coarse voxel."""
    factor = truth_mm.shape[2] // predicted_mm.shape[2]
    if factor > 1:
        summed = avg_pool3d(weight, factor)
        truth_mm = avg_pool3d(truth_mm * weight, factor) / summed.clamp_min(1e-6)
        weight = summed
    return deformation.endpoint_error(predicted_mm, truth_mm, weight)
