"""Words on pictures cover neither each other nor the scale bar; what finds no room is said below the picture.

Boxes are measured here by matplotlib on the finished figure, not by the code that placed the words.
"""

from __future__ import annotations

import dataclasses
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report import fabricated_plan
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import Structure, StructureKind
from vertherm.report import canvas, style
from vertherm.report.eye import HALF_MM, draw_eye
from vertherm.report.labels import Box, Room, about, beyond
from vertherm.report.paths import PathPainter
from vertherm.report.planes import Plane, across_plane
from vertherm.report.sections import Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STRAIGHT = Trajectory(np.array([0.0, -60.0, 0.0]), np.zeros(3))
DEPTH = 30.0


def extents(ax: Axes) -> list[tuple[str, Any]]:
    """What every text and the scale bar cover, in pixels."""
    drawing: Any = ax.figure.canvas
    drawing.draw()
    renderer = drawing.get_renderer()
    found = [(text.get_text(), text.get_window_extent(renderer)) for text in ax.texts]
    bars = [line for line in ax.lines if line.get_gid() == canvas.SCALE_BAR]
    return found + [("the bar", line.get_window_extent()) for line in bars]


def assert_apart(ax: Axes) -> None:
    whole = ax.bbox.padded(1.0)
    for (one, a), (two, b) in combinations(extents(ax), 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide <= 0.0 or high <= 0.0, (one, two)
    for text, box in extents(ax):
        assert whole.x0 <= box.x0, text
        assert box.x1 <= whole.x1, text
        assert whole.y0 <= box.y0, text
        assert box.y1 <= whole.y1, text


def section_axes() -> Axes:
    plane = across_plane(STRAIGHT, DEPTH, HALF_MM)
    figure = canvas.new_figure(2.5, 2.5)
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    canvas.dress(ax, plane)
    canvas.orientation_marks(ax, plane)
    canvas.scale_bar(ax, plane, 10.0)
    canvas.stamp(ax, synthetic=True, derived=True, level="L3")
    return ax


words = st.text("abcdefghij ÄÖgjpq", min_size=1, max_size=18).filter(lambda name: bool(name.strip()))
spots = st.tuples(st.floats(-HALF_MM, HALF_MM), st.floats(-HALF_MM, HALF_MM))


@given(st.lists(st.tuples(words, spots, st.booleans()), max_size=9))
@settings(max_examples=25, deadline=None)
def test_no_two_words_cover_each_other_and_none_leaves_the_picture(wanted: list[Any]) -> None:
    ax = section_axes()
    room, before = Room(ax), len(ax.texts)
    written = 0
    for name, (u, v), aside in wanted:
        text = ax.text(0, 0, name, fontsize=6.5, weight="bold")
        size = room.box(text)
        places: Any = about(u, v, 7.0)
        if aside:
            way = np.array([u, v]) / max(np.hypot(u, v), 1e-9)
            places = beyond(np.array([u, v]), way, (size.right - size.left, size.top - size.bottom))
        written += room.settle(text, places)
    assert len(ax.texts) == before + written
    assert_apart(ax)


def test_a_full_picture_takes_the_word_away() -> None:
    ax = section_axes()
    room = Room(ax)
    room.keep_off([np.zeros(2)], 2 * HALF_MM)
    before = len(ax.texts)
    assert not room.settle(ax.text(0, 0, "canal"), about(0, 0, 7.0))
    assert len(ax.texts) == before


@given(spots, st.floats(0, 2 * np.pi), st.floats(1, 14), st.floats(1, 5))
def test_a_box_beyond_a_point_does_not_cover_it(
    point: tuple[float, float], turn: float, wide: float, high: float
) -> None:
    for x, y in beyond(np.array(point), np.array([np.cos(turn), np.sin(turn)]), (wide, high)):
        box = Box(0, 0, wide, high).moved_to(x, y)
        assert not box.meets(Box.around(*point, 0.5))


def crowded(names: list[str]) -> tuple[PathPainter, Any]:
    """Balls of 2.5 mm side by side around the needle at one depth."""
    case = fabricated_plan.case()
    grid = Grid.isotropic(np.array([-40.0, -60.0, -40.0]), np.array([40.0, 20.0, 40.0]), 0.8)
    structures = []
    for number, name in enumerate(names):
        turn = 2 * np.pi * number / len(names)
        centre = np.array([7.0 * np.cos(turn), -DEPTH, 7.0 * np.sin(turn)])
        ball = np.linalg.norm(grid.centres() - centre, axis=-1) <= 2.5
        structures.append(Structure(name, StructureKind.vessel, Volume(ball, grid), number % 2 == 0, "fabricated"))
    case = dataclasses.replace(case, anatomy=dataclasses.replace(case.anatomy, structures=tuple(structures)))
    path = fabricated_plan.needle_path(case, "P1", STRAIGHT.entry_mm, STRAIGHT.tip_mm, near=(), clearances=())
    return PathPainter(case, dataclasses.replace(fabricated_plan.result(), paths=(path,))), path


@pytest.mark.parametrize("count", [3, 7, 16])
def test_names_in_a_crowded_section_stay_apart_and_the_others_are_said_below(count: int) -> None:
    names = [f"segmental vessel {number}" for number in range(count)]
    painter, path = crowded(names)
    figure, _ = draw_eye(painter, path, [Section(DEPTH, ("crowded",))])
    ax = figure.axes[0]
    assert_apart(ax)
    inside = {text.get_text().split("\n")[0] for text in ax.texts} & set(names)
    below = " ".join(text.get_text() for text in figure.texts)
    dropped = [name for name in names if name not in inside]
    assert inside
    assert bool(dropped) == ("no room for the name of" in below)
    assert all(name in below for name in dropped)
    assert len(dropped) >= 4 or count < 16
    assert style.DERIVED_MARK in below


def test_the_mark_of_derived_outlines_stays_in_a_narrow_picture() -> None:
    """40 mm wide: half of it holds about 20 letters, so that the mark needs several lines, beside the middle letter."""
    plane = Plane("axial", np.zeros(3), np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]), (-20.0, 20.0), (-30.0, 30.0))
    figure, _ = canvas.plane_figure([plane])
    ax = canvas.picture_axes(figure, plane)
    canvas.orientation_marks(ax, plane)
    canvas.stamp(ax, synthetic=False, derived=True)
    assert_apart(ax)
    said = " ".join(text.get_text().replace("\n", " ") for text in ax.texts)
    assert style.DERIVED_MARK in said


def test_lines_of_many_paths_can_be_told_apart() -> None:
    looks = [(style.path_colour(n), style.path_cored(n)) for n in range(2 * len(style.PATH_COLOURS))]
    assert len(set(looks)) == len(looks) == 24
    assert style.LESION_COLOUR not in style.PATH_COLOURS
