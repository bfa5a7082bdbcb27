"""Expected: the binomial variance when every patient has one lesion; statsmodels' GEE (independence, logit) otherwise,
up to the factor G/(G - 1); limits near their level where lesions of a patient are alike, which the exact interval
misses; "not estimable" for the two events of the series; the same bootstrap whatever the order of the rows."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit
from scipy.stats import t

from vertherm.core.errors import InputError
from vertherm.review.statistics.clustered import ClusteredProportion, clustered_proportion
from vertherm.review.statistics.proportion import proportion
from vertherm.review.statistics.result import NotEstimable


def lesions(patients, seed, spread=1.0):
    """Lesions whose patients differ in risk on the logit scale."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 5, patients)
    risk = expit(-1.0 + spread * rng.normal(size=patients))
    cluster = np.repeat(np.arange(patients), size)
    return rng.random(cluster.size) < risk[cluster], cluster


def test_equals_gee_with_independence():
    event, cluster = lesions(80, 1)
    found = clustered_proportion(event, cluster)
    fit = sm.GEE(event.astype(float), np.ones((event.size, 1)), groups=cluster, family=sm.families.Binomial()).fit(
        cov_type="robust", ctol=1e-12
    )
    half = t.ppf(0.975, 79) * fit.bse[0] * np.sqrt(80 / 79)
    assert found.estimate == pytest.approx(float(expit(fit.params[0])), rel=1e-9)
    limits = expit(fit.params[0] + np.array([-half, half]))
    assert (found.low, found.high) == pytest.approx(tuple(limits), rel=1e-7)


def test_one_lesion_a_patient_is_binomial():
    event = np.arange(60) < 18
    found = clustered_proportion(event, np.arange(60))
    assert found.design_effect == pytest.approx(60 / 59)
    assert (found.events, found.n, found.clusters, found.estimate) == (18, 60, 60, 0.3)


def test_lesions_that_repeat_their_patient_count_once():
    """Three copies of each lesion: the limits stay those of the patients, the exact interval of lesions shrinks."""
    event = np.arange(60) < 18
    once, thrice = (clustered_proportion(np.tile(event, k), np.tile(np.arange(60), k)) for k in (1, 3))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high), rel=1e-12)
    assert thrice.design_effect == pytest.approx(3 * once.design_effect)
    naive = proportion(54, 180)
    assert naive.high - naive.low < 0.65 * (thrice.high - thrice.low)


def test_coverage_with_alike_lesions():
    truth = float(np.mean(expit(-1.0 + 2.0 * np.random.default_rng(0).normal(size=400_000))))
    hits = boots = naive = 0
    for seed in range(300):
        event, cluster = lesions(69, seed, spread=2.0)
        found = clustered_proportion(event, cluster)
        hits += found.low <= truth <= found.high
        boots += found.bootstrap_low <= truth <= found.bootstrap_high
        exact = proportion(int(event.sum()), event.size)
        naive += exact.low <= truth <= exact.high
    assert 0.92 <= hits / 300 <= 0.98
    assert boots / 300 >= 0.90
    assert naive < hits


def test_bootstrap_is_deterministic_and_agrees_with_drawing_patients():
    event, cluster = lesions(50, 3)
    order = np.random.default_rng(4).permutation(event.size)
    found, shuffled = clustered_proportion(event, cluster), clustered_proportion(event[order], cluster[order])
    assert found == shuffled
    assert clustered_proportion(event, cluster, seed=1).bootstrap_low != found.bootstrap_low
    rng, units, events = np.random.default_rng(5), np.bincount(cluster), np.bincount(cluster, weights=event)
    draws = rng.integers(0, 50, (20_000, 50))
    shares = events[draws].sum(axis=1) / units[draws].sum(axis=1)
    assert (found.bootstrap_low, found.bootstrap_high) == pytest.approx(
        tuple(np.quantile(shares, [0.025, 0.975])), abs=0.012
    )


def test_the_series_two_events_are_not_estimable():
    cluster = np.concatenate((np.arange(69), np.arange(33)))
    found = clustered_proportion(np.isin(np.arange(102), (3, 40)), cluster)
    assert isinstance(found, NotEstimable)
    assert "2 patients with an event" in found.reason


def test_rules_and_bad_input():
    event, cluster = lesions(19, 6)
    assert isinstance(clustered_proportion(event, cluster), NotEstimable)
    assert isinstance(clustered_proportion(np.ones(60), np.arange(60)), NotEstimable)
    assert isinstance(clustered_proportion([], []), NotEstimable)
    with pytest.raises(InputError, match="neither 0 nor 1"):
        clustered_proportion([0.0, 2.0], [1, 2])
    with pytest.raises(InputError, match="label is missing"):
        clustered_proportion([0.0, 1.0], np.array(["a", None], dtype=object))


def test_unknown_events_are_left_out():
    event, cluster = lesions(40, 7)
    more = np.concatenate((event.astype(float), [np.nan, np.nan]))
    assert clustered_proportion(more, np.concatenate((cluster, [0, 99]))) == clustered_proportion(event, cluster)


def test_a_hundred_thousand_patients():
    event, cluster = lesions(100_000, 8)
    found = clustered_proportion(event, cluster)
    assert isinstance(found, ClusteredProportion)
    assert found.high - found.low == pytest.approx(found.bootstrap_high - found.bootstrap_low, rel=0.05)
