"""Vaporisation: the moving front, conservation, and what is remembered."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf, erfc

from tests.heat.blocks import block, gaussian, radius_m
from vertherm.heat.bioheat import BioheatProblem, BioheatSolver
from vertherm.materials.perfusion import perfusion_model
from vertherm.validation.phase_change import STEFAN, neumann_front_m, stefan_front_m


def test_stefan_front_and_temperatures() -> None:
    """One-dimensional boiling against Neumann: wall 180, tissue 37, boiling at 100 degC, latent heat 1e9 J/m3, 300 s.

    Front 3.822 mm; within 1 % at 0.25 mm cells (the enthalpy form places it within a fraction of a cell). Wet side:
    T = Ti + (Tb - Ti) erfc(x / 2 sqrt(a t)) / erfc(lambda sqrt(a_dry/a_wet)), within 0.3 K more than a cell beyond it.
    """
    front, solver = stefan_front_m(300.0, 0.25e-3, 120)
    expected = neumann_front_m(300.0)
    assert front == pytest.approx(expected, rel=0.01)
    x = np.arange(120) * 0.25e-3
    wet = STEFAN["k"] / STEFAN["wet"]
    reach = 2 * np.sqrt(wet * 300.0)
    warm = 37.0 + 63.0 * erfc(x / reach) / erfc(expected / reach)
    beyond = x > expected + 0.5e-3
    assert np.abs(solver.temperature_c[:, 0, 0] - warm)[beyond].max() < 0.3
    dry_reach = 2 * np.sqrt(STEFAN["k"] / STEFAN["dry"] * 300.0)
    hot = 180.0 - 80.0 * erf(x / dry_reach) / erf(expected / dry_reach)
    behind = x < expected - 0.5e-3
    assert np.abs(solver.temperature_c[:, 0, 0] - hot)[behind].max() < 2.0


def test_front_grows_with_the_root_of_time() -> None:
    """Similarity: a front at 4 t lies twice as deep (2 %)."""
    early, _ = stefan_front_m(75.0, 0.25e-3, 120)
    late, _ = stefan_front_m(300.0, 0.25e-3, 120)
    assert late / early == pytest.approx(2.0, rel=0.02)


def boiling_problem(shape: tuple[int, int, int]) -> BioheatProblem:
    latent = np.full(shape, 0.7 * 1050 * 2.26e6, np.float32)
    return block(shape, latent_j_m3=latent, perfusion_response=perfusion_model(2.0))


def test_energy_balance_with_boiling_and_shut_down() -> None:
    """30 W into 40 mm for 120 s, then 120 s of cooling: some cells boil dry, flow rises and stops.

    Source = stored + perfusion + boundary within 0.5 % (perfusion and boundary are integrated apart from the scheme).
    """
    shape = (40, 40, 40)
    solver = BioheatSolver(boiling_problem(shape))
    solver.advance(120.0, gaussian(shape, 30.0, 3e-3))
    assert solver.latent_fraction_max.max() == 1.0
    assert solver.perfusion_w_m3k.min() == 0.0
    solver.advance(120.0)
    energy = solver.balance()
    assert energy.source_j == pytest.approx(3600.0, rel=1e-3)
    assert energy.perfusion_j > 20.0
    assert energy.error < 0.002


def test_temperature_stays_in_the_band_until_dry() -> None:
    """An insulated cell heated evenly: C (Tl - T0) + L (share) = heat; at half the latent heat it is at 100 degC."""
    shape, c, latent = (3, 3, 3), 4e6, 1.6e9
    problem = block(shape, c=c, w=0.0, latent_j_m3=np.full(shape, latent, np.float32), capacity_vapour=0.6e6,
                    boundary="insulated", band_c=(98.0, 102.0))  # fmt: skip
    solver = BioheatSolver(problem)
    source = np.full(shape, 1e7, np.float32)
    heat = c * (98.0 - 37.0) + 0.5 * (latent + c * 4.0)
    solver.advance(heat / 1e7, source)
    assert solver.temperature_c == pytest.approx(np.full(shape, 100.0), abs=0.01)
    assert solver.latent_fraction == pytest.approx(np.full(shape, 0.5), abs=1e-4)
    rest = 0.5 * (latent + c * 4.0) + 0.6e6 * 50.0
    solver.advance(rest / 1e7, source)
    assert solver.temperature_c == pytest.approx(np.full(shape, 152.0), abs=0.05)
    assert solver.peak_c.max() == pytest.approx(152.0, abs=0.05)


def test_water_loss_is_remembered() -> None:
    """After cooling the tissue no longer boils, yet its largest latent fraction is kept for the drying model."""
    shape = (24, 24, 24)
    solver = BioheatSolver(boiling_problem(shape))
    solver.advance(60.0, gaussian(shape, 20.0, 2.5e-3))
    before = solver.latent_fraction_max
    assert before.max() > 0.5
    solver.advance(900.0)
    assert solver.latent_fraction.max() == 0.0
    assert (solver.latent_fraction_max >= before).all()
    assert solver.hottest_c < 60.0


def test_tissue_without_water_never_boils() -> None:
    """No latent heat: the temperature of an insulated block runs straight through 100 degC with its wet capacity."""
    shape = (3, 3, 3)
    solver = BioheatSolver(block(shape, c=4e6, w=0.0, boundary="insulated"))
    solver.advance(100.0, np.full(shape, 4e6, np.float32))
    assert solver.temperature_c == pytest.approx(np.full(shape, 137.0), abs=0.01)


def test_boiling_zone_is_round() -> None:
    """A round source in a uniform block: the dried cells fill a ball to within a cell."""
    shape = (32, 32, 32)
    solver = BioheatSolver(boiling_problem(shape))
    solver.advance(120.0, gaussian(shape, 20.0, 3e-3))
    dry, r = solver.latent_fraction_max > 0.5, radius_m(shape)
    assert dry.sum() > 20
    assert r[dry].max() <= r[~dry].min() + 1e-3
