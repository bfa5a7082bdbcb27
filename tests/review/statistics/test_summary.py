"""Expected: the textbook numbers of 1, 2, 3, 4 (type 7 quartiles 1.75 and 3.25; sd with divisor 3), NaN counted as
missing, and NaN rather than 0 where a number does not exist."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats.mstats import mquantiles

from vertherm.core.errors import InputError
from vertherm.review.statistics.summary import summarise


def test_numbers_of_a_small_sample():
    found = summarise([4.0, np.nan, 1.0, 3.0, 2.0])
    assert (found.n, found.missing, found.minimum, found.maximum) == (4, 1, 1.0, 4.0)
    assert (found.mean, found.median, found.q1, found.q3) == (2.5, 2.5, 1.75, 3.25)
    assert found.sd == pytest.approx(math.sqrt(5 / 3), rel=1e-15)


def test_quartiles_are_type_seven():
    values = np.random.default_rng(1).normal(size=37)
    found = summarise(values)
    # In scipy's family of quantiles type 7 is alphap = betap = 1.
    assert [found.q1, found.median, found.q3] == pytest.approx(mquantiles(values, [0.25, 0.5, 0.75], 1, 1), abs=1e-14)


def test_what_does_not_exist_is_nan():
    one, none = summarise([3.0]), summarise([np.nan])
    assert (one.n, one.mean, one.median, one.q1) == (1, 3.0, 3.0, 3.0)
    assert math.isnan(one.sd)
    assert (none.n, none.missing) == (0, 1)
    assert all(math.isnan(v) for v in (none.mean, none.sd, none.median, none.q1, none.q3, none.minimum, none.maximum))


@pytest.mark.parametrize("bad", [["a"], [[1.0, 2.0]], [np.inf]])
def test_what_is_no_column_of_numbers_is_refused(bad):
    with pytest.raises(InputError):
        summarise(bad)
