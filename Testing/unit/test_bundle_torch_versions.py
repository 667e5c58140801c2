"""The default bundle under the oldest and the newest torch: the same answers.

``make test-torch`` makes the environments ``.venv-torch-VERSION`` and runs this.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = sorted(ROOT.glob(".venv-torch-*/bin/python"))


def _report(python: Path) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("run_default_bundle.py"))],
        env={**os.environ, "PYTHONPATH": str(ROOT / "JSSRRegistration")},
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not ENVIRONMENTS, reason="make test-torch makes the environments")
@pytest.mark.parametrize("python", ENVIRONMENTS, ids=lambda path: path.parts[-3])
def test_default_bundle_answers_the_same_under_another_torch(python: Path) -> None:
    other, here = _report(python), _report(Path(sys.executable))
    assert other["torch"].partition("+")[0] in str(python)
    assert other["values"] == pytest.approx(here["values"], abs=1e-3)
