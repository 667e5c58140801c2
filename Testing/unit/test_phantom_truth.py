"""Slow proofs at working resolution: labels and fields agree, patients vary."""

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion, distance_transform_edt

from jssr.labels import LABELS
from jssr.phantom import PairOptions, PatientOptions, make_pair, make_patient
from jssr.phantom.draw import Draw
from jssr.phantom.motion import breathing_amplitude
from jssr.spatial.fields import compose_mm
from jssr.spatial.jacobian import jacobian_determinant
from jssr.spatial.warp import warp

SHAPE, SPACING = (112, 128, 160), 2.0
CLEAN = PairOptions(contrast="physiological", noise=0.0, artefacts=0.0, blur=False)
SOLID = ("liver", "spleen", "right_kidney", "left_kidney")


def surface_distance_95(first: np.ndarray, second: np.ndarray) -> float:
    """Symmetric 95th percentile of surface distances, voxels."""
    edges = [mask & ~binary_erosion(mask) for mask in (first, second)]
    parts = [
        distance_transform_edt(~edges[1])[edges[0]],
        distance_transform_edt(~edges[0])[edges[1]],
    ]
    return max(float(np.percentile(part, 95)) for part in parts)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_true_field_carries_moving_labels_onto_fixed_labels(seed: int) -> None:
    patient = make_patient(seed, SHAPE, SPACING, options=PatientOptions(center_z_mm=10.0))
    pair = make_pair(patient, seed, options=CLEAN)
    field, spacing = pair.fixed_to_moving_mm[None], (SPACING,) * 3
    known = pair.fixed_truth
    best = torch.zeros(SHAPE)
    warped = torch.zeros(SHAPE, dtype=torch.uint8)
    for index in range(len(LABELS) + 1):
        share = warp((pair.moving_labels == index)[None, None].float(), field, spacing)[0, 0]
        warped = torch.where(share > best, torch.full_like(warped, index), warped)
        best = torch.maximum(best, share)
    for label in LABELS:
        found, true = (warped == label.index) & known, (pair.fixed_labels == label.index) & known
        if int(true.sum()) < 200:
            continue
        dice = 2.0 * float((found & true).sum()) / float(found.sum() + true.sum())
        assert dice >= (0.97 if label.name in SOLID else 0.75), label.name
        assert surface_distance_95(found.numpy(), true.numpy()) <= 1.0, label.name
    inverse = pair.moving_to_fixed_mm[None]
    rest = compose_mm(field, inverse, spacing)[0].norm(dim=0)[known]
    assert np.percentile(rest.numpy(), 99) <= 0.2
    assert (jacobian_determinant(field, spacing)[0][known] > 0).all()


def test_breathing_follows_what_was_measured_in_patients() -> None:
    draw = Draw(0, "breathing")
    sizes = np.array([breathing_amplitude(draw) for _ in range(20000)])
    assert abs(np.mean(sizes)) < 0.2
    # 80 % |N(0, 5)|, 15 % U(5, 15), 5 % U(15, 30)
    assert np.mean(np.abs(sizes) > 15.0) == pytest.approx(0.05 + 0.8 * 0.0027, abs=0.01)
    expected = 0.8 * 5.0 * np.sqrt(2.0 / np.pi) + 0.15 * 10.0 + 0.05 * 22.5
    assert np.mean(np.abs(sizes)) == pytest.approx(expected, rel=0.05)


@pytest.mark.slow
def test_livers_vary() -> None:
    spacing = 5.0
    options = PatientOptions(center_z_mm=25.0, motion_margin_mm=0.0, lesions=0)
    volumes, aligned = [], []
    for seed in range(60):
        patient = make_patient(seed, (64, 60, 72), spacing, options=options)
        labels = torch.tensor([tissue.label for tissue in patient.tissues])
        liver = labels[patient.first.long()] == 1
        volumes.append(float(liver.sum()) * spacing**3 / 1000.0)
        aligned.append(_on_principal_axes(liver))
    assert np.std(volumes) / np.mean(volumes) > 0.2
    assert np.mean([(850 < volume < 2250) for volume in volumes]) > 0.9
    for number, first in enumerate(aligned):
        for second in aligned[:number]:
            assert 2.0 * float((first & second).sum()) / float(first.sum() + second.sum()) < 0.9


def _on_principal_axes(mask: torch.Tensor) -> torch.Tensor:
    """The mask on a grid along its principal axes, each pointing to its longer tail."""
    index = mask.nonzero().double()
    offset = index - index.mean(0)
    _, axes = torch.linalg.eigh(offset.T @ offset)
    axes = axes * torch.sign(((offset @ axes) ** 3).sum(0))
    steps = torch.arange(-26.0, 27.0, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), -1)
    place = (grid @ axes.T + index.mean(0)) / (torch.tensor(mask.shape) - 1.0) * 2.0 - 1.0
    sampled = torch.nn.functional.grid_sample(
        mask[None, None].double(), place.flip(-1)[None], align_corners=True
    )
    return sampled[0, 0] > 0.5
