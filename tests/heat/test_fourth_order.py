"""The fourth-order correction: exact where it should be, conservative, stable, absent at interfaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.heat.blocks import layered
from vertherm.bench.peers import ours
from vertherm.bench.peers.problem import closed_form_c, homogeneous
from vertherm.core.errors import InputError
from vertherm.heat.bioheat import BioheatProblem, BioheatSolver, StepLimits
from vertherm.heat.fourth_order import face_factors, use_fourth_order

SHAPE = (24, 20, 18)


def _problem(*, layers: bool = False, **given: Any) -> BioheatProblem:
    """Insulated block of 2 mm cells, 0.5 W/mK; with ``layers`` 0.3 W/mK in its upper half along x."""
    k = np.full(SHAPE, 0.5)
    if layers:
        k[SHAPE[0] // 2 :] = 0.3
    ones = np.ones(SHAPE)
    return layered(k, 3.8e6 * ones, 0.0 * ones, 2e-3, boundary="insulated", **given)


def test_homogeneous_case_gains_an_order() -> None:
    """Gaussian source (6 mm, 10 W, 270 s) in a perfused medium, closed form by quadrature, 0-24 mm, 2 mm cells.

    Second order: the error at the middle is h^2/12 of the fourth derivatives, 0.67 K; fourth order leaves (h/sigma)^2
    of that, some 0.02 K. Tolerance 0.05 K: between the two, far from both.
    """
    problem = homogeneous()
    truth = closed_form_c(problem)
    plain = np.abs(ours.run(problem, 2.0, order=2).temperature_c - truth).max()
    better = np.abs(ours.run(problem, 2.0, order=4).temperature_c - truth).max()
    assert 0.5 < plain < 0.8
    assert better < 0.05


def test_it_is_a_flux_and_keeps_the_energy() -> None:
    """Insulated block of two conductivities, 5 W for 60 s: stored = source, whatever the scheme; float32 leaves 1e-5.

    Expected 300 J; tolerance 2e-5 of it: a correction that is not a difference of face fluxes leaks percents.
    """
    solver = BioheatSolver(_problem(layers=True))
    use_fourth_order(solver)
    source = np.zeros(SHAPE)
    source[9:13, 8:12, 7:11] = 5.0 / (64 * 8e-9)
    solver.advance(60.0, source)
    ledger = solver.balance()
    assert abs(ledger.stored_j - 300.0) < 300.0 * 2e-5
    assert abs(ledger.error) < 2e-5


def test_rough_fields_calm_down_at_long_steps() -> None:
    """Noise of 5 K in an insulated block, steps of 60 s: 12 times the explicit limit h^2 C / 6 k = 5 s.

    Mode by mode the step multiplies by R + (R - 1) times the correction's share of the mode (at most a third), within
    [-1/3, 1], so nothing grows. Expected: the largest deviation never exceeds the start's, and is below a tenth of it
    after 40 steps; a correction twelve times as strong explodes.
    """
    rough = (42.0 + 5.0 * np.random.default_rng(3).standard_normal(SHAPE)).astype(np.float32)
    start = float(np.abs(rough - 42.0).max())
    solver = BioheatSolver(_problem(initial_c=rough), limits=StepLimits(cooling_s=60.0, change_k=1e9))
    use_fourth_order(solver)
    largest: list[float] = []
    solver.advance(2400.0, on_step=lambda s, _: largest.append(float(np.abs(s.temperature_c - 42.0).max())))
    assert solver.last_step_s > 40.0
    assert max(largest) <= start
    assert largest[-1] < 0.1 * start


def test_interfaces_edges_and_held_cells_stay_as_they_are() -> None:
    """Faces whose neighbours differ in conductivity, the two layers at the outer faces, and held cells: factor 0."""
    problem = _problem(layers=True)
    solver = BioheatSolver(problem)
    f = solver.fields
    free = f.w > 0
    free[8, 8, 8] = False
    factor = face_factors(f.kx, 0, free)
    # Cells 1..24, layers meet at the face between 12 and 13 (index 13): it and both its neighbours are left alone.
    assert (factor[12:15, 1:-1, 1:-1] == 0).all()
    assert (factor[[0, 1, 2, 24, 25], :, :] == 0).all()
    assert (factor[7:11, 8, 8] == 0).all()
    assert np.allclose(factor[5, 5:9, 5:9], 0.5 / 12)
    assert np.allclose(factor[18, 5:9, 5:9], 0.3 / 12)


def test_it_must_be_switched_on_before_the_march() -> None:
    solver = BioheatSolver(_problem())
    solver.advance(1.0)
    with pytest.raises(InputError, match="cannot be switched on"):
        use_fourth_order(solver)


def test_threads_do_not_change_the_result() -> None:
    """Planes are independent: one and three threads agree bit by bit."""
    fields = []
    source = np.zeros(SHAPE)
    source[9:13, 8:12, 7:11] = 1e7
    for threads in (1, 3):
        solver = BioheatSolver(_problem(layers=True), threads=threads)
        use_fourth_order(solver, threads)
        solver.advance(40.0, source)
        fields.append(solver.temperature_c)
    assert np.array_equal(*fields)
