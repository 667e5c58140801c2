"""Synthesis and leakage of generators whose answer is known without a network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from jssr.evaluation.cohort import CaseData, load_case, read_cohort
from jssr.evaluation.leakage import bundle_leakage
from jssr.evaluation.synthesis import synthesis_figures
from jssr.spatial.linear import translation
from sample_cohort import write_manifest_cohort

WINDOW_HU = (-160.0, 240.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CaseData:
    """A pair whose liver is 40 HU brighter in the fixed scan's phase."""
    folder = write_manifest_cohort(tmp_path_factory.mktemp("cohort") / "one", pairs=1)
    data = load_case(read_cohort(folder)[0])
    labels, truth = data.moving_labels, data.synthesis_truth
    assert labels is not None and truth is not None
    brighter = truth + 40 * sitk.Cast(labels == 1, truth.GetPixelID())
    return replace(data, synthesis_truth=brighter)


def test_the_true_answer_has_no_error(data: CaseData) -> None:
    row = synthesis_figures(data, data.synthesis_truth, np.eye(4), WINDOW_HU)
    assert row["synthesis_mae_hu"] == 0.0
    assert row["synthesis_ssim"] == pytest.approx(1.0)
    assert row["synthesis_ratio_liver"] == 0.0
    assert row["unsynthesized_mae_liver_hu"] == pytest.approx(40.0, abs=0.5)


def test_painting_nothing_keeps_the_error(data: CaseData) -> None:
    row = synthesis_figures(data, data.moving, np.eye(4), WINDOW_HU)
    assert row["synthesis_mae_hu"] == pytest.approx(row["unsynthesized_mae_hu"])
    assert row["synthesis_ratio_liver"] == pytest.approx(1.0)
    assert "synthesis_ratio_spleen" not in row
    assert row["synthesis_mae_spleen_hu"] == 0.0


def test_the_linear_part_is_followed(data: CaseData) -> None:
    offset = (7.5, -5.0, 6.0)
    moved = sitk.Image(data.synthesis_truth)
    moved.SetOrigin([o - s for o, s in zip(moved.GetOrigin(), offset, strict=True)])
    row = synthesis_figures(data, moved, translation(offset), WINDOW_HU)
    assert row["synthesis_mae_hu"] == pytest.approx(0.0, abs=1e-6)


def test_without_an_answer_there_are_no_figures(data: CaseData) -> None:
    assert (
        synthesis_figures(replace(data, synthesis_truth=None), data.moving, np.eye(4), WINDOW_HU)
        == {}
    )


def bundle(generator: Callable[..., torch.Tensor]) -> Any:
    manifest = SimpleNamespace(spacing_mm=2.5, size_divisor=4, window_hu=WINDOW_HU)

    def segmentor(image: torch.Tensor) -> torch.Tensor:
        return torch.cat([image, -image], dim=1)

    return SimpleNamespace(
        manifest=manifest, device=torch.device("cpu"), generator=generator, segmentor=segmentor
    )


def layers() -> sitk.Image:
    """A scan with structure along z, 180 mm long."""
    z = np.arange(60)[:, None, None]
    values = 60 * np.sin(z / 4.0) + 40 * np.sin(z / 9.0 + 1) + np.zeros((60, 12, 12))
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing((3.0, 3.0, 3.0))
    return image


def test_a_copy_of_the_fixed_scan_leaks_all_of_the_shift() -> None:
    leakage = bundle_leakage(bundle(lambda x, px, y, py: y), layers(), layers(), np.eye(4))
    assert leakage == pytest.approx(100.0, abs=3.0)


def test_a_generator_that_keeps_the_moving_geometry_leaks_nothing() -> None:
    painted = bundle(lambda x, px, y, py: (x + 0.2 * py[:, :1].mean()).clamp(-1, 1))
    assert bundle_leakage(painted, layers(), layers(), np.eye(4)) == pytest.approx(0.0, abs=1.0)


def test_figures_are_named_by_unit(data: CaseData, tmp_path: Path) -> None:
    row = synthesis_figures(data, data.moving, np.eye(4), WINDOW_HU)
    known = ("_hu", "_db", "_ssim", "_ratio_liver")
    assert all(name.endswith(known) for name in row)
