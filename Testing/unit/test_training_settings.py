"""Configurations: shipped ones are valid, errors name the field."""

import pytest
import torch
import yaml

from jssr.errors import InputError
from jssr.networks import build_networks
from jssr.training.config import StageConfig
from jssr.training.settings import load_config, shipped_configurations, to_yaml


@pytest.mark.parametrize("name", shipped_configurations())
def test_shipped_configuration_is_valid(name):
    assert load_config(name).stages


def test_the_promised_configurations_are_shipped():
    promised = {
        "smoke",
        "phantom-cpu",
        "phantom-gpu",
        "cohort",
        "reg",
        "jsynr",
        "jsegr",
        "jssr",
        "paper",
    }
    assert promised <= set(shipped_configurations())


def test_printed_configuration_reads_back_equal(tmp_path):
    config = load_config("smoke")
    path = tmp_path / "printed.yaml"
    path.write_text(to_yaml(config))
    assert load_config(str(path)) == config


def test_what_is_printed_is_complete():
    printed = yaml.safe_load(to_yaml(load_config("smoke")))
    assert printed["networks"]["segmentor_channels"] == [16, 32, 64, 128]
    assert printed["loss"]["adversarial"] == 0.05


def test_overrides_reach_into_sections_and_lists():
    config = load_config("smoke", ["seed=7", "stages.1.steps=5", "data.phantoms.pool_size=3"])
    assert (config.seed, config.stages[1].steps, config.data.phantoms.pool_size) == (7, 5, 3)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("stages.0.steps=0", "stages.0.steps"),
        ("data.shape=[1,2,3]", "data.shape"),
        ("loss.joint_l1=-1", "loss.joint_l1"),
        ("stages.0.loss={dice: 1}", "unknown loss term dice"),
        ("networks.unknown=1", "networks.unknown"),
        ("networks.segmentor_channels=abc", "networks.segmentor_channels"),
        ("networks.generator_channels=[8]", "networks.generator_channels"),
        ("networks.classes=3", "networks.classes"),
        ("data.shape_zyx=[30, 32, 32]", "data.shape_zyx: each size must be a multiple of 16"),
        ("window_hu=[300, -200]", "window_hu"),
        ("stages.7.steps=1", "list that has 3 items"),
        ("stages.²=3", "'²' of a list that has 3 items"),
        ("stages.-1.steps=3", "'-1' of a list that has 3 items"),
        ("seed", "key=value"),
        ("name.deep=1", "single value"),
        ("data.source=cohort", "cohort.cache"),
        ("data.cohort.fixed_phases=[portal]", "data.cohort.fixed_phases.0: Input should be"),
    ],
)
def test_a_bad_field_is_named(override, named):
    with pytest.raises(InputError, match=named.replace(".", r"\.")):
        load_config("smoke", [override])


@pytest.mark.parametrize(
    ("name", "network", "fits", "allowed"),
    [
        ("smoke", "segmentor", 4, "takes 2 to 4"),
        ("smoke", "generator", 4, "takes 2 to 4"),
        ("smoke", "register", 3, "takes exactly 3"),
        ("paper", "segmentor", 5, "takes 2 to 5"),
        ("paper", "generator", 5, "takes 2 to 5"),
        ("paper", "register", 5, "takes 2 to 5"),
    ],
)
def test_networks_take_every_grid_or_are_refused(name, network, fits, allowed):
    def config(levels):
        return load_config(name, [f"networks.{network}_channels={[2] * levels}"])

    networks = build_networks(config(fits).networks_config()).eval()
    image = torch.zeros(1, 1, 16, 16, 48)
    inputs = {
        "segmentor": (image,),
        "generator": (image, networks.segmentor(image), image, networks.segmentor(image)),
        "register": (*[image] * 6, 3.0),
    }
    getattr(networks, network)(*inputs[network])
    with pytest.raises(InputError, match=f"{network}_channels has {fits + 1} levels.*{allowed}"):
        config(fits + 1)


def test_a_register_of_two_levels_is_refused():
    with pytest.raises(InputError, match="register_channels has 2 levels, .* takes exactly 3"):
        load_config("smoke", ["networks.register_channels=[8, 8]"])


def test_unknown_name_suggests_a_shipped_one():
    with pytest.raises(InputError, match="did you mean 'smoke'"):
        load_config("smok")


def test_broken_yaml_is_one_sentence(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("a: [1, 2")
    with pytest.raises(InputError, match="no YAML"):
        load_config(str(path))
    path.write_bytes(b"name: M\xfcller")
    with pytest.raises(InputError, match="UTF-8"):
        load_config(str(path))
    path.write_text(yaml.safe_dump([1, 2]))
    with pytest.raises(InputError, match="no fields"):
        load_config(str(path))


def test_fixed_phases_and_swapping_exclude_each_other(tmp_path):
    path = tmp_path / "own.yaml"
    settings = {
        "data": {
            "source": "cohort",
            "cohort": {"cache": "c", "fixed_phases": ["portal-venous"]},
        },
        "stages": [{"name": "joint", "steps": 1}],
    }
    path.write_text(yaml.safe_dump(settings))
    with pytest.raises(InputError, match=r"augmentation\.swap must be 0"):
        load_config(str(path))
    path.write_text(yaml.safe_dump({**settings, "augmentation": {"swap": 0.0}}))
    config = load_config(str(path))
    assert config.augmentation.swap == 0
    path.write_text(to_yaml(config))
    assert load_config(str(path)) == config


@pytest.mark.parametrize(
    ("name", "trains"),
    [
        ("segmentor", (True, False, False)),
        ("registration", (False, True, False)),
        ("joint", (True, True, True)),
    ],
)
def test_a_stage_says_what_it_trains(name, trains):
    stage = StageConfig(name=name, steps=1)
    assert (stage.trains_segmentor, stage.trains_registration, stage.joint) == trains
