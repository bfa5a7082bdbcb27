"""Scenes whose best path is known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.access.search_scenes import NEEDLE, box, grid, obstacle, open_bone, rules, scene
from vertherm.access.candidates import angles_deg, candidates, direction
from vertherm.access.explain import explain, measure
from vertherm.access.path import AccessResult
from vertherm.access.scene import AccessScene
from vertherm.access.search import find_paths
from vertherm.geometry.trajectory import Trajectory

WALLS = {"wall left": ((-40, -50, -40), (-7, -10, 40)), "wall right": ((9, -50, -40), (40, -10, 40))}
"""A corridor x -7..9 towards the back: its middle plane is x = 1, each wall 8 mm from it; the lesion's is x = 0."""


def find(asked: AccessScene, **more: Any) -> AccessResult:
    settings = {"candidates": 20_000, "needles": 1, "threads": 1, "through": open_bone, "rules": rules(), **more}
    return find_paths(asked, settings.pop("rules"), NEEDLE, **settings)


def test_angles_have_the_signs_of_the_patient() -> None:
    """Prone, 30 degrees to the left and 20 upwards: entry at -x, -y, +z of the tip; gantry atan2(z, |y|)."""
    axis = direction(30.0, 20.0, True)
    expected = (-0.5 * np.cos(np.radians(20)), -np.sqrt(0.75) * np.cos(np.radians(20)), np.sin(np.radians(20)))
    np.testing.assert_allclose(axis, expected, atol=1e-12)
    axial, rise, gantry = angles_deg(axis)
    assert (float(axial), float(rise)) == pytest.approx((30.0, 20.0))
    assert float(gantry) == pytest.approx(np.degrees(np.arctan2(axis[2], -axis[1])))
    assert direction(0.0, 0.0, False)[1] == 1.0


def test_corridor_the_path_of_least_risk_is_the_middle_line() -> None:
    """Risk: sum over two walls of (1 - (d - r) / comfort)^2 with d the distances of the axis from the walls.

    d_left + d_right <= 16, so with d = 8 - a and 8 - b, a + b >= 0, and A = comfort - 7 the risk is at least
    ((A + a)^2 + (A - a)^2) / comfort^2: least at a = 0. The lattice of foci has a straight line within half a step s of
    the middle plane, so the best found has |a|, |b| <= s / 2.
    """
    asked = scene(WALLS, rule=obstacle(comfort=12.0))
    result = find(asked)
    step = candidates(asked.lesion, rules(), (True,), None, 20_000).focus_step_mm
    best = result.paths[0]
    assert {c.name for c in best.clearances} == set(WALLS)
    for clearance in best.clearances:
        assert abs(clearance.distance_mm - 7.0) <= 0.5 * step + 1e-6
    least = 2 * (5.0 / 12.0) ** 2
    assert least - 1e-6 <= best.risk <= 2 * (25.0 + (0.5 * step) ** 2) / 144.0 + 1e-6
    # Within the corridor (y -50..-10) the axis stays near the middle plane x = 1.
    inside = (
        best.trajectory.entry_mm[0],
        np.interp(
            -10.0,
            *zip(*sorted([(p[1], p[0]) for p in (best.trajectory.entry_mm, best.trajectory.tip_mm)]), strict=True),
        ),
    )
    assert max(abs(x - 1.0) for x in inside) <= 0.5 * step + 1e-6
    assert step < 4.0


def test_shortest_path_runs_along_the_normal_of_the_skin() -> None:
    """Back: plane y = -50. From a focus at depth h the way along the normal is h, any other h / cos > h."""
    asked = scene()
    pairs = candidates(asked.lesion, rules(), (True,), None, 20_000)
    result = find(asked)
    shortest = min(result.paths, key=lambda path: path.length_mm)
    assert shortest.axial_deg == pytest.approx(0.0, abs=1e-9)
    assert shortest.cranio_caudal_deg == pytest.approx(0.0, abs=1e-9)
    assert shortest.length_mm == pytest.approx(float(pairs.foci[:, 1].min()) + 50.0 + NEEDLE.focus_mm, abs=1e-6)
    # The lattice comes within a step of the lesion's rear face, y = -6.
    assert 52.0 <= shortest.length_mm <= 52.0 + pairs.focus_step_mm
    assert result.admissible == result.candidates


@pytest.mark.parametrize("error", [0.0, 2.0])
@pytest.mark.parametrize(("miss", "kept"), [(0.1, True), (-0.1, False)])
def test_a_tenth_of_a_millimetre_decides(error: float, miss: float, kept: bool) -> None:
    """Straight needles at x = -0.5..0.5 in steps of 0.25 mm (25 foci each), a wall's face at x = 5.

    The one at x = 0 has the clearance 5 - 1 - error after the error; the rule asks for that less ``miss``.
    """
    asked = scene(
        {"vessel": ((5, -50, -40), (40, 40, 40))},
        lesion=((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5)),
        on=grid(0.5),
        rule=obstacle(clearance=4.0 - error - miss),
    )
    own = rules(placement_error_mm=error, max_axial_deg=1e-3, max_cranio_caudal_deg=1e-3)
    result = find(asked, rules=own, candidates=1)
    needle = Trajectory(np.array([0.0, -50.0, 0.0]), np.array([0.0, 8.0, 0.0]))
    checks = {check.rule: check.kept for check in explain(asked, own, NEEDLE, needle, through=open_bone)}
    assert checks["obstacle: vessel"] is kept
    near = measure(asked, own, NEEDLE, needle, through=open_bone).clearances[0]
    assert near.after_error_mm == pytest.approx(4.0 - error, abs=1e-6)
    assert near.kept is kept
    if not kept:
        refusal = next(r for r in result.refusals if r.rule.startswith("obstacle"))
        assert refusal.best_miss == pytest.approx(0.1, abs=1e-6)
        assert "vessel" in refusal.reason
    broken = sum(r.count for r in result.refusals)
    assert (result.candidates, broken) == (125, 50 if kept else 75)
    assert result.admissible == 125 - broken
    assert sum(r.alone for r in result.refusals) == broken


def test_a_structure_of_no_rule_is_no_obstacle_and_a_disc_only_costs() -> None:
    wall = {"disc": ((-40, -30, -40), (40, -28, 40))}
    free = find(scene(wall, rule=obstacle(comfort=3.0, forbidden=False)))
    assert free.admissible == free.candidates
    # Crossed by the axis: (1 + (radius) / comfort)^2.
    assert free.paths[0].risk == pytest.approx((1 + 1 / 3) ** 2, abs=1e-6)
    assert free.paths[0].crosses[-1] == "disc"
    barred = find(scene(wall))
    assert barred.paths == ()
    assert barred.admissible == 0


@pytest.mark.parametrize(("aside_mm", "expected"), [(0.0, 0.860), (4.0, 1.157), (-4.0, 1.157)])
def test_the_zone_needed_is_that_of_the_farthest_corner(aside_mm: float, expected: float) -> None:
    """A cube of 12 mm (centres of its voxels to 5.5 mm), zone with half axes 15 x 10 mm, focus in the middle:
    sqrt((5.5 / 15)^2 + 2 (5.5 / 10)^2) = 0.86; 4 mm beside it sqrt((5.5 / 15)^2 + 0.55^2 + 0.95^2) = 1.157.
    """
    tip = np.array([aside_mm, NEEDLE.focus_mm, 0.0])
    way = Trajectory(np.array([aside_mm, -50.0, 0.0]), tip)
    assert measure(scene(), rules(), NEEDLE, way, through=open_bone).zone_factor == pytest.approx(expected, abs=0.006)


def test_one_path_of_the_front_goes_through_the_middle() -> None:
    """A zone of 30 x 20 mm covers the lesion from many places: the smallest zone picks the needle in its middle."""
    best = min(find(scene()).paths, key=lambda path: path.zone_factor)
    assert np.linalg.norm(best.focus_ras_mm) < 1.5
    assert best.zone_factor < 0.95


def test_coverage_counts_voxels_in_the_zone() -> None:
    """Goal a cube of 12 mm, zone 30 x 20 mm about its middle: the corners lie at |(6, 6)| = 8.5 < 10 across."""
    result = find(scene())
    assert max(path.coverage for path in result.paths) == 1.0
    far = scene(lesion=box((-20, -6, -6), (20, 6, 6), grid()))
    most = max(path.coverage for path in find(far).paths)
    # 40 mm of length against at most 30 of the zone.
    assert 0.4 < most < 0.8
