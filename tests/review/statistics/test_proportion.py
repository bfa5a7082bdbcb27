"""Expected: the exact limits the practice reference gives for the series, those of statsmodels, the closed forms at 0
and n events, and a coverage of the exact interval that is never below its level (computed, not simulated)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from statsmodels.stats.proportion import proportion_confint

from vertherm.core.errors import InputError
from vertherm.review.statistics.proportion import proportion


@pytest.mark.parametrize(
    ("events", "n", "low", "high"),
    [(59, 61, 88.65, 99.60), (2, 102, 0.24, 6.90), (2, 69, 0.35, 10.08), (8, 69, 5.14, 21.57)],
)
def test_exact_limits_of_the_series(events, n, low, high):
    found = proportion(events, n)
    assert (round(100 * found.low, 2), round(100 * found.high, 2)) == (low, high)
    assert found.estimate == events / n


def test_wilson_limits_of_the_series():
    assert [round(100 * x, 2) for x in (proportion(59, 61).wilson_low, proportion(59, 61).wilson_high)] == [88.81, 99.1]
    assert [round(100 * x, 2) for x in (proportion(2, 102).wilson_low, proportion(2, 102).wilson_high)] == [0.54, 6.87]


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("events", "n"), [(0, 7), (1, 7), (7, 7), (23, 115), (40_000, 100_000)])
def test_second_libraries(events, n, level):
    found = proportion(events, n, level)
    assert (found.low, found.high) == pytest.approx(proportion_confint(events, n, 1 - level, "beta"), abs=1e-12)
    exact = binomtest(events, n).proportion_ci(level, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-9)
    wilson = proportion_confint(events, n, 1 - level, "wilson")
    assert (found.wilson_low, found.wilson_high) == pytest.approx(wilson, abs=1e-12)


def test_no_event_and_only_events_in_closed_form():
    assert proportion(0, 30).low == 0.0
    assert proportion(0, 30).high == pytest.approx(1 - 0.025 ** (1 / 30), rel=1e-12)
    assert proportion(30, 30).low == pytest.approx(0.025 ** (1 / 30), rel=1e-12)
    assert (proportion(30, 30).high, proportion(30, 30).wilson_high, proportion(0, 30).wilson_low) == (1.0, 1.0, 0.0)


def test_coverage_never_falls_below_the_level():
    n = 25
    limits = [proportion(k, n) for k in range(n + 1)]
    for p in np.linspace(0.01, 0.99, 99):
        inside = [k for k, one in enumerate(limits) if one.low <= p <= one.high]
        assert binom.pmf(inside, n, p).sum() >= 0.95


def test_nobody_gives_nan_and_impossible_counts_are_refused():
    assert all(math.isnan(x) for x in (proportion(0, 0).estimate, proportion(0, 0).low, proportion(0, 0).wilson_high))
    for events, n in ((3, 2), (-1, 2), (1.5, 2)):
        with pytest.raises(InputError, match="no proportion"):
            proportion(events, n)
    with pytest.raises(InputError, match="confidence level"):
        proportion(1, 2, 95)
