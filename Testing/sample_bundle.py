"""A model bundle with untrained networks, for the tests of what is done with bundles."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from jssr.batch import run
from jssr.bundle.card import Card, Figure
from jssr.bundle.export import export_bundle
from jssr.networks import NetworksConfig, build_networks
from jssr.networks.config import SIZE_DIVISOR


def write_untrained_bundle(folder: Path, spacing_mm: float = 4.0) -> Path:
    """Exports networks as they are before training, with one figure on the card.

    They are the same whatever was drawn before, and what is drawn afterwards is so as well.
    """
    config = NetworksConfig()
    card = Card(
        name="untrained",
        version="0",
        date="2026-01-01",
        license="Apache-2.0",
        intended_use="tests",
        limits="knows nothing",
        window_hu=(-160.0, 240.0),
        spacing_mm=spacing_mm,
        size_divisor=SIZE_DIVISOR,
    )
    figure = Figure("liver error", 1.25, "mm", "no data at all")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = build_networks(config)
    export_bundle(folder, networks, config, card, "stages: []\n", [figure])
    return folder


def pretend_verified(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Batches take this name and digest for a verified model's; there are no files."""
    content = SimpleNamespace(
        manifest=SimpleNamespace(name="made-up", version="1.0"), digest="0123456789abcdef"
    )
    monkeypatch.setattr(run, "verified_content", lambda path: content)
    return content
