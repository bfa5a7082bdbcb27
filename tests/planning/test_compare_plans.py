"""Two plans in words. RAS: +x is the patient's right, +y anterior, +z towards the head; depth along the first needle.

A needle straight from behind (axis from tip to entry: -y) with its tip moved by (-2.1, +4.2, 0) mm lies 4.2 mm deeper
and 2.1 mm further left. Differences below the tolerances (0.5 mm, 0.5 K, 1 %) are not said.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertherm.geometry.trajectory import Trajectory
from vertherm.planning.compare_plans import compare, shift_words
from vertherm.planning.outline import Outline, OutlineStructure, OutlineTarget

TIP = np.array([0.0, 0.0, 0.0])
ENTRY = np.array([0.0, -80.0, 0.0])
BEHIND = Trajectory(ENTRY, TIP)


def moved(x: float, y: float, z: float) -> Trajectory:
    return Trajectory(ENTRY + np.array([x, y, z]), TIP + np.array([x, y, z]))


def outline(
    needle: Trajectory = BEHIND,
    root_c: float = 41.0,
    distance_mm: float = 12.0,
    coverage: float = 1.0,
    label: str = "a",
) -> Outline:
    status = "stop" if root_c >= 45 else "warn" if root_c >= 43 else "green"
    root = OutlineStructure("root L4 left", root_c, 0.1, 45.0, 10.0, status, distance_mm)
    skin = OutlineStructure("skin", 38.0, 0.0, 45.0, 10.0, "green", 60.0)
    target = OutlineTarget("target", coverage, 1.0, 5.0 * coverage, coverage >= 0.999)
    return Outline(label, {"antenna 1": needle}, (skin, root), (target,), "30 W forward, 5:00", 9.0)


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        ((-2.1, 4.2, 0.0), "4.2 mm deeper and 2.1 mm further left"),
        ((2.1, -4.2, 0.0), "4.2 mm less deep and 2.1 mm further right"),
        ((0.0, 0.0, 3.0), "3.0 mm further towards the head"),
        ((1.0, 0.0, -3.0), "3.0 mm further towards the feet and 1.0 mm further right"),
        ((0.3, 0.3, 0.3), ""),
    ],
)
def test_directions(shift: tuple[float, float, float], words: str) -> None:
    assert shift_words(BEHIND, moved(*shift)) == words


def test_a_needle_from_the_side_names_the_front() -> None:
    side = Trajectory(np.array([80.0, 0.0, 0.0]), TIP)
    there = Trajectory(np.array([80.0, 2.0, 0.0]), np.array([-3.0, 2.0, 0.0]))
    assert shift_words(side, there) == "3.0 mm deeper and 2.0 mm further anterior"


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(-20, 20))
def test_mirrored_shift_exchanges_left_and_right_only(x: float, y: float, z: float) -> None:
    words = shift_words(BEHIND, moved(x, y, z))
    swap = words.replace("right", "*").replace("left", "right").replace("*", "left")
    assert shift_words(BEHIND, moved(-x, y, z)) == swap


def test_same_place_says_no_difference() -> None:
    found = compare(outline(), outline())
    assert found.same
    assert found.words.startswith("No difference")
    assert compare(outline(), outline(moved(0.2, 0.1, 0.1), 41.3, 11.8, 0.9995)).same, "below the tolerances"


def test_what_matters_first_and_the_numbers() -> None:
    found = compare(outline(), outline(moved(-2.1, 4.2, 0.0), 45.3, 9.0, 0.92))
    assert found.words == (
        "The tip of antenna 1 lies 4.2 mm deeper and 2.1 mm further left. "
        "Root L4 left comes 3 mm nearer: 45.3 instead of 41.0 °C (stop at 45), stop instead of green. "
        "Coverage of target with its margin falls from 100 to 92 %, short of the goal."
    )
    peak = next(row for row in found.rows if row.quantity == "peak temperature")
    assert peak.difference == pytest.approx(4.3)
    assert peak.limit == 45.0
    assert "Skin" not in found.words


def test_a_structure_that_cools_comes_after_lost_coverage() -> None:
    found = compare(outline(root_c=44.0), outline(root_c=41.0, coverage=0.9))
    assert [row.subject for row in found.rows] == ["target", "target", "root L4 left"]


def test_a_goal_just_missed_is_said_with_its_decimal() -> None:
    assert "from 100.0 to 99.6 %, short of the goal" in compare(outline(), outline(coverage=0.9955)).words
