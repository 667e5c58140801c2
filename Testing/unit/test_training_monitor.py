"""metrics.jsonl, and what an interrupted run leaves in it."""

import io
import json

import numpy as np
import pytest
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from jssr.training.early_warnings import early_warnings
from jssr.training.monitor import Monitor, read_figures


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
    monitor = Monitor(tmp_path, 0)
    monitor.figures(1, "train", {"total": 1.5, "bad": float("inf")})
    monitor.picture(1, "fixed", np.linspace(0, 1, 20).reshape(4, 5))
    monitor.picture(1, "labels", np.zeros((4, 5, 3)))
    monitor.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert events.Tags()["scalars"] == ["train/total"]
    assert [(e.step, e.value) for e in events.Scalars("train/total")] == [(1, 1.5)]
    assert set(events.Tags()["images"]) == {"fixed", "labels"}
    shown = imread(io.BytesIO(events.Images("fixed")[0].encoded_image_string))
    assert shown.shape[:2] == (4, 5) and shown[0, 0].min() == 0 and shown[-1, -1].max() == 1


def test_early_warnings_name_what_is_wrong():
    assert early_warnings({"folding": 0.0001, "leakage_percent": 3, "synthesis_mae_hu": 20}) == []
    found = early_warnings({"folding": 0.02, "leakage_percent": 90, "synthesis_mae_hu": 400})
    assert (
        len(found) == 3 and "fold" in found[0] and "copies" in found[1] and "collapsed" in found[2]
    )


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"tre_liver_mm": float("nan"), "folding": 0.0}, "tre_liver_mm: not a finite number"),
        ({"synthesis_contrast_ratio": 0.02}, "0.02 of the fixed scan's contrast"),
        ({"folding": 0.02}, "2.0 % of the voxels fold"),
    ],
)
def test_each_sign_of_trouble_has_its_own_warning(figures, said):
    (message,) = early_warnings(figures)
    assert said in message
