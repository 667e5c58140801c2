"""A run becomes a bundle that loads, and training goes on from it."""

import json
import shutil

import pytest
import torch
from lightning_fabric import Fabric
from training_samples import RandomStream, tiny_config
from typer.testing import CliRunner

from jssr.bundle.load import load_bundle
from jssr.cli.main import app
from jssr.errors import InputError
from jssr.training import launch
from jssr.training import trainer as trainer_module
from jssr.training.checkpoint import latest_checkpoint
from jssr.training.config import MethodConfig
from jssr.training.export import averaged_networks, export_run
from jssr.training.settings import to_yaml
from jssr.training.trainer import Ending, Trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer_module, "open_stream", lambda config, fabric: RandomStream())
        config = tiny_config(folder)
        trainer = Trainer(config, Fabric(accelerator="cpu", devices=1))
        assert trainer.run() is Ending.FINISHED
        yield folder, config


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "bundle"
    export_run(run[0], path, which="latest")
    return path


def test_the_bundle_holds_the_averaged_weights(run, bundle):
    folder, config = run
    loaded = load_bundle(bundle)
    networks = averaged_networks(latest_checkpoint(folder), config).half().float()
    image = torch.rand(1, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(loaded.segmentor(image), networks.segmentor(image), atol=1e-4)


def test_the_manifest_says_what_was_measured_and_on_what(run, bundle):
    manifest = load_bundle(bundle).manifest
    names = {figure.name for figure in manifest.figures}
    assert {"tre_liver_mm", "tre_liver_identity_mm", "dice_mean"} <= names
    measured_on = "1 held-out phantom pair, validation during training"
    assert all(figure.measured_on == measured_on for figure in manifest.figures)
    assert manifest.spacing_mm == run[1].spacing_mm and manifest.window_hu == run[1].window_hu
    assert "phantoms only" in manifest.limits


def test_the_training_configuration_in_the_bundle_names_no_folder(run, bundle):
    text = (bundle / "training.yaml").read_text("utf-8")
    assert str(run[0]) not in text and "output: runs/run" in text


@pytest.mark.parametrize(
    ("which", "best_step", "told"),
    [
        ("best", 4, "step 4, which validated best (tre_liver_mm 7.25)"),
        ("best", None, "step 6, the latest; validation marked none as the best"),
        ("latest", 4, "step 6, the latest; step 4 validated best (tre_liver_mm 7.25)"),
        ("latest", 6, "step 6, which validated best (tre_liver_mm 7.25)"),
    ],
)
def test_which_checkpoint_is_exported_is_told(run, tmp_path, which, best_step, told):
    shutil.copytree(run[0], tmp_path / "run")
    state = latest_checkpoint(tmp_path / "run") / "state.json"
    content = json.loads(state.read_text())
    best_value = None if best_step is None else 7.25
    content["position"].update(best_step=best_step, best_value=best_value)
    state.write_text(json.dumps(content))
    done = CliRunner().invoke(
        app,
        ["export", str(tmp_path / "run"), "--output", str(tmp_path / "bundle")]
        + (["--latest"] if which == "latest" else []),
    )
    assert done.exit_code == 0
    assert done.stdout == f"Wrote {tmp_path / 'bundle'}: {told}.\n"


def test_an_existing_bundle_is_not_replaced_unasked(run, bundle):
    with pytest.raises(InputError):
        export_run(run[0], bundle)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no checkpoint"):
        export_run(tmp_path, tmp_path / "bundle")


def test_training_goes_on_from_a_bundle(run, bundle, tmp_path):
    config = tiny_config(tmp_path, stages=[{"name": "joint", "steps": 1, "learning_rate": 1e-8}])
    assert launch.train(config, init_from=bundle) is Ending.FINISHED
    before = averaged_networks(latest_checkpoint(run[0]), run[1])
    after = averaged_networks(latest_checkpoint(tmp_path), config)
    for name, tensor in before.state_dict().items():
        if tensor.is_floating_point() and "discriminator" not in name:
            assert torch.allclose(after.state_dict()[name], tensor, atol=2e-3), name


def test_a_bundle_of_other_sizes_is_refused(bundle, tmp_path):
    config = tiny_config(tmp_path, networks={})
    with pytest.raises(InputError, match="other sizes"):
        launch.train(config, init_from=bundle)


def test_a_bundle_of_another_architecture_is_refused(bundle, tmp_path):
    config = tiny_config(tmp_path, method={"architecture": "paper"})
    with pytest.raises(InputError, match=r"another architecture .*method\.architecture"):
        launch.train(config, init_from=bundle)


def test_a_run_of_fewer_networks_is_refused(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "reg")
    config = run[1].model_copy(update={"method": MethodConfig(synthesis=False)})
    (tmp_path / "reg" / "config.yaml").write_text(to_yaml(config))
    with pytest.raises(InputError, match="trained without the generator"):
        export_run(tmp_path / "reg", tmp_path / "bundle", which="latest")
    assert not (tmp_path / "bundle").exists()
