"""Doses and coverage from courses with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertherm.geometry.margins import ablation_margin
from vertherm.geometry.volume import Grid, Volume
from vertherm.materials.damage import cem43_increment, damage_model
from vertherm.planning.surrogate.sites import TargetSites, neighbours, target_cells
from vertherm.planning.surrogate.zone import cem43_min, coverage, omega

GRID = Grid.isotropic(np.full(3, -24.0), np.full(3, 24.0), 2.0)


@given(st.floats(39.5, 60.0), st.floats(39.5, 60.0))
def test_dose_of_a_straight_course(start_c: float, end_c: float) -> None:
    """A ramp of 300 s in 50 instants against 300 000 increments: 2 % (one interval may hold the kink at 43 degC)."""
    at = np.linspace(0.0, 300.0, 51)
    ramp = (start_c + (end_c - start_c) * at / 300.0).astype(np.float32)[:, None]
    fine = start_c + (end_c - start_c) * (np.arange(300_000) + 0.5) / 300_000
    true = float(cem43_increment(fine, 1e-3).sum())
    assert float(cem43_min(ramp, at)[0]) == pytest.approx(true, rel=0.02)


def test_nothing_counts_below_the_cut_off() -> None:
    at = np.linspace(0.0, 1000.0, 20)
    assert float(cem43_min(np.full((20, 1), 38.9, np.float32), at)[0]) == 0.0


def test_arrhenius_of_a_constant_temperature() -> None:
    """Omega = rate x time at 55 degC; a cell of another model (none) stays at 0. float32 exponents: 1e-3."""
    model = damage_model("liver_coagulation")
    rows = np.array([[model.ln_a, model.ea_j_mol, model.valid_from_c, 0.0], [0.0, 0.0, np.inf, 0.0]])
    at = np.linspace(0.0, 60.0, 13)
    found = omega(np.full((13, 2), 55.0, np.float32), at, rows, np.array([0, 1], np.uint8))
    assert float(found[0]) == pytest.approx(60.0 * float(model.rate(55.0)), rel=2e-3)
    assert found[1] == 0.0


def ball(radius_mm: float, spacing_mm: float = 1.0) -> Volume:
    grid = Grid.isotropic(np.full(3, -16.0), np.full(3, 16.0), spacing_mm)
    return Volume(np.linalg.norm(grid.centres(), axis=-1) <= radius_mm, grid)


def sites(lesion: Volume, margin_mm: float = 4.0, reach_mm: float = 10.0) -> tuple[TargetSites, np.ndarray]:
    excluded = np.zeros(int(np.prod(GRID.shape)), bool)
    cells, distance = target_cells(lesion, GRID, reach_mm, excluded)
    return TargetSites(np.arange(cells.size), distance, neighbours(cells, GRID.shape), margin_mm, reach_mm), cells


LESION = ball(8.0)
AROUND = sites(LESION)


@given(st.floats(9.0, 14.0), st.tuples(*3 * [st.floats(-3.0, 3.0)]))
def test_margin_is_that_of_the_surfaces(zone_mm: float, offset: tuple[float, float, float]) -> None:
    """Lesion ball of 8 mm, zone ball: the margin is zone radius - offset - 8, negative where the lesion sticks out.

    Cells of 2 mm: the nearest point of the surface lies up to half a cell's diagonal (1.7 mm) from an edge between
    cells, where the two balls' surfaces differ by 1.7^2 / 2 (1/8 - 1/14), 0.1 to 0.3 mm, more deep inside: 0.8 mm.
    """
    field = (60.0 - (np.linalg.norm(GRID.centres() - np.array(offset), axis=-1) - zone_mm)).astype(np.float32)
    target, cells = AROUND
    found = coverage(target, {"peak_c": field.reshape(-1)[cells]}, "peak_c", 60.0)
    true = zone_mm - float(np.linalg.norm(offset)) - 8.0
    assert found[2] == pytest.approx(true, abs=0.8)


def test_agrees_with_the_margin_of_the_assessment() -> None:
    """The same field through ``ablation_margin``, error of both grids together; coverage within a layer of cells."""
    field = (60.0 - (np.linalg.norm(GRID.centres() - np.array([1.0, 0.5, 0.0]), axis=-1) - 11.0)).astype(np.float32)
    target, cells = AROUND
    share, of_lesion, margin = coverage(target, {"peak_c": field.reshape(-1)[cells]}, "peak_c", 60.0)
    true = ablation_margin(LESION, Volume(field, GRID), 60.0)
    assert margin == pytest.approx(true.minimum_mm, abs=0.5 + true.error_mm)
    assert of_lesion == pytest.approx(true.coverage, abs=0.02)
    assert 0.5 < share < 1.0, "a margin of 4 mm all around asks for 12 mm"


def test_no_zone_and_everything() -> None:
    target, cells = AROUND
    cold, hot = np.full(cells.size, 37.0, np.float32), np.full(cells.size, 90.0, np.float32)
    share, of_lesion, margin = coverage(target, {"peak_c": cold}, "peak_c", 60.0)
    assert (share, of_lesion) == (0.0, 0.0)
    assert np.isnan(margin)
    assert coverage(target, {"peak_c": hot}, "peak_c", 60.0) == (1.0, 1.0, 10.0)


def test_a_lesion_smaller_than_a_cell_has_a_point() -> None:
    small = ball(0.6, 0.25)
    target, _ = sites(small)
    assert (target.distance_mm <= 0).any()


def test_storage_order_of_the_lesion_does_not_matter() -> None:
    lesion = ball(7.0)
    affine = lesion.grid.affine.copy()
    affine[:3, 0] *= -1
    affine[:3, 3] += lesion.grid.affine[:3, 0] * (lesion.grid.shape[0] - 1)
    flipped = Volume(lesion.data[::-1].copy(), Grid(lesion.grid.shape, affine, lesion.grid.frame))
    a, b = sites(lesion), sites(flipped)
    np.testing.assert_array_equal(a[1], b[1])
    # Marching cubes cuts flat quadrilaterals along the other diagonal: some hundredths of a millimetre.
    np.testing.assert_allclose(a[0].distance_mm, b[0].distance_mm, atol=0.05)
