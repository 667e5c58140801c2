"""Each method is a shipped configuration and nothing else: which networks learn, by which terms."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_samples import RandomStream

from jssr.networks import build_networks
from jssr.training import trainer as trainer_module
from jssr.training.checkpoint import latest_checkpoint
from jssr.training.launch import open_fabric
from jssr.training.settings import load_config
from jssr.training.trainer import Ending, Trainer

SMALL = [
    "data.shape_zyx=[32, 32, 32]",
    "spacing_mm=8",
    "networks.segmentor_channels=[4, 8]",
    "networks.generator_channels=[4, 8]",
    "networks.discriminator_channels=[4, 8]",
    "hardware={device: cpu, threads: 1}",
    "validation={pairs: 1, pictures: false}",
    "tensorboard=false",
]
IMAGES, LABELS = "local_correlation", "dice_consistency"


@pytest.mark.parametrize(
    ("name", "learned", "terms", "absent"),
    [
        ("reg", {"register"}, {IMAGES}, {"joint_l1", "adversarial", LABELS, "dice_supervised"}),
        (
            "jsynr",
            {"register", "generator", "discriminator"},
            {"joint_l1", "adversarial"},
            {LABELS, "dice_supervised"},
        ),
        (
            "jsegr",
            {"register", "segmentor"},
            {IMAGES, LABELS, "dice_supervised"},
            {"joint_l1", "adversarial"},
        ),
        (
            "jssr",
            {"register", "generator", "discriminator", "segmentor"},
            {"joint_l1", "adversarial", LABELS, "dice_supervised"},
            set(),
        ),
        (
            "paper",
            {"register", "generator", "discriminator", "segmentor"},
            {"joint_l1", "adversarial", "smoothness", LABELS, "dice_supervised"},
            {IMAGES, "folding", "inverse_consistency", "lesion_volume"},
        ),
    ],
)
def test_an_ablation_is_its_configuration(name, learned, terms, absent, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "open_stream", lambda config, fabric: RandomStream())
    stages = load_config(name).stages
    short = [f"stages.{number}.steps=1" for number in range(len(stages))]
    config = load_config(name, [*SMALL, *short, f"output={tmp_path}"])
    seen = []
    trainer = Trainer(config, open_fabric(config.hardware), progress=seen.append)
    assert trainer.run() is Ending.FINISHED
    last = set(seen[-1].report.terms)
    assert terms <= last and not absent & last
    assert not {"true_field", "true_synthesis", "true_labels"} & last
    torch.manual_seed(config.seed)
    before = build_networks(config.networks_config()).state_dict()
    checkpoint = latest_checkpoint(Path(config.output))
    assert checkpoint is not None
    after = load_file(checkpoint / "networks.safetensors")
    changed = {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])}
    assert changed == learned
