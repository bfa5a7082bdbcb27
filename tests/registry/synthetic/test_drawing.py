"""Samples meet their margins for sizes and margins other than those of the series, odd and even."""

from __future__ import annotations

import numpy as np
import pytest

from vertherm.registry.synthetic import drawing


@pytest.mark.parametrize("n", [20, 61, 102])
@pytest.mark.parametrize(("median", "sd"), [(7, 1.8), (2, 1.6), (5, 2.4)])
def test_scores_by_median(n: int, median: int, sd: float) -> None:
    for seed in range(10):
        values = drawing.scores_by_median(np.random.default_rng(seed), n, median=median, sd=sd, low=0, high=10)
        assert np.median(values) == median
        assert round(float(values.std(ddof=1)), 1) == sd
        assert values.min() >= 0
        assert values.max() <= 10


@pytest.mark.parametrize(("mean", "sd"), [(6.3, 2.0), (1.3, 0.8), (4.0, 1.1)])
def test_scores_by_mean(mean: float, sd: float) -> None:
    for seed in range(10):
        values = drawing.scores_by_mean(np.random.default_rng(seed), 60, mean=mean, sd=sd, low=0, high=10)
        assert round(float(values.mean()), 1) == mean
        assert round(float(values.std(ddof=1)), 1) == sd


@pytest.mark.parametrize("n", [51, 102])
def test_amounts_by_median(n: int) -> None:
    for seed in range(20):
        values = drawing.amounts_by_median(np.random.default_rng(seed), n, median=4.1, sd=1.6, least=0.9, digits=2)
        assert np.median(values) == 4.1
        assert round(float(values.std(ddof=1)), 1) == 1.6
        assert values.min() >= 0.9


def test_margins_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="no 10 scores"):
        drawing.scores_by_median(np.random.default_rng(0), 10, median=5, sd=9.0, low=0, high=10)


def test_ranking_keeps_the_values_and_follows_the_latent_order() -> None:
    latent = np.array([0.3, -1.0, 2.0, 0.1])
    assert drawing.ranked([4, 1, 3, 2], latent).tolist() == [3, 1, 4, 2]


def test_correlation_is_the_one_asked_for() -> None:
    base = np.random.default_rng(0).standard_normal(50_000)
    other = drawing.correlated(np.random.default_rng(1), base, 0.6)
    assert np.corrcoef(base, other)[0, 1] == pytest.approx(0.6, abs=0.02)
    assert other.std() == pytest.approx(1.0, abs=0.02)


def test_spread_keeps_total_and_limits() -> None:
    counts = drawing.spread(np.random.default_rng(0), 102, 69, most=4)
    assert counts.sum() == 102
    assert counts.min() >= 1
    assert counts.max() <= 4
