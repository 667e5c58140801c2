"""The throughput table."""

import pytest
from training_samples import RandomStream, tiny_config

from jssr.training import benchmark as module
from jssr.training.benchmark import StageTimes, benchmark, benchmark_table
from jssr.training.settings import load_config


def test_every_stage_is_timed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "open_stream", lambda config, fabric: RandomStream())
    lines = benchmark_table(tiny_config(tmp_path / "none"), 1).splitlines()
    assert [line.split()[0] for line in lines] == ["stage", "segmentor", "registration", "joint"]
    assert not (tmp_path / "none").exists()


def test_a_step_is_networks_plus_data():
    assert StageTimes("joint", 0.7, 0.3, 2).step_seconds == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["smoke", "phantom-cpu"])
def test_making_phantoms_takes_a_small_part_of_a_step(name):
    config = load_config(name, ["hardware={device: cpu, threads: 1}"])
    for stage in benchmark(config, 1):
        assert stage.data_seconds <= 0.3 * stage.step_seconds, stage
