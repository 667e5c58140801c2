"""Load the networks of a verified bundle."""

import io
import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from jssr.bundle.manifest import SCRIPTED_NETWORKS, WEIGHTS_NAME, Manifest, script_name
from jssr.bundle.verify import BundleContent, verified_content
from jssr.bundle.weights import weights_from_bytes
from jssr.errors import BundleError
from jssr.networks.build import Networks, build_networks
from jssr.networks.config import NetworksConfig

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bundle:
    """A verified model, ready on its device.

    Attributes:
        digest: SHA-256 of the manifest, which holds the hash of every other file: it names this
            very model.
        generator, register, segmentor: float32 modules in evaluation mode without gradients.
    """

    manifest: Manifest
    digest: str
    device: torch.device
    generator: torch.nn.Module
    register: torch.nn.Module
    segmentor: torch.nn.Module

    @property
    def label(self) -> str:
        """Name, version and the start of the digest, for reports."""
        return f"{self.manifest.name} {self.manifest.version} ({self.digest[:12]})"


def load_bundle(path: Path | None = None, device: torch.device | str = "cpu") -> Bundle:
    """The bundle at ``path``, a folder or a zip (default: the shipped one), on ``device``.

    Schema and hashes are verified before a byte of TorchScript is read, and what is loaded are the
    very bytes that were verified. Where this torch cannot load the TorchScript, the networks are
    built from the weights.

    Raises:
        BundleError: the bundle is missing, not complete, cut short, altered, of a newer schema, or
            holds no TorchScript; the message is one sentence.
    """
    content = verified_content(path)
    device = torch.device(device)
    try:
        modules = {name: _scripted(content.files[script_name(name)]) for name in SCRIPTED_NETWORKS}
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        _LOG.warning("This torch cannot load the TorchScript (%s); using the weights.", reason)
        networks = _networks(content)
        modules = {name: getattr(networks, name) for name in SCRIPTED_NETWORKS}
    ready = {name: _ready(module, device) for name, module in modules.items()}
    return Bundle(content.manifest, content.digest, device, **ready)


def load_networks(path: Path | None = None) -> Networks:
    """All four networks of a bundle in float32 on the CPU, for training to go on from.

    Raises:
        BundleError: as :func:`load_bundle`, or the weights do not fit the networks.
    """
    return _networks(verified_content(path))


def _scripted(content: bytes) -> torch.nn.Module:
    return torch.jit.load(io.BytesIO(content), map_location="cpu")


def _networks(content: BundleContent) -> Networks:
    try:
        config = NetworksConfig.from_dict(dict(content.manifest.architecture))
        networks = build_networks(config)
        weights_from_bytes(content.files[WEIGHTS_NAME], networks)
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"The model bundle {content.title} cannot be used: its {WEIGHTS_NAME} does not fit "
            f"this version's networks ({error}); update JSSR or export the bundle again."
        ) from error
    return networks


def _ready(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    module.to(device=device, dtype=torch.float32).eval()
    for parameter in module.parameters():
        parameter.requires_grad = False
    return module
