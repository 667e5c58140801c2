"""Summaries and paired tests against scipy and values worked out by hand."""

import numpy as np
import pytest

from jssr.evaluation.statistics import compare, figure_names, summarize, wilcoxon_signed_rank


def test_summary_leaves_out_what_is_missing():
    summary = summarize([1.0, None, 3.0, 8.0])
    assert (summary.count, summary.mean, summary.median) == (3, 4.0, 3.0)
    assert summary.sd == pytest.approx(np.std([1, 3, 8], ddof=1))
    assert summarize([None]) is None
    assert summarize([2.0]).sd == 0.0


@pytest.mark.parametrize("count", [5, 12, 25])
def test_small_samples_equal_scipys_exact_test(count):
    from scipy.stats import wilcoxon

    differences = np.random.default_rng(count).normal(0.4, 1.0, count)
    expected = wilcoxon(differences, method="exact").pvalue
    assert wilcoxon_signed_rank(differences.tolist()) == pytest.approx(expected, rel=1e-9)


def test_large_samples_with_ties_equal_scipys_approximation():
    from scipy.stats import wilcoxon

    differences = np.random.default_rng(1).normal(0.3, 1.0, 60).round(1)
    expected = wilcoxon(differences, zero_method="wilcox", method="asymptotic").pvalue
    assert wilcoxon_signed_rank(differences.tolist()) == pytest.approx(expected, rel=1e-9)


def test_equal_results_do_not_differ():
    assert wilcoxon_signed_rank([0.0, 0.0]) == 1.0


def test_comparison_pairs_by_case():
    first = {"a": {"x_mm": 1.0}, "b": {"x_mm": 2.0}, "c": {"x_mm": None}}
    second = {"b": {"x_mm": 5.0}, "a": {"x_mm": 2.0}, "d": {"x_mm": 9.0}}
    test = compare(first, second, "x_mm")
    assert (test.count, test.mean_difference) == (2, 2.0)
    assert test.p_value == pytest.approx(0.5)
    assert compare(first, second, "y_mm") is None


def test_figure_names_keep_their_order():
    assert figure_names([{"b": 1.0}, {"a": 1.0, "b": 2.0}]) == ["b", "a"]
