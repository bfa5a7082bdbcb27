"""Expected: comprisk's statistic to 12 digits, with and without ties; the log-rank counts when nothing competes; the
same answer whichever group comes last; 5 % rejections where groups do not differ; "not estimable" with few events."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.duration.survfunc import survdiff

from vertherm.core.errors import InputError
from vertherm.review.statistics.gray import gray_test
from vertherm.review.statistics.result import NotEstimable


def simulated(n, seed, groups=2, effect=0.0, ties=False):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, n)
    clocks = np.column_stack(
        (rng.exponential(15, n), rng.exponential(10 * np.exp(-effect * group)), rng.exponential(12, n))
    )
    time = clocks.min(axis=1)
    return (np.ceil(time) if ties else time), clocks.argmin(axis=1), group


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("groups", [2, 3, 5])
def test_equals_comprisk(groups, ties):
    import comprisk

    rows = simulated(300, groups, groups, effect=0.3, ties=ties)
    found, other = gray_test(*rows), comprisk.gray_test(*rows)
    assert (found.statistic, found.p) == pytest.approx((other.stat, other.pvalue), rel=1e-11)
    assert found.df == other.df == groups - 1


def test_equals_comprisk_when_a_group_is_watched_for_less_time():
    import comprisk

    time, event, group = simulated(300, 9, effect=0.3, ties=True)
    event = np.where((group == 0) & (time > 4), 0, event)
    time = np.where(group == 0, np.minimum(time, 4), time)
    assert gray_test(time, event, group).statistic == pytest.approx(
        comprisk.gray_test(time, event, group).stat, rel=1e-11
    )


def test_expected_counts_are_those_of_the_log_rank_test_when_nothing_competes():
    time, event, group = simulated(200, 3, effect=0.4, ties=True)
    event = np.where(event == 2, 0, event)
    found = gray_test(time, event, group)
    expected = 0.0
    for t in np.unique(time[event == 1]):
        risk = time >= t
        expected += ((time == t) & (event == 1)).sum() * (risk & (group == 0)).sum() / risk.sum()
    assert found.events_by_group[0].expected == pytest.approx(expected, rel=1e-12)
    assert found.statistic == pytest.approx(survdiff(time, event, group)[0], rel=0.1)


def test_names_and_order_of_groups_do_not_matter():
    time, event, group = simulated(300, 4, groups=3, effect=0.3)
    found = gray_test(time, event, group)
    renamed = gray_test(time, event, np.array(["z", "a", "m"])[group])
    assert renamed.statistic == pytest.approx(found.statistic, rel=1e-10)
    assert [one.group for one in renamed.events_by_group] == ["a", "m", "z"]
    assert sum(one.events for one in found.events_by_group) == (event == 1).sum()
    assert sum(one.expected for one in found.events_by_group) == pytest.approx((event == 1).sum())
    assert [one.n for one in found.events_by_group] == np.bincount(group).tolist()


def test_rejects_as_often_as_it_should():
    null = np.mean([gray_test(*simulated(150, seed, ties=seed % 2 == 0)).p < 0.05 for seed in range(400)])
    power = np.mean([gray_test(*simulated(150, seed, effect=0.8)).p < 0.05 for seed in range(50)])
    assert 0.025 <= null <= 0.08
    assert power > 0.6


def test_few_events_are_not_estimable():
    time, event, group = simulated(69, 5)
    two = np.where(np.arange(69) < 2, 1, np.where(event == 1, 0, event))
    assert "2 events" in gray_test(time, two, group).reason
    assert "0 group" in gray_test([], [], []).reason
    assert "1 group" in gray_test(time, event, np.zeros(69)).reason
    rare = gray_test(*simulated(69, 6)[:2], np.arange(69) < 4)
    assert isinstance(rare, NotEstimable)
    assert "expected in group" in rare.reason


def test_bad_input_is_refused():
    with pytest.raises(InputError):
        gray_test([1.0, 2.0], [1, 0], [1])
    with pytest.raises(InputError):
        gray_test([1.0, 2.0], [1, 4], [1, 2])


def test_a_hundred_thousand_subjects():
    found = gray_test(*simulated(100_000, 7, groups=3, effect=0.1))
    assert found.p < 1e-6
