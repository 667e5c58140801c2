"""Pairs that no registration can be trusted on, provoked from good ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from jssr.evaluation.cohort import CaseData
from jssr.hounsfield import AIR_HU
from jssr.spatial.geometry import Geometry
from jssr.spatial.linear import apply_linear

OFFSET_MM = (60.0, -90.0, 400.0)
SPACING_FACTOR = 1.6


@dataclass(frozen=True)
class Provoked:
    """A pair that was spoilt.

    Attributes:
        truth_mm: ``(3, z, y, x)`` true displacement of the spoilt pair on the fixed grid, LPS;
            ``None`` where no point of one scan belongs to a point of the other.
    """

    fixed: sitk.Image
    moving: sitk.Image
    truth_mm: np.ndarray | None


def other_patient(data: CaseData, other: CaseData) -> Provoked:
    """The moving scan is another patient's."""
    return Provoked(data.fixed, other.moving, None)


def mirrored(data: CaseData, other: CaseData) -> Provoked:
    """Left and right of the moving scan are swapped, as by a wrong header."""
    values = sitk.GetArrayFromImage(data.moving)[:, :, ::-1]
    return Provoked(data.fixed, Geometry.of(data.moving).image(np.ascontiguousarray(values)), None)


def shuffled_slices(data: CaseData, other: CaseData) -> Provoked:
    """The moving scan's slices are in random order."""
    values = sitk.GetArrayFromImage(data.moving)
    order = np.random.default_rng(0).permutation(len(values))
    return Provoked(data.fixed, Geometry.of(data.moving).image(values[order]), None)


def huge_offset(data: CaseData, other: CaseData) -> Provoked:
    """The moving scan's header places it some 40 cm away."""
    moving = sitk.Image(data.moving)
    moving.SetOrigin([a + b for a, b in zip(moving.GetOrigin(), OFFSET_MM, strict=True)])
    truth = _known(data) + np.asarray(OFFSET_MM, np.float32).reshape(3, 1, 1, 1)
    return Provoked(data.fixed, moving, truth)


def empty_half(data: CaseData, other: CaseData) -> Provoked:
    """The upper half of the moving scan is air, as in a transfer that broke off."""
    values = sitk.GetArrayFromImage(data.moving)
    values[len(values) // 2 :] = AIR_HU
    return Provoked(data.fixed, Geometry.of(data.moving).image(values), _known(data))


def wrong_spacing(data: CaseData, other: CaseData) -> Provoked:
    """The moving scan's header overstates the distance of its slices.

    An affine map would undo it, a rigid one cannot.
    """
    moving = sitk.Image(data.moving)
    x, y, z = moving.GetSpacing()
    moving.SetSpacing((x, y, z * SPACING_FACTOR))
    before, after = (Geometry.of(image).index_to_world for image in (data.moving, moving))
    points = Geometry.of(data.fixed).points_mm()
    reached = (points + _known(data)).reshape(3, -1).T
    stretched = apply_linear(after @ np.linalg.inv(before), reached).T.reshape(points.shape)
    return Provoked(data.fixed, moving, (stretched - points).astype(np.float32))


OTHER_PATIENT = "other patient"
KINDS: dict[str, Callable[[CaseData, CaseData], Provoked]] = {
    OTHER_PATIENT: other_patient,
    "mirrored": mirrored,
    "shuffled slices": shuffled_slices,
    "huge offset": huge_offset,
    "empty half": empty_half,
    "wrong spacing": wrong_spacing,
}
"""What is spoilt, by name; each takes a pair and another patient's pair."""


def _known(data: CaseData) -> np.ndarray:
    if data.truth_mm is None:
        raise ValueError("a failure is provoked from a pair whose truth is known")
    return data.truth_mm
