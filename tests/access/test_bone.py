"""Needles through labelled voxels: lengths, normals and depths against closed forms and brute force.

- Segment to box: brute minimum over 4000 points of the segment, which can only be larger, by at most half its step.
- Length in bone: a slab of thickness d crossed at angle a gives d / cos(a); random labels against dense sampling.
- Normal of a plane: along the voxels and beyond 20 degrees within 2 degrees; between, stairs longer than the smoothing
  remain (an edge every 1 / tan of the tilt): within 7 degrees at 1 mm, 11 degrees at 3 mm. Sphere of radius 20 mm:
  within 3.5 degrees. Unsmoothed, a step of the stairs is off by up to 45 degrees and more.
- Depth: in a slab |x| <= h the axis at x has depth h - |x|; outside, minus its distance to the slab.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertherm.access.bone import Bone
from vertherm.access.bone_kernels import segment_to_box
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.orient import reoriented

coordinate = st.floats(-8.0, 8.0, allow_nan=False)
point = st.tuples(coordinate, coordinate, coordinate)


@settings(max_examples=300, deadline=None)
@given(point, point)
def test_segment_to_box_against_brute_force(start: tuple[float, ...], end: tuple[float, ...]) -> None:
    a, b = np.array(start), np.array(end)
    length = float(np.linalg.norm(b - a))
    if length < 0.1:
        return
    d = (b - a) / length
    low, high = np.array([-1.5, -0.5, -1.0]), np.array([1.5, 0.5, 2.0])
    found = np.sqrt(segment_to_box(a, d, length, low, high))
    points = a + np.linspace(0, length, 4001)[:, None] * d
    brute = np.linalg.norm(points - np.clip(points, low, high), axis=1).min()
    assert found <= brute + 1e-9
    assert found >= brute - length / 8000 - 1e-9


def grid_of(spacing_mm: float, half_mm: float = 30.0) -> Grid:
    return Grid.isotropic(np.full(3, -half_mm), np.full(3, half_mm), spacing_mm)


@settings(max_examples=40, deadline=None)
@given(st.floats(-60.0, 60.0), st.floats(-60.0, 60.0))
def test_length_in_a_slab(one: float, other: float) -> None:
    """Slab |y| <= 9 mm, needle along (tan a, 1, tan b): length 18 sqrt(1 + tan^2 a + tan^2 b)."""
    grid = grid_of(3.0, 60.0)
    bone = Bone(Volume(np.abs(grid.centres()[..., 1]) <= 9.0, grid))
    way = np.array([np.tan(np.radians(one)), 1.0, np.tan(np.radians(other))])
    if np.abs(way[[0, 2]]).max() * 9 > 50:
        return
    crossing = bone.crossing(np.array([-14.0 * way]), np.array([14.0 * way]))
    scale = float(np.linalg.norm(way))
    assert crossing.length_mm[0] == pytest.approx(18.0 * scale, abs=1e-9)
    assert crossing.first_mm[0] == pytest.approx(5.0 * scale, abs=1e-9)


def test_lengths_against_dense_sampling() -> None:
    """Random voxels and needles: a sampled length is off by at most a step (0.002 mm) a crossing, of about 40."""
    rng = np.random.default_rng(1)
    grid = Grid((9, 11, 7), np.diag([1.3, 0.8, 2.1, 1.0]))
    mask = Volume(rng.random((9, 11, 7)) < 0.5, grid)
    body = Volume((rng.random((9, 11, 7)) < 0.3) & mask.data, grid)
    low, high = grid.bounds()
    entries, tips = rng.uniform(low - 3, high + 3, (40, 3)), rng.uniform(low, high, (40, 3))
    windows = np.tile([2.0, 6.0], (40, 1))
    crossing = Bone(mask, body).crossing(entries, tips, windows)
    for n in range(40):
        length = np.linalg.norm(tips[n] - entries[n])
        t = np.arange(0.001, length, 0.002)
        points = entries[n] + t[:, None] * (tips[n] - entries[n]) / length
        inside = mask.sample(points, order=0, outside=0.0) > 0
        in_body = body.sample(points, order=0, outside=0.0) > 0
        assert crossing.length_mm[n] == pytest.approx(0.002 * inside.sum(), abs=0.08)
        assert crossing.window_mm[n] == pytest.approx(0.002 * (inside & (t > 2) & (t < 6)).sum(), abs=0.04)
        first = t[inside][0] if inside.any() else np.nan
        assert crossing.first_mm[n] == pytest.approx(first, abs=0.004, nan_ok=True)
        first_body = t[in_body][0] if in_body.any() else np.nan
        assert crossing.first_body_mm[n] == pytest.approx(first_body, abs=0.004, nan_ok=True)


def test_storage_order_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    grid = Grid((20, 24, 18), np.diag([1.0, 1.0, 1.5, 1.0]))
    mask = Volume(np.linalg.norm(grid.centres() - [10, 12, 13], axis=-1) < 8, grid)
    entries, tips = rng.uniform(-10, 0, (30, 3)), rng.uniform(5, 18, (30, 3))
    plain, turned = Bone(mask), Bone(reoriented(mask, "SPL"))
    one, other = plain.crossing(entries, tips), turned.crossing(entries, tips)
    np.testing.assert_array_equal(one.length_mm, other.length_mm)
    np.testing.assert_array_equal(one.first_mm, other.first_mm)
    np.testing.assert_array_equal(plain.normals(tips), turned.normals(tips))


@pytest.mark.parametrize("spacing", [1.0, 3.0])
@pytest.mark.parametrize("tilt", [0.0, 5.0, 10.0, 20.0, 27.0, 45.0])
def test_normal_of_a_plane(spacing: float, tilt: float) -> None:
    """Bone below the plane n x = 2.3; needles come down in directions around -n and meet voxel stairs."""
    grid = grid_of(spacing)
    a = np.radians(tilt)
    normal = np.array([np.sin(a) * 0.6, np.sin(a) * 0.8, np.cos(a)])
    bone = Bone(Volume(grid.centres() @ normal <= 2.3, grid))
    rng = np.random.default_rng(3)
    aims = rng.uniform(-6, 6, (200, 3))
    tips = aims - (aims @ normal - 1.0)[:, None] * normal - 4.0 * normal
    entries = tips + 25.0 * (normal + rng.normal(0, 0.2, (200, 3)))
    crossing = bone.crossing(entries, tips)
    along = (tips - entries) / np.linalg.norm(tips - entries, axis=1, keepdims=True)
    normals = bone.normals(entries + crossing.first_mm[:, None] * along)
    off = np.degrees(np.arccos(np.clip(normals @ normal, -1, 1)))
    between = 0.0 < tilt < 20.0
    assert off.max() < (2.0 if not between else 7.0 if spacing == 1.0 else 11.0)


@pytest.mark.parametrize("spacing", [1.0, 3.0])
def test_normal_of_a_sphere(spacing: float) -> None:
    grid = grid_of(spacing)
    bone = Bone(Volume(np.linalg.norm(grid.centres(), axis=-1) <= 20.0, grid))
    way = np.random.default_rng(4).normal(size=(300, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    entries, tips = 29.0 * way, 5.0 * way
    first = bone.crossing(entries, tips).first_mm
    normals = bone.normals(entries - first[:, None] * way)
    off = np.degrees(np.arccos(np.clip(np.sum(normals * way, axis=1), -1, 1)))
    assert off.max() < 3.5


def test_depth_in_a_slab_is_exact() -> None:
    """Slab |x| <= 6 mm (voxel faces), needles along y at x, tilted by s: depth 6 - max|x|; out: minus (max|x| - 6)."""
    grid = grid_of(1.5)
    bone = Bone(Volume(np.abs(grid.centres()[..., 0]) <= 6.0, grid))
    starts = np.array([0.0, 2.0, -4.5, 5.9, 7.0, 5.0])
    ends = np.array([0.0, 3.0, -4.5, 5.0, 8.25, 6.5])
    entries = np.stack([starts, np.full(6, -8.0), np.full(6, 0.3)], axis=1)
    tips = np.stack([ends, np.full(6, 8.0), np.full(6, -0.4)], axis=1)
    lengths = np.linalg.norm(tips - entries, axis=1)
    depth = bone.depth(entries, tips, np.stack([np.zeros(6), lengths], axis=1))
    np.testing.assert_allclose(depth[:4], [6.0, 3.0, 1.5, 0.1], atol=1e-9)
    # Outside, points a tenth of a millimetre apart are looked at: along x that is a hundredth here.
    np.testing.assert_allclose(depth[4:], [-2.25, -0.5], atol=0.02)


def test_depth_against_brute_force() -> None:
    """A lumpy bone: the depth of an axis within it against every voxel outside, 200 points an axis (0.06 mm)."""
    rng = np.random.default_rng(5)
    grid = grid_of(1.0, 14.0)
    shape = np.linalg.norm(grid.centres() * [1.0, 0.4, 1.0], axis=-1) + rng.normal(0, 0.5, grid.shape)
    bone = Volume(shape < 7.0, grid)
    outside = grid.world(np.argwhere(~bone.data))
    outside = outside[(np.abs(outside) < 10.0).all(axis=1)]
    entries = np.stack([rng.uniform(-2, 2, 12), np.full(12, -5.0), rng.uniform(-2, 2, 12)], axis=1)
    tips = entries * [1.0, -1.0, 1.0] + rng.uniform(-1.5, 1.5, (12, 3)) * [1.0, 0.0, 1.0]
    lengths = np.linalg.norm(tips - entries, axis=1)
    depth = Bone(bone).depth(entries, tips, np.stack([np.zeros(12), lengths], axis=1))
    for n in range(12):
        points = entries[n] + np.linspace(0, 1, 200)[:, None] * (tips[n] - entries[n])
        gaps = np.maximum(np.abs(points[:, None] - outside[None]) - 0.5, 0.0)
        brute = np.sqrt((gaps**2).sum(axis=-1)).min()
        assert depth[n] == pytest.approx(brute, abs=0.05)
