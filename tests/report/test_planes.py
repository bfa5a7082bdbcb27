"""Planes: radiological convention whatever the storage order, and sampling that ignores it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report import fabricated
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid, Volume
from vertherm.report.planes import letters, needle_plane, sampled, standard_plane

STORED = [
    (order, flips)
    for order in itertools.permutations(range(3))
    for flips in ((1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, 1))
]


@pytest.mark.parametrize(
    ("name", "marks"),
    [
        ("axial", {"left": "R", "right": "L", "top": "A", "bottom": "P"}),
        ("coronal", {"left": "R", "right": "L", "top": "S", "bottom": "I"}),
        ("sagittal", {"left": "A", "right": "P", "top": "S", "bottom": "I"}),
    ],
)
def test_standard_planes_carry_the_letters_of_radiological_convention(name: str, marks: dict[str, str]) -> None:
    assert standard_plane(name, np.zeros(3), fabricated.ct_grid()).marks() == marks


@pytest.mark.parametrize(("name", "viewer"), [("axial", (0, 0, -1)), ("coronal", (0, 1, 0)), ("sagittal", (-1, 0, 0))])
def test_viewer_stands_at_the_feet_in_front_and_at_the_left(name: str, viewer: tuple[int, int, int]) -> None:
    """A mirrored picture has the right letters and the wrong handedness: u x v must point to the viewer."""
    np.testing.assert_allclose(standard_plane(name, np.zeros(3), fabricated.ct_grid()).normal, viewer, atol=1e-12)


@pytest.mark.parametrize(("order", "flips"), STORED)
def test_storage_order_never_moves_anything_in_the_picture(order: tuple[int, ...], flips: tuple[int, ...]) -> None:
    """A volume holding x, y and z themselves: each picture must show the world coordinate of its own sample points."""
    grid = fabricated.ct_grid(order, flips, 5.0)  # type: ignore[arg-type]
    centres = grid.centres()
    for name in ("axial", "coronal", "sagittal"):
        plane = standard_plane(name, np.array([3.0, -4.0, 5.0]), grid, 30.0)
        points = plane.points(2.0)
        for axis in range(3):
            shown = sampled(Volume(centres[..., axis].astype(np.float32), grid), plane, 2.0)
            np.testing.assert_allclose(shown, points[..., axis], atol=1e-3)


@pytest.mark.parametrize("name", ["axial", "coronal"])
def test_patients_left_is_on_the_right_of_the_picture(name: str) -> None:
    grid = fabricated.ct_grid(flips=(-1, 1, 1))
    left = (grid.centres()[..., 0] < 0).astype(np.float32)  # RAS: negative x is the patient's left
    shown = sampled(Volume(left, grid), standard_plane(name, np.zeros(3), grid), 1.0)
    middle = shown.shape[1] // 2
    assert shown[:, middle + 3 :].min() > 0.99
    assert shown[:, : middle - 3].max() < 0.01


@pytest.mark.parametrize(
    ("direction", "text"),
    [((1, 0, 0), "R"), ((-1, 0, 0), "L"), ((0, 0, -2), "I"), ((-0.7, 0.71, 0), "AL"), ((0.3, -0.95, 0), "P")],
)
def test_letters(direction: tuple[float, ...], text: str) -> None:
    assert letters(np.array(direction, float)) == text


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.floats(-40, 40) for _ in range(6)]),
    st.tuples(*[st.floats(-40, 40) for _ in range(3)]),
)
def test_needle_plane_holds_the_needle_and_keeps_handedness(
    ends: tuple[float, ...], towards: tuple[float, ...]
) -> None:
    """Property: entry and tip lie in the plane; u, v orthonormal; the viewer stays on the side of a standard view."""
    entry, tip = np.array(ends[:3]), np.array(ends[3:])
    if np.linalg.norm(entry - tip) < 1.5:
        return
    plane = needle_plane(Trajectory(entry, tip), np.array(towards), fabricated.ct_grid())
    np.testing.assert_allclose(plane.project(np.stack([entry, tip]))[2], 0.0, atol=1e-6)
    np.testing.assert_allclose(
        [plane.right @ plane.up, plane.right @ plane.right, plane.up @ plane.up], [0, 1, 1], atol=1e-9
    )
    viewers = np.array([[0, 0, -1], [0, 1, 0], [-1, 0, 0]])
    assert (viewers @ plane.normal).max() >= 1 / np.sqrt(3) - 1e-6
    assert all(plane.marks().values())


def test_a_small_volume_is_empty_beyond_its_faces() -> None:
    grid = Grid((4, 4, 4), np.diag([1.0, 1.0, 1.0, 1.0]))
    shown = sampled(Volume(np.ones(grid.shape, np.float32), grid), standard_plane("axial", np.full(3, 1.5), grid), 1.0)
    assert np.isnan(shown).any()
    assert np.nansum(shown) == pytest.approx(16, abs=9)
