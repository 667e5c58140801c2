"""The objective: which terms a configuration computes, and where their gradients go."""

from dataclasses import replace

import pytest
import torch
from training_samples import random_annotated, random_pair, tiny_config

from jssr.labels import CLASS_COUNT
from jssr.networks import build_networks
from jssr.training.config import StageConfig
from jssr.training.data.batch import StepInput
from jssr.training.objective import Objective
from jssr.training.steps import freeze_for_stage

PAPER_NETWORKS = {
    "segmentor_channels": [4, 8],
    "generator_channels": [4, 8],
    "register_channels": [4, 8],
}


def _run(stage_name, precision=torch.float32, **sections):
    config = tiny_config("unused", **sections)
    torch.manual_seed(0)
    networks = build_networks(config.networks_config())
    stage = StageConfig(name=stage_name, steps=1)
    freeze_for_stage(networks, config, stage)
    networks.discriminator.requires_grad_(False)
    objective = Objective(networks, config)
    pair = None if stage_name == "segmentor" else random_pair()
    annotated = random_annotated() if stage_name == "segmentor" else None
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        total, terms, synthesized = objective(
            stage,
            config.weights(stage),
            StepInput(pair, annotated),
            networks.discriminator,
            None,
        )
    total.backward()
    learned = {
        name
        for name in ("generator", "register", "segmentor", "discriminator")
        if any(
            p.grad is not None and bool(p.grad.abs().sum() > 0)
            for p in getattr(networks, name).parameters()
        )
    }
    return terms, learned, synthesized


def test_segmentor_stage_teaches_the_segmentor_alone():
    terms, learned, _ = _run("segmentor")
    assert set(terms) == {"dice_supervised"} and learned == {"segmentor"}


def test_registration_stage_teaches_generator_and_register():
    terms, learned, synthesized = _run("registration")
    assert learned == {"generator", "register"}
    assert {"adversarial", "joint_l1", "smoothness", "true_field", "true_synthesis"} <= set(terms)
    assert "dice_consistency" not in terms and not synthesized.requires_grad


def test_joint_stage_teaches_all_three():
    terms, learned, _ = _run("joint")
    assert learned == {"generator", "register", "segmentor"}
    assert {"dice_consistency", "dice_supervised"} <= set(terms)


def test_without_synthesis_the_register_sees_the_raw_moving_scan():
    terms, learned, synthesized = _run("registration", method={"synthesis": False})
    assert learned == {"register"} and "true_synthesis" not in terms
    assert torch.allclose(synthesized, (random_pair().moving_hu + 200) / 250 - 1, atol=1e-5)


def test_without_segmentation_everything_is_background():
    _, learned, _ = _run("registration", method={"segmentation": False})
    assert learned == {"generator", "register"}


def test_terms_of_weight_zero_are_not_computed():
    terms, _, _ = _run(
        "registration", loss={"smoothness": 0, "folding": 0, "lesion_volume": 0, "adversarial": 0}
    )
    assert not {"smoothness", "folding", "lesion_volume", "adversarial"} & set(terms)


def test_the_truth_is_not_used_unless_asked_for():
    terms, _, _ = _run("registration", loss={})
    assert not {"true_field", "true_synthesis", "true_labels"} & set(terms)


def test_the_paper_setting_uses_its_own_networks_and_terms_alone():
    method = {
        "architecture": "paper",
        "adversarial_form": "printed",
        "full_resolution_similarity": True,
    }
    loss = {"folding": 0, "inverse_consistency": 0, "lesion_volume": 0}
    terms, learned, _ = _run("joint", method=method, loss=loss, networks=PAPER_NETWORKS)
    printed = {"adversarial", "joint_l1", "smoothness", "dice_consistency", "dice_supervised"}
    assert set(terms) == printed and learned == {"generator", "register", "segmentor"}


@pytest.mark.parametrize(
    "sections", [{}, {"method": {"architecture": "paper"}, "networks": PAPER_NETWORKS}]
)
def test_a_joint_step_in_half_precision_teaches_all_three(sections):
    terms, learned, _ = _run("joint", torch.bfloat16, **sections)
    assert learned == {"generator", "register", "segmentor"}
    assert "dice_consistency" in terms
    assert all(value.dtype == torch.float32 and value.isfinite() for value in terms.values())


def test_a_perfect_field_has_no_truth_error():
    config = tiny_config("unused", method={"deep_supervision": False})
    objective = Objective(build_networks(config.networks_config()), config)
    pair = random_pair()
    views = objective.views(pair)
    truth = replace(
        pair.truth,
        fixed_to_moving_mm=views.levels[-1][0].detach(),
        moving_to_fixed_mm=views.levels[-1][1].detach(),
    )
    stage = StageConfig(name="registration", steps=1)
    weights = config.weights(stage)
    terms = objective(stage, weights, StepInput(replace(pair, truth=truth)), None, None)[1]
    assert terms["true_field"].item() == pytest.approx(0, abs=1e-4)


def test_true_labels_leave_out_what_one_of_the_scans_has_no_annotation_of():
    config = tiny_config("unused", loss={"true_labels": 1.0})
    objective = Objective(build_networks(config.networks_config()), config)
    stage = StageConfig(name="registration", steps=1)
    weights = config.weights(stage)
    pair = random_pair()
    undrawn = torch.where(pair.fixed_labels == 2, 0, pair.fixed_labels).to(torch.uint8)
    classes = torch.ones(1, CLASS_COUNT, dtype=torch.bool)
    classes[0, 2] = False

    def punished(fixed_labels, classes):
        varied = replace(pair, fixed_labels=fixed_labels, classes=classes)
        return objective(stage, weights, StepInput(varied), None, None)[1]["true_labels"]

    assert punished(undrawn, classes) == pytest.approx(punished(pair.fixed_labels, classes))
    assert punished(undrawn, classes) < punished(undrawn, None)
    assert punished(undrawn, torch.zeros_like(classes)) == 0


def test_style_warp_moves_what_the_generator_sees_of_the_fixed_scan():
    method = {"architecture": "paper"}
    config = tiny_config("unused", method=method, networks=PAPER_NETWORKS)
    objective = Objective(build_networks(config.networks_config()), config)
    pair = random_pair()
    shift = torch.full((1, 3, 32, 32, 32), 30.0)
    with torch.no_grad():
        straight, moved = objective.views(pair), objective.views(pair, style_warp_mm=shift)
    assert torch.equal(straight.fixed, moved.fixed)
    assert not torch.equal(straight.synthesized, moved.synthesized)
