"""Surfaces: volume and area of known bodies, closed borders, orientation, zone axes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.geometry.test_volume import rotation
from vertherm.core.errors import InputError
from vertherm.geometry.surface import Surface, enclosed_volume_ml, iso_surface, mask_surface, zone_axes
from vertherm.geometry.volume import Grid, Volume


def turned_grid(centre, half_mm, spacing, quaternion=(1, 0, 0, 0), flip=False):
    spacing = np.asarray(spacing, float) * np.ones(3)
    shape = tuple(int(n) for n in np.ceil(2 * half_mm / spacing))
    affine = np.eye(4)
    affine[:3, :3] = rotation(quaternion) @ np.diag(spacing * ([-1, 1, 1] if flip else [1, 1, 1]))
    affine[:3, 3] = np.asarray(centre) - affine[:3, :3] @ ((np.array(shape) - 1) / 2 + 0.23)
    return Grid(shape, affine)


def ball_field(grid, centre, radius):
    """A field that falls linearly with the distance; its level 0 is the sphere."""
    return Volume(radius - np.linalg.norm(grid.centres() - centre, axis=-1), grid)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("quaternion", [(1, 0, 0, 0), (1, 0.3, -0.2, 0.5)])
def test_iso_surface_of_a_ball(quaternion, flip):
    """Ball of radius 10 mm on 1 mm voxels, any orientation and handedness: the inscribed triangles lose h^2/(4R) in
    radius at most, so volume 4188.8 mm3 within 0.6 % and area 1256.6 mm2 within 0.6 %; vertices on the sphere to 0.02
    mm; and a positive volume, so oriented outwards."""
    centre = np.array([110.0, -60.0, 900.0])
    surface = iso_surface(ball_field(turned_grid(centre, 14, 1.0, quaternion, flip), centre, 10.0), 0.0)
    assert surface is not None
    assert surface.volume_ml == pytest.approx(4.18879, rel=6e-3)
    assert surface.area_mm2 == pytest.approx(1256.64, rel=6e-3)
    assert surface.vertex_areas_mm2.sum() == pytest.approx(surface.area_mm2)
    assert np.abs(np.linalg.norm(surface.vertices_mm - centre, axis=1) - 10).max() < 0.02


def test_volume_converges_with_second_order():
    """Ball of radius 10 mm: error of the volume at 2, 1, 0.5 mm voxels falls by about 4 a step (at least 3)."""
    errors = []
    for spacing in (2.0, 1.0, 0.5):
        field = ball_field(turned_grid(np.zeros(3), 14, spacing), np.zeros(3), 10.0)
        errors.append(abs(enclosed_volume_ml(field, 0.0) - 4.18879))
    assert all(a / b > 3 for a, b in pairwise(errors))


def edges_are_closed(surface: Surface) -> bool:
    """Every edge belongs to exactly two triangles, once in each direction."""
    faces = surface.faces
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forward = {tuple(edge) for edge in directed.tolist()}
    return len(forward) == len(directed) and all((b, a) in forward for a, b in forward)


def test_a_region_at_the_border_is_closed_on_the_outer_faces():
    """A field above its level throughout fills the whole box of voxels but for chamfered edges: 10x8x6 voxels of 1 mm,
    480 mm3; the chamfer takes less than 4 %. Extents are the full 10, 8, 6 mm."""
    grid = Grid((10, 8, 6), np.eye(4))
    surface = iso_surface(Volume(np.full(grid.shape, 50.0), grid), 43.0)
    assert surface is not None
    assert edges_are_closed(surface)
    np.testing.assert_allclose(np.ptp(surface.vertices_mm, axis=0), [10, 8, 6], atol=1e-4)
    assert 0.96 * 0.480 < surface.volume_ml <= 0.480
    half = iso_surface(ball_field(grid, np.array([0.0, 4, 3]), 2.5), 0.0)
    assert half is not None
    assert edges_are_closed(half)
    assert half.vertices_mm[:, 0].min() == pytest.approx(-0.5, abs=1e-4)


def test_digits_survive_a_small_step_on_a_large_field_far_from_the_origin():
    """A 1 K dome on 310 K, 1 m from the origin: still the right ball (float32 holds 3e-5 K there)."""
    centre = np.array([1000.0, -1000.0, 1000.0])
    grid = turned_grid(centre, 12, 1.0)
    field = ball_field(grid, centre, 8.0)
    surface = iso_surface(field.with_data(310.0 + 0.1 * field.data), 310.0)
    assert surface is not None
    assert surface.volume_ml == pytest.approx(4 / 3 * np.pi * 0.512, rel=0.01)


def test_nothing_above_the_level_is_none():
    grid = Grid((5, 5, 5), np.eye(4))
    flat = Volume(np.full(grid.shape, 37.0), grid)
    assert iso_surface(flat, 60.0) is None
    assert iso_surface(flat, 37.0) is None
    assert enclosed_volume_ml(flat, 60.0) == 0.0
    assert mask_surface(Volume(np.zeros(grid.shape, bool), grid)) is None
    with pytest.raises(InputError, match="NaN"):
        iso_surface(flat.with_data(np.full(grid.shape, np.nan)), 60.0)


@pytest.mark.parametrize("spacing", [1.0, 2.0, (0.8, 0.8, 2.0)])
def test_mask_surface_is_finer_than_its_voxels(spacing):
    """Mask of a ball of radius 10 mm: volume as counted (0.5 %), surface within 0.45 of the largest voxel edge of the
    sphere everywhere and 0.13 of it in the mean; better in both than the plain voxel surface."""
    centre = np.array([3.3, -2.1, 7.7])
    grid = turned_grid(centre, 15, spacing, (1, 0.2, 0.1, -0.3))
    mask = Volume(np.linalg.norm(grid.centres() - centre, axis=-1) < 10, grid)
    surface, plain = mask_surface(mask), mask_surface(mask, 0.0)
    assert surface is not None
    assert plain is not None
    assert edges_are_closed(surface)
    assert surface.volume_ml == pytest.approx(mask.data.sum() * grid.voxel_volume_ml, rel=5e-3)
    largest = float(np.max(spacing))
    off = np.abs(np.linalg.norm(surface.vertices_mm - centre, axis=1) - 10)
    rough = np.abs(np.linalg.norm(plain.vertices_mm - centre, axis=1) - 10)
    assert off.max() < 0.45 * largest
    assert off.mean() < 0.13 * largest
    assert off.mean() < rough.mean()
    assert off.max() < rough.max()


def test_small_and_thin_masks_keep_their_surface():
    """One voxel, a sheet one voxel thin, and a mask that touches the border: a closed surface of about the right
    volume (within 60 % for the single voxel, whose voxel surface is an octahedron; 10 % else)."""
    grid = Grid((12, 12, 12), np.diag([1.0, 1.0, 2.0, 1.0]))
    one = np.zeros(grid.shape, bool)
    one[5, 5, 5] = True
    sheet = np.zeros(grid.shape, bool)
    sheet[2:10, 2:10, 6] = True
    border = np.zeros(grid.shape, bool)
    border[:6, :6, :6] = True
    for data, tolerance in ((one, 0.95), (sheet, 0.5), (border, 0.05)):
        surface = mask_surface(Volume(data, grid))
        assert surface is not None
        assert edges_are_closed(surface)
        assert surface.volume_ml == pytest.approx(data.sum() * grid.voxel_volume_ml, rel=tolerance)


@pytest.mark.parametrize("flip", [False, True])
def test_zone_axes_of_a_turned_ellipsoid(flip):
    """Half axes 18, 12, 10 mm, long axis along the needle at an oblique angle, 1 mm voxels: extents 36, 24, 20 mm to
    0.1 mm (linear interpolation of a smooth field; 180 directions lose 4e-5)."""
    turn = rotation((1, 0.4, -0.7, 0.2))
    centre = np.array([5.0, 40.0, -12.0])
    grid = turned_grid(centre, 21, 1.0, flip=flip)
    local = (grid.centres() - centre) @ turn
    field = Volume(37 + 60 * np.exp(-np.sum((local / [18, 12, 10]) ** 2, axis=-1)), grid)
    axes = zone_axes(field, 37 + 60 * np.exp(-1), turn[:, 0] * 3)
    assert axes.long_mm == pytest.approx(36, abs=0.1)
    assert axes.short_mm == pytest.approx(24, abs=0.1)
    assert axes.principal_mm == pytest.approx((36, 24, 20), abs=0.15)


def test_zone_axes_of_nothing_and_of_no_axis():
    grid = Grid((5, 5, 5), np.eye(4))
    flat = Volume(np.full(grid.shape, 37.0), grid)
    assert zone_axes(flat, 60, np.array([0, 0, 1.0])).long_mm == 0
    with pytest.raises(InputError, match="axis"):
        zone_axes(flat, 60, np.zeros(3))
