"""The moving front against closed forms: sphere, layers side by side and in series, channel; and what must never be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertherm.cement.front import Filling, Injection, fill
from vertherm.core.errors import InputError

STEADY = Injection(1.0 / 30.0, 1.0, lambda _: 200.0, 0.0, 0.0)
K = 4e-9


def medium(shape: tuple[int, int, int], porosity: float = 0.8, k: float = K) -> tuple[np.ndarray, np.ndarray]:
    return np.full(shape, porosity, np.float32), np.full(shape, k, np.float32)


def held_ml(found: Filling, porosity: np.ndarray, spacing_mm: float = 1.0) -> float:
    return float((found.saturation.astype(float) * porosity).sum()) * spacing_mm**3 / 1000.0


def plane(shape: tuple[int, int, int]) -> np.ndarray:
    """Flat cells of the first layer along x: a plane source."""
    cells = np.zeros(shape, bool)
    cells[0] = True
    return np.flatnonzero(cells)


def depth(found: Filling, rows: slice) -> float:
    """Mean depth of the front along x over some rows, in cells."""
    return float(found.saturation[:, rows].sum(axis=0).mean())


def sphere(n: int, spacing_mm: float, volume_ml: float) -> tuple[Filling, np.ndarray, np.ndarray]:
    porosity, k = medium((n, n, n))
    index = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for _ in range(3)), indexing="ij"), axis=-1)
    radius = np.linalg.norm(index, axis=-1) * spacing_mm
    openings = np.flatnonzero(radius <= 1.6)
    return fill(porosity, k, spacing_mm, openings, replace(STEADY, volume_ml=volume_ml)), radius, porosity


def test_in_an_even_medium_cement_is_a_ball() -> None:
    """R = (3 V / (4 pi phi))^(1/3) in every direction.

    6 ml in pores of 0.8: 12.14 mm. Cells are 1 mm: the radius along single directions may be off by the staircase, a
    third of a cell; its mean by volume conservation hardly at all.
    """
    found, radius, porosity = sphere(41, 1.0, 6.0)
    expected = (3 * 6000.0 / (4 * np.pi * 0.8)) ** (1 / 3)
    assert held_ml(found, porosity) == pytest.approx(6.0, rel=1e-6)
    partly = (found.saturation > 0.02) & (found.saturation < 0.98)
    # A front cell's centre lies on average where it is half full.
    assert float(radius[partly].mean()) == pytest.approx(expected, abs=0.15)
    assert float(radius[found.saturation >= 0.98].max()) < expected + 0.5
    assert float(radius[found.saturation <= 0.02].min()) > expected - 0.5
    axis = found.saturation[20:, 20, 20].sum() - 0.5
    assert axis == pytest.approx(expected, abs=0.35)


def test_the_pressure_of_a_ball_grows_as_that_of_a_sphere() -> None:
    """p(V2) - p(V1) = Q mu / (4 pi K) (1 / R1 - 1 / R2): the source's own radius drops out.

    Between 1 and 6 ml, 1 mm cells: 3 % for the staircase of the front.
    """
    found, _, _ = sphere(41, 1.0, 6.0)
    r1, r2 = ((3 * v * 1e-6 / (4 * np.pi * 0.8)) ** (1 / 3) for v in (1.0, 6.0))
    expected = (1e-6 / 30.0) * 200.0 / (4 * np.pi * K) * (1 / r1 - 1 / r2)
    got = np.interp([1.0, 6.0], found.injected_ml, found.pressure_pa)
    assert got[1] - got[0] == pytest.approx(expected, rel=0.03)


def test_one_cell_is_a_source_of_known_radius() -> None:
    """p = Q mu / (4 pi K) (1 / a - 1 / R), a = h / (4 pi 0.2527) = 0.315 h.

    0.2527 is Watson's integral: the resistance from a node of the cubic lattice to infinity, in units of one bond.
    3 ml, 1 mm cells, R 9.64 mm: 1 % for the staircase of the front.
    """
    porosity, k = medium((35, 35, 35))
    opening = np.array([np.ravel_multi_index((17, 17, 17), k.shape)])
    found = fill(porosity, k, 1.0, opening, replace(STEADY, volume_ml=3.0))
    radius = (3 * 3e-6 / (4 * np.pi * 0.8)) ** (1 / 3)
    expected = (1e-6 / 30.0) * 200.0 / (4 * np.pi * K) * (4 * np.pi * 0.25273 / 1e-3 - 1 / radius)
    assert found.pressure_pa[-1] == pytest.approx(expected, rel=0.01)


def test_a_coarse_grid_fills_what_a_fine_one_fills() -> None:
    """A smooth random medium (sd of ln K 0.8, 4 mm), 1 mm against 0.5 mm cells: 5 % of the volume lies elsewhere.

    The front's cells alone, half full on average, are a seventh of a ball of this size.
    """
    from scipy.ndimage import gaussian_filter

    rough = gaussian_filter(np.random.default_rng(2).standard_normal((50, 50, 50)), 4.0)
    fine_k = (K * np.exp(0.8 * rough / rough.std())).astype(np.float32)
    coarse_k = np.exp(np.log(fine_k).reshape(25, 2, 25, 2, 25, 2).mean(axis=(1, 3, 5))).astype(np.float32)
    injection = replace(STEADY, volume_ml=1.5)
    middle = np.array([[12, 12, 12]])
    eight = (2 * middle + np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), axis=-1).reshape(-1, 3)).T
    porosity = np.full(coarse_k.shape, 0.8, np.float32)
    coarse = fill(porosity, coarse_k, 1.0, np.ravel_multi_index(tuple(middle.T), coarse_k.shape), injection)
    porosity = np.full(fine_k.shape, 0.8, np.float32)
    fine = fill(porosity, fine_k, 0.5, np.ravel_multi_index(tuple(eight), fine_k.shape), injection)
    averaged = fine.saturation.reshape(25, 2, 25, 2, 25, 2).mean(axis=(1, 3, 5))
    assert float(np.abs(averaged - coarse.saturation).sum() / coarse.saturation.sum()) < 0.05


def test_a_drop_smaller_than_the_opening_fills_it_in_part() -> None:
    porosity, k = medium((9, 9, 9))
    found = fill(porosity, k, 1.0, np.arange(300, 340), replace(STEADY, volume_ml=0.01))
    assert held_ml(found, porosity) == pytest.approx(0.01, rel=1e-6)
    assert found.injected_ml[-1] == pytest.approx(0.01, rel=1e-6)
    assert found.complete


def test_finer_cells_converge_to_the_sphere() -> None:
    """Spread of the front's radius over directions, in mm, falls with the cell: at least by 1.6 for half the cell."""

    def spread(n: int, h: float) -> float:
        found, radius, _ = sphere(n, h, 2.0)
        partly = (found.saturation > 0.02) & (found.saturation < 0.98)
        return float(radius[partly].std())

    coarse, fine = spread(27, 1.0), spread(51, 0.5)
    assert fine < coarse / 1.6


def test_layers_side_by_side_run_ahead_with_the_root_of_their_permeability() -> None:
    """phi x dx/dt = K dp / mu in each: x1 / x2 = sqrt(K1 / K2) at every time.

    A closed wall between them, one pressure at the plane source. The first layer of cells is full from the start
    (one of 20), and K1 / K2 = 4: 2 within 6 %.
    """
    shape = (60, 9, 3)
    porosity, k = medium(shape)
    k[:, :4] *= 4.0
    porosity[:, 4] = 0.0
    found = fill(porosity, k, 1.0, plane(shape), replace(STEADY, volume_ml=0.6))
    fast, slow = depth(found, slice(0, 4)), depth(found, slice(5, 9))
    assert fast / slow == pytest.approx(2.0, rel=0.06)


@pytest.mark.parametrize("ratio", [2.0, 20.0])
def test_marrow_of_its_own_resistance_lets_the_better_layer_run_farther_ahead(ratio: float) -> None:
    """phi dx/dt = K dp / (mu x + mu_m L): x^2 / 2 + m x = K tau, m = L mu_m / mu, one tau for both layers.

    With marrow that resists (m large) x1 / x2 goes from sqrt(K1 / K2) towards K1 / K2 = 4. The front is known to half a
    cell of 40: 2 %.
    """
    shape = (80, 9, 3)
    porosity, k = medium(shape)
    k[:, :4] *= 4.0
    porosity[:, 4] = 0.0
    injection = replace(STEADY, volume_ml=0.6, marrow_viscosity_pa_s=200.0 / 5.0 * ratio, drainage_mm=5.0)
    found = fill(porosity, k, 1.0, plane(shape), injection)
    m = 5.0 * injection.marrow_viscosity_pa_s / 200.0
    fast, slow = depth(found, slice(0, 4)), depth(found, slice(5, 9))
    x = slow - 1.0  # the first layer of cells is full from the start
    tau = x**2 / 2 + m * x
    expected = 1.0 - m + np.sqrt(m**2 + 2 * 4.0 * tau)
    assert fast == pytest.approx(expected, rel=0.02)
    assert fast / slow > 2.05


def test_layers_in_series_add_their_resistances() -> None:
    """p = Q mu / A (x1 / K1 + x2 / K2).

    Area 9 mm2; 10 cells of K, then a quarter of it. Compared as differences, so the source drops out; the front stands
    in the middle of its cell, so each value may be off by half a cell of the second layer, a difference by one.
    """
    shape = (40, 3, 3)
    porosity, k = medium(shape)
    k[10:] *= 0.25
    found = fill(porosity, k, 1.0, plane(shape), replace(STEADY, volume_ml=0.2))
    area, flow = 9e-6, 1e-6 / 30.0
    at = np.array([0.05, 0.1, 0.2])
    x = at * 1e-6 / (0.8 * area)
    inside = np.minimum(x, 10e-3) / K + np.maximum(x - 10e-3, 0.0) / (0.25 * K)
    expected = flow * 200.0 / area * inside
    got = np.interp(at, found.injected_ml, found.pressure_pa)
    cell = flow * 200.0 / area * 1e-3 / (0.25 * K)
    assert np.diff(got) == pytest.approx(np.diff(expected), abs=cell)


def test_a_channel_carries_cement_far() -> None:
    """A row of cells 400 times as permeable in a medium of next to none: the front in it is V / (phi A), 1 mm2 each.

    What seeps into the walls is less than 5 %.
    """
    shape = (60, 7, 7)
    porosity, k = medium(shape, k=1e-14)
    k[:, 3, 3] = 1e-9
    opening = np.array([np.ravel_multi_index((0, 3, 3), shape)])
    found = fill(porosity, k, 1.0, opening, replace(STEADY, volume_ml=0.032))
    assert float(found.saturation[:, 3, 3].sum()) == pytest.approx(0.032e3 / 0.8, rel=0.05)


def test_viscosity_alone_changes_pressure_and_not_the_pattern() -> None:
    """Without marrow's resistance the equations are linear in mu: ten times thicker, ten times the pressure."""
    rng = np.random.default_rng(3)
    porosity, k = medium((25, 25, 25))
    k *= np.exp(0.8 * rng.standard_normal(k.shape)).astype(np.float32)
    opening = np.array([np.ravel_multi_index((12, 12, 12), k.shape)])
    thin = fill(porosity, k, 1.0, opening, STEADY)
    thick = fill(porosity, k, 1.0, opening, replace(STEADY, viscosity_pa_s=lambda _: 2000.0))
    assert thick.saturation == pytest.approx(thin.saturation, abs=1e-5)
    assert thick.pressure_pa[-1] == pytest.approx(10 * thin.pressure_pa[-1], rel=1e-6)


def test_a_full_vessel_takes_no_more() -> None:
    porosity, k = medium((5, 5, 5))
    found = fill(porosity, k, 1.0, np.array([62]), STEADY)
    assert not found.complete
    assert found.injected_ml[-1] == pytest.approx(0.1, rel=1e-6)
    assert (found.saturation == 1.0).all()


def test_occupied_and_closed_cells_are_never_entered() -> None:
    porosity, k = medium((21, 21, 21))
    occupied = np.zeros(k.shape, bool)
    occupied[12:] = True
    porosity[:, :8] = 0.0
    found = fill(porosity, k, 1.0, np.array([np.ravel_multi_index((9, 12, 10), k.shape)]), STEADY, occupied=occupied)
    assert not found.saturation[occupied].any()
    assert not found.saturation[:, :8].any()
    assert held_ml(found, porosity) == pytest.approx(1.0, rel=1e-6)


@given(seed=st.integers(0, 1000), sd=st.floats(0.0, 2.0), marrow=st.floats(0.0, 50.0))
@settings(max_examples=15, deadline=None)
def test_volume_is_conserved_whatever_the_medium(seed: int, sd: float, marrow: float) -> None:
    rng = np.random.default_rng(seed)
    porosity = rng.uniform(0.1, 0.95, (16, 15, 14)).astype(np.float32)
    porosity[rng.random(porosity.shape) < 0.2] = 0.0
    k = (K * np.exp(sd * rng.standard_normal(porosity.shape))).astype(np.float32)
    porosity[8, 7, 7] = 0.5
    opening = np.array([np.ravel_multi_index((8, 7, 7), k.shape)])
    found = fill(
        porosity, k, 1.0, opening, replace(STEADY, volume_ml=0.4, marrow_viscosity_pa_s=marrow, drainage_mm=5.0)
    )
    assert held_ml(found, porosity) == pytest.approx(float(found.injected_ml[-1]), rel=1e-6)
    assert found.complete == bool(found.injected_ml[-1] > 0.4 * (1 - 1e-6))
    assert (np.diff(found.injected_ml) >= 0).all()
    assert ((found.saturation >= 0.5) == np.isfinite(found.arrival_ml)).mean() > 0.99
    assert not found.saturation[porosity == 0].any()


def test_storage_order_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    porosity, k = medium((19, 17, 15))
    k *= np.exp(0.7 * rng.standard_normal(k.shape)).astype(np.float32)
    opening = (9, 8, 7)
    one = fill(porosity, k, 1.0, np.array([np.ravel_multi_index(opening, k.shape)]), STEADY)
    turned = np.ascontiguousarray(k.transpose(2, 0, 1)[::-1])
    place = (14 - opening[2], opening[0], opening[1])
    other = fill(
        np.ascontiguousarray(porosity.transpose(2, 0, 1)), turned, 1.0,
        np.array([np.ravel_multi_index(place, turned.shape)]), STEADY,
    )  # fmt: skip
    back = other.saturation[::-1].transpose(1, 2, 0)
    assert float(np.abs(back - one.saturation).max()) < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"opening": 0}, "touches no cell"),
        ({"opening": 100_000}, "touches no cell"),
        ({"opening": -5}, "touches no cell"),
        ({"rate": 0.0}, "unusable"),
        ({"nan": True}, "impossible"),
        ({"shape": True}, "unusable"),
        ({"viscosity": -1.0}, "viscosity"),
    ],
)
def test_bad_input_is_refused(change: dict[str, float], message: str) -> None:
    porosity, k = medium((9, 9, 9))
    porosity[0, 0, 0] = 0.0
    if "nan" in change:
        k[3, 3, 3] = np.nan
    if "shape" in change:
        k = k[1:]
    opening = np.array([int(change.get("opening", 364))])
    with pytest.raises(InputError, match=message):
        fill(porosity, k, 1.0, opening, injection_with(change))


def injection_with(change: dict[str, float]) -> Injection:
    """The steady injection with another rate or viscosity."""
    rate, viscosity = change.get("rate", STEADY.rate_ml_s), change.get("viscosity", 200.0)
    return replace(STEADY, rate_ml_s=rate, viscosity_pa_s=lambda _: viscosity)
