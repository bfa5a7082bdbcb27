"""Which paths are treated on trial: the safest, the most central, the best compromise, then what differs most."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.planning.access_results import path
from vertherm.planning.optimise.arms import diverse


def named(name: str, risk: float, zone: float, entry: tuple[float, float, float] = (-40.0, -60.0, 10.0)) -> Any:
    return replace(path(name, entry, (0.0, 10.0, 10.0)), risk=risk, zone_factor=zone)


PATHS = [
    named("P1", 3.6, 0.52),
    named("P2", 3.7, 0.50),
    named("P3", 4.4, 0.35),
    named("P4", 12.0, 0.32),
    named("P5", 9.0, 0.51, (40.0, -60.0, 10.0)),
    named("P6", 31.0, 0.52),
]


def test_safest_then_most_central_then_the_compromise_then_another_side() -> None:
    # As shares of the ranges (27.4 and 0.2): P3 0.03 + 0.15 = 0.18, P4 0.31 + 0, P1 0 + 1.
    assert [p.name for p in diverse(PATHS, 4)] == ["P1", "P4", "P3", "P5"]


def test_no_more_than_asked_for_and_none_of_none() -> None:
    assert [p.name for p in diverse(PATHS, 1)] == ["P1"]
    assert diverse([], 4) == []
    assert len(diverse(PATHS[:2], 4)) == 2
