"""What makes the margin fast must not change it: nearest places, crossings around a point, coverage, each beside the
plain way, on bodies with clefts, holes and crumbs."""

from __future__ import annotations

import numpy as np
import pytest

from vertherm.geometry.fitted_surface import FittedSurface, _nearest, blurred_surface, crossings
from vertherm.geometry.margin_map import margin_map
from vertherm.geometry.margins import distances_mm
from vertherm.geometry.volume import FloatArray, Grid, Volume


def awful(rng: np.random.Generator, spacing: FloatArray) -> Volume:
    """Four lobes cut by clefts and holes of a voxel or two, with crumbs around."""
    half = 14.0
    shape = np.ceil(2 * half / spacing).astype(int)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -half
    grid = Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)
    x, mask = grid.centres(), np.zeros(grid.shape, bool)
    for _ in range(4):
        mask |= (((x - rng.uniform(-7, 7, 3)) / rng.uniform(3, 7, 3)) ** 2).sum(axis=-1) < 1
    for _ in range(3):
        way = rng.standard_normal(3)
        mask &= np.abs(x @ (way / np.linalg.norm(way)) - rng.uniform(-4, 4)) > rng.uniform(0.5, 2)
        mask &= np.linalg.norm(x - rng.uniform(-7, 7, 3), axis=-1) > rng.uniform(0.8, 3)
    for _ in range(4):
        mask |= np.linalg.norm(x - rng.uniform(-12, 12, 3), axis=-1) < rng.uniform(0.8, 1.6)
    return Volume(mask, grid)


def surfaces() -> list[tuple[FittedSurface, FloatArray, float]]:
    """Surface, points around it, voxel."""
    out = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        spacing = rng.choice([0.5, 1.0, 1.5], 3) if seed % 2 else np.ones(3)
        surface = blurred_surface(awful(rng, spacing))
        assert surface is not None
        out.append((surface, rng.uniform(-16, 16, (2000, 3)), float(spacing.max())))
    return out


def test_walks_from_the_nearest_vertices_find_the_nearest_place() -> None:
    """Beside exact distances to every triangle: never nearer, never farther by more than a hundredth of a voxel
    but for a point in a thousand, where a neighbouring sheet has a nearer vertex and a farther triangle."""
    for surface, points, voxel in surfaces():
        exact = distances_mm(points, surface.surface)
        away, near = surface.nearest(points, np.ones(len(surface.sd_mm), bool))
        assert (away - exact).min() > -1e-9
        assert np.mean(away - exact < 0.01 * voxel) > 0.999
        assert (away - exact).max() < 0.1 * voxel
        # The vertex is a corner of the nearest triangle.
        beside = np.linalg.norm(points - surface.surface.vertices_mm[near], axis=1)
        assert (beside - exact).max() < 1.5 * voxel


def test_walks_from_landmarks_are_right_nearly_everywhere() -> None:
    off = []
    for surface, points, voxel in surfaces():
        away, _ = surface.nearest(points)
        off.append((away - distances_mm(points, surface.surface)) / voxel)
    assert np.min(off) > -1e-9
    assert np.mean(np.concatenate(off) < 0.01) > 0.99
    assert np.max(off) < 2.0


@pytest.mark.parametrize("most", [5, 40, 4000])
def test_crossings_around_a_point(most: int) -> None:
    """All within the reach, or the nearest of them, also where four times as many as wanted lie there."""
    rng = np.random.default_rng(3)
    points, _ = crossings(awful(rng, np.ones(3)))
    vertices = np.concatenate(
        [points[::40] + rng.normal(0, 0.3, points[::40].shape), 40 * np.vstack([np.eye(3), -np.eye(3)])]
    )
    got = _nearest(points, vertices, most, 5.0)
    for vertex, row in zip(vertices, got, strict=True):
        away = np.linalg.norm(points - vertex, axis=1)
        wanted = min(int((away <= 5.0).sum()), most)
        assert (row[:wanted] >= 0).all()
        assert (row[wanted:] == -1).all()
        assert len(set(row[:wanted].tolist())) == wanted
        # Distances, not numbers: equally far ones may stand for each other.
        np.testing.assert_allclose(np.sort(away[row[:wanted]]), np.sort(away)[:wanted])


def test_coverage_is_that_of_27_points_in_every_voxel() -> None:
    """On other grids, also where the zone's grid ends within the lesion: there nothing is treated."""
    shifts = np.stack(np.meshgrid(*3 * [[-1 / 3, 0.0, 1 / 3]], indexing="ij"), axis=-1).reshape(-1, 3)
    shares = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        lesion, zone = (awful(rng, rng.choice([0.7, 1.0, 2.0], 3)) for _ in range(2))
        zone = zone.with_data(zone.data | (np.linalg.norm(zone.grid.centres(), axis=-1) < 2.0 * seed))
        if seed % 2:
            part = zone.data[: zone.data.shape[0] // 2]
            grid = Grid((part.shape[0], part.shape[1], part.shape[2]), zone.grid.affine)
            zone = Volume(part, grid)
        index = np.argwhere(lesion.data)[:, None] + shifts
        field = zone.with_data(zone.data.astype(np.float32))
        plain = float((field.sample(lesion.grid.world(index), outside=0.0) > 0.5).mean())
        assert margin_map(lesion, zone).coverage == pytest.approx(plain, abs=1e-12)
        shares.append(plain)
    assert min(shares) < 0.1
    assert max(shares) > 0.4
