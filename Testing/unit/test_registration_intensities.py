"""Mean HU of labels, against numpy."""

import numpy as np
import pytest
import torch

from jssr.labels import label_index
from jssr.registration.intensities import mean_intensities


def test_mean_intensities_by_label() -> None:
    hu = torch.tensor([[[10.0, 20.0, 30.0, 40.0]]])
    liver, spleen = label_index("liver"), label_index("spleen")
    first = torch.tensor([[[liver, liver, 0, spleen]]])
    second = torch.tensor([[[0, 0, spleen, spleen]]])
    rows = {row.name: row for row in mean_intensities((hu, first), (hu, second))}
    assert rows["liver"].fixed_mean_hu == 15.0 and rows["liver"].moving_mean_hu is None
    # A single voxel has no standard deviation.
    assert rows["spleen"].fixed_mean_hu is None and rows["spleen"].moving_mean_hu == 35.0
    assert rows["liver"].fixed_sd_hu == pytest.approx(float(np.std([10, 20], ddof=1)))
