"""The minimal ablation margin against dense sampling of ellipsoids."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.geometry.test_surface import turned_grid
from tests.geometry.test_volume import rotation
from vertherm.core.errors import InputError
from vertherm.geometry.margins import ablation_margin, distances_mm, margin_error_mm
from vertherm.geometry.surface import Surface, iso_surface
from vertherm.geometry.volume import Grid, Volume

LEVEL = 37.0 + 60.0 * np.exp(-1.2)


def directions(count):
    """Evenly spread unit vectors (Fibonacci lattice)."""
    i = np.arange(count) + 0.5
    polar, azimuth = np.arccos(1 - 2 * i / count), np.pi * (1 + 5**0.5) * i
    return np.stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=1)


def ellipsoid_distance(points, turn, axes, centre):
    """Signed distance to an ellipsoid, positive inside: the foot point solves sum (a p / (t + a^2))^2 = 1 for t."""
    p = np.abs((points - centre) @ turn)
    squares = axes**2
    low, high = np.full(len(p), -squares.min() + 1e-9), np.linalg.norm(p * axes, axis=1) + 1
    for _ in range(70):
        t = 0.5 * (low + high)
        outside = ((axes * p / (t[:, None] + squares)) ** 2).sum(axis=1) > 1
        low, high = np.where(outside, t, low), np.where(outside, high, t)
    distance = np.linalg.norm(p - squares * p / (t[:, None] + squares), axis=1)
    return np.where(((p / axes) ** 2).sum(axis=1) < 1, distance, -distance)


def zone_of(axes, turn, centre, spacing, reach=6.0):
    """A temperature field whose level ``LEVEL`` is the ellipsoid, and which is curved between the voxels."""
    half = axes.max() + reach
    grid = Grid.isotropic(centre - half, centre + half, spacing)
    local = (grid.centres() - centre) @ turn / axes
    return Volume((37 + 60 * np.exp(-1.2 * (local**2).sum(axis=-1))).astype(np.float32), grid)


def lesion_of(axes, turn, centre, grid):
    local = (grid.centres() - centre) @ turn / axes
    return Volume((local**2).sum(axis=-1) <= 1, grid)


def random_case(rng, lesion_spacing, zone_spacing):
    lesion_axes = rng.uniform(6, 14, 3)
    zone_axes = lesion_axes.max() + rng.uniform(2, 8) + rng.uniform(0, 6, 3)
    turn_lesion, turn_zone = rotation(rng.normal(size=4)), rotation(rng.normal(size=4))
    centre = rng.uniform(-50, 50, 3)
    zone_centre = centre + rng.uniform(-3, 3, 3)
    surface = centre + (directions(8000) * lesion_axes) @ turn_lesion.T
    true = ellipsoid_distance(surface, turn_zone, zone_axes, zone_centre).min()
    grid = turned_grid(centre, lesion_axes.max() + 4, lesion_spacing, rng.normal(size=4))
    lesion = lesion_of(lesion_axes, turn_lesion, centre, grid)
    return ablation_margin(lesion, zone_of(zone_axes, turn_zone, zone_centre, zone_spacing), LEVEL), true


@pytest.mark.parametrize(
    ("lesion_spacing", "zone_spacing", "runs"),
    [(1.0, 1.0, 12), (0.6, 1.5, 5), (1.5, 1.0, 8), (3.0, 1.5, 20), ((0.8, 0.8, 2.0), 1.5, 8), (1.0, 2.0, 8)],
)
def test_minimal_margin_of_random_ellipsoids_lies_within_its_stated_error(lesion_spacing, zone_spacing, runs):
    """Pairs of turned, shifted ellipsoids; truth by dense sampling of the lesion with exact distances. The minima must
    lie within the stated error (with 20 runs all but one, with fewer all; 97.5-100 % of 60-80 in a longer run), and
    their bias within half of it."""
    rng = np.random.default_rng(20)
    results = [random_case(rng, lesion_spacing, zone_spacing) for _ in range(runs)]
    errors = np.array([result.minimum_mm - true for result, true in results])
    stated = results[0][0].error_mm
    assert (np.abs(errors) <= stated).sum() >= np.ceil(0.95 * runs)
    assert abs(errors.mean()) < 0.5 * stated
    # An error estimate far too wide would pass the above.
    assert stated < 15 * np.abs(errors).mean()


@pytest.mark.parametrize("spacing", [1.0, 2.0, (0.8, 0.8, 2.0)])
def test_a_margin_equal_all_around_errs_to_the_safe_side(spacing):
    """Concentric balls, 5 mm apart, lesion radius 6-14 mm, grid turned and shifted at random: the minimum takes the
    largest ripple anywhere, so it is never too large by more than 0.05 mm and too small within the stated error."""
    rng = np.random.default_rng(8)
    results = []
    for _ in range(8):
        radius = rng.uniform(6, 14)
        grid = turned_grid(rng.uniform(-0.5, 0.5, 3), radius + 5, spacing, rng.normal(size=4))
        zone_grid = Grid.isotropic(np.full(3, -radius - 10), np.full(3, radius + 10), 1.0)
        zone = Volume(radius + 5 - np.linalg.norm(zone_grid.centres(), axis=-1), zone_grid)
        lesion = lesion_of(np.full(3, radius), np.eye(3), np.zeros(3), grid)
        result = ablation_margin(lesion, zone, 0.0)
        assert -result.error_mm <= result.minimum_mm - 5 <= 0.05
        results.append(result)
    assert np.mean([result.median_mm for result in results]) == pytest.approx(5.0, abs=0.06 * np.max(spacing))


def test_two_ellipsoids_that_voxel_tools_get_wrong():
    """A lesion of half axes 11, 8, 9 mm in a zone of 17, 15, 14 mm, shifted and turned, at 1 mm: voxel conventions move
    the minimum by 0.7 mm (reference: 3.99-4.70 for a true 4.57); here within 0.36 mm, the stated error
    (measured: 0.1 mm)."""
    turn = rotation((1, 0.1, 0.2, -0.15))
    lesion_axes, zone_axes_mm = np.array([11.0, 8.0, 9.0]), np.array([17.0, 15.0, 14.0])
    centre, zone_centre = np.array([0.3, 0.2, -0.4]), np.array([1.2, 0.9, -0.6])
    surface = centre + directions(100000) * lesion_axes
    true = float(ellipsoid_distance(surface, turn, zone_axes_mm, zone_centre).min())
    grid = Grid.isotropic(np.full(3, -20.0), np.full(3, 20.0), 1.0)
    result = ablation_margin(
        lesion_of(lesion_axes, np.eye(3), centre, grid), zone_of(zone_axes_mm, turn, zone_centre, 1.0), LEVEL
    )
    assert result.error_mm == pytest.approx(0.364, abs=1e-3)
    assert result.minimum_mm == pytest.approx(true, abs=result.error_mm)
    at = ellipsoid_distance(np.array([result.worst_point_mm]), turn, zone_axes_mm, zone_centre)[0]
    assert at == pytest.approx(result.minimum_mm, abs=0.05)


@pytest.mark.parametrize("offset", [0.0, 2.0, 6.0, 9.0, 16.0, 30.0])
def test_spheres_at_several_offsets(offset):
    """Lesion radius 6, zone radius 14 mm, centres ``offset`` apart along (1, 2, 2)/3: minimum = 14 - 6 - offset,
    positive, zero and negative, down to a lesion wholly outside; coverage from the lens formula; worst point on the far
    side. 1 mm voxels: 0.36 mm stated."""
    direction = np.array([1.0, 2.0, 2.0]) / 3
    centre = offset * direction
    grid = Grid.isotropic(centre - 10.3, centre + 10.3, 1.0)
    lesion = lesion_of(np.full(3, 6.0), np.eye(3), centre, grid)
    zone = zone_of(np.full(3, 14.0), np.eye(3), np.zeros(3), 1.0)
    result = ablation_margin(lesion, zone, LEVEL)
    assert result.minimum_mm == pytest.approx(8.0 - offset, abs=result.error_mm)
    if offset > 0:
        found = (np.array(result.worst_point_mm) - centre) / 6.0
        # Near the far pole the margin is flat: 20 degrees off costs 0.1 mm at small offsets.
        assert found @ direction > 0.85
    assert result.minimum_mm <= result.p5_mm <= result.median_mm
    assert result.coverage == pytest.approx(_lens_share(6.0, 14.0, offset), abs=0.012)
    assert (result.negative_share > 0) == (offset > 8.5)
    assert (result.negative_share == 1) == (offset > 20)


def _lens_share(lesion, zone, distance):
    """Share of the smaller ball that lies in the larger one, by the volume of the lens."""
    if distance <= zone - lesion:
        return 1.0
    if distance >= zone + lesion:
        return 0.0
    lens = np.pi * (zone + lesion - distance) ** 2
    lens *= distance**2 + 2 * distance * (zone + lesion) - 3 * (zone - lesion) ** 2
    return lens / (12 * distance) / (4 / 3 * np.pi * lesion**3)


def test_no_zone_is_the_worst_margin_and_fits_into_json():
    grid = Grid.isotropic(np.full(3, -10.0), np.full(3, 10.0), 1.0)
    lesion = lesion_of(np.full(3, 5.0), np.eye(3), np.zeros(3), grid)
    cold = Volume(np.full(grid.shape, 37.0), grid)
    result = ablation_margin(lesion, cold, 60.0)
    assert result.zone_empty
    assert result.minimum_mm == -np.inf
    assert result.coverage == 0.0
    row = json.loads(json.dumps(result.as_row(), allow_nan=False))
    assert row["minimum_mm"] is None
    assert row["coverage"] == 0.0


def test_an_empty_lesion_is_refused():
    grid = Grid((5, 5, 5), np.eye(4))
    with pytest.raises(InputError, match="lesion is empty"):
        ablation_margin(Volume(np.zeros(grid.shape, bool), grid), Volume(np.full(grid.shape, 90.0), grid), 60.0)


def test_a_lesion_beyond_the_zones_grid_counts_as_not_covered():
    lesion_grid = Grid.isotropic(np.full(3, -10.0), np.full(3, 10.0), 1.0)
    lesion = lesion_of(np.full(3, 7.0), np.eye(3), np.zeros(3), lesion_grid)
    half = Grid.isotropic(np.array([0.0, -10, -10]), np.full(3, 10.0), 1.0)
    hot = Volume(np.full(half.shape, 90.0), half)
    result = ablation_margin(lesion, hot, 60.0)
    assert result.coverage == pytest.approx(0.5, abs=0.01)
    assert result.minimum_mm == pytest.approx(-7.0, abs=result.error_mm)


def test_storage_order_of_lesion_and_field_does_not_matter():
    """Flipped and permuted arrays with matching affines: the same margin to rounding, 1e-4 mm."""
    rng = np.random.default_rng(3)
    turn = rotation(rng.normal(size=4))
    grid = turned_grid(np.zeros(3), 14, (1.0, 1.0, 1.5))
    lesion = lesion_of(np.array([9.0, 7, 6]), turn, np.zeros(3), grid)
    zone = zone_of(np.array([14.0, 12, 13]), turn.T, np.array([1.0, 0, 0]), 1.0)

    def otherwise(volume):
        affine = volume.grid.affine.copy()
        affine[:3, 3] += affine[:3, 0] * (volume.grid.shape[0] - 1)
        affine[:3, 0] *= -1
        data = np.transpose(np.flip(volume.data, 0), (2, 0, 1))
        affine[:, :3] = affine[:, [2, 0, 1]]
        return Volume(data, Grid(data.shape, affine))

    first, second = ablation_margin(lesion, zone, LEVEL), ablation_margin(otherwise(lesion), otherwise(zone), LEVEL)
    # Marching cubes cuts quadrilaterals along one of two diagonals, which one depends on the order.
    assert second.minimum_mm == pytest.approx(first.minimum_mm, abs=0.02)
    assert second.coverage == pytest.approx(first.coverage, abs=1e-6)
    assert second.error_mm == first.error_mm


def test_distances_are_exact():
    """Against brute force over all triangles by minimising the quadratic on a fine barycentric mesh: never larger than
    any sampled distance, and equal to a closed form on a single triangle's seven regions."""
    triangle = Surface(np.array([[0.0, 0, 0], [4, 0, 0], [0, 3, 0]]), np.array([[0, 1, 2]]))
    cases = [
        ([1, 1, 2], 2.0),
        ([-3, -4, 0], 5.0),
        ([7, 0, 4], 5.0),
        ([0, 5, 0], 2.0),
        ([2, -3, 4], 5.0),
        ([-3, 1, 4], 5.0),
        ([4, 3, 0], 2.4),
        ([1, 1, 0], 0.0),
    ]
    got = distances_mm(np.array([point for point, _ in cases], float), triangle)
    np.testing.assert_allclose(got, [distance for _, distance in cases], atol=1e-12)


def test_skipping_blocks_of_triangles_loses_none():
    """Distances to a bumpy surface of thousands of triangles equal those to its triangles one by one."""
    grid = Grid.isotropic(np.full(3, -16.0), np.full(3, 16.0), 1.0)
    x = grid.centres()
    bumpy = Volume(10 + 2 * np.sin(x[..., 0]) * np.cos(0.7 * x[..., 1]) - np.linalg.norm(x, axis=-1), grid)
    surface = iso_surface(bumpy, 0.0)
    assert surface is not None
    points = np.random.default_rng(0).uniform(-25, 25, (25, 3))
    singles = [
        distances_mm(points, Surface(surface.vertices_mm[face], np.array([[0, 1, 2]]))) for face in surface.faces[::1]
    ]
    np.testing.assert_allclose(distances_mm(points, surface), np.min(singles, axis=0), atol=1e-10)


def test_error_grows_with_the_voxels():
    small = margin_error_mm(np.full(3, 1.0), np.full(3, 1.0))
    assert small == pytest.approx(0.364, abs=1e-3)
    assert margin_error_mm(np.full(3, 2.0), np.full(3, 1.0)) > small
    assert margin_error_mm(np.array([1, 1, 3.0]), np.full(3, 1.0)) > margin_error_mm(np.full(3, 3.0), np.full(3, 1.0))
    assert margin_error_mm(np.full(3, 1.0), np.full(3, 2.0)) > small
