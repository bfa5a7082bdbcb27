"""Distances from needles to unions of voxel boxes.

Brute force: the squared distance from p + t v to one box is convex in t, minimised by golden section for every voxel;
the union's distance is the smallest. Agreement to 1e-6 mm: golden section finds the minimum of a parabola to the square
root of the rounding, about 1e-7 of the distance.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tests.access.search_scenes import box, brute_distance, grid, stored
from vertherm.access.solids import boxes_of, clearance_mm, distances_mm, segment_gap_mm, sheared, unsheared
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid, Volume


def turned_mask(seed: int, share: float, mirror: bool) -> tuple[Volume, np.random.Generator]:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(2, 7, 3))
    affine = np.eye(4)
    affine[:3, :3] = Rotation.random(random_state=seed).as_matrix() @ np.diag(rng.uniform(0.5, 3.0, 3))
    affine[:3, 0] *= -1.0 if mirror else 1.0
    affine[:3, 3] = rng.uniform(-50, 50, 3)
    data = rng.random(shape) < share
    data[tuple(n // 2 for n in shape)] = True
    return Volume(data, Grid((shape[0], shape[1], shape[2]), affine), "random"), rng


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.02, 0.3, 0.95]), st.booleans())
def test_distance_to_voxels_against_brute_force(seed: int, share: float, mirror: bool) -> None:
    mask, rng = turned_mask(seed, share, mirror)
    size = np.array(mask.grid.shape)
    starts = mask.grid.world(rng.uniform(-size, 2 * size, (4, 3)))
    ends = mask.grid.world(rng.uniform(-size, 2 * size, (4, 3)))
    # One needle along an axis of the grid, where derivatives vanish, and one of no length.
    ends[0] = starts[0] + 3.0 * mask.grid.affine[:3, 1]
    ends[1] = starts[1]
    distance, place = distances_mm(mask, starts, ends)
    for n in range(4):
        assert distance[n] == pytest.approx(brute_distance(mask, starts[n], ends[n]), abs=1e-6)
        there = starts[n] + place[n] * (ends[n] - starts[n])
        assert brute_distance(mask, there, there) == pytest.approx(distance[n], abs=1e-6)


def test_a_needle_beside_a_box() -> None:
    """Box x 5..9, y -3..3, z -3..3; needle on the y axis: 5 mm. At 45 degrees past the edge (9, -3): 2 / sqrt 2."""
    mask = box((5, -3, -3), (9, 3, 3), grid())
    straight = Trajectory(np.array([0.0, -40.0, 0.0]), np.array([0.0, 40.0, 0.0]))
    assert clearance_mm(mask, straight, 1.0) == pytest.approx(4.0, abs=1e-9)
    slanted = Trajectory(np.array([-18.0, -32.0, 0.0]), np.array([42.0, 28.0, 0.0]))
    # The line y = x - 14; the edge (9, -3) lies |9 - (-3) - 14| / sqrt 2 from it.
    assert clearance_mm(mask, slanted, 0.0) == pytest.approx(np.sqrt(2.0), abs=1e-9)
    through = Trajectory(np.array([7.0, -40.0, 0.0]), np.array([7.0, 0.0, 0.0]))
    assert clearance_mm(mask, through, 1.0) == pytest.approx(-1.0, abs=1e-12)


def test_a_needle_within_a_solid_has_no_distance() -> None:
    mask = box((-20, -20, -20), (20, 20, 20), grid())
    inside = distances_mm(mask, np.array([[0.0, 0.0, 0.0]]), np.array([[3.0, 2.0, 1.0]]))
    assert inside[0][0] == 0.0


def test_only_voxels_on_the_surface_are_needed() -> None:
    """Inner voxels removed: the distances of a needle from outside stay, also through an edge between two voxels."""
    mask = box((-6, -6, -6), (6, 6, 6), grid())
    assert len(boxes_of(mask).lower) < len(boxes_of(mask, whole=True).lower)
    corner = distances_mm(mask, np.array([[-20.0, -20.0, -20.0]]), np.array([[0.0, 0.0, 0.0]]))
    assert corner[0][0] == 0.0


@pytest.mark.parametrize(("order", "flips"), [((1, 2, 0), ()), ((0, 1, 2), (0,)), ((2, 1, 0), (1, 2))])
def test_storage_does_not_matter(order: tuple[int, int, int], flips: tuple[int, ...]) -> None:
    mask, rng = turned_mask(5, 0.2, False)
    starts, ends = (mask.grid.world(rng.uniform(-8, 14, (20, 3))) for _ in range(2))
    one, other = distances_mm(mask, starts, ends)[0], distances_mm(stored(mask, order, flips), starts, ends)[0]
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_a_sheared_grid_is_made_orthogonal() -> None:
    """A box sheared by 10 degrees: nearest voxel of half the size: faces off by half a new diagonal at most."""
    affine = np.eye(4)
    affine[0, 2] = np.tan(np.radians(10.0))
    mask = Volume(np.ones((10, 10, 10), bool), Grid((10, 10, 10), affine))
    assert sheared(mask.grid)
    assert not sheared(unsheared(mask).grid)
    # At mid-height (z = 4.5) the solid ends at x = 9.5 + 4.5 tan 10, with a face that leans by 10 degrees.
    start = np.array([[30.0, 4.5, 4.5]])
    found = distances_mm(mask, start, start)[0][0]
    assert found == pytest.approx(
        (30.0 - 9.5 - 4.5 * affine[0, 2]) * np.cos(np.radians(10.0)), abs=0.5 * np.sqrt(3) * 0.5
    )


def needle(start: object, end: object) -> Trajectory:
    return Trajectory(np.array(start, float), np.array(end, float))


def test_gaps_between_needles() -> None:
    along = needle((0, 0, 0), (10, 0, 0))
    assert segment_gap_mm(along, needle((5, 3, -5), (5, 3, 5))) == pytest.approx(3.0)
    assert segment_gap_mm(along, needle((2, 4, 0), (8, 4, 0))) == pytest.approx(4.0)
    assert segment_gap_mm(along, needle((13, 4, 0), (20, 4, 0))) == pytest.approx(5.0)
    assert segment_gap_mm(along, needle((4, -1, 0), (4, 1, 0))) == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_gap_against_sampling(seed: int) -> None:
    """400 x 400 places: the smallest sampled distance is above the gap by at most half a step of each segment."""
    rng = np.random.default_rng(seed)
    a, b, c, d = rng.uniform(-10, 10, (4, 3))
    t = np.linspace(0, 1, 401)[:, None]
    sampled = np.linalg.norm((a + t * (b - a))[:, None] - (c + t * (d - c)), axis=2).min()
    gap = segment_gap_mm(needle(a, b), needle(c, d))
    step = (np.linalg.norm(b - a) + np.linalg.norm(d - c)) / 800
    assert gap - 1e-9 <= sampled <= gap + step
