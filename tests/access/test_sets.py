"""Several needles for one lesion.

Lesion: a bar of 40 mm across the patient; one zone is 20 mm wide, so one needle covers half of it at most and two
beside each other more. Needles of 1 mm radius whose axes lie a apart leave a - 2 mm between their surfaces.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from tests.access.search_scenes import NEEDLE, open_bone, rules, scene
from vertherm.access.path import AccessResult
from vertherm.access.search import find_paths
from vertherm.access.solids import segment_gap_mm

BAR = ((-20, -4, -4), (20, 4, 4))


def find(gap: float = 5.0, **more: Any) -> AccessResult:
    settings = {"candidates": 4000, "needles": 2, "threads": 1, "through": open_bone, **more}
    return find_paths(scene(lesion=BAR), rules(needle_gap_mm=gap), NEEDLE, **settings)


def union(result: AccessResult, names: tuple[str, ...]) -> float:
    """Share of the lesion's voxels in any of the spheroids, voxel by voxel."""
    lesion = scene(lesion=BAR).goal
    points = lesion.grid.world(np.argwhere(lesion.data))
    inside = np.zeros(len(points), bool)
    for name in names:
        path = result.path(name)
        off = points - path.focus_ras_mm
        along = off @ path.trajectory.axis
        across = (off**2).sum(axis=1) - along**2
        inside |= along**2 / 15.0**2 + across / 10.0**2 <= 1.0
    return float(inside.mean())


@pytest.mark.parametrize("gap", [5.0, 14.0])
def test_needles_keep_their_distance_and_cover_more_together(gap: float) -> None:
    result = find(gap)
    best = max(path.coverage for path in result.paths)
    assert result.sets
    for group in result.sets:
        assert len(group.paths) == 2
        first, second = (result.path(name) for name in group.paths)
        apart = segment_gap_mm(first.trajectory, second.trajectory) - 2 * NEEDLE.radius_mm
        assert group.gap_mm == pytest.approx(apart, abs=1e-5)
        assert apart >= gap - 1e-5
        assert group.risk == pytest.approx(first.risk + second.risk, abs=1e-5)
        # Ranked with at most 400 cells of the goal: within 3 % of all its voxels.
        assert group.coverage == pytest.approx(union(result, group.paths), abs=0.03)
    assert union(result, result.sets[0].paths) > best + 0.15


def test_no_pair_fits_a_gap_wider_than_the_lesion() -> None:
    """Zones of one lesion of 40 mm, entries within 40 degrees: no two axes keep 150 mm."""
    assert find(50.0, candidates=300).sets == ()


def test_three_needles_keep_every_mutual_gap() -> None:
    result = find(needles=3)
    threes = [group for group in result.sets if len(group.paths) == 3]
    assert threes
    for group in threes:
        gaps = [
            segment_gap_mm(result.path(one).trajectory, result.path(other).trajectory) - 2 * NEEDLE.radius_mm
            for one, other in combinations(group.paths, 2)
        ]
        assert group.gap_mm == pytest.approx(min(gaps), abs=1e-5)
        assert min(gaps) >= 5.0 - 1e-5
    assert max(g.coverage for g in threes) >= max(g.coverage for g in result.sets if len(g.paths) == 2)


def test_one_needle_asked_for_gives_no_sets() -> None:
    assert find(needles=1).sets == ()
