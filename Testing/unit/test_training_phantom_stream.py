"""Phantoms from memory: a pure function of the step, renewed slowly, apart from validation."""

import pytest
import torch
from training_samples import SHAPE, SPACING_MM

from jssr.errors import InputError
from jssr.phantom import PairOptions, make_pair, make_patient
from jssr.training.config import DataConfig, PhantomConfig
from jssr.training.data import phantoms as module
from jssr.training.data.batch import collate, to_device
from jssr.training.data.phantoms import PhantomStream, compact

CPU = torch.device("cpu")


def _stream(rank=0, world_size=1, **changes):
    settings = {"pool_size": 3, "refresh_every": 2, "pairs_per_patient": 2, "first_pairs": 2}
    config = DataConfig(shape_zyx=SHAPE, phantoms=PhantomConfig(**{**settings, **changes}))
    return PhantomStream(config, SPACING_MM, 0, CPU, rank, world_size)


@pytest.fixture
def made(monkeypatch):
    """The seeds that phantoms were made of, which are cheap stand-ins here."""
    pair = make_pair(make_patient(1, SHAPE, SPACING_MM), 1, options=PairOptions(artefacts=0))
    seeds = {"patients": [], "pairs": []}

    def patient(seed, *arguments, **options):
        seeds["patients"].append(seed)
        return seed

    def scans(patient, seed, options=None):
        seeds["pairs"].append(seed)
        return pair

    monkeypatch.setattr(module, "make_patient", patient)
    monkeypatch.setattr(module, "make_pair", scans)
    return seeds


def test_the_pool_renews_itself_and_forgets(made):
    stream = _stream()
    for step in range(40):
        stream.pairs(step)
    assert len(set(made["pairs"])) == len(made["pairs"]), "a pair was made twice"
    assert 8 < len(made["pairs"]) <= 2 + 40 // 2
    assert len(stream._pool) <= 3


def test_a_new_stream_draws_the_same_at_the_same_step(made):
    first, second = _stream(), _stream()
    for step in range(10):
        first.pairs(step)
    assert first._drawn(9) == second._drawn(9)


def test_processes_never_share_a_phantom(made):
    for rank in (0, 1):
        stream = _stream(rank, 2)
        for step in range(20):
            stream.pairs(step)
    assert len(set(made["pairs"])) == len(made["pairs"])


def test_validation_uses_seeds_that_training_never_does(made):
    stream = _stream()
    for step in range(20):
        stream.pairs(step)
    training = set(made["pairs"]) | set(made["patients"])
    made["pairs"].clear()
    stream.validation_pairs(2)
    assert not training & set(made["pairs"])


def test_shapes_alone_cannot_teach_the_segmentor(made, monkeypatch):
    monkeypatch.setattr(module, "make_shapes_pair", lambda *a, **k: module.make_pair(0, 0))
    stream = _stream(shapes_fraction=1.0)
    assert stream.pairs(0).fixed_labels is None
    with pytest.raises(InputError, match="shapes_fraction"):
        stream.annotated(0)


def test_compact_pairs_keep_the_truth():
    pair = make_pair(make_patient(2, SHAPE, SPACING_MM), 2, options=PairOptions(artefacts=0))
    batch = compact(pair)
    assert batch.fixed_hu.dtype == torch.int16
    assert (batch.fixed_hu[0, 0].float() - pair.fixed_hu).abs().max() <= 0.5
    assert batch.truth.fixed_to_moving_mm.shape == (1, 3, 16, 16, 16)
    corner = pair.fixed_to_moving_mm[:, :2, :2, :2].mean(dim=(1, 2, 3))
    assert torch.allclose(batch.truth.fixed_to_moving_mm[0, :, 0, 0, 0], corner, atol=1e-4)
    two = to_device(collate([batch, batch]), CPU)
    assert two.fixed_hu.shape == (2, 1, *SHAPE) and two.fixed_hu.dtype == torch.float32
    assert two.fixed_labels.dtype == torch.uint8
