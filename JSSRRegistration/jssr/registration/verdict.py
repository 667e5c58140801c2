"""A plain judgement of a registration, from figures that need no truth."""

from collections.abc import Sequence

from jssr.labels import LABELS
from jssr.registration.result import Metrics, OrganFigures, Verdict, VerdictLevel

# Similarity after registration: of phantoms it is 0.57 and more, of what cannot be registered at
# most 0.50 (``python -m jssr.evaluation.verdicts``; docs/benchmark.md has the figures).
_FAILED_BELOW, _DOUBTFUL_BELOW = 0.40, 0.55
# Of the smaller body; a liver protocol within a scan of the whole trunk shares all of it.
_LEAST_SHARED, _LEAST_SHARED_AT_ALL = 0.5, 0.25
# Two scans that need no deformation are at least so alike.
_ALIKE_AS_THEY_ARE = 0.8
# Where the scans themselves are so alike, labels that differ are S's own mistake.
_SURELY_ALIKE = 0.85
# HU; a copy that was moved differs by 0.3 for having been interpolated, two phases by 49 and more.
_SAME_BELOW_HU = 2.0
# Breathing stretches the body as a whole by less than a tenth; a wrong voxel size by more.
_IMPLAUSIBLE_STRETCH = 0.15
# Parts of the body; on phantoms and real pairs nothing folds.
_MOST_FOLDING, _BROKEN_FOLDING = 0.0005, 0.01
# Standard deviation of the log-Jacobian: 0.08 to 0.15 on 50 phantoms, 0.05 to 0.16 on 16 pairs of
# real phases.
_MOST_SQUEEZING = 0.4
_LEAST_LESION_MM, _MOST_LESION_CHANGE = 10.0, 0.25
_AXES = ("from side to side", "from front to back", "from head to feet")

# Where the moving scan ends within the liver, nothing tells how the rest moved. Of phantoms that
# were not cut it shows 86 % and more; of those cut in half two of 20 failed, with 30 and 66 %.
_LEAST_SHOWN = 0.83
# Where its end is not seen, half a liver is still missing, or S has missed it.
_LEAST_FOUND = 0.5
# Of scans that show no liver S takes a little for one; docs/benchmark.md has the figures.
_LEAST_LIVER_ML = 35.0

# Below these volumes S has seen a part of the organ, or something else that looks like it.
_LEAST_JUDGING_ML = {"liver": 400.0, "spleen": 60.0, "right_kidney": 60.0, "left_kidney": 60.0}
_LEAST_DICE, _FAILED_LIVER_DICE = 0.75, 0.6
_MOST_ORGAN_CHANGE = 0.3
_TITLES = {label.name: label.title.lower() for label in LABELS}


def judge(metrics: Metrics) -> Verdict:
    """GOOD, DOUBTFUL or FAILED, with every reason that speaks against GOOD.

    FAILED means: expect more than 5 mm mean error in the liver. A wrong voxel size that the linear
    part corrects speaks against none of this, nor does one scan given twice, but both are told.
    """
    failures: list[str] = []
    doubts: list[str] = []
    _judge_images(metrics, failures, doubts)
    _judge_deformation(metrics, failures, doubts)
    labels_count = metrics.similarity_after < _SURELY_ALIKE
    _judge_view(metrics.organs, doubts, told_by_organs=labels_count)
    if labels_count:
        for organ in metrics.organs:
            _judge_organ(organ, failures, doubts)
    level = VerdictLevel.GOOD
    if failures or doubts:
        level = VerdictLevel.FAILED if failures else VerdictLevel.DOUBTFUL
    remarks = [
        f"the alignment found that {length}; check both scans' voxel sizes"
        for length in _implausible_lengths(metrics.linear_stretch)
    ]
    difference = metrics.difference_before_hu
    if difference is not None and difference < _SAME_BELOW_HU:
        remarks.append("both scans are the same image; check that the right ones were chosen")
    return Verdict(level, tuple(failures + doubts + remarks))


def _judge_images(metrics: Metrics, failures: list[str], doubts: list[str]) -> None:
    shared = metrics.shared_fraction
    if shared < _LEAST_SHARED:
        reasons = failures if shared < _LEAST_SHARED_AT_ALL else doubts
        reasons.append(f"the scans share only {shared:.0%} of the smaller body")
    before, after = metrics.similarity_before, metrics.similarity_after
    if after < _DOUBTFUL_BELOW:
        reasons = failures if after < _FAILED_BELOW else doubts
        reasons.append(f"the registered scans look little alike (local correlation {after:.2f})")
    if metrics.deformation.max_mm == 0 and before < _ALIKE_AS_THEY_ARE:
        doubts.append("no deformation made the scans look more alike than the rigid alignment")


def _judge_view(organs: Sequence[OrganFigures], doubts: list[str], *, told_by_organs: bool) -> None:
    liver = next((organ for organ in organs if organ.name == "liver"), None)
    fixed_ml, moving_ml = (liver.fixed_volume_ml, liver.moving_volume_ml) if liver else (0.0, 0.0)
    absent = ["fixed"] if fixed_ml < _LEAST_LIVER_ML else []
    # Of a whole liver of the fixed scan it is told how much the moving one shows.
    told = told_by_organs and fixed_ml >= _LEAST_JUDGING_ML["liver"]
    if moving_ml < _LEAST_LIVER_ML and not told:
        absent.append("moving")
    if absent:
        doubts.append(
            f"hardly any liver is found in the {' and the '.join(absent)} scan, so how well the "
            "liver is registered cannot be judged"
        )


def _judge_deformation(metrics: Metrics, failures: list[str], doubts: list[str]) -> None:
    folding = metrics.deformation.folding_fraction
    if folding > _MOST_FOLDING:
        reasons = failures if folding > _BROKEN_FOLDING else doubts
        reasons.append(f"the deformation folds in {folding:.2%} of the body")
    if metrics.deformation.log_jacobian_sd > _MOST_SQUEEZING:
        doubts.append("the deformation squeezes and stretches tissue implausibly")
    for length in _implausible_lengths(metrics.deformation.stretch):
        doubts.append(f"{length}; check both scans' voxel sizes")
    for lesion in metrics.lesions:
        change = lesion.volume_change
        if change is None or lesion.diameter_mm < _LEAST_LESION_MM:
            continue
        if abs(change) > _MOST_LESION_CHANGE:
            doubts.append(
                f"a lesion of {lesion.diameter_mm:.0f} mm changes its volume by {change:+.0%}"
            )


def _implausible_lengths(stretches: tuple[float, float, float]) -> list[str]:
    return [
        f"the body is {abs(stretch):.0%} {'longer' if stretch > 0 else 'shorter'} {axis} in the "
        "moving scan"
        for axis, stretch in zip(_AXES, stretches, strict=True)
        if abs(stretch) > _IMPLAUSIBLE_STRETCH
    ]


def _judge_organ(organ: OrganFigures, failures: list[str], doubts: list[str]) -> None:
    least_ml = _LEAST_JUDGING_ML.get(organ.name)
    if least_ml is None or organ.fixed_volume_ml < least_ml:
        return
    shown = organ.moving_volume_ml / organ.fixed_volume_ml
    cut = organ.cut_by_field_of_view
    if organ.name == "liver" and shown < (_LEAST_SHOWN if cut else _LEAST_FOUND):
        doubts.append(f"only {shown:.0%} of the fixed scan's liver is found in the moving scan")
    if organ.moving_volume_ml < least_ml:
        return
    if organ.name != "liver" and cut:
        return
    title, dice = _TITLES[organ.name], organ.dice_after
    if dice is not None and dice < _LEAST_DICE * _reachable_dice(organ):
        reasons = failures if organ.name == "liver" and dice < _FAILED_LIVER_DICE else doubts
        reasons.append(f"the {title} of the two scans does not match well (Dice {dice:.2f})")
    if organ.volume_change is not None and abs(organ.volume_change) > _MOST_ORGAN_CHANGE:
        doubts.append(f"the {title} changes its volume by {organ.volume_change:+.0%}")


def _reachable_dice(organ: OrganFigures) -> float:
    """The Dice of two masks of these volumes, the smaller one wholly inside the larger.

    S often finds much more of a kidney or a spleen on one scan than on the other, and no
    registration can match that. Of the liver it finds most, and missing parts are a trouble.
    """
    if organ.name == "liver":
        return 1.0
    volumes = organ.fixed_volume_ml, organ.moving_volume_ml
    return 2 * min(volumes) / sum(volumes)
