"""Every rule on one given needle: the same numbers as the search, and a reason for every refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.access.search_scenes import NEEDLE, obstacle, open_bone, rules, scene
from vertherm.access.explain import explain, measure
from vertherm.access.path import Check, NeedlePath
from vertherm.access.rules import Approach
from vertherm.access.scene import AccessScene
from vertherm.access.search import find_paths
from vertherm.geometry.trajectory import Trajectory

OWN = rules(placement_error_mm=1.0, depth_weight=0.5, angle_weight=0.5)


def walls() -> AccessScene:
    sides = {"wall left": ((-40, -50, -40), (-9, -10, 40)), "wall right": ((6, -50, -40), (40, -10, 40))}
    return scene(sides, rule=obstacle(clearance=1.5, comfort=6.0))


def needle(entry: Any, tip: Any) -> Trajectory:
    return Trajectory(np.array(entry, float), np.array(tip, float))


def checked(way: Trajectory, **more: Any) -> dict[str, Check]:
    return {check.rule: check for check in explain(walls(), OWN, NEEDLE, way, through=open_bone, **more)}


def test_every_path_of_a_search_keeps_every_rule_and_measures_the_same() -> None:
    asked = walls()
    result = find_paths(asked, OWN, NEEDLE, candidates=5000, threads=1, needles=2, through=open_bone)
    assert len(result.paths) >= 3
    for path in result.paths:
        assert all(check.kept for check in explain(asked, OWN, NEEDLE, path.trajectory, through=open_bone))
        again = measure(asked, OWN, NEEDLE, path.trajectory, path.name, through=open_bone)
        assert again.clearances == path.clearances
        for name in NeedlePath.__dataclass_fields__:
            if name not in ("trajectory", "clearances", "notes", "crosses", "only_in_set"):
                assert getattr(again, name) == pytest.approx(getattr(path, name)), name


def test_numbers_of_a_given_needle() -> None:
    """Straight at x = 2 from the skin (y -50) to y 8: walls at 11 and 4 mm from the axis; 1 mm radius, 1 mm error.

    Risk: left wall (11 - 2 - 1.5 > 6) nothing; right (1 - (2 - 1.5) / 6)^2; depth 0.5 * 58 / 100; no angle.
    """
    path = measure(walls(), OWN, NEEDLE, needle((2, -50, 0), (2, 8, 0)), through=open_bone)
    assert path.length_mm == pytest.approx(58.0)
    assert [c.name for c in path.clearances] == ["wall right"]
    near = path.clearances[0]
    assert (near.distance_mm, near.after_error_mm, near.required_mm) == pytest.approx((3.0, 2.0, 1.5))
    assert near.depth_mm <= 40.0
    assert path.risk == pytest.approx((1 - 0.5 / 6) ** 2 + 0.29, abs=1e-6)
    assert path.focus_ras_mm == pytest.approx((2.0, 0.0, 0.0))
    assert path.tip_to_target_mm == pytest.approx(np.hypot(2, 8))
    assert path.tip_outside_mm == pytest.approx(2.0)
    assert path.side == "right"
    assert path.approach is Approach.transpedicular


def test_a_refused_needle_says_which_rules_it_breaks() -> None:
    """x = 4: 2 mm to the right wall, 0 after radius and error, 1.5 asked; tip 26 mm behind the lesion's front."""
    found = checked(needle((4, -50, 0), (4, 32, 0)))
    assert {rule for rule, check in found.items() if not check.kept} == {"obstacle: wall right", "tip"}
    assert found["obstacle: wall right"].value.startswith("1.00 mm, 0.00 mm after")
    assert found["obstacle: wall right"].limit == "at least 1.5 mm"
    assert found["tip"].value == "26.0 mm outside the lesion"


def test_angles_and_the_reachable_side() -> None:
    steep = needle((-50, -50, 40), (0, 0, 0))
    found = checked(steep, position="prone")
    assert not found["axial angle"].kept
    assert found["axial angle"].value == "+45.0 degrees"
    # asin(40 / |(50, 50, 40)|) = 29.5 degrees.
    assert found["cranio-caudal angle"].value == "+29.5 degrees"
    assert found["cranio-caudal angle"].kept
    assert found["reachable side"].kept
    front = checked(needle((0, 40, 0), (0, -4, 0)), position="prone")
    assert not front["reachable side"].kept
    assert not front["approach"].kept


def test_a_needle_longer_than_the_instrument() -> None:
    found = {
        check.rule: check
        for check in explain(
            walls(), rules(outside_mm=150.0), NEEDLE, needle((-1, -50, 0), (-1, 8, 0)), through=open_bone
        )
    }
    assert not found["length"].kept
    assert (found["length"].value, found["length"].limit) == ("58.0 mm", "at most 50 mm")
