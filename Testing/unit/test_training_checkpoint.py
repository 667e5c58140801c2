"""Checkpoints: complete or absent, exact, never pickles."""

import json

import pytest
import torch
from safetensors import safe_open

from jssr.errors import InputError
from jssr.training import checkpoint as checkpoints
from jssr.training.checkpoint import Position


def _stepped():
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    for _ in range(3):
        layer(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return layer, optimizer


def _save(run, step, best=None, keep=2):
    layer, optimizer = _stepped()
    position = Position(stage=1, stage_step=2, step=step, best_step=best, best_value=1.5)
    checkpoints.save_checkpoint(run, position, {"networks": layer}, {"main": optimizer}, keep)
    return layer, optimizer, position


def test_round_trip_is_exact(tmp_path):
    layer, optimizer, position = _save(tmp_path, 5)
    found = checkpoints.latest_checkpoint(tmp_path)
    assert checkpoints.read_position(found) == position
    fresh = torch.nn.Linear(3, 2)
    fresh_optimizer = torch.optim.AdamW(fresh.parameters(), lr=0.1)
    checkpoints.load_module(found, "networks", fresh)
    checkpoints.load_optimizer(found, "main", fresh_optimizer)
    data = torch.randn(4, 3)
    for model, stepper in ((layer, optimizer), (fresh, fresh_optimizer)):
        model(data).sum().backward()
        stepper.step()
    assert torch.equal(layer.weight, fresh.weight)


def test_files_are_safetensors_and_json_only(tmp_path):
    _save(tmp_path, 5)
    folder = checkpoints.latest_checkpoint(tmp_path)
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json"}
    with safe_open(folder / "networks.safetensors", "pt") as handle:
        assert set(handle.keys()) == {"weight", "bias"}


def test_others_may_read_a_checkpoint_as_they_may_its_run(tmp_path):
    _save(tmp_path, 5)
    folder = checkpoints.latest_checkpoint(tmp_path)
    assert folder.stat().st_mode == folder.parent.stat().st_mode


def test_old_checkpoints_go_the_best_stays(tmp_path):
    for step in (1, 2, 3, 4):
        _save(tmp_path, step, best=1)
    left = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert left == ["step-00000001", "step-00000003", "step-00000004"]
    assert checkpoints.best_checkpoint(tmp_path).name == "step-00000001"


def test_an_interrupted_write_is_not_seen(tmp_path, monkeypatch):
    _save(tmp_path, 1)

    def broken(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.os, "replace", broken)
    with pytest.raises(KeyboardInterrupt):
        _save(tmp_path, 2)
    assert checkpoints.latest_checkpoint(tmp_path).name == "step-00000001"
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_other_networks_and_formats_are_refused_in_one_sentence(tmp_path):
    _save(tmp_path, 1)
    found = checkpoints.latest_checkpoint(tmp_path)
    with pytest.raises(InputError, match="does not fit the configured networks"):
        checkpoints.load_module(found, "networks", torch.nn.Linear(5, 2))
    state = json.loads((found / "state.json").read_text("utf-8"))
    state["format"] = 99
    (found / "state.json").write_text(json.dumps(state))
    with pytest.raises(InputError, match="has format 99"):
        checkpoints.read_position(found)


def test_an_optimizer_that_the_checkpoint_lacks_stays_as_it_is(tmp_path):
    _save(tmp_path, 1)
    optimizer = torch.optim.AdamW(torch.nn.Linear(3, 2).parameters(), lr=0.1)
    checkpoints.load_optimizer(checkpoints.latest_checkpoint(tmp_path), "other", optimizer)
    assert not optimizer.state_dict()["state"]


@pytest.mark.parametrize("part", ["networks.safetensors", "optimizer-main.safetensors"])
@pytest.mark.parametrize("left", [0, 5, 100, None])
def test_cut_tensors_are_told(tmp_path, part, left):
    layer, optimizer, _ = _save(tmp_path, 1)
    found = checkpoints.latest_checkpoint(tmp_path)
    path = found / part
    path.write_bytes(path.read_bytes()[:-1] if left is None else path.read_bytes()[:left])
    said = "step-00000001' is damaged; remove it to go on from the one before"
    with pytest.raises(InputError, match=said):
        if part.startswith("networks"):
            checkpoints.load_module(found, "networks", layer)
        else:
            checkpoints.load_optimizer(found, "main", optimizer)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1, "position": {"x": 1}}', "\0"])
def test_a_broken_state_is_told(tmp_path, text):
    _, optimizer, _ = _save(tmp_path, 1)
    found = checkpoints.latest_checkpoint(tmp_path)
    (found / "state.json").write_text(text)
    with pytest.raises(InputError, match="step-00000001' is damaged"):
        checkpoints.read_position(found)
    with pytest.raises(InputError, match="step-00000001' is damaged"):
        checkpoints.load_optimizer(found, "main", optimizer)


def test_a_missing_file_is_damage(tmp_path):
    layer, _, _ = _save(tmp_path, 1)
    found = checkpoints.latest_checkpoint(tmp_path)
    (found / "networks.safetensors").unlink()
    with pytest.raises(InputError, match="step-00000001' is damaged"):
        checkpoints.load_module(found, "networks", layer)
