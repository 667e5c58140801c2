"""All the figures of one registered pair, as one flat row of a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from jssr.evaluation import metrics
from jssr.evaluation.cohort import CaseData
from jssr.evaluation.statistics import Row
from jssr.labels import LABELS, Label, label_index
from jssr.registration.apply import warp_labels
from jssr.spatial.geometry import Geometry
from jssr.spatial.jacobian import jacobian_determinant_on
from jssr.spatial.transform import SpatialTransform, displacement_on

LESION_FROM_MM = 10.0
LESION_TOLERANCE = 0.05


@dataclass(frozen=True)
class Lesion:
    """A lesion of the true segmentation: its mask and the diameter of a sphere of its volume."""

    mask: np.ndarray
    diameter_mm: float


def registration_figures(data: CaseData, fixed_to_moving: SpatialTransform) -> Row:
    """Errors, overlaps, folding and volume changes of one registration."""
    grid = Geometry.of(data.fixed)
    displacement_mm = displacement_on(fixed_to_moving.to_sitk(), grid)
    determinant = jacobian_determinant_on(grid, displacement_mm)
    folding = metrics.folding_fraction(determinant, data.body)
    return {
        **_errors(data, fixed_to_moving, displacement_mm),
        **_overlaps(data, fixed_to_moving),
        "folding_percent": None if folding is None else 100.0 * folding,
        "log_jacobian_sd": metrics.log_jacobian_sd(determinant, data.body),
        **_lesion_figures(data, determinant, grid),
    }


def registration_errors(data: CaseData, fixed_to_moving: SpatialTransform) -> Row:
    """The errors alone, as :func:`registration_figures` has them."""
    displacement_mm = displacement_on(fixed_to_moving.to_sitk(), Geometry.of(data.fixed))
    return _errors(data, fixed_to_moving, displacement_mm)


def compared_labels(data: CaseData) -> tuple[Label, ...]:
    """The labels whose overlap tells of the registration: those that both annotations cover.

    Where the truth is known, both are of one anatomy and cover the same, so a label that only the
    fixed scan shows overlaps by nothing.
    """
    if data.fixed_labels is None or data.moving_labels is None:
        return ()
    covered = covered_labels(data.fixed_labels, data.case.fixed_classes)
    if data.case.truth_is_known:
        return covered
    others = covered_labels(data.moving_labels, data.case.moving_classes)
    return tuple(label for label in covered if label in others)


def covered_labels(labels: sitk.Image, classes: Sequence[str]) -> tuple[Label, ...]:
    """The labels that an annotation covers: those of ``classes``, or without any what it shows."""
    if classes:
        return tuple(label for label in LABELS if label.name in classes)
    shown = np.unique(sitk.GetArrayViewFromImage(labels))
    return tuple(label for label in LABELS if label.index in shown)


def segmentation_figures(
    truth: sitk.Image, found: sitk.Image, prefix: str, labels: Sequence[Label]
) -> Row:
    """Dice, HD95 and mean surface distance of each of ``labels`` that is in the truth.

    Raises:
        ValueError: the two are on different grids.
    """
    spacing = Geometry.of(truth).spacing_mm
    expected, given = sitk.GetArrayViewFromImage(truth), sitk.GetArrayViewFromImage(found)
    if expected.shape != given.shape:
        raise ValueError("the two segmentations are on different grids")
    row: Row = {}
    for label in labels:
        a, b = expected == label.index, given == label.index
        if not a.any():
            continue
        distance = metrics.surface_distance(a, b, spacing)
        row[f"{prefix}dice_{label.name}"] = metrics.dice(a, b)
        row[f"{prefix}hd95_{label.name}_mm"] = None if distance is None else distance.hd95_mm
        row[f"{prefix}surface_{label.name}_mm"] = None if distance is None else distance.mean_mm
    return row


def lesions_of(labels: sitk.Image) -> Iterator[Lesion]:
    """The separate lesions of a label map that are at least ``LESION_FROM_MM`` in diameter."""
    apart = sitk.ConnectedComponent(labels == label_index("lesion"), True)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(apart)
    numbers = sitk.GetArrayViewFromImage(apart)
    for number in shape.GetLabels():
        diameter = 2.0 * shape.GetEquivalentSphericalRadius(number)
        if diameter >= LESION_FROM_MM:
            yield Lesion(numbers == number, diameter)


def _errors(data: CaseData, transform: SpatialTransform, displacement_mm: np.ndarray) -> Row:
    row: Row = {}
    if data.truth_mm is not None:
        for name, mask in (("body", data.body), ("liver", data.liver)):
            if mask is None:
                continue
            error = metrics.displacement_error(displacement_mm, data.truth_mm, mask)
            if error is not None:
                row[f"error_{name}_mm"] = error.mean_mm
                row[f"error_{name}_p95_mm"] = error.p95_mm
    if data.landmarks is not None:
        fixed, moving = data.landmarks
        error = metrics.target_registration_error(transform.apply(fixed), moving)
        if error is not None:
            row["error_landmarks_mm"] = error.mean_mm
            row["error_landmarks_p95_mm"] = error.p95_mm
    return row


def _overlaps(data: CaseData, transform: SpatialTransform) -> Row:
    if data.fixed_labels is None or data.moving_labels is None:
        return {}
    warped = warp_labels(data.moving_labels, transform, Geometry.of(data.fixed))
    return segmentation_figures(data.fixed_labels, warped, "", compared_labels(data))


def _lesion_figures(data: CaseData, determinant: np.ndarray, grid: Geometry) -> Row:
    """How the lesions' volumes change under the map, and how much of that is wrong.

    ``lesion_volume_change`` is the largest absolute change and ``lesion_kept_fraction`` the part of
    the lesions whose volume the map keeps within 5 %; ``lesion_volume_error`` is the largest
    deviation of the mapped volume from the true one, which motion may have changed, and
    ``lesion_right_fraction`` the part of the lesions that come within 5 % of it.
    """
    if data.fixed_labels is None:
        return {}
    true_determinant = None
    if data.truth_mm is not None:
        true_determinant = jacobian_determinant_on(grid, data.truth_mm)
    changes, errors = [], []
    for lesion in lesions_of(data.fixed_labels):
        found = float(determinant[lesion.mask].mean())
        changes.append(abs(found - 1.0))
        if true_determinant is not None:
            errors.append(abs(found / float(true_determinant[lesion.mask].mean()) - 1.0))
    if not changes:
        return {"lesions": 0.0}
    row: Row = {
        "lesions": float(len(changes)),
        "lesion_volume_change": max(changes),
        "lesion_kept_fraction": float(np.mean(np.array(changes) <= LESION_TOLERANCE)),
    }
    if errors:
        row["lesion_volume_error"] = max(errors)
        row["lesion_right_fraction"] = float(np.mean(np.array(errors) <= LESION_TOLERANCE))
    return row
