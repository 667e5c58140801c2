"""The benchmark's page counts what it was made of."""

import pytest

from jssr.evaluation.benchmark_page import benchmark_page
from jssr.evaluation.outcome import OK, MethodOutcome


@pytest.mark.parametrize(
    ("cases", "threads", "told"),
    [
        (["a"], 1, "cohort: 1 pair, 1 thread for each method"),
        (["a", "b"], 2, "cohort: 2 pairs, 2 threads for each method"),
    ],
)
def test_pairs_and_threads_are_counted(cases: list[str], threads: int, told: str) -> None:
    outcomes = [
        MethodOutcome(method, case, OK, figures={"error_body_mm": 1.0, "wall_s": 2.0})
        for case in cases
        for method in ("jssr", "identity")
    ]
    assert told in benchmark_page(outcomes, threads, "cohort")
