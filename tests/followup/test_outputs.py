"""Names of the files a follow-up leaves, and the margin as voxels."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.followup.planned_folder import ball
from vertherm.followup.margin_shell import margin_shell
from vertherm.followup.outputs import file_names
from vertherm.geometry.margin_map import margin_map
from vertherm.geometry.volume import Grid


def visit(target: str, examination: str) -> Any:
    """As far as names are concerned."""
    entry = SimpleNamespace(name=examination)
    seen = SimpleNamespace(scan=SimpleNamespace(entry=entry), image=object(), seen_zone=None, cement=None, margin=None)
    return SimpleNamespace(target=SimpleNamespace(name=target, mask=None), examined=seen, findings=())


def test_names_that_look_alike_do_not_share_files() -> None:
    """Signs and capital letters vanish in names of files or on some disks."""
    pairs = [("a b", "x"), ("a_b", "x"), ("A/b", "x"), ("a", "b_x")]
    found = file_names(tuple(visit(*pair) for pair in pairs), synthetic=False)
    paths = [path.lower() for names in found for path in names.values()]
    assert len(set(paths)) == len(paths) == 8
    marked = file_names((visit("a", "x"),), synthetic=True)
    assert all("/SYNTHETIC_" in path for path in marked[0].values())


@pytest.mark.parametrize("shift_mm", [0.0, 6.0])
def test_margin_shell_shows_the_margin(shift_mm: float) -> None:
    """Balls of 8 and 12 mm, the zone shifted along R: the margin at an angle t to R is about 4 + shift cos t.

    Turned by 90 degrees about S into the follow-up, so that R becomes A: the small margins lie on the other side of the
    shift there. Goal 5 mm; voxels within 0.7 mm of a class's bound are not judged.
    """
    grid = Grid.isotropic(np.full(3, -22.0), np.full(3, 22.0), 1.0)
    lesion, zone = ball(np.zeros(3), 8.0).mask(grid), ball(np.array([shift_mm, 0.0, 0.0]), 12.0).mask(grid)
    margin = margin_map(lesion, zone, goal_mm=5.0)
    turn = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    classes = margin_shell(lesion, margin, turn).data
    shell = np.argwhere(classes > 0)
    points = grid.world(shell)
    away = np.linalg.norm(points, axis=1)
    assert away.min() > 6.0
    assert away.max() < 8.5
    on_surface = 8.0 * points / away[:, None]
    truth = 12.0 - np.linalg.norm(on_surface - [0.0, shift_mm, 0.0], axis=1)
    found = classes[tuple(shell.T)]
    for number, low, high in ((1, -np.inf, 0.0), (2, 0.0, 5.0), (3, 5.0, np.inf)):
        sure = (truth > low + 0.7) & (truth < high - 0.7)
        assert (found[sure] == number).all()
    assert set(found) == ({2} if shift_mm == 0.0 else {1, 2, 3})
