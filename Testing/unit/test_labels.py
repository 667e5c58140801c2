"""The label table: indices are channels, names are unique, and the liver holds its lesions."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.labels import BACKGROUND, CLASS_COUNT, LABELS, is_liver, label_index


def test_indices_are_the_channels_after_the_background() -> None:
    assert [label.index for label in LABELS] == list(range(BACKGROUND + 1, CLASS_COUNT))
    assert len({label.name for label in LABELS}) == len({label.color for label in LABELS}) == 14


def test_an_unknown_name_has_no_index() -> None:
    with pytest.raises(KeyError):
        label_index("thymus")


def test_the_liver_with_its_lesions_in_an_array_a_tensor_and_an_image() -> None:
    values = np.arange(CLASS_COUNT, dtype=np.uint8).reshape(1, 3, 5)
    expected = np.isin(values, [label_index("liver"), label_index("lesion")])
    assert np.array_equal(is_liver(values), expected)
    assert np.array_equal(is_liver(torch.from_numpy(values)).numpy(), expected)
    assert np.array_equal(
        sitk.GetArrayFromImage(is_liver(sitk.GetImageFromArray(values))), expected
    )
