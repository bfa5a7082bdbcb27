"""The ensemble's benchmark: its rows and what its clock counts; the real case is timed by `vertherm bench` only."""

from __future__ import annotations

import json

import pytest

from vertherm.bench import ensemble
from vertherm.ensemble.runner import Outcome
from vertherm.planning.work import Task, Work


def arithmetic(_task: Task, _work: Work) -> float:
    """Instead of a member: a tenth of a second of counting."""
    total = 0
    for n in range(2_000_000):
        total += n
    return 0.1


def test_rows_have_their_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble, "timed", arithmetic)
    found = ensemble.rows(quick=True)
    json.dumps(found, allow_nan=False)
    assert [row["name"].split(",")[0] for row in found] == [
        "ensemble 1 worker", "ensemble 2 workers", "ensemble CPU time", "ensemble CPU time", "ensemble start-up",
    ]  # fmt: skip
    assert all(row["value"] > 0 for row in found)
    assert all({"name", "value", "unit", "ratio", "note"} == set(row) for row in found)


def test_clock_leaves_the_warm_up_out() -> None:
    """Two workers, four warm-up arrivals at 5 s, then one each second: 1 s a task."""
    clock = ensemble._Clock(2)
    for arrival in (4.0, 4.5, 5.0, 5.0, 6.0, 7.0, 8.0):
        clock(Outcome(len(clock.arrivals), 0.8, wall_s=3.0))
        clock.arrivals[-1] = arrival
    assert clock.per_task_s == pytest.approx(1.0)
    assert clock.start_up_s == pytest.approx(1.0)
    assert clock.cpu_s == pytest.approx(0.8)
    with pytest.raises(RuntimeError, match="broke"):
        clock(Outcome(9, error="broke"))


def test_one_core_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert "not run" in ensemble.rows(quick=True)[0]["note"]
