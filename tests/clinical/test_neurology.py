"""Frankel runs from A (complete) to E (normal); a lesion borders the roots of the foramina above and below it."""

from __future__ import annotations

import pytest

from vertherm.clinical.levels import Level
from vertherm.clinical.neurology import Deficit, frankel_steps, motor_deficits, roots_at_risk
from vertherm.core.errors import InputError


def test_frankel_steps() -> None:
    assert frankel_steps("E", "C") == -2
    assert frankel_steps("C", "D") == 1
    assert frankel_steps("D", "D") == 0
    assert frankel_steps(None, "D") is None
    with pytest.raises(InputError):
        frankel_steps("E", "F")


def test_motor_deficits_compare_the_same_root_and_side() -> None:
    before = {("S1", "left"): 5, ("S1", "right"): 5, ("L5", "left"): 4, ("L4", "left"): None}
    after = {("S1", "left"): 3, ("S1", "right"): 5, ("L5", "left"): 5, ("L4", "left"): 2, ("L3", "left"): 1}
    found = motor_deficits(before, after)
    assert found == (Deficit("S1", "left", 5, 3),)
    assert found[0].grades_lost == 2


@pytest.mark.parametrize("grade", [-1, 6])
def test_motor_grades_outside_the_scale(grade: int) -> None:
    with pytest.raises(InputError):
        motor_deficits({("S1", "left"): 5}, {("S1", "left"): grade})


@pytest.mark.parametrize(
    ("level", "roots"),
    [
        (Level.C5, {"C5", "C6"}),
        (Level.C7, {"C7", "C8"}),
        (Level.T1, {"C8", "T1"}),
        (Level.L5, {"L4", "L5"}),
        (Level.S1, {"L5", "S1"}),
    ],
)
def test_roots_at_risk(level: Level, roots: set[str]) -> None:
    assert {root for root, _ in roots_at_risk(level)} == roots
    assert {side for _, side in roots_at_risk(level, "midline")} == {"left", "right"}
    assert {side for _, side in roots_at_risk(level, "left")} == {"left"}


def test_transitional_anatomy_and_unknown_sides() -> None:
    assert {root for root, _ in roots_at_risk(Level.S1, "left", upper=Level.L6)} == {"L6", "S1"}
    with pytest.raises(InputError):
        roots_at_risk(Level.S1, "up")
