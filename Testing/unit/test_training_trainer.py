"""The trainer: stages, resume bit for bit, time budget, best checkpoint."""

import json
import resource
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from training_samples import RandomStream, tiny_config

from jssr.errors import InputError, ResourceError
from jssr.training import trainer as trainer_module
from jssr.training.checkpoint import latest_checkpoint, read_position
from jssr.training.launch import open_fabric
from jssr.training.monitor import read_figures
from jssr.training.trainer import Ending, Trainer
from sample_scans import forbidden


@pytest.fixture(autouse=True, scope="module")
def random_data():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer_module, "open_stream", lambda config, fabric: RandomStream())
        yield


def _train(config, resume=False, stop_after=None):
    seen = []
    trainer = Trainer(
        config,
        open_fabric(config.hardware),
        resume=resume,
        progress=seen.append,
        should_stop=lambda: stop_after is not None and len(seen) >= stop_after,
    )
    return trainer.run(), seen


@pytest.fixture(scope="module")
def uninterrupted(random_data, tmp_path_factory):
    config = tiny_config(tmp_path_factory.mktemp("whole"))
    ending, seen = _train(config)
    assert ending is Ending.FINISHED
    return config, seen


def _state(run):
    folder = latest_checkpoint(run)
    return {
        f"{path.name}/{name}": tensor
        for path in sorted(folder.glob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def _run_folder(config):
    return Path(config.output)


def test_stages_follow_each_other_and_all_networks_learn(uninterrupted):
    config, seen = uninterrupted
    assert [progress.stage for progress in seen] == ["segmentor"] * 2 + ["registration"] * 2 + [
        "joint"
    ] * 2
    joint = seen[-1].report.terms
    assert {
        "joint_l1",
        "dice_consistency",
        "dice_supervised",
        "true_field",
        "discriminator",
    } <= set(joint)
    start = load_file(_run_folder(config) / "checkpoints/step-00000001/networks.safetensors")
    end = load_file(_run_folder(config) / "checkpoints/step-00000006/networks.safetensors")
    for network in ("generator", "register", "segmentor", "discriminator"):
        names = [name for name in start if name.startswith(network)]
        assert any(not torch.equal(start[name], end[name]) for name in names)


def test_first_stage_moves_the_segmentor_alone(uninterrupted):
    config, _ = uninterrupted
    first = load_file(_run_folder(config) / "checkpoints/step-00000001/networks.safetensors")
    second = load_file(_run_folder(config) / "checkpoints/step-00000002/networks.safetensors")
    changed = {name.split(".")[0] for name in first if not torch.equal(first[name], second[name])}
    assert changed == {"segmentor"}


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(uninterrupted, tmp_path, stop_after):
    config = tiny_config(tmp_path)
    ending, _ = _train(config, stop_after=stop_after)
    assert ending is Ending.STOPPED
    assert read_position(latest_checkpoint(tmp_path)).step == stop_after
    ending, seen = _train(config, resume=True)
    assert ending is Ending.FINISHED and len(seen) == 6 - stop_after
    whole, resumed = _state(_run_folder(uninterrupted[0])), _state(tmp_path)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_finished_run_resumes_to_nothing(uninterrupted):
    ending, seen = _train(uninterrupted[0], resume=True)
    assert ending is Ending.FINISHED and seen == []


def _files(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"seed": 7, "optimizer": {"ema_decay": 0.5}},
            r"with seed=0 \(not 7\), optimizer\.ema_decay=0\.995 \(not 0\.5\): give these again",
        ),
        ({"loss": {}}, r"loss\.local_correlation=0\.1 \(not 0\.0\), loss\.true_field=0\.1 "),
        ({"validation": {"every_steps": 7, "pairs": 1}}, r"validation\.every_steps=100 \(not 7\):"),
        (
            {"stages": [{"name": "joint", "steps": 6}]},
            "another value of stages: give these again",
        ),
        (
            {"seed": 1, "spacing_mm": 2, "loss": {}, "networks": {}, "augmentation": {}},
            r"spacing_mm=8\.0 \(not 2\.0\), .*, [0-9]+ more: give these again, or its own .*yaml",
        ),
    ],
)
def test_a_run_goes_on_with_no_other_settings(uninterrupted, changes, said):
    run = _run_folder(uninterrupted[0])
    before = _files(run)
    with pytest.raises(InputError, match=said):
        _train(tiny_config(run, **changes), resume=True)
    assert _files(run) == before


def test_a_run_goes_on_with_no_more_steps(uninterrupted):
    config = uninterrupted[0]
    last = config.stages[-1].model_copy(update={"steps": 9, "loss": {"folding": 2.0}})
    longer = config.model_copy(update={"stages": [*config.stages[:-1], last]})
    said = r"stages\.2\.steps=2 \(not 9\), stages\.2\.loss=\{\} \(not \{\"folding\": 2\.0\}\)"
    with pytest.raises(InputError, match=said):
        _train(longer, resume=True)


def test_what_decides_no_weight_may_change_on_the_way(tmp_path):
    _train(tiny_config(tmp_path / "before"), stop_after=1)
    (tmp_path / "before").rename(tmp_path / "moved")
    settings = tmp_path / "moved" / "config.yaml"
    values = yaml.safe_load(settings.read_text("utf-8"))
    del values["method"]["organ_emphasis"]  # as of a version that did not have it
    settings.write_text(yaml.safe_dump(values), encoding="utf-8")
    other = tiny_config(
        tmp_path / "moved",
        max_minutes=5,
        checkpoint={"every_steps": 2},
        validation={"every_steps": 100, "pairs": 1, "pictures": True},
        hardware={"device": "cpu", "threads": 1, "precision": "32-true"},
        card={"name": "mine"},
    )
    ending, seen = _train(other, resume=True)
    assert ending is Ending.FINISHED and len(seen) == 5


def test_a_folder_with_a_run_is_not_overwritten(uninterrupted):
    with pytest.raises(InputError, match="already holds a training run"):
        _train(uninterrupted[0])


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("file", r"file' is a file; give a folder"),
        ("file/run", r"file/run' would lie inside a file"),
        ("a" * 256, "a' is too long; choose a shorter one"),
    ],
)
def test_a_folder_that_cannot_be_made_is_told(tmp_path, folder, said):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=said):
        _train(tiny_config(tmp_path / folder))


def test_a_folder_that_must_not_be_written_is_told_and_stays_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "touch", forbidden)
    with pytest.raises(InputError, match=r"config\.yaml' cannot be written for want of permission"):
        _train(tiny_config(tmp_path))
    assert not list(tmp_path.iterdir())


def test_figures_are_recorded_and_the_best_checkpoint_is_marked(uninterrupted):
    run = _run_folder(uninterrupted[0])
    rows = read_figures(run, "validation")
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert {"tre_liver_identity_mm", "leakage_percent"} <= set(rows[-1])
    assert "dice_mean" in rows[0] and "tre_liver_mm" not in rows[0]
    position = read_position(latest_checkpoint(run))
    best = min(rows[1:], key=lambda row: row["tre_liver_mm"])
    assert position.best_step == best["step"]
    text = (run / "metrics.jsonl").read_text("utf-8")
    assert all(json.loads(line) for line in text.splitlines())


def test_the_time_budget_ends_the_run_with_a_checkpoint(tmp_path):
    ending, seen = _train(tiny_config(tmp_path, max_minutes=1e-6))
    assert ending is Ending.OUT_OF_TIME and len(seen) == 1
    assert read_position(latest_checkpoint(tmp_path)).step == 1


def test_mixed_precision_trains_on_unrounded_data(tmp_path):
    hardware = {"device": "cpu", "threads": 1, "precision": "bf16-mixed"}
    ending, seen = _train(tiny_config(tmp_path, hardware=hardware))
    assert ending is Ending.FINISHED
    assert all(
        progress.report.gradient_norm > 0 and not progress.report.skipped for progress in seen
    )
    exact = tiny_config(tmp_path / "exact", hardware={"device": "cpu", "threads": 1})
    _, wanted = _train(exact)
    # Neither truth nor lesions pass through a network before the first register step.
    assert seen[2].report.terms["true_field"] == pytest.approx(
        wanted[2].report.terms["true_field"], rel=2e-2
    )


def test_a_run_without_validation_pairs_says_so_and_trains(tmp_path, monkeypatch):
    class Unvalidated(RandomStream):
        def validation_pairs(self, count):
            return []

    monkeypatch.setattr(trainer_module, "open_stream", lambda config, fabric: Unvalidated())
    stages = [{"name": "registration", "steps": 1}]
    ending, _ = _train(tiny_config(tmp_path, stages=stages))
    assert ending is Ending.FINISHED
    assert "no validation pair" in (tmp_path / "metrics.jsonl").read_text("utf-8")


def test_a_figure_that_validation_does_not_give_is_named(tmp_path):
    stages = [{"name": "registration", "steps": 1}]
    validation = {"best_figure": "tre_livr_mm", "pairs": 1, "pictures": False}
    ending, _ = _train(tiny_config(tmp_path, stages=stages, validation=validation))
    assert ending is Ending.FINISHED
    messages = [row["message"] for row in read_figures(tmp_path, "warning")]
    assert any("no tre_livr_mm" in text and "tre_liver_mm" in text for text in messages)


def test_a_full_disk_is_told_and_leaves_no_half_checkpoint(tmp_path):
    """A limit on the size of files stands for the full disk: the system refuses to write on."""
    config = tiny_config(tmp_path / "run")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(ResourceError, match="There is no space left to write '.*run'"):
            _train(config)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []
