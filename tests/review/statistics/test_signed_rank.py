"""Expected: the p-values of scipy where scipy is exact (no ties, or all sign patterns up to 13 differences) and where
it is normal; the count of all sign patterns by hand for small samples with ties and zeros; Pratt's zeros, not
Wilcoxon's."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import rankdata, wilcoxon

from vertherm.review.statistics.signed_rank import exact_limit, normal_limit, null_distribution, signed_rank_test


def brute_force(d):
    """Two-sided p by listing every sign pattern of the differences other than zero, ranks taken with the zeros."""
    ranks = rankdata(np.abs(d))
    plus, minus = ranks[d > 0].sum(), ranks[d < 0].sum()
    own = ranks[d != 0]
    sums = [
        sum(r for r, sign in zip(own, signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=own.size)
    ]
    return min(1.0, 2 * np.mean(np.array(sums) <= min(plus, minus) + 1e-9))


@pytest.mark.parametrize("seed", range(8))
def test_every_sign_pattern_counted(seed):
    d = np.random.default_rng(seed).integers(-3, 5, 11).astype(float)
    assert signed_rank_test(d).p == pytest.approx(brute_force(d), rel=1e-12)
    assert signed_rank_test(d).exact


@pytest.mark.parametrize("n", [4, 20, 50])
def test_exact_equals_scipy_without_ties(n):
    d = np.random.default_rng(n).normal(0.3, 1, n)
    other = wilcoxon(d, zero_method="pratt", method="exact")
    assert (signed_rank_test(d).statistic, signed_rank_test(d).p) == pytest.approx((other.statistic, other.pvalue))


def test_exact_equals_scipy_with_ties_and_zeros():
    d = np.array([0, 0, 1, 1, 2, -1, 3, 3, -2, 4, 5, 5.0])
    other = wilcoxon(d, zero_method="pratt")  # scipy permutes all signs up to 13 differences
    assert (signed_rank_test(d).statistic, signed_rank_test(d).p) == pytest.approx((other.statistic, other.pvalue))


@pytest.mark.parametrize("n", [51, 400])
def test_normal_equals_scipy_with_ties_and_zeros(n):
    d = np.random.default_rng(n).integers(-6, 5, n).astype(float)
    found, other = signed_rank_test(d), wilcoxon(d, zero_method="pratt", method="asymptotic", correction=False)
    assert (found.statistic, found.p) == pytest.approx((other.statistic, other.pvalue), rel=1e-12)
    assert "normal approximation" in found.method
    assert found.zeros == (d == 0).sum() > 0


def test_zeros_push_the_ranks_up():
    # |d| = 0, 0, 1, 2, 3: Pratt's ranks of the rest are 3, 4, 5; dropping zeros first would give 1, 2, 3.
    found = signed_rank_test(np.array([0.0, 0.0, -1.0, 2.0, 3.0]))
    assert (found.statistic, found.zeros, found.n) == (3.0, 2, 5)
    assert found.p == pytest.approx(2 * 2 / 8)  # sums 0 and 3 of 0, 3, 4, 5, 7, 8, 9, 12


def test_nothing_to_test():
    for d in (np.zeros(0), np.zeros(6)):
        assert math.isnan(signed_rank_test(d).p)
        assert signed_rank_test(d).method.startswith("not tested")


def test_null_distribution_is_a_distribution_and_symmetric():
    found = null_distribution(np.arange(1, 51))
    assert found.sum() == pytest.approx(1.0, abs=1e-14)
    assert found == pytest.approx(found[::-1], abs=1e-18)


def test_positions_of_the_limits():
    # Published tables: two-sided 5 % critical values 0 (n = 6), 8 (n = 10), 52 (n = 20); the limit is one further.
    assert [exact_limit(n, 0.95)[0] for n in (5, 6, 10, 20)] == [0, 1, 9, 53]
    assert exact_limit(6, 0.95)[1] == pytest.approx(1 - 2 / 64)
    # The normal positions are within one of the exact ones and, rounded outwards, not above by more than rounding.
    assert all(abs(normal_limit(n, 0.95) - exact_limit(n, 0.95)[0]) <= 1 for n in range(6, 51))
