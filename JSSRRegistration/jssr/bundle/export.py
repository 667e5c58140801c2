"""Write a bundle: TorchScript, weights, training configuration, manifest and hashes."""

import copy
import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import torch

from jssr.bundle.card import Card, Figure
from jssr.bundle.interface import interfaces
from jssr.bundle.manifest import (
    MANIFEST_HASH_NAME,
    MANIFEST_NAME,
    SCRIPTED_NETWORKS,
    TRAINING_NAME,
    WEIGHTS_NAME,
    FileEntry,
    Manifest,
    script_name,
)
from jssr.bundle.weights import weights_to_bytes
from jssr.errors import InputError
from jssr.io.atomic import OutputFolder
from jssr.networks.build import Networks
from jssr.networks.config import NetworksConfig


def export_bundle(
    path: Path,
    networks: Networks,
    config: NetworksConfig,
    card: Card,
    training_yaml: str,
    figures: Sequence[Figure] = (),
    *,
    overwrite: bool = False,
) -> Manifest:
    """Write a bundle into the new folder ``path``; it appears whole or not at all.

    Weights are stored in half precision, in the TorchScript too: scripted and rebuilt networks
    hold the same rounded weights, and computation stays float32.

    Args:
        training_yaml: the configuration that trained the model.
        figures: what was measured, and on what.

    Raises:
        InputError: ``path`` exists and ``overwrite`` is not set, or a weight is no finite half.
    """
    halved = _halved(networks)
    files = {script_name(name): _torchscript(getattr(halved, name)) for name in SCRIPTED_NETWORKS}
    files[WEIGHTS_NAME] = weights_to_bytes(halved)
    files[TRAINING_NAME] = training_yaml.encode()
    manifest = Manifest(
        **{item.name: getattr(card, item.name) for item in fields(card)},
        interfaces=interfaces(),
        architecture=config.to_dict(),
        figures=tuple(figures),
        files={
            name: FileEntry(len(content), hashlib.sha256(content).hexdigest())
            for name, content in files.items()
        },
    )
    text = manifest.to_json().encode()
    files[MANIFEST_NAME] = text
    files[MANIFEST_HASH_NAME] = f"{hashlib.sha256(text).hexdigest()}  {MANIFEST_NAME}\n".encode()
    with OutputFolder(path, overwrite=overwrite) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
    return manifest


def _halved(networks: Networks) -> Networks:
    halved = copy.deepcopy(networks).cpu().eval().half()
    for name, tensor in halved.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"The networks cannot be exported: {name} holds values that are not finite in "
                "half precision; train with a lower learning rate."
            )
    return halved


def _torchscript(network: torch.nn.Module) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # torch announces TorchScript's end; the weights beside it are the way out.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(network), buffer)
    return buffer.getvalue()
