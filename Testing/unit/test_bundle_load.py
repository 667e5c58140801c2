"""Export and load: scripted, rebuilt and trained networks give the same answers."""

import copy
import dataclasses
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from jssr.bundle.card import Card, Figure
from jssr.bundle.export import export_bundle
from jssr.bundle.load import Bundle, load_bundle, load_networks
from jssr.bundle.verify import verify_bundle
from jssr.errors import BundleError, InputError
from jssr.labels import CLASS_COUNT
from jssr.networks.build import Networks, build_networks
from jssr.networks.config import NetworksConfig

CONFIG = NetworksConfig(
    segmentor_channels=(8, 8, 8, 8),
    generator_channels=(8, 8, 8),
    register_channels=(8, 8, 8),
    register_features=4,
    register_head=8,
    discriminator_channels=(8, 8, 8),
)
CARD = Card(
    name="tiny",
    version="1",
    date="2026-05-31",
    license="Apache-2.0",
    intended_use="Tests.",
    limits="Everything else.",
    window_hu=(-200.0, 300.0),
    spacing_mm=3.0,
    size_divisor=16,
)
FIGURES = (Figure("liver error", 1.5, "mm", "20 phantoms"),)
NAMES = ("generator", "register", "segmentor")
SHAPE = (32, 32, 48)


def _random_networks(config: NetworksConfig = CONFIG) -> Networks:
    """Networks whose every weight matters, zero-initialized heads too."""
    torch.manual_seed(3)
    networks = build_networks(config)
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return networks


@pytest.fixture(scope="module")
def networks() -> Networks:
    return _random_networks()


@pytest.fixture(scope="module")
def exported(networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "tiny"
    export_bundle(path, networks, CONFIG, CARD, "seed: 1\n", FIGURES)
    return path


@pytest.fixture
def bundle_folder(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "tiny"))


def _inputs(name: str) -> tuple[object, ...]:
    generator = torch.Generator().manual_seed(1)

    def image() -> torch.Tensor:
        return torch.rand((1, 1, *SHAPE), generator=generator) * 2 - 1

    def probabilities() -> torch.Tensor:
        return torch.rand((1, CLASS_COUNT, *SHAPE), generator=generator).softmax(dim=1)

    ones = torch.ones((1, 1, *SHAPE))
    if name == "segmentor":
        return (image(),)
    if name == "generator":
        return image(), probabilities(), image(), probabilities()
    return image(), image(), image(), ones, ones, ones, 3.0


def _answers(networks: Networks | Bundle) -> list[torch.Tensor]:
    answers = []
    with torch.no_grad():
        for name in NAMES:
            answer = getattr(networks, name)(*_inputs(name))
            answers += [answer] if isinstance(answer, torch.Tensor) else list(answer)
    return answers


def _rounded(networks: Networks) -> Networks:
    """The networks with the half-precision weights that a bundle holds, computing in float32."""
    return copy.deepcopy(networks).half().float().eval()


def _rewrite_manifest(folder: Path, change: Callable[[dict], None]) -> None:
    values = json.loads((folder / "model.json").read_text("utf-8"))
    change(values)
    text = json.dumps(values).encode()
    (folder / "model.json").write_bytes(text)
    (folder / "model.json.sha256").write_text(hashlib.sha256(text).hexdigest())


def _replace_file(folder: Path, name: str, content: bytes) -> None:
    """Put another content into a bundle and make its hashes right."""
    (folder / name).write_bytes(content)
    entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    _rewrite_manifest(folder, lambda values: values["files"].update({name: entry}))


def _age_this_torch(folder: Path) -> None:
    """Mark a TorchScript as written by a torch that is newer than any."""
    packed = io.BytesIO()
    with zipfile.ZipFile(folder / "register.pt") as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"9999\n" if name.endswith("/version") else old.read(name))
    _replace_file(folder, "register.pt", packed.getvalue())


def test_scripted_networks_answer_as_the_exported_ones(networks: Networks, exported: Path) -> None:
    bundle = load_bundle(exported)
    assert isinstance(bundle.register, torch.jit.ScriptModule)
    for scripted, eager in zip(_answers(bundle), _answers(_rounded(networks)), strict=True):
        assert scripted.dtype == torch.float32
        assert torch.allclose(scripted, eager, rtol=0, atol=1e-4)


def test_answers_are_not_trivial(exported: Path) -> None:
    assert all(answer.abs().max() > 1e-3 for answer in _answers(load_bundle(exported)))


def test_half_precision_hardly_changes_the_answers(networks: Networks, exported: Path) -> None:
    for stored, trained in zip(_answers(load_bundle(exported)), _answers(networks), strict=True):
        assert (stored - trained).abs().mean() < 0.01 * (1 + trained.abs().mean())


def test_where_torchscript_fails_the_weights_give_the_same_networks(
    bundle_folder: Path, exported: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _age_this_torch(bundle_folder)
    bundle = load_bundle(bundle_folder)
    assert not isinstance(bundle.register, torch.jit.ScriptModule)
    assert "using the weights" in caplog.text
    for rebuilt, scripted in zip(_answers(bundle), _answers(load_bundle(exported)), strict=True):
        assert torch.allclose(rebuilt, scripted, rtol=0, atol=1e-4)


def test_training_goes_on_from_all_four_networks(networks: Networks, exported: Path) -> None:
    loaded = load_networks(exported)
    trained = networks.state_dict()
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, trained[name].half().float()), name


def test_bundle_is_ready_for_inference(exported: Path) -> None:
    bundle = load_bundle(exported, torch.device("cpu"))
    digest = hashlib.sha256((exported / "model.json").read_bytes()).hexdigest()
    assert bundle.digest == digest
    assert bundle.label == f"tiny 1 ({digest[:12]})"
    for name in NAMES:
        module = getattr(bundle, name)
        assert not module.training
        assert not any(parameter.requires_grad for parameter in module.parameters())


def test_manifest_says_what_was_exported(exported: Path) -> None:
    manifest = verify_bundle(exported)
    assert {name: getattr(manifest, name) for name in ("name", "window_hu", "spacing_mm")} == {
        "name": "tiny",
        "window_hu": (-200.0, 300.0),
        "spacing_mm": 3.0,
    }
    assert manifest.size_divisor == 16
    assert manifest.figures == FIGURES
    assert NetworksConfig.from_dict(dict(manifest.architecture)) == CONFIG
    assert set(manifest.interfaces) == set(NAMES)
    inputs = [port.name for port in manifest.interfaces["register"].inputs]
    assert inputs == [
        *("moving", "synthesized", "fixed", "moving_valid", "fixed_valid", "taper", "spacing_mm")
    ]
    assert (exported / "training.yaml").read_text("utf-8") == "seed: 1\n"


def test_exporting_twice_gives_the_same_bytes(
    networks: Networks, exported: Path, tmp_path: Path
) -> None:
    export_bundle(tmp_path / "again", networks, CONFIG, CARD, "seed: 1\n", FIGURES)
    for file in exported.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


def test_exporting_leaves_the_networks_as_they_are(tmp_path: Path) -> None:
    networks = _random_networks()
    export_bundle(tmp_path / "tiny", networks, CONFIG, CARD, "")
    assert networks.generator.training
    assert all(parameter.dtype == torch.float32 for parameter in networks.parameters())


def test_existing_bundle_is_not_replaced_unasked(networks: Networks, bundle_folder: Path) -> None:
    before = verify_bundle(bundle_folder)
    newer = dataclasses.replace(CARD, version="2")
    with pytest.raises(InputError, match="already"):
        export_bundle(bundle_folder, networks, CONFIG, newer, "")
    assert verify_bundle(bundle_folder) == before
    export_bundle(bundle_folder, networks, CONFIG, newer, "", overwrite=True)
    assert verify_bundle(bundle_folder).version == "2"


def test_weights_that_are_not_finite_are_not_exported(tmp_path: Path) -> None:
    networks = _random_networks()
    with torch.no_grad():
        next(networks.segmentor.parameters()).view(-1)[0] = 1e6
    with pytest.raises(InputError, match=r"segmentor\..* not finite in half precision"):
        export_bundle(tmp_path / "tiny", networks, CONFIG, CARD, "")
    assert list(tmp_path.iterdir()) == []


def test_weights_of_other_networks_are_refused(bundle_folder: Path) -> None:
    _rewrite_manifest(bundle_folder, lambda values: values["architecture"].update(register_head=16))
    with pytest.raises(BundleError, match="does not fit this version's networks"):
        load_networks(bundle_folder)


@pytest.mark.parametrize(
    "other", [{"depth": 3}, {"architecture": "vit"}, {"register_channels": [8]}]
)
def test_unknown_architecture_is_refused(bundle_folder: Path, other: dict[str, object]) -> None:
    _rewrite_manifest(bundle_folder, lambda values: values["architecture"].update(other))
    with pytest.raises(BundleError, match="does not fit this version's networks"):
        load_networks(bundle_folder)


def test_the_papers_networks_are_rebuilt_from_their_weights(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, architecture="paper")
    networks = _random_networks(config)
    export_bundle(tmp_path / "tiny", networks, config, CARD, "")
    rebuilt = _answers(load_networks(tmp_path / "tiny").eval())
    for answer, wanted in zip(rebuilt, _answers(_rounded(networks)), strict=True):
        assert torch.equal(answer, wanted)


def test_a_manifest_without_the_name_of_its_architecture_is_ours(bundle_folder: Path) -> None:
    _rewrite_manifest(bundle_folder, lambda values: values["architecture"].pop("architecture"))
    assert _answers(load_networks(bundle_folder).eval())


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x08\0\0\0\0\0\0\0{}      "])
def test_weights_that_are_no_safetensors_are_refused(bundle_folder: Path, content: bytes) -> None:
    _replace_file(bundle_folder, "weights.safetensors", content)
    with pytest.raises(BundleError, match="weights.safetensors does not fit") as caught:
        load_networks(bundle_folder)
    assert "\n" not in str(caught.value)
