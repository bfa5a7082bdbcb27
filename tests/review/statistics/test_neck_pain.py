"""A real table: pain at three visits, laser against sham (Chow and others, Pain 2006;124:201); 90 patients, 6 of whom
miss the second visit. Expected: the published medians, and numbers equal to scipy's and to listed Walsh averages, on
data with real ties and zeros."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy.stats import wilcoxon

from tests.shared_data import need
from vertherm.review.statistics.longitudinal import gee, mixed_model
from vertherm.review.statistics.paired import differences, paired_change
from vertherm.review.statistics.summary import summarise

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def table():
    with need("tabular/neck_pain_vas.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: np.array([float(row[name]) for row in rows]) for name in ("id", "vas", "laser", "time")}


def visit(table, laser, time):
    """One value a patient of the arm, in the order of the patients, NaN where the visit is missing."""
    people = np.unique(table["id"][table["laser"] == laser])
    chosen = (table["laser"] == laser) & (table["time"] == time)
    out = np.full(people.size, np.nan)
    out[np.searchsorted(people, table["id"][chosen])] = table["vas"][chosen]
    return out


def groups(table):
    """Which code of the column is the active one: the published medians tell (.65 before treatment against .39)."""
    codes = np.unique(table["laser"])
    return sorted(codes, key=lambda code: -np.nanmedian(visit(table, code, 1)))


def test_published_medians(table):
    active, sham = groups(table)
    found = [[round(summarise(visit(table, arm, time)).median, 2) for time in (1, 2, 3)] for arm in (active, sham)]
    assert found == [[0.65, 0.20, 0.26], [0.39, 0.40, 0.40]]


@pytest.mark.parametrize("time", [2, 3])
@pytest.mark.parametrize("arm", [0, 1])
def test_change_equals_scipy_and_brute_force(table, arm, time):
    before, after = (visit(table, groups(table)[arm], t) for t in (1, time))
    found, d = paired_change(before, after), differences(before, after)
    approximate = wilcoxon(d, zero_method="pratt", method="asymptotic", correction=False)
    assert found.statistic == approximate.statistic
    # The exact p-value and scipy's normal one tell the same story; scipy has no exact one with ties.
    assert found.p == pytest.approx(approximate.pvalue, rel=0.3, abs=2e-4)
    row, column = np.triu_indices(d.size)
    ordered = np.sort(d)
    averages = np.sort((ordered[row] + ordered[column]) / 2)
    assert found.hl.estimate == pytest.approx(np.median(averages), abs=1e-15)
    assert {found.hl.low, found.hl.high} <= set(averages.tolist())


def test_active_falls_and_sham_does_not(table):
    active, sham = groups(table)
    assert paired_change(visit(table, active, 1), visit(table, active, 2)).hl.high < -0.2
    found = paired_change(visit(table, sham, 1), visit(table, sham, 2)).hl
    assert found.low < 0 < found.high or abs(found.estimate) < 0.1


def test_models_use_the_patients_that_miss_a_visit(table):
    """Where nobody misses a visit the model's difference is the mean change; the two who do pull it only a little."""
    active = groups(table)[0]
    chosen = table["laser"] == active
    columns = (table["id"][chosen], table["time"][chosen], table["vas"][chosen], 1.0)
    for fit in (mixed_model(*columns), gee(*columns)):
        assert (fit.patients, fit.observations) == (45, 133)
        second, third = (paired_change(visit(table, active, 1), visit(table, active, time)).mean for time in (2, 3))
        assert fit.row("3.0").estimate == pytest.approx(third, abs=1e-12)
        assert fit.row("2.0").estimate == pytest.approx(second, abs=0.02)
        assert fit.row("2.0").high < 0
