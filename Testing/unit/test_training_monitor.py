"""metrics.jsonl, and what an interrupted run leaves in it."""

import json

from jssr.training.monitor import Monitor, read_figures
from jssr.training.warnings import early_warnings


def test_rows_behind_the_checkpoint_are_dropped_on_resume(tmp_path):
    monitor = Monitor(tmp_path, 0, tensorboard=False)
    for step in (10, 20, 30):
        monitor.figures(step, "train", {"total": 1.0 / step}, stage="joint")
    monitor.warn(30, "something")
    monitor.close()
    with (tmp_path / "metrics.jsonl").open("a") as handle:
        handle.write('{"step": 40, "gro')
    resumed = Monitor(tmp_path, 20, tensorboard=False)
    resumed.figures(25, "train", {"total": float("nan")})
    resumed.close()
    rows = [
        json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text("utf-8").splitlines()
    ]
    assert [row["step"] for row in rows] == [10, 20, 25]
    assert rows[-1]["total"] is None
    assert read_figures(tmp_path, "validation") == []


def test_tensorboard_events_are_written(tmp_path):
    import numpy as np

    monitor = Monitor(tmp_path, 0)
    monitor.figures(1, "train", {"total": 1.0})
    monitor.picture(1, "fixed", np.zeros((4, 5)))
    monitor.picture(1, "labels", np.zeros((4, 5, 3)))
    monitor.close()
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_early_warnings_name_what_is_wrong():
    assert early_warnings({"folding": 0.0001, "leakage_percent": 3, "synthesis_mae_hu": 20}) == []
    found = early_warnings({"folding": 0.02, "leakage_percent": 90, "synthesis_mae_hu": 400})
    assert (
        len(found) == 3 and "fold" in found[0] and "copies" in found[1] and "collapsed" in found[2]
    )
