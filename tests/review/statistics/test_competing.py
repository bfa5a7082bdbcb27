"""Expected: an example worked by hand; the observed share and its binomial variance when nobody is censored;
Kaplan-Meier and Greenwood when nothing competes; lifelines (no ties) and statsmodels (ties too) to 14 digits;
comprisk's estimate."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

from vertherm.core.errors import InputError
from vertherm.review.statistics.competing import aalen_johansen


def simulated(n, seed, ties):
    rng = np.random.default_rng(seed)
    clocks = np.column_stack((rng.exponential(15, n), rng.exponential(10, n), rng.exponential(12, n)))
    event, time = clocks.argmin(axis=1), clocks.min(axis=1)
    return (np.ceil(time / 2) if ties else time), event


def test_worked_by_hand():
    # At risk 6, 5, 3, 2, 1. F: 1/6; + 5/6 x 1/5 = 1/3; S falls to 1/2; + 1/2 x 1/2 = 7/12.
    found = aalen_johansen([1, 2, 2, 3, 4, 5], [1, 2, 1, 0, 1, 0])
    assert found.time.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.estimate == pytest.approx([0, 1 / 6, 1 / 3, 1 / 3, 7 / 12, 7 / 12])
    assert found.at_risk.tolist() == [6, 6, 5, 3, 2, 1]
    assert (found.n, found.events, found.competing, found.censored) == (6, 3, 1, 2)
    # Variance at 4: sum over 1, 2, 4 of S^2/n x variance of (share with event - later chance x share with any).
    later = [(7 / 12 - 1 / 6) / (5 / 6), (7 / 12 - 1 / 3) / (1 / 2)]
    parts = [
        1 / 6 * (1 / 6 * 5 / 6) * (1 - later[0]) ** 2,
        (5 / 6) ** 2 / 5 * (1 / 5 * 4 / 5 + later[1] ** 2 * (2 / 5 * 3 / 5) - 2 * later[1] * (1 / 5 * 3 / 5)),
        (1 / 2) ** 2 / 2 * (1 / 2 * 1 / 2),
    ]
    assert found.se[4] ** 2 == pytest.approx(sum(parts))


def test_events_come_before_censoring_on_the_same_day():
    assert aalen_johansen([1, 1, 2], [0, 1, 1]).estimate == pytest.approx([0, 1 / 3, 1])
    assert aalen_johansen([1, 1, 2], [1, 0, 1]).estimate == pytest.approx([0, 1 / 3, 1])


def test_nobody_censored_is_the_observed_share():
    time, event = simulated(90, 1, ties=True)
    event = np.where(event == 0, 2, event)
    found = aalen_johansen(time, event)
    shares = np.array([np.mean((time <= t) & (event == 1)) for t in found.time])
    assert found.estimate == pytest.approx(shares, abs=1e-14)
    assert found.se**2 == pytest.approx(shares * (1 - shares) / 90, abs=1e-15)


def test_nothing_competes_is_kaplan_meier():
    time, event = simulated(80, 2, ties=True)
    event = np.where(event == 2, 0, event)
    found, other = aalen_johansen(time, event), SurvfuncRight(time, event)
    place = np.searchsorted(found.time, other.surv_times)
    assert found.estimate[place] == pytest.approx(1 - other.surv_prob, abs=1e-14)
    defined = other.surv_prob > 0
    assert found.se[place][defined] == pytest.approx(other.surv_prob_se[defined], abs=1e-14)


@pytest.mark.parametrize("ties", [False, True])
def test_equals_statsmodels(ties):
    time, event = simulated(150, 3, ties)
    with np.errstate(divide="ignore", invalid="ignore"):  # statsmodels divides by zero at the last time
        found, other = aalen_johansen(time, event), CumIncidenceRight(time, event)
    assert found.estimate[1:] == pytest.approx(other.cinc[0], abs=1e-14)
    assert found.se[1:-1] == pytest.approx(other.cinc_se[0][:-1], abs=1e-14)


def test_equals_lifelines():
    import lifelines

    time, event = simulated(150, 4, ties=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = lifelines.AalenJohansenFitter().fit(time, event, event_of_interest=1)
    found = aalen_johansen(time, event)
    assert found.estimate == pytest.approx(other.cumulative_density_.to_numpy().ravel(), abs=1e-13)
    limits = other.confidence_interval_.to_numpy()
    known = ~np.isnan(found.low)
    assert np.sort(limits[known]) == pytest.approx(np.column_stack((found.low, found.high))[known], abs=1e-11)


@pytest.mark.parametrize("ties", [False, True])
def test_estimate_equals_comprisk(ties):
    import comprisk

    time, event = simulated(150, 5, ties)
    found = aalen_johansen(time, event)
    other, _ = comprisk.CumulativeIncidence().fit(time, event).timepoints(found.time)
    assert found.estimate == pytest.approx(other[0], abs=1e-14)


def test_limits_on_the_log_log_scale():
    found = aalen_johansen(*simulated(100, 6, ties=True))
    F, low, high = found.at(6)
    se = found.se[np.searchsorted(found.time, 6)]
    half = 1.959963984540054 * se / (F * math.log(F))
    back = sorted(math.exp(-math.exp(math.log(-math.log(F)) + side * half)) for side in (-1, 1))
    assert [low, high] == pytest.approx(back)
    assert 0 < low < F < high < 1


def test_coverage_of_the_limits():
    hits, truth = 0, (1 / 10) / (1 / 10 + 1 / 12) * (1 - math.exp(-6 * (1 / 10 + 1 / 12)))
    for seed in range(400):
        _, low, high = aalen_johansen(*simulated(100, 100 + seed, ties=False)).at(6)
        hits += low <= truth <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_reading_the_curve():
    found = aalen_johansen([2, 4, 6, 6], [1, 0, 2, 0])
    assert found.at(0)[0] == found.at(1.99)[0] == 0.0
    assert found.at(2)[0] == found.at(6)[0] == 0.25
    assert all(math.isnan(x) for x in found.at(6.01))
    assert found.number_at_risk([0, 2, 2.5, 6, 7]).tolist() == [4, 4, 3, 2, 0]
    with pytest.raises(InputError, match="no time"):
        found.at(-1)


def test_before_the_first_event_there_is_no_interval():
    found = aalen_johansen([1, 2, 3], [2, 0, 1])
    assert (found.at(2)[0], math.isnan(found.at(2)[1]), math.isnan(found.at(2)[2])) == (0.0, True, True)
    assert aalen_johansen([1, 2], [0, 2]).events == 0


def test_an_event_on_day_zero_counts():
    found = aalen_johansen([0, 3, 5], [1, 0, 2])
    assert found.time.tolist() == [0, 3, 5]
    assert found.at(0)[0] == pytest.approx(1 / 3)


@pytest.mark.parametrize(("time", "event"), [([-1.0], [1]), ([np.nan], [1]), ([1.0], [3]), ([1.0, 2.0], [1]), ([], [])])
def test_bad_input_is_refused(time, event):
    with pytest.raises(InputError):
        aalen_johansen(time, event)
