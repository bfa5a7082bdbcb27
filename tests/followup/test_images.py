"""Masks carried between frames and grids keep their size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vertherm.followup.diameters import diameters
from vertherm.followup.images import carried, on_cubes
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.synthetic_followup import Ellipsoid

BODY = Ellipsoid((3.0, -2.0, 5.0), (20.0, 12.0, 10.0))


def grid_of(spacing: tuple[float, float, float], degrees: float = 0.0) -> Grid:
    count = tuple(int(np.ceil(64 / step)) for step in spacing)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("x", degrees, degrees=True).as_matrix() @ np.diag(spacing)
    affine[:3, 3] = -affine[:3, :3] @ (np.array(count) - 1) / 2
    return Grid((count[0], count[1], count[2]), affine)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 3.0), (0.8, 0.8, 5.0)])
@pytest.mark.parametrize("degrees", [0.0, 15.0])
def test_diameters_do_not_depend_on_the_grid(spacing: tuple[float, float, float], degrees: float) -> None:
    """Axial diameters 40 x 24 mm: a rise of 25 % in the product counts as progression, so 6 % is the limit here."""
    mask = BODY.mask(grid_of(spacing, degrees))
    found = diameters(on_cubes(mask, np.eye(4), 1.0))
    assert found.product_mm2 == pytest.approx(40.0 * 24.0, rel=0.06)


def test_a_mask_far_from_the_planning_scan_is_measured_whole() -> None:
    """The follow-up lies 300 mm away and turned: the planning frame's axial plane is the one that counts."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    matrix[:3, 3] = (300.0, 0.0, -40.0)
    grid = grid_of((1.0, 1.0, 1.0))
    moved = Grid(grid.shape, matrix @ grid.affine)
    found = diameters(on_cubes(Volume(BODY.mask(grid).data, moved), matrix, 1.0))
    assert (found.longest_mm, found.perpendicular_mm) == pytest.approx((40.0, 24.0), rel=0.03)


def test_an_empty_mask_stays_empty() -> None:
    grid = grid_of((4.0, 4.0, 4.0))
    mask = Volume(np.zeros(grid.shape, bool), grid)
    assert diameters(on_cubes(mask, np.eye(4), 1.0)).longest_mm == 0.0


def test_coarse_masks_keep_their_ends_on_a_fine_grid() -> None:
    """Slices of 5 mm on slices of 0.5 mm: the half voxel beyond the outermost middles belongs to the mask."""
    coarse = BODY.mask(grid_of((1.0, 1.0, 5.0)))
    fine = grid_of((1.0, 1.0, 0.5))
    out = carried(coarse, np.eye(4), Volume(np.zeros(fine.shape, np.float32), fine))
    before = coarse.data.sum() * coarse.grid.voxel_volume_ml
    assert out.data.sum() * fine.voxel_volume_ml == pytest.approx(before, rel=0.02)
    slices = np.flatnonzero(coarse.data.any(axis=(0, 1)))
    assert np.count_nonzero(out.data.any(axis=(0, 1))) == 10 * len(slices)
