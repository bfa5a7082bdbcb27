"""Expected: without deaths the plain signed-rank test; each death as a worsening larger than any change (more deaths,
weaker evidence of improvement); the dead added to the denominator of responders."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import wilcoxon

from vertherm.core.errors import InputError
from vertherm.review.statistics.paired import paired_change
from vertherm.review.statistics.worst_rank import responder_sensitivity, worst_rank


def patients(seed=1, n=69):
    rng = np.random.default_rng(seed)
    before = rng.integers(5, 11, n).astype(float)
    return before, np.maximum(before - rng.integers(-1, 8, n), 0.0)


def test_without_deaths_it_is_the_plain_test():
    before, after = patients()
    found, plain = worst_rank(before, after, np.zeros(69)), paired_change(before, after)
    assert (found.p, found.statistic, found.hl, found.median) == (
        plain.p,
        plain.statistic,
        plain.hl.estimate,
        plain.median,
    )
    assert (found.n, found.deaths, found.missing) == (69, 0, 0)


def test_deaths_are_the_largest_worsenings():
    before, after = patients()
    died = np.arange(69) < 8
    found = worst_rank(before, after, died)
    imputed = np.where(died, 1000.0, after - before)
    assert found.p == pytest.approx(
        wilcoxon(imputed, zero_method="pratt", correction=False, method="asymptotic").pvalue
    )
    assert found.median == np.median(imputed)
    row, column = np.triu_indices(69)
    averages = (imputed[row] + imputed[column]) / 2
    assert found.hl == pytest.approx(np.median(averages))


def test_more_deaths_weaken_the_evidence():
    before, after = patients()
    p = [worst_rank(before, after, np.arange(69) < k).p for k in (0, 4, 8, 12)]
    assert p == sorted(p)
    assert p[-1] > 100 * p[0]


def test_who_is_alive_without_a_pair_is_left_out_and_the_dead_need_no_value():
    before, after = patients()
    died = np.arange(69) < 8
    after[died] = np.nan
    before[:2] = np.nan
    after[60:] = np.nan
    found = worst_rank(before, after, died)
    assert (found.n, found.deaths, found.missing) == (60, 8, 9)


def test_many_deaths_have_no_finite_middle():
    before, after = patients()
    found = worst_rank(before, after, np.arange(69) < 40)
    assert (found.median, found.hl) == (math.inf, math.inf)
    assert found.n == 69


def test_everybody_dead_and_nobody_at_all():
    everybody = worst_rank([5.0, 6.0], [np.nan, np.nan], [True, True])
    assert (everybody.n, everybody.median) == (2, math.inf)
    assert worst_rank([], [], []).n == 0


def test_responders_with_the_dead_as_non_responders():
    found = responder_sensitivity([1, 1, 0, np.nan, 1, np.nan], [0, 0, 0, 0, 1, 1])
    assert (found.observed.events, found.observed.n) == (2, 3)
    assert (found.with_deaths.events, found.with_deaths.n) == (2, 5)
    assert (found.deaths, found.missing) == (2, 1)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="neither yes nor no"):
        worst_rank([1.0], [1.0], [2])
    with pytest.raises(InputError, match="neither 0 nor 1"):
        responder_sensitivity([3.0], [0])
    with pytest.raises(InputError, match="differ in length"):
        worst_rank([1.0], [1.0, 2.0], [0, 0])
