"""Expected: after - before (a fall of pain is negative); the Hodges-Lehmann interval as listed Walsh averages give it;
a coverage near its level for continuous differences and not below it for scores; ties that binary fractions cannot
break."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp, wilcoxon

from vertherm.core.errors import InputError
from vertherm.review.statistics.paired import differences, hodges_lehmann, paired_change


def test_a_fall_is_negative_and_pairs_are_complete():
    found = paired_change([7, 8, 6, np.nan, 9], [2, 3, np.nan, 1, 4])
    assert (found.n, found.mean, found.median, found.hl.estimate) == (3, -5.0, -5.0, -5.0)


def test_mean_and_t_interval_equal_scipy():
    rng = np.random.default_rng(5)
    before, after = rng.normal(7, 1, 40), rng.normal(3, 2, 40)
    found, other = paired_change(before, after, 0.9), ttest_1samp(after - before, 0).confidence_interval(0.9)
    assert (found.mean_low, found.mean_high) == pytest.approx((other.low, other.high), rel=1e-9)
    assert found.sd == pytest.approx(np.std(after - before, ddof=1))


def test_a_shift_moves_everything_and_a_turn_mirrors_it():
    d = np.random.default_rng(6).normal(size=33)
    one, moved, turned = hodges_lehmann(d), hodges_lehmann(d + 2), hodges_lehmann(-d)
    assert [moved.estimate, moved.low, moved.high] == pytest.approx([one.estimate + 2, one.low + 2, one.high + 2])
    assert [turned.estimate, turned.low, turned.high] == pytest.approx([-one.estimate, -one.high, -one.low])


def test_interval_of_ten_differences_by_hand():
    # n = 10: 55 averages, the table's critical value is 8, so the limits are the 9th from either end.
    d = np.array([-4.0, -1.1, 0.3, 0.9, 1.7, 2.2, 3.1, 4.6, 5.8, 7.3])
    row, column = np.triu_indices(10)
    averages = np.sort((d[row] + d[column]) / 2)
    found = hodges_lehmann(d)
    assert (found.low, found.high, found.estimate) == (averages[8], averages[-9], averages[27])
    assert found.method == "exact signed-rank quantiles"
    assert found.coverage == pytest.approx(0.951, abs=5e-4)


def test_interval_is_the_tests_inversion():
    """Shifts inside the exact interval are not rejected, shifts outside are."""
    d = np.random.default_rng(7).normal(1, 2, 25)
    found = hodges_lehmann(d)
    for inside, shift in (
        (True, found.low + 1e-9),
        (True, found.high - 1e-9),
        (False, found.low - 1e-9),
        (False, found.high + 1e-9),
    ):
        assert (wilcoxon(d - shift, method="exact").pvalue > 0.05) is np.bool_(inside)


@pytest.mark.parametrize(("n", "kind"), [(12, "exact"), (69, "normal"), (69, "scores")])
def test_coverage(n, kind):
    rng, hits, rounds = np.random.default_rng(n), 0, 600
    for _ in range(rounds):
        d = rng.normal(0, 2, n)
        d = np.round(d) if kind == "scores" else d
        found = hodges_lehmann(d)
        hits += found.low <= 0 <= found.high
    low = 0.93 if kind != "scores" else 0.95
    assert low <= hits / rounds <= (0.975 if kind != "scores" else 1.0)


def test_too_few_differences_have_no_interval():
    found = hodges_lehmann([1.0, 2.5, 4.0, 5.5, 7.25])
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert "do not reach 95%" in found.method
    assert hodges_lehmann([1.0, 2.5, 4.0, 5.5, 7.25], 0.9).low == 1.0


def test_binary_fractions_break_neither_ties_nor_zeros():
    before, after = np.array([0.3, 0.7, 0.9, 6.7, 0.1, 1.1]), np.array([0.1, 0.5, 0.7, 6.5, 0.3, 1.1])
    assert differences(before, after).tolist() == [-0.2, -0.2, -0.2, -0.2, 0.2, 0.0]
    found = paired_change(before, after)
    # Five ties with mid-rank 4 (ranks 2 to 6): one of five has the other sign.
    assert (found.zeros, found.statistic) == (1, 4.0)
    assert found.p == pytest.approx(2 * (1 + 5) / 32)


def test_little_and_no_data():
    none, one = paired_change([np.nan], [1.0]), paired_change([5.0], [3.0])
    assert none.n == 0
    assert all(math.isnan(x) for x in (none.mean, none.median, none.hl.estimate, none.p))
    assert (one.n, one.mean, one.hl.estimate, one.p) == (1, -2.0, -2.0, 1.0)
    assert math.isnan(one.sd)
    assert math.isnan(one.mean_low)
    assert paired_change([0.0, 0.0], [0.0, 0.0]).zeros == 2


def test_columns_of_different_length_are_refused():
    with pytest.raises(InputError, match="differ in length"):
        paired_change([1.0, 2.0], [1.0])


def test_methods_name_what_ran():
    rng = np.random.default_rng(8)
    few, many = rng.integers(0, 10, (2, 20)), rng.integers(0, 10, (2, 80))
    assert paired_change(*few).methods == ("signed_rank_exact", "hodges_lehmann", "mean_change")
    assert paired_change(*many).methods[0] == "signed_rank_normal"


def test_ten_thousand_patients():
    rng = np.random.default_rng(9)
    found = paired_change(rng.integers(40, 101, 10_000) / 10, rng.integers(0, 60, 10_000) / 10)
    assert found.hl.low <= found.hl.estimate <= found.hl.high
    assert found.hl.estimate == pytest.approx(-4.05, abs=0.1)
