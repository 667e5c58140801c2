"""Labels stay where anatomy allows them."""

import numpy as np
import pytest
import torch

from jssr.labels import CLASS_COUNT, label_index
from jssr.registration.anatomy import plausible
from jssr.spatial.geometry import Geometry

GRID = Geometry((60, 50, 40), (3.0, 3.0, 3.0), (-90.0, -75.0, 400.0))
_Z, _Y, _X = np.indices(GRID.shape_zyx)
BODY = torch.from_numpy(((_X - 29.5) / 26) ** 2 + ((_Y - 24.5) / 20) ** 2 < 1)


def patient() -> torch.Tensor:
    """An elliptic cylinder of soft tissue in air, HU."""
    return torch.where(BODY, 50.0, -1000.0)


def labelled(boxes: dict[str, list[tuple[slice, slice, slice]]]) -> torch.Tensor:
    """Probabilities that are 0.9 in the boxes of each organ, (1, classes, z, y, x)."""
    probabilities = torch.zeros(1, CLASS_COUNT, *GRID.shape_zyx)
    for name, parts in boxes.items():
        for part in parts:
            probabilities[(0, label_index(name), *part)] = 0.9
    probabilities[:, 0] = 1.0 - probabilities[:, 1:].sum(dim=1)
    return probabilities


def left_of(name: str, found: torch.Tensor) -> torch.Tensor:
    assert (found.sum(dim=1) - 1).abs().max() < 1e-6
    return found[0, label_index(name)] > 0.5


@pytest.mark.parametrize("name", ["stomach", "lung", "bone"])
def test_nothing_is_labelled_outside_of_the_patient(name: str) -> None:
    whole = (slice(10, 30), slice(0, 25), slice(20, 40))
    found = left_of(name, plausible(labelled({name: [whole]}), patient(), GRID))
    inside = torch.zeros_like(BODY)
    inside[whole] = BODY[whole]
    assert torch.equal(found, inside)


@pytest.mark.parametrize("name", ["liver", "spleen", "aorta", "pancreas"])
def test_solid_organs_hold_no_fat(name: str) -> None:
    hu = patient()
    organ, fat = np.s_[10:30, 15:30, 20:40], np.s_[10:30, 15:30, 32:40]
    hu[fat] = -90.0
    found = left_of(name, plausible(labelled({name: [organ]}), hu, GRID))
    assert found[10:30, 15:30, 20:31].all() and not found[10:30, 15:30, 33:40].any()


def test_the_stomach_may_hold_gas() -> None:
    hu, organ = patient(), np.s_[10:30, 15:30, 20:40]
    hu[12:28, 17:28, 22:38] = -1000.0
    assert left_of("stomach", plausible(labelled({"stomach": [organ]}), hu, GRID))[organ].all()


def test_an_organ_keeps_its_largest_piece_and_lesions_all_theirs() -> None:
    organ, stray = np.s_[10:30, 15:30, 20:40], np.s_[2:6, 20:24, 10:14]
    lesions = [np.s_[5:7, 24:26, 44:46], np.s_[33:35, 24:26, 44:46]]
    before = labelled({"liver": [organ, stray], "lesion": lesions})
    found = plausible(before.clone(), patient(), GRID)
    liver = left_of("liver", found)
    assert liver[organ].all() and not liver[stray].any()
    assert all(left_of("lesion", found)[part].all() for part in lesions)


@pytest.mark.parametrize("name", ["lesion", "hepatic_vein"])
def test_what_belongs_to_the_liver_lies_within_30_mm_of_it(name: str) -> None:
    # The liver's last voxel has the index 25: 10 voxels on are 30 mm, 11 are 33 mm.
    liver, near, far = (
        np.s_[5:20, 15:26, 8:26],
        np.s_[10:13, 18:21, 35:40],
        np.s_[31:34, 18:21, 8:12],
    )
    parts = {"liver": [liver], name: [near, far]}
    found = left_of(name, plausible(labelled(parts), patient(), GRID))
    assert found[near].all() and not found[far].any()


def test_a_large_lesion_that_reaches_the_liver_stays_whole() -> None:
    parts = {"liver": [np.s_[5:20, 15:26, 8:26]], "lesion": [np.s_[10:38, 18:21, 20:24]]}
    found = left_of("lesion", plausible(labelled(parts), patient(), GRID))
    assert found[20:38, 18:21, 20:24].all()


def test_where_no_liver_is_seen_there_is_no_lesion_of_it() -> None:
    bowel = np.s_[10:13, 18:21, 20:24]
    found = left_of("lesion", plausible(labelled({"lesion": [bowel]}), patient(), GRID))
    assert not found.any()


def test_a_liver_in_two_parts_keeps_both() -> None:
    parts = [np.s_[10:30, 15:30, 8:22], np.s_[14:26, 15:25, 26:34]]
    liver = left_of("liver", plausible(labelled({"liver": parts}), patient(), GRID))
    assert all(liver[part].all() for part in parts)


def test_both_lungs_stay_and_specks_of_lung_go() -> None:
    hu = patient()
    lungs, speck = (
        [np.s_[10:30, 15:30, 10:25], np.s_[10:30, 15:30, 34:46]],
        np.s_[2:5, 24:27, 29:32],
    )
    for part in (*lungs, speck):
        hu[part] = -850.0
    found = left_of("lung", plausible(labelled({"lung": [*lungs, speck]}), hu, GRID))
    assert all(found[part].all() for part in lungs) and not found[speck].any()


def test_what_hangs_on_the_spleen_by_a_neck_goes() -> None:
    spleen, neck, bowel = (
        np.s_[12:28, 15:30, 36:48],
        np.s_[19:21, 21:23, 26:36],
        np.s_[14:26, 17:28, 16:26],
    )
    parts = [spleen, neck, bowel]
    found = left_of("spleen", plausible(labelled({"spleen": parts}), patient(), GRID))
    assert found[spleen].all() and not found[bowel].any()
    # The vena cava may be as thin as that neck.
    vein = left_of(
        "inferior_vena_cava",
        plausible(labelled({"inferior_vena_cava": parts}), patient(), GRID),
    )
    assert all(vein[part].all() for part in parts)


def test_a_kidney_that_is_thin_everywhere_stays() -> None:
    sliver = np.s_[12:28, 20:22, 36:48]
    found = left_of("left_kidney", plausible(labelled({"left_kidney": [sliver]}), patient(), GRID))
    assert found[sliver].all()


def test_a_kidney_torn_apart_keeps_its_parts_and_bowel_before_it_goes() -> None:
    upper, lower, bowel = (
        np.s_[24:34, 25:35, 40:48],
        np.s_[10:20, 25:35, 40:48],
        np.s_[10:34, 8:20, 36:48],
    )
    parts = {
        "aorta": [np.s_[2:38, 22:26, 30:33]],
        "liver": [np.s_[8:36, 15:30, 8:22]],
        "left_kidney": [upper, lower, bowel],
    }
    found = left_of("left_kidney", plausible(labelled(parts), patient(), GRID))
    assert found[upper].all() and found[lower].all() and not found[bowel].any()


def test_a_scan_of_air_has_no_labels() -> None:
    everything = labelled({"liver": [np.s_[:, :, :]]})
    found = plausible(everything, torch.full(GRID.shape_zyx, -1000.0), GRID)
    assert (found[0, 0] == 1.0).all()
