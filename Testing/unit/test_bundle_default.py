"""The model that ships: whole, small, honest about itself."""

from importlib import resources

import torch
import yaml

from jssr.bundle.load import load_bundle, load_networks
from jssr.bundle.verify import verified_content, verify_bundle
from jssr.networks.config import NetworksConfig


def test_default_bundle_is_whole_and_under_12_megabytes() -> None:
    folder = resources.files("jssr") / "models" / "default"
    manifest = verify_bundle()
    present = {entry.name for entry in folder.iterdir()}
    assert present == {*manifest.files, "model.json", "model.json.sha256"}
    assert sum(len((folder / name).read_bytes()) for name in present) < 12e6


def test_default_bundle_says_where_it_comes_from() -> None:
    manifest = verify_bundle()
    assert manifest.license == "Apache-2.0"
    assert "phantom" in manifest.limits.lower()
    assert "research" in manifest.intended_use.lower()
    assert manifest.figures, "measured figures, and on what"
    settings = yaml.safe_load(verified_content().files["training.yaml"])
    assert isinstance(settings, dict)


def test_default_bundle_scripted_and_rebuilt_agree() -> None:
    bundle, networks = load_bundle(), load_networks()
    assert isinstance(bundle.register, torch.jit.ScriptModule)
    assert NetworksConfig.from_dict(dict(bundle.manifest.architecture))
    image = torch.rand((1, 1, 32, 32, 32)) * 2 - 1
    ones = torch.ones_like(image)
    with torch.inference_mode():
        probabilities = bundle.segmentor(image).softmax(dim=1)
        rebuilt = networks.segmentor.eval()(image).softmax(dim=1)
        assert torch.allclose(probabilities, rebuilt, rtol=0, atol=1e-4)
        inputs = (image, probabilities, image.flip(-1), probabilities.flip(-1))
        synthesized = bundle.generator(*inputs)
        assert torch.allclose(synthesized, networks.generator.eval()(*inputs), rtol=0, atol=1e-4)
        pair = (image, synthesized, image.flip(-1), ones, ones, ones, 3.0)
        both = zip(bundle.register(*pair), networks.register.eval()(*pair), strict=True)
        for scripted, eager in both:
            assert torch.allclose(scripted, eager, rtol=0, atol=1e-4)
