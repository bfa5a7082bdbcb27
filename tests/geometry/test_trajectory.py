"""Straight needles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.geometry.test_volume import rotation
from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory

coordinate = st.floats(-200, 200)
point = st.tuples(coordinate, coordinate, coordinate)
SETTINGS = settings(derandomize=True, deadline=None, max_examples=50)


def test_axis_runs_from_tip_to_entry():
    needle = Trajectory(np.array([0.0, -80, 10]), np.array([0.0, -20, 10]))
    np.testing.assert_allclose(needle.axis, [0, -1, 0])
    assert needle.length_mm == 60
    r, z = needle.cylindrical_mm([[0, -20, 10], [0, -80, 10], [3, -30, 14], [0, 0, 10]])
    np.testing.assert_allclose(r, [0, 0, 5, 0], atol=1e-12)
    np.testing.assert_allclose(z, [0, 60, 10, -20])
    np.testing.assert_allclose(needle.point_mm([0.0, 60.0]), [[0, -20, 10], [0, -80, 10]])


@SETTINGS
@given(point, point, point)
def test_cylindrical_coordinates_keep_lengths(entry, tip, where):
    """r^2 + z^2 is the squared distance from the tip (Pythagoras), and the axis point at z lies r away."""
    if np.linalg.norm(np.subtract(entry, tip)) < 1.5:
        return
    needle = Trajectory(np.array(entry), np.array(tip))
    r, z = needle.cylindrical_mm(where)
    assert np.hypot(r, z) == pytest.approx(np.linalg.norm(np.subtract(where, tip)), abs=1e-9)
    assert np.linalg.norm(needle.point_mm(z) - where) == pytest.approx(float(r), abs=1e-9)


@SETTINGS
@given(point, st.tuples(*[st.floats(-1, 1)] * 3))
def test_turning_needle_and_points_together_changes_nothing(where, turn):
    spin, shift = rotation([1.0, *turn]), np.array([5.0, -7.0, 11.0])
    needle = Trajectory(np.array([10.0, -90, 30]), np.array([2.0, 5, -3]))
    turned = Trajectory(spin @ needle.entry_mm + shift, spin @ needle.tip_mm + shift)
    np.testing.assert_allclose(
        turned.cylindrical_mm(spin @ np.array(where) + shift), needle.cylindrical_mm(where), atol=1e-9
    )


def test_unusable_needles_are_refused():
    with pytest.raises(InputError, match="coincide"):
        Trajectory(np.zeros(3), np.array([0, 0, 0.5]))
    with pytest.raises(InputError, match="unusable"):
        Trajectory(np.zeros(2), np.zeros(3))
    with pytest.raises(InputError, match="unusable"):
        Trajectory(np.array([0, np.nan, 0]), np.zeros(3))


def test_a_needle_cannot_be_changed():
    needle = Trajectory(np.zeros(3), np.array([0.0, 0, 50]))
    with pytest.raises(ValueError, match="read-only"):
        needle.tip_mm[0] = 1
