"""Expected: the numbers of each subgroup alone, in the order of the labels; a warning below 10 units or 5 events."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vertherm.core.errors import InputError
from vertherm.review.statistics.proportion import proportion
from vertherm.review.statistics.subgroup import proportions_by, summaries_by
from vertherm.review.statistics.summary import summarise

REGION = np.array(["thoracic"] * 50 + ["cervical"] * 2 + ["lumbar"] * 34 + ["sacral"] * 16)


def test_proportions_of_each_group():
    event = np.concatenate((np.arange(50) < 12, [True, False], np.arange(34) < 4, np.arange(16) < 5)).astype(float)
    event[49] = np.nan
    found = proportions_by(REGION, event)
    assert [one.group for one in found] == ["cervical", "lumbar", "sacral", "thoracic"]
    assert found[3].proportion == proportion(12, 49)
    assert [one.missing for one in found] == [0, 0, 0, 1]
    assert [one.warning for one in found] == [
        "small numbers: n = 2 (fewer than 10)", "small numbers: 4 events (fewer than 5)", "", "",
    ]  # fmt: skip


def test_summaries_of_each_group():
    values = np.random.default_rng(1).normal(size=102)
    values[0] = np.nan
    found = summaries_by(REGION, values)
    assert [one.summary for one in found] == [summarise(values[one.group == REGION]) for one in found]
    assert [bool(one.warning) for one in found] == [True, False, False, False]


def test_no_units_are_no_groups():
    assert proportions_by([], []) == summaries_by([], []) == ()


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="label is missing"):
        proportions_by(np.array(["a", None], dtype=object), [1, 0])
    with pytest.raises(InputError, match="neither 0 nor 1"):
        proportions_by(["a"], [7])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_every_kind_of_missing_label_is_noticed(missing):
    with pytest.raises(InputError, match="label is missing"):
        summaries_by(np.array(["a", missing], dtype=object), [1.0, 2.0])
    with pytest.raises(InputError, match="label is missing"):
        summaries_by([1.0, np.nan], [1.0, 2.0])
