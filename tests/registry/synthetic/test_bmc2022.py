"""The second series has the printed means and standard deviations of its source, and its leaks, for whatever seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.registry.synthetic.plain import frames, insert
from vertherm.registry.records import Records
from vertherm.registry.synthetic import generate
from vertherm.registry.windows import windowed_visits


@pytest.fixture(scope="module", params=(0, 1, 5))
def records(request: pytest.FixtureRequest) -> Records:
    return generate("bmc2022", seed=request.param)


def test_counts(records: Records) -> None:
    assert len(records.rows("patient")) == 82
    assert len(records.rows("lesion")) == len(records.rows("treatment")) == 115
    leaks = Counter(row["cement_leakage"] for row in records.dicts("treatment"))
    assert leaks == {"yes": 32, "no": 83}
    assert {row["prior_radiotherapy"] for row in records.dicts("patient")} == {"yes"}


@pytest.mark.parametrize(
    ("window", "mean", "sd"),
    [("before", 6.3, 2.0), ("month_1", 1.7, 1.0), ("month_3", 1.4, 0.8), ("month_6", 1.3, 0.8)],
)
def test_vas_in_the_series_own_windows(records: Records, window: str, mean: float, sd: float) -> None:
    tables = frames(records)
    visits = windowed_visits(tables).merge(tables["visit"][["patient_key", "visit_no", "vas"]])
    vas = visits.loc[visits["chosen"] & (visits["time_point"] == window), "vas"]
    assert len(vas) == 82
    assert round(float(vas.mean()), 1) == mean
    assert round(float(np.std(vas, ddof=1)), 1) == sd
    if window == "before":
        assert vas.min() >= 4


def test_every_constraint_of_the_database_holds(records: Records) -> None:
    assert {name: count for name, count in insert(records).items() if count} == records.counts()


def test_determinism_and_statements(records: Records) -> None:
    assert generate("bmc2022", seed=9).sha256() == generate("bmc2022", seed=9).sha256()
    kinds = Counter(row["kind"] for row in records.dicts("series_statement"))
    assert min(kinds["stated"], kinds["unstated"], kinds["assumption"]) >= 10
