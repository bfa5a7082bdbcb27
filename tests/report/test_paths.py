"""Pictures of needle paths: planes that hold the needle, sections across it, and where known points land on them.

Layout of the known point: a needle from behind, straight along +y (patient prone), tip at the origin. Looking from the
front (coronal, radiological), picture right is the patient's left (-x), picture top the head (+z). A ball 7 mm to the
patient's left and 5 mm towards the head of the axis must land at u = +7, v = +5; mirrored, at u = -7.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report import fabricated, fabricated_plan
from vertherm.access.path import Clearance
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import Structure, StructureKind
from vertherm.planning.objects import Case
from vertherm.report import eye, sections, style
from vertherm.report.eye import draw_eye
from vertherm.report.paths import PathPainter, placement_error, plane_words
from vertherm.report.planes import across_plane, needle_planes
from vertherm.report.sections import Section, bone_depth, narrowest_depth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRAIGHT = Trajectory(np.array([0.0, -60.0, 0.0]), np.zeros(3))
DEPTH = 30.0


def ball_case(centre: tuple[float, float, float], radius: float = 2.0) -> Case:
    """The torso with one ball named "aorta" and nothing else."""
    case = fabricated_plan.case()
    grid = Grid.isotropic(np.array([-40.0, -60.0, -40.0]), np.array([40.0, 20.0, 40.0]), 0.5)
    inside = np.linalg.norm(grid.centres() - np.array(centre), axis=-1) <= radius
    ball = Structure("aorta", StructureKind.vessel, Volume(inside, grid), False, "fabricated")
    return dataclasses.replace(case, anatomy=dataclasses.replace(case.anatomy, structures=(ball,)))


def line_of(ax: Axes, gid: str) -> Any:
    return next(line for line in ax.lines if line.get_gid() == gid)


def said(figure: Figure) -> str:
    from matplotlib.text import Text

    return "\n".join(item.get_text() for item in figure.findobj(Text))


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_known_point_lands_where_it_lies_and_on_its_side(side: float) -> None:
    """Nearest point of a ball of 2 mm at 8.60 mm: 6.60 mm along (7, 5)/8.60, drawn to half a sample and a voxel."""
    case = ball_case((-side * 7.0, -DEPTH, 5.0))
    clearance = Clearance("aorta", "vessel", 5.7, 3.7, 1.0, 0.4, DEPTH, False)
    path = fabricated_plan.needle_path(
        case, "P1", STRAIGHT.entry_mm, STRAIGHT.tip_mm, near=(), clearances=(clearance,)
    )  # fmt: skip
    painter = PathPainter(case, dataclasses.replace(fabricated_plan.result(), paths=(path,)))
    figure, _ = draw_eye(painter, path, [Section(DEPTH, ("closest to aorta",), (clearance,))])
    drawn = line_of(figure.axes[0], "distance aorta")
    end = np.array([drawn.get_xdata()[1], drawn.get_ydata()[1]])
    np.testing.assert_allclose(end, 6.60 * np.array([side * 7.0, 5.0]) / 8.602, atol=0.7)
    start = np.array([drawn.get_xdata()[0], drawn.get_ydata()[0]])
    assert np.linalg.norm(start) == pytest.approx(0.9)
    marks = {text.get_gid(): text.get_text() for text in figure.axes[0].texts if text.get_gid()}
    assert marks == {"mark-left": "R", "mark-right": "L", "mark-top": "S", "mark-bottom": "I"}
    assert "5.7 mm" in said(figure)
    assert "after error 3.7" in said(figure)


def test_needle_and_placement_error_are_drawn_in_their_true_size() -> None:
    painter, path = PathPainter(fabricated_plan.case(), fabricated_plan.result()), fabricated_plan.result().paths[0]
    figure, _ = draw_eye(painter, path, [Section(DEPTH, ("bone entry",))])
    radii = {patch.get_gid(): patch.radius for patch in figure.axes[0].patches}
    assert radii == {"needle": pytest.approx(0.9), "placement error": pytest.approx(2.9)}


@given(
    entry=st.tuples(st.floats(-60, 60), st.floats(-90, -20), st.floats(-30, 30)),
    tip=st.tuples(st.floats(-10, 10), st.floats(0, 10), st.floats(-5, 5)),
)
@settings(max_examples=60, deadline=None)
def test_planes_hold_the_needle_and_stand_across_each_other(entry: Any, tip: Any) -> None:
    """Axis in both planes to 1e-9 mm; the planes at a right angle; the first one's normal as near to z as any can be:
    |n·z| = cos(elevation of the needle). The section's normal is the axis."""
    needle = Trajectory(np.array(entry), np.array(tip))
    first, second = needle_planes(needle, fabricated.ct_grid())
    along = needle.point_mm(np.linspace(0, needle.length_mm, 5))
    for plane in (first, second):
        assert np.abs(plane.project(along)[2]).max() < 1e-9
        u, v, _ = plane.project(needle.tip_mm)
        assert plane.u_mm[0] < u < plane.u_mm[1]
        assert plane.v_mm[0] < v < plane.v_mm[1]
    assert abs(first.normal @ second.normal) < 1e-9
    assert abs(first.normal[2]) == pytest.approx(np.sqrt(1 - needle.axis[2] ** 2), abs=1e-9)
    across = across_plane(needle, 12.0)
    assert abs(across.normal @ needle.axis) == pytest.approx(1.0)
    np.testing.assert_allclose(across.origin_mm, needle.entry_mm - 12.0 * needle.axis, atol=1e-9)


def test_mirrored_needle_gives_the_mirrored_picture() -> None:
    """x → -x: picture-right and the letters change sides together, depth and height stay."""
    flip = np.array([-1.0, 1.0, 1.0])
    needle = Trajectory(fabricated.ENTRY, fabricated.TIP)
    mirrored = Trajectory(fabricated.ENTRY * flip, fabricated.TIP * flip)
    for one, two in zip(
        needle_planes(needle, fabricated.ct_grid()), needle_planes(mirrored, fabricated.ct_grid()), strict=True
    ):
        point = np.array([11.0, 3.0, -4.0])
        u1, v1, _ = one.project(point)
        u2, v2, _ = two.project(point * flip)
        if "sagittal" in plane_words(one):
            assert (float(u2), float(v2)) == pytest.approx((float(u1), float(v1)))
        else:
            assert (float(u2), float(v2)) == pytest.approx((-float(u1), float(v1)))


def test_band_ticks_and_tube_lie_along_the_needle() -> None:
    """Band: 2 x 0.9 mm wide, entry to tip. Ticks: every 10 mm of 82.5 mm from the skin: 9 of them."""
    found = fabricated_plan.result()
    painter, path = PathPainter(fabricated_plan.case(), found), found.paths[0]
    plane = needle_planes(path.trajectory, painter.ct.grid)[0]
    figure, _ = painter.draw_along(path, plane)
    ax = figure.axes[0]
    shaft = next(patch for patch in ax.patches if patch.get_gid() == "shaft").get_xy()[:4]
    assert np.linalg.norm(shaft[0] - shaft[3]) == pytest.approx(1.8)
    assert np.linalg.norm(shaft[0] - shaft[1]) == pytest.approx(path.length_mm)
    ticks = [line for line in ax.lines if line.get_gid() == "depth tick"]
    assert len(ticks) == int(path.length_mm // 10) + 1
    u, v, _ = plane.project(path.trajectory.entry_mm)
    depths = sorted(np.hypot(t.get_xdata().mean() - u, t.get_ydata().mean() - v) for t in ticks)
    # A tick's middle lies 0.9 + 1.6 mm off the axis.
    np.testing.assert_allclose(depths, np.hypot(np.arange(len(ticks)) * 10.0, 2.5), atol=1e-6)
    tube = line_of(ax, "placement error")
    off = np.stack([tube.get_xdata(), tube.get_ydata()], 1)
    world = plane.origin_mm + off[:, :1] * plane.right + off[:, 1:] * plane.up
    r, z = path.trajectory.cylindrical_mm(world)
    np.testing.assert_allclose(np.where(z >= 0, r, np.hypot(r, z)), 2.9, atol=1e-6)


@pytest.mark.parametrize("synthetic", [True, False])
def test_every_picture_of_a_path_carries_its_marks(synthetic: bool) -> None:
    case, found = fabricated_plan.case(synthetic=synthetic), fabricated_plan.result()
    painter = PathPainter(case, found)
    path = found.paths[0]
    figures = [painter.draw_along(path, plane)[0] for plane in needle_planes(path.trajectory, painter.ct.grid)]
    figures.append(draw_eye(painter, path, painter.sections(path))[0])
    figures += [
        painter.draw_overview(found.paths, painter.overview_plane(n, found.paths))[0] for n in ("axial", "sagittal")
    ]
    for figure in figures:
        text, n = said(figure), len(figure.axes)
        assert text.count("RESEARCH ONLY") == n
        assert text.count(style.SYNTHETIC_MARK) == (n if synthetic else 0)
        assert text.count("L3\n") >= n
        assert text.count("20 mm") + text.count("10 mm") >= n
        for ax in figure.axes:
            gids = {item.get_gid() for item in ax.texts}
            assert {"mark-left", "mark-right", "mark-top", "mark-bottom"} <= gids
    assert style.DERIVED_MARK in said(figures[2])


def test_overview_names_every_path_apart_from_the_others() -> None:
    found = fabricated_plan.result()
    painter = PathPainter(fabricated_plan.case(), found)
    plane = painter.overview_plane("axial", found.paths)
    figure, _ = painter.draw_overview(found.paths, plane, "P1")
    names = {t.get_text(): t for t in figure.axes[0].texts if t.get_text() in {"P1", "P2", "P3"}}
    assert set(names) == {"P1", "P2", "P3"}
    # P2 enters on the patient's left: on the right of the picture.
    assert names["P2"].xyann[0] > names["P1"].xyann[0]  # type: ignore[attr-defined]
    for path in found.paths:
        u, v, _ = plane.project(path.trajectory.entry_mm)
        assert plane.u_mm[0] < u < plane.u_mm[1]
        assert plane.v_mm[0] < v < plane.v_mm[1]


def test_placement_error_is_read_off_the_clearances_where_nothing_states_it() -> None:
    unstated = dataclasses.replace(fabricated_plan.result(), placement_error_mm=None)
    assert placement_error(unstated) == pytest.approx(fabricated_plan.ERROR_MM)
    assert placement_error(dataclasses.replace(unstated, paths=())) is None


def _vertebra() -> tuple[Volume, Volume]:
    """Along the needle of STRAIGHT: bone from depth 20 (|x| < 12), a waist of |x| < 4 from 30 to 40, then a wide body.

    The canal is a column at x = 10..16 beside the waist.
    """
    grid = Grid.isotropic(np.array([-30.0, -62.0, -20.0]), np.array([30.0, 12.0, 20.0]), 1.0)
    x, y, z = np.moveaxis(grid.centres(), -1, 0)
    depth = 60.0 + y
    half = np.where((depth > 30) & (depth < 40), 4.0, 12.0)
    bone = (depth > 20) & (np.abs(x) < half) & (np.abs(z) < 8)
    canal = (depth > 28) & (depth < 44) & (x > 14) & (x < 20)
    return Volume(bone, grid), Volume(canal, grid)


def test_bone_entry_and_isthmus_are_found_where_they_are() -> None:
    """Bone begins 20 mm deep (to half a voxel and a sample); the waist lies 30 to 40 mm deep."""
    bone, canal = _vertebra()
    assert bone_depth(STRAIGHT, (bone,)) == pytest.approx(20.0, abs=0.8)
    depth = narrowest_depth(STRAIGHT, bone, canal)
    assert depth is not None
    assert 30.0 <= depth <= 40.0
    away = canal.with_data(np.zeros_like(canal.data))
    assert narrowest_depth(STRAIGHT, bone, away) is None
    aside = np.array([25.0, 0.0, 0.0])
    beside = Trajectory(STRAIGHT.entry_mm + aside, STRAIGHT.tip_mm + aside)
    assert bone_depth(beside, (bone,)) is None


def test_sections_share_a_picture_where_they_nearly_meet_and_stand_in_order() -> None:
    found = fabricated_plan.result()
    painter = PathPainter(fabricated_plan.case(), found)
    chosen = painter.sections(found.paths[0])
    depths = [section.depth_mm for section in chosen]
    assert depths == sorted(depths)
    assert min(np.diff(depths)) > sections._SAME_MM
    reasons = " ".join(reason for section in chosen for reason in section.reasons)
    for wanted in ("closest to dural sac", "closest to root L3 right", "bone entry", "middle of the zone", "isthmus"):
        assert wanted in reasons
    assert depths[-1] == pytest.approx(found.paths[0].length_mm - 10.0, abs=sections._SAME_MM)


def test_far_structures_get_no_section() -> None:
    path = fabricated_plan.result().paths[0]
    far = dataclasses.replace(path.clearances[0], distance_mm=sections.FARTHEST_MM + 1, after_error_mm=15.0)
    only = dataclasses.replace(path, clearances=(far,))
    painter = PathPainter(fabricated_plan.case(), fabricated_plan.result())
    assert not any(section.clearances for section in painter.sections(only))


def test_a_structure_at_the_axis_itself_has_a_line_of_no_length() -> None:
    """Touching: the sample at the axis lies in the label; nothing divides by zero."""
    plane = across_plane(STRAIGHT, DEPTH)
    values = np.ones((len(plane.axes(eye.LABEL_STEP_MM)[1]), len(plane.axes(eye.LABEL_STEP_MM)[0])), bool)
    assert eye.nearest("x", values, plane).axis_mm == pytest.approx(0.0, abs=eye.LABEL_STEP_MM)
