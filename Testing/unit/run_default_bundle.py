"""Print, as JSON, what the default bundle's networks answer under the torch that runs this.

Started by test_bundle_torch_versions.py with another environment's Python.
"""

import json
import sys

import torch

from jssr.bundle.load import load_bundle
from jssr.labels import CLASS_COUNT

SHAPE = (32, 48, 64)


def blob(centre: float, width: float) -> torch.Tensor:
    """A smooth image (1, 1, z, y, x) in [-1, 1], the same under every torch."""
    axes = [torch.linspace(-1, 1, n) for n in SHAPE]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    ball = torch.exp(-((z - centre) ** 2 + y**2 + (x + centre) ** 2) / width)
    return (1.6 * ball - 0.8 + 0.1 * torch.sin(9 * x) * torch.cos(7 * y))[None, None]


def main() -> None:
    """Run each network once and print its answer's mean, deviation and a few values."""
    bundle = load_bundle()
    moving, fixed, ones = blob(0.1, 0.3), blob(-0.1, 0.2), torch.ones((1, 1, *SHAPE))
    with torch.inference_mode():
        moving_probabilities = bundle.segmentor(moving).softmax(dim=1)
        fixed_probabilities = bundle.segmentor(fixed).softmax(dim=1)
        synthesized = bundle.generator(moving, moving_probabilities, fixed, fixed_probabilities)
        fields = bundle.register(moving, synthesized, fixed, ones, ones, ones, 3.0)
    assert moving_probabilities.shape[1] == CLASS_COUNT
    answers = [moving_probabilities, synthesized, *fields]
    values = [float(v) for answer in answers for v in answer.flatten()[::997]]
    report = {"torch": torch.__version__, "values": values}
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
