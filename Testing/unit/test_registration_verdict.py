"""The verdict says what speaks against a registration, and nothing against a good one."""

from dataclasses import replace

import pytest

from jssr.registration.result import (
    Deformation,
    LesionFigures,
    Metrics,
    OrganFigures,
    VerdictLevel,
)
from jssr.registration.verdict import judge
from sample_results import make_metrics

LIVER = OrganFigures("liver", 0.85, 0.96, 1500.0, 1480.0, 0.02, False)
GOOD = replace(
    make_metrics(),
    overlap_fraction=0.95,
    similarity_before=0.5,
    similarity_after=0.7,
    deformation=Deformation(4.0, 9.0, 14.0, 0.0, 0.12, (0.01, -0.02, 0.06)),
    organs=(LIVER, OrganFigures("spleen", 0.8, 0.93, 200.0, 195.0, 0.03, False)),
    lesions=(LesionFigures((0.0, 0.0, 0.0), 22.0, 5.6, 0.03),),
)


def with_organ(**changes: object) -> Metrics:
    return replace(GOOD, organs=(replace(LIVER, **changes),))


def test_a_good_registration_is_good_and_gives_no_reason() -> None:
    verdict = judge(GOOD)
    assert verdict.level is VerdictLevel.GOOD and verdict.reasons == ()


@pytest.mark.parametrize(
    ("metrics", "level", "said"),
    [
        (replace(GOOD, shared_fraction=0.4), "doubtful", "share only 40%"),
        (replace(GOOD, shared_fraction=0.1), "failed", "share only 10%"),
        (
            with_organ(moving_volume_ml=1100.0, cut_by_field_of_view=True),
            "doubtful",
            "only 73% of the fixed scan's liver is found",
        ),
        (
            with_organ(moving_volume_ml=100.0, cut_by_field_of_view=True),
            "doubtful",
            "only 7% of the fixed scan's liver is found",
        ),
        (
            with_organ(moving_volume_ml=3.0),
            "doubtful",
            "only 0% of the fixed scan's liver is found",
        ),
        (
            with_organ(moving_volume_ml=280.0, dice_after=0.5),
            "doubtful",
            "only 19% of the fixed scan's liver is found",
        ),
        (replace(GOOD, similarity_after=0.5), "doubtful", "look little alike"),
        (replace(GOOD, similarity_after=0.35), "failed", "look little alike"),
        (
            replace(GOOD, deformation=Deformation(0.0, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0, 0.0))),
            "doubtful",
            "no deformation made the scans look more alike",
        ),
        (
            replace(GOOD, deformation=replace(GOOD.deformation, folding_fraction=0.001)),
            "doubtful",
            "folds in 0.10%",
        ),
        (
            replace(GOOD, deformation=replace(GOOD.deformation, folding_fraction=0.02)),
            "failed",
            "folds in 2.00%",
        ),
        (
            replace(GOOD, deformation=replace(GOOD.deformation, log_jacobian_sd=0.6)),
            "doubtful",
            "implausibly",
        ),
        (
            replace(GOOD, deformation=replace(GOOD.deformation, stretch=(0.0, 0.0, 0.3))),
            "doubtful",
            "30% longer from head to feet in the moving scan; check both scans' voxel sizes",
        ),
        (
            replace(GOOD, deformation=replace(GOOD.deformation, stretch=(-0.2, 0.0, 0.0))),
            "doubtful",
            "20% shorter from side to side",
        ),
        (with_organ(dice_after=0.7), "doubtful", "the liver of the two scans"),
        (with_organ(dice_after=0.5), "failed", "the liver of the two scans"),
        (with_organ(volume_change=-0.4), "doubtful", "changes its volume by -40%"),
        (
            replace(GOOD, lesions=(LesionFigures((0.0, 0.0, 0.0), 22.0, 5.6, -0.3),)),
            "doubtful",
            "a lesion of 22 mm",
        ),
    ],
)
def test_each_trouble_is_told(metrics: Metrics, level: str, said: str) -> None:
    verdict = judge(metrics)
    assert verdict.level.value == level
    assert len(verdict.reasons) == 1 and said in verdict.reasons[0]


def with_deformation(**changes: object) -> Metrics:
    return replace(GOOD, deformation=replace(GOOD.deformation, **changes))


def with_lesion(diameter_mm: float, volume_change: float) -> Metrics:
    return replace(GOOD, lesions=(LesionFigures((0.0, 0.0, 0.0), diameter_mm, 5.6, volume_change),))


def unmoved(similarity: float) -> Metrics:
    still = Deformation(0.0, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0, 0.0))
    return replace(GOOD, deformation=still, similarity_before=similarity)


@pytest.mark.parametrize(
    ("within", "beyond", "levels"),
    [
        (replace(GOOD, shared_fraction=0.51), replace(GOOD, shared_fraction=0.49), "good doubtful"),
        (
            replace(GOOD, shared_fraction=0.26),
            replace(GOOD, shared_fraction=0.24),
            "doubtful failed",
        ),
        (
            replace(GOOD, similarity_after=0.56),
            replace(GOOD, similarity_after=0.54),
            "good doubtful",
        ),
        (
            replace(GOOD, similarity_after=0.41),
            replace(GOOD, similarity_after=0.39),
            "doubtful failed",
        ),
        (unmoved(0.81), unmoved(0.79), "good doubtful"),
        (
            with_deformation(folding_fraction=0.0004),
            with_deformation(folding_fraction=0.0006),
            "good doubtful",
        ),
        (
            with_deformation(folding_fraction=0.009),
            with_deformation(folding_fraction=0.011),
            "doubtful failed",
        ),
        (
            with_deformation(log_jacobian_sd=0.39),
            with_deformation(log_jacobian_sd=0.41),
            "good doubtful",
        ),
        *(
            (
                with_deformation(stretch=(0.0, sign * 0.14, 0.0)),
                with_deformation(stretch=(0.0, sign * 0.16, 0.0)),
                "good doubtful",
            )
            for sign in (-1, 1)
        ),
        *(
            (with_lesion(22.0, sign * 0.24), with_lesion(22.0, sign * 0.26), "good doubtful")
            for sign in (-1, 1)
        ),
        (with_lesion(9.9, 0.5), with_lesion(10.0, 0.5), "good doubtful"),
        (with_organ(dice_after=0.76), with_organ(dice_after=0.74), "good doubtful"),
        (with_organ(dice_after=0.61), with_organ(dice_after=0.59), "doubtful failed"),
        *(
            (
                with_organ(volume_change=sign * 0.29),
                with_organ(volume_change=sign * 0.31),
                "good doubtful",
            )
            for sign in (-1, 1)
        ),
        (
            with_organ(moving_volume_ml=1260.0, cut_by_field_of_view=True),
            with_organ(moving_volume_ml=1230.0, cut_by_field_of_view=True),
            "good doubtful",
        ),
        (with_organ(moving_volume_ml=765.0), with_organ(moving_volume_ml=735.0), "good doubtful"),
        (
            replace(with_organ(dice_after=0.3), similarity_after=0.86),
            replace(with_organ(dice_after=0.3), similarity_after=0.84),
            "good failed",
        ),
        (
            with_organ(dice_after=0.3, fixed_volume_ml=390.0, moving_volume_ml=390.0),
            with_organ(dice_after=0.3, fixed_volume_ml=410.0, moving_volume_ml=410.0),
            "good failed",
        ),
    ],
)
def test_every_limit_is_where_it_was_set(within: Metrics, beyond: Metrics, levels: str) -> None:
    assert f"{judge(within).level.value} {judge(beyond).level.value}" == levels


def test_a_liver_is_judged_also_where_the_field_of_view_cuts_it() -> None:
    cut = with_organ(dice_after=0.5, cut_by_field_of_view=True)
    assert judge(cut).level is VerdictLevel.FAILED


@pytest.mark.parametrize(
    ("dice_after", "level"), [(0.57, VerdictLevel.GOOD), (0.55, VerdictLevel.DOUBTFUL)]
)
def test_a_kidney_that_is_half_as_large_on_one_scan_can_match_less(
    dice_after: float, level: VerdictLevel
) -> None:
    """Wholly inside the larger one, its Dice is 2 * 78 / (130 + 78) = 0.75."""
    kidney = OrganFigures("right_kidney", 0.68, dice_after, 130.0, 78.0, 0.0, False)
    assert judge(replace(GOOD, organs=(LIVER, kidney))).level is level


def test_an_organ_but_the_liver_gives_doubts_alone() -> None:
    spleen = replace(LIVER, name="spleen", dice_after=0.1)
    assert judge(replace(GOOD, organs=(LIVER, spleen))).level is VerdictLevel.DOUBTFUL


@pytest.mark.parametrize(
    "organ",
    [
        replace(LIVER, dice_after=0.3, fixed_volume_ml=150.0, moving_volume_ml=90.0),
        replace(LIVER, name="spleen", dice_after=0.3, cut_by_field_of_view=True),
        replace(LIVER, name="pancreas", dice_after=0.3),
        replace(LIVER, dice_after=None, volume_change=None),
    ],
)
def test_labels_that_say_little_decide_nothing(organ: OrganFigures) -> None:
    """Too little of an organ, an organ that the field of view cuts, one that S hardly knows."""
    organs = (organ,) if organ.name == "liver" else (LIVER, organ)
    assert judge(replace(GOOD, organs=organs)).level is VerdictLevel.GOOD


def test_a_scan_of_the_liver_alone_is_enough() -> None:
    """Of a fixed scan of the whole trunk it covers little, and all that there is to register."""
    assert judge(replace(GOOD, overlap_fraction=0.2)).level is VerdictLevel.GOOD


def test_a_lesion_that_is_not_wholly_seen_decides_nothing() -> None:
    cut = LesionFigures((0.0, 0.0, 0.0), 22.0, 5.6, None)
    assert judge(replace(GOOD, lesions=(cut,))).level is VerdictLevel.GOOD


def test_labels_do_not_outvote_scans_that_are_the_same() -> None:
    alike = replace(with_organ(dice_after=0.3), similarity_after=0.95)
    assert judge(alike).level is VerdictLevel.GOOD


def test_a_wrong_voxel_size_that_is_corrected_is_told_without_a_doubt() -> None:
    verdict = judge(replace(GOOD, linear_stretch=(0.0, 0.0, 0.59)))
    assert verdict.level is VerdictLevel.GOOD
    assert verdict.reasons == (
        "the alignment found that the body is 59% longer from head to feet in the moving scan; "
        "check both scans' voxel sizes",
    )


@pytest.mark.parametrize(
    ("organs", "said"),
    [
        ((), "found in the fixed and the moving scan, so"),
        ((replace(LIVER, fixed_volume_ml=34.0),), "found in the fixed scan, so"),
        (
            (replace(LIVER, fixed_volume_ml=300.0, moving_volume_ml=34.0),),
            "found in the moving scan, so",
        ),
    ],
)
@pytest.mark.parametrize("similarity", [0.7, 0.95])
def test_scans_without_a_liver_are_doubted(
    organs: tuple[OrganFigures, ...], said: str, similarity: float
) -> None:
    verdict = judge(replace(GOOD, organs=organs, similarity_after=similarity))
    assert verdict.level is VerdictLevel.DOUBTFUL
    (reason,) = verdict.reasons
    assert reason.startswith("hardly any liver is") and said in reason


def test_scans_that_look_alike_are_doubted_where_only_one_shows_a_liver() -> None:
    """So alike that organs are not asked, which tell it otherwise."""
    liver = replace(LIVER, fixed_volume_ml=900.0, moving_volume_ml=5.0)
    verdict = judge(replace(GOOD, organs=(liver,), similarity_after=0.9))
    assert verdict.level is VerdictLevel.DOUBTFUL
    (reason,) = verdict.reasons
    assert "found in the moving scan, so" in reason


def test_a_little_liver_is_enough() -> None:
    """As where the field of view ends below its dome."""
    assert judge(with_organ(fixed_volume_ml=121.0, moving_volume_ml=36.0)) == judge(GOOD)


def test_the_same_image_twice_is_told_without_a_doubt() -> None:
    verdict = judge(replace(GOOD, difference_before_hu=0.3))
    assert verdict.level is VerdictLevel.GOOD
    assert verdict.reasons == (
        "both scans are the same image; check that the right ones were chosen",
    )


@pytest.mark.parametrize("difference", [2.1, None])
def test_scans_that_differ_are_not_the_same_image(difference: float | None) -> None:
    assert judge(replace(GOOD, difference_before_hu=difference)).reasons == ()


def test_the_reasons_for_a_failure_come_first() -> None:
    verdict = judge(replace(with_organ(dice_after=0.7), similarity_after=0.3))
    assert verdict.level is VerdictLevel.FAILED
    assert "look little alike" in verdict.reasons[0] and "liver" in verdict.reasons[1]
