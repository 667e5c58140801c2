"""Summaries of figures over cases, and paired tests between two results."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Row = dict[str, float | None]
"""Figures by name; the name ends with the unit. ``None``: does not exist for this pair."""

_EXACT_UP_TO = 25


@dataclass(frozen=True)
class FigureSummary:
    """One figure over the cases that have it; ``sd`` is the sample's, zero for one case."""

    count: int
    mean: float
    sd: float
    median: float


@dataclass(frozen=True)
class PairedTest:
    """Two results on the same cases: second minus first, and Wilcoxon's two-sided p value."""

    count: int
    mean_difference: float
    median_difference: float
    p_value: float


def summarize(values: Iterable[float | None]) -> FigureSummary | None:
    """Mean, standard deviation and median of what is there; ``None`` if nothing is."""
    present = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(present):
        return None
    return FigureSummary(
        count=len(present),
        mean=float(present.mean()),
        sd=float(present.std(ddof=1)) if len(present) > 1 else 0.0,
        median=float(np.median(present)),
    )


def figure_names(rows: Iterable[Row]) -> list[str]:
    """The figures of any of the rows, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def compare(first: Mapping[str, Row], second: Mapping[str, Row], figure: str) -> PairedTest | None:
    """Paired comparison of one figure over the cases (keys) that both results have.

    ``None`` if they share none.
    """
    differences = []
    for case, row in first.items():
        before, after = row.get(figure), second.get(case, {}).get(figure)
        if before is not None and after is not None:
            differences.append(after - before)
    if not differences:
        return None
    return PairedTest(
        count=len(differences),
        mean_difference=float(np.mean(differences)),
        median_difference=float(np.median(differences)),
        p_value=wilcoxon_signed_rank(differences),
    )


def wilcoxon_signed_rank(differences: Sequence[float]) -> float:
    """Two-sided p value of Wilcoxon's signed-rank test; differences of zero are left out.

    Exact up to 25 differences without ties, beyond that the normal approximation with the tie
    correction. Wilcoxon, Biometrics Bulletin 1945.
    """
    values = np.array([d for d in differences if d != 0.0], dtype=np.float64)
    if not len(values):
        return 1.0
    ranks, tie_sizes = _ranks(np.abs(values))
    statistic = min(float(ranks[values > 0].sum()), float(ranks[values < 0].sum()))
    count = len(values)
    if count <= _EXACT_UP_TO and len(tie_sizes) == count:
        return min(1.0, 2.0 * _exact_tail(round(statistic), count))
    variance = (
        count * (count + 1) * (2 * count + 1) / 24 - float((tie_sizes**3 - tie_sizes).sum()) / 48
    )
    deviation = abs(statistic - count * (count + 1) / 4)
    return math.erfc(deviation / math.sqrt(2.0 * variance))


def _ranks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average ranks from 1, and how many values share each."""
    _, where, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    return (last - (sizes - 1) / 2)[where], sizes


def _exact_tail(statistic: int, count: int) -> float:
    """Probability that the rank sum of a random half of the signs is at most ``statistic``."""
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, count + 1):
        ways[rank:] = ways[rank:] + ways[:-rank]
    return float(ways[: statistic + 1].sum() / 2.0**count)
