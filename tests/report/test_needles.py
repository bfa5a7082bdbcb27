"""Pictures with several needles."""

from __future__ import annotations

import dataclasses

import numpy as np

from tests.report import fabricated
from vertherm.geometry.trajectory import Trajectory
from vertherm.planning.scene import Needle, Scene
from vertherm.report.pictures import Painter

SECOND = Trajectory(np.array([-38.0, -62.0, 6.0]), np.array([-2.0, 12.0, 0.0]))


def _two() -> Scene:
    base = fabricated.scene()
    return dataclasses.replace(base, needles=(*base.needles, Needle("other side", SECOND, 0.9)))


def test_every_needle_is_drawn_and_named() -> None:
    """Two needles, two dashed projections and two tips; each tip lies where its needle says and carries its name."""
    painter = Painter(fabricated.assessment(), _two())
    figure, _ = painter.draw_anatomy("axial")
    plane = painter.plane("axial")
    tips = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    expected = [plane.project(needle.trajectory.tip_mm)[:2] for needle in _two().needles]
    drawn = [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in tips]
    np.testing.assert_allclose(drawn, expected, atol=1e-9)
    said = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "antenna 1: tip" in said
    assert "other side: tip" in said


def test_needle_plane_takes_the_needle_nearest_to_what_decides() -> None:
    """The deciding structure is the right root: the plane holds the right needle, whatever the order of needles."""
    turned = dataclasses.replace(_two(), needles=_two().needles[::-1])
    for scene in (_two(), turned):
        plane = Painter(fabricated.assessment(), scene).plane("needle")
        right = next(needle for needle in scene.needles if needle.name == "antenna 1")
        np.testing.assert_allclose(plane.project(right.trajectory.point_mm(np.array([0.0, 30.0])))[2], 0.0, atol=1e-6)
