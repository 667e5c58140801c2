"""Two processes give the gradients of one process with the joined batch."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "JSSRRegistration"


def _start(rank, world_size, port, output):
    return subprocess.Popen(
        [
            sys.executable,
            HERE / "training_ddp_process.py",
            str(rank),
            str(world_size),
            str(port),
            output,
        ],
        env={"PYTHONPATH": f"{PACKAGE}:{HERE}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def _gradients(world_size, folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    output = folder / f"gradients-{world_size}.safetensors"
    processes = [_start(rank, world_size, port, output) for rank in range(world_size)]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-2000:]
    return load_file(output)


@pytest.mark.slow
def test_two_processes_equal_one_with_the_joined_batch(tmp_path):
    joined, spread = _gradients(1, tmp_path), _gradients(2, tmp_path)
    assert joined.keys() == spread.keys() and len(joined) > 50
    for name, expected in joined.items():
        assert expected.dtype == torch.float64
        scale = expected.abs().max().clamp_min(1e-3)
        assert (spread[name] - expected).abs().max() / scale < 1e-5, name
