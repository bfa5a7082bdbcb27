"""Expected: the very number that sorting all Walsh averages gives, at every rank, with and without ties, however early
or late the search lists its candidates; and 100 000 values in a time that excludes 5 000 000 000 averages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertherm.core.errors import InputError
from vertherm.review.statistics.walsh import WalshAverages

scores = st.integers(-20, 20).map(lambda k: k / 10)
reals = st.floats(-1e6, 1e6, allow_subnormal=False)
samples = st.one_of(st.lists(scores, min_size=1, max_size=40), st.lists(reals, min_size=1, max_size=40))


def all_averages(values):
    row, column = np.triu_indices(values.size)
    ordered = np.sort(values)
    return np.sort((ordered[row] + ordered[column]) / 2)


@settings(max_examples=150, deadline=None)
@given(samples, st.sampled_from([0, 1, 7, 50_000]), st.data())
def test_every_rank_equals_brute_force(values, collect, data):
    values = np.array(values)
    expected = all_averages(values)
    walsh = WalshAverages(values, collect)
    rank = data.draw(st.integers(1, expected.size))
    for one in {1, rank, expected.size}:
        assert walsh.at(one) == expected[one - 1]


@pytest.mark.parametrize("kind", ["continuous", "tenths", "two values", "heavy tails"])
def test_search_without_listing_equals_brute_force(kind):
    rng = np.random.default_rng(3)
    n = 700
    values = {
        "continuous": rng.normal(size=n),
        "tenths": rng.integers(-70, 30, n) / 10,
        "two values": rng.integers(0, 2, n) * 0.1,
        "heavy tails": rng.standard_cauchy(n) * 1e6,
    }[kind]
    expected = all_averages(values)
    walsh = WalshAverages(values, collect=1)
    for rank in (1, 2, 1000, expected.size // 2, expected.size // 2 + 1, expected.size - 1, expected.size):
        assert walsh.at(rank) == expected[rank - 1]


def test_a_hundred_thousand_values():
    values = np.sort(np.random.default_rng(4).normal(size=100_000))
    walsh = WalshAverages(values)
    rank = walsh.total // 2
    found = walsh.at(rank)
    # Counted anew: pairs i <= j with an average of at most the found one, and those below it.
    upto = np.searchsorted(values, 2 * found - values + 1e-13, side="right")
    below = np.searchsorted(values, 2 * found - values - 1e-13, side="left")
    place = np.arange(values.size)
    assert np.maximum(below - place, 0).sum() < rank <= np.maximum(upto - place, 0).sum()


def test_no_such_rank():
    for rank in (0, 4):
        with pytest.raises(InputError, match="no such rank"):
            WalshAverages(np.array([1.0, 2.0])).at(rank)
