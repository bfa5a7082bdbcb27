"""Grid and Volume: oblique, flipped and anisotropic volumes, sampling, canonical storage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertherm.core.errors import InputError
from vertherm.geometry.volume import LPS_RAS, Grid, Volume

SETTINGS = settings(derandomize=True, deadline=None, max_examples=40)


def rotation(quaternion):
    w, x, y, z = np.asarray(quaternion) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@st.composite
def grids(draw, largest_angle=1.0):
    """Grids of any orientation (also left-handed), spacing 0.3-5 mm, permuted and flipped."""
    component = st.floats(-1, 1)
    quaternion = [1.0, *(largest_angle * draw(component) for _ in range(3))]
    spacing = [draw(st.floats(0.3, 5.0)) for _ in range(3)]
    order = draw(st.permutations([0, 1, 2]))
    signs = [draw(st.sampled_from([-1.0, 1.0])) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = (rotation(quaternion) * signs)[:, order] @ np.diag(spacing)
    affine[:3, 3] = [draw(st.floats(-300, 300)) for _ in range(3)]
    shape = tuple(draw(st.integers(2, 6)) for _ in range(3))
    return Grid(shape, affine, "1.2.3")


points = st.lists(st.floats(-500, 500), min_size=3, max_size=3)


@SETTINGS
@given(grids(), st.lists(points, min_size=1, max_size=5))
def test_world_and_index_are_inverse(grid, where):
    np.testing.assert_allclose(grid.world(grid.index(where)), where, atol=1e-8)


@SETTINGS
@given(grids())
def test_canonical_moves_no_voxel_and_faces_ras(grid):
    """Every voxel keeps its value at its place; the axes point to +R, +A, +S within 45-55 degrees; twice changes
    nothing."""
    volume = Volume(np.random.default_rng(0).normal(size=grid.shape), grid, "source")
    canonical = volume.canonical()
    assert sorted(canonical.grid.shape) == sorted(grid.shape)
    assert (canonical.grid.frame, canonical.source) == ("1.2.3", "source")
    columns = canonical.grid.affine[:3, :3] / canonical.grid.spacing_mm
    assert (np.diag(columns) > 0).all()
    np.testing.assert_allclose(canonical.sample(grid.centres(), order=0), volume.data)
    again = canonical.canonical()
    assert again.grid.same_as(canonical.grid)
    np.testing.assert_array_equal(again.data, canonical.data)


@SETTINGS
@given(grids(), points)
def test_linear_sampling_reproduces_a_linear_field(grid, slope):
    """Trilinear interpolation is exact for a + b.x wherever eight voxels surround the point, whatever the
    orientation; the image is held in float32, so 1e-5 of the largest value."""
    slope = np.asarray(slope)
    volume = Volume(grid.centres() @ slope + 7.0, grid)
    inner = np.random.default_rng(1).uniform(0, np.array(grid.shape) - 1, (30, 3))
    where = grid.world(inner)
    scale = np.abs(volume.data).max() + 1.0
    np.testing.assert_allclose(volume.sample(where), where @ slope + 7.0, atol=1e-5 * scale)


@SETTINGS
@given(grids(), st.permutations([0, 1, 2]), st.sets(st.integers(0, 2)))
def test_sampling_does_not_depend_on_storage(grid, order, flips):
    volume = Volume(np.random.default_rng(2).normal(size=grid.shape).astype(np.float32), grid)
    data, affine = volume.data, grid.affine.copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
        affine[:3, axis] *= -1
        data = np.flip(data, axis)
    affine[:, :3] = affine[:, order]
    data = np.transpose(data, order)
    other = Volume(data, Grid(data.shape, affine))
    where = grid.world(np.random.default_rng(3).uniform(-0.7, np.array(grid.shape) - 0.3, (50, 3)))
    np.testing.assert_allclose(other.sample(where), volume.sample(where), atol=1e-5)
    np.testing.assert_allclose(other.sample(where, order=0), volume.sample(where, order=0))


def test_edges_take_the_edge_value_and_beyond_is_outside():
    volume = Volume(np.arange(4.0)[:, None, None] * np.ones((4, 3, 3)), Grid((4, 3, 3), np.diag([2.0, 1, 1, 1])))
    where = [[-0.9, 1, 1], [6.9, 1, 1], [-1.1, 1, 1], [7.1, 1, 1], [3.0, 1, 1]]
    np.testing.assert_allclose(volume.sample(where, outside=-5), [0, 3, -5, -5, 1.5])
    assert np.isnan(volume.sample([100.0, 0, 0]))
    assert volume.sample([[[3.0, 1, 1]] * 2] * 3).shape == (3, 2)


def test_resampling_keeps_integers_with_order_0_and_fields_with_order_1():
    grid = Grid((6, 5, 4), np.array([[0, 2.0, 0, 1], [-1.5, 0, 0, 2], [0, 0, 3.0, 3], [0, 0, 0, 1]]))
    labels = Volume(np.random.default_rng(5).integers(0, 200, grid.shape).astype(np.uint8), grid)
    assert labels.resampled(grid) is labels
    canonical = labels.canonical()
    back = canonical.resampled(grid, order=0)
    assert back.data.dtype == np.uint8
    np.testing.assert_array_equal(back.data, labels.data)
    field = Volume(grid.centres() @ [1.0, 2.0, -1.0], grid)
    target = Grid.isotropic(*[b + s for b, s in zip(grid.bounds(), (2.5, -2.5), strict=True)], 0.7)
    np.testing.assert_allclose(field.resampled(target).data, target.centres() @ [1.0, 2.0, -1.0], atol=1e-4)


def test_cubic_resampling_is_closer_than_linear_on_a_smooth_field():
    """sin(x/3 mm) on 1 mm, read between the voxels, away from the edge: cubic beats linear at least tenfold."""
    grid = Grid((30, 8, 8), np.eye(4))
    field = Volume(np.sin(grid.centres()[..., 0] / 3), grid)
    target = Grid((20, 2, 2), np.array([[1, 0, 0, 5.5], [0, 1, 0, 3], [0, 0, 1, 3], [0, 0, 0, 1.0]]))
    exact = np.sin(target.centres()[..., 0] / 3)
    linear = np.abs(field.resampled(target).data - exact).max()
    cubic = np.abs(field.resampled(target, order=3).data - exact).max()
    assert cubic < 0.1 * linear


def test_isotropic_grid_encloses_its_box():
    grid = Grid.isotropic(np.array([-3.2, 0, 5]), np.array([4.1, 2, 5.1]), 0.5, "f")
    lower, upper = grid.bounds()
    np.testing.assert_allclose(lower, [-3.2, 0, 5])
    assert (upper >= [4.1, 2, 5.1]).all()
    assert (upper - 0.5 < [4.1, 2.0 + 1e-9, 5.1]).all()
    assert grid.frame == "f"
    np.testing.assert_allclose(grid.spacing_mm, 0.5)
    assert grid.voxel_volume_ml == pytest.approx(0.125e-3)


@SETTINGS
@given(grids())
def test_bounds_contain_every_voxel_and_volume_is_the_determinant(grid):
    lower, upper = grid.bounds()
    centres = grid.centres()
    assert grid.contains(centres).all()
    assert ((centres >= lower - 1e-9) & (centres <= upper + 1e-9)).all()
    assert not grid.contains(grid.world(np.array(grid.shape) - 0.4))
    assert grid.voxel_volume_ml == pytest.approx(float(np.prod(grid.spacing_mm)) / 1000, rel=1e-6)


def test_lps_turns_into_ras_and_back():
    np.testing.assert_array_equal(LPS_RAS @ [1, 2, 3], [-1, -2, 3])
    np.testing.assert_array_equal(LPS_RAS @ LPS_RAS, np.eye(3))


def test_unusable_grids_and_volumes_are_refused():
    for affine in (np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(3)):
        with pytest.raises(InputError, match="affine"):
            Grid((2, 2, 2), affine)
    with pytest.raises(InputError, match="does not fit"):
        Volume(np.zeros((2, 2, 3)), Grid((2, 2, 2), np.eye(4)))
    grid = Grid((2, 2, 2), np.eye(4))
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 2
