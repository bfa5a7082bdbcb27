"""Images on pictures: sampled as volumes are, painted the right way round, each sample where it lies."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid, Volume
from vertherm.report import canvas
from vertherm.report.planes import Plane, across_plane, near, sampled

FLAT = Plane("axial", np.zeros(3), np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]), (-20.0, 20.0), (-10.0, 10.0))
angles = st.floats(-3.0, 3.0)


@given(st.tuples(angles, angles, angles), st.sampled_from([0, 1]), st.sampled_from([np.bool_, np.int16, np.float32]))
@settings(max_examples=40, deadline=None)
def test_a_plane_shows_what_the_volume_holds_at_its_points(
    towards: tuple[float, float, float], order: int, kind: Any
) -> None:
    """Oblique planes across a volume of unequal, turned voxels, its faces included: the same as point by point."""
    axis = np.add(towards, (0.0, 0.0, 3.5))
    turn = np.array([[0.0, -1.3, 0.2], [0.9, 0.0, 0.0], [0.0, 0.1, 2.1]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, [12.0, -9.0, -13.0]
    data = (np.random.default_rng(3).normal(0.5, 1.0, (19, 17, 13)) * 7).astype(kind)
    volume = Volume(data, Grid((19, 17, 13), affine))
    plane = across_plane(Trajectory(axis, -axis), float(np.linalg.norm(axis)), 15.0)
    expected = volume.sample(plane.points(0.7), order=order, outside=-99.0)
    shown = sampled(volume, plane, 0.7, order=order, outside=-99.0)
    part = sampled(near(volume, plane), plane, 0.7, order=1, outside=-99.0)
    # A point on a face or half-way between voxels falls to either side by rounding.
    assert (np.abs(shown - expected) > 1e-3).mean() < 0.01
    if order == 1:
        assert (np.abs(part - shown) > 1e-3).mean() < 0.01


def painted(values: Any) -> Any:
    """Reds of a picture of values between 0 and 1, row 0 at the bottom."""
    figure = canvas.new_figure(4.0, 2.0)
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    canvas.dress(ax, FLAT)
    canvas.grey(ax, values, 0.0, 1.0)
    drawing: Any = figure.canvas
    drawing.draw()
    return np.asarray(drawing.buffer_rgba())[::-1, :, 0].astype(float)


def test_an_image_is_painted_the_right_way_round_and_from_edge_to_edge() -> None:
    """Grey grows from the left edge (0) to the right (1) in one picture, from the bottom to the top in another."""
    u, v = FLAT.axes(0.5)
    across, up = (
        np.broadcast_to((u + 20) / 40, (len(v), len(u))),
        np.broadcast_to((v[:, None] + 10) / 20, (len(v), len(u))),
    )
    for values, along in ((across, 1), (up, 0)):
        pixels = painted(values)
        shown = np.moveaxis(pixels, along, 0)
        wanted = 255 * (np.arange(len(shown)) + 0.5) / len(shown)
        assert np.abs(shown - wanted[:, None]).max() < 2.5


def test_where_there_is_no_image_the_dark_ground_shows() -> None:
    pixels = painted(np.full((41, 81), np.nan))
    assert set(np.unique(pixels)) == {48.0}


def failing() -> None:
    with canvas.collected_later():
        assert not gc.isenabled()
        raise ValueError("broken")


def test_garbage_is_collected_again_after_a_report_even_after_a_failure() -> None:
    assert gc.isenabled()
    with pytest.raises(ValueError, match="broken"):
        failing()
    assert gc.isenabled()
