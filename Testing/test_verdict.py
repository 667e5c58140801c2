"""The verdict of the shipped model on seeds and on kinds of failure it was not calibrated on."""

from pathlib import Path

import pytest

from jssr.bundle.load import load_bundle
from jssr.evaluation.open_cohort import open_cohort
from jssr.evaluation.verdicts import judged_pairs, summary
from jssr.registration.result import Refine

SEEDS = "phantoms:3100-3104"
KINDS = ("shuffled slices", "huge offset", "wrong spacing")


@pytest.mark.slow
def test_provoked_failures_are_told_and_good_registrations_trusted(tmp_path: Path) -> None:
    cases = open_cohort(SEEDS, tmp_path, progress=lambda step, done: None)
    judged = list(judged_pairs(cases, KINDS, load_bundle(), Refine.FAST))
    figures = summary(judged)
    assert figures["failures"] >= 5 and figures["good"] >= 5
    assert figures["failures_told_percent"] >= 95.0, judged
    assert figures["good_doubted_percent"] <= 5.0, judged
