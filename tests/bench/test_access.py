"""The benchmark of the search: rows complete, rates and growth consistent with the times."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vertherm.bench.access import GOAL_S, QUICK_SIZES, _growth, rows


def test_rows_are_complete_and_fit_each_other() -> None:
    found = rows(quick=True, threads=1)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    times = [row for row in found if row["unit"] == "s" and row["ratio"] is not None]
    rates = [row for row in found if row["unit"] == "1/s"]
    assert len(times) == len(rates) == len(QUICK_SIZES)
    for took, rate in zip(times, rates, strict=True):
        candidates = int(took["name"].split()[2])
        assert rate["value"] == pytest.approx(candidates / took["value"])
        assert took["ratio"] == pytest.approx(GOAL_S / took["value"])
        assert "admissible" in took["note"]


def test_growth_is_the_exponent() -> None:
    """Seconds 3 n and n^2 / 7: exponents 1 and 2."""
    n = np.array([100.0, 200.0, 400.0])
    wall, processor = _growth(np.stack([n, 3 * n, n**2 / 7], axis=1))
    assert wall["value"] == pytest.approx(1.0)
    assert processor["value"] == pytest.approx(2.0)
