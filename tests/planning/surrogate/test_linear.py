"""Superposition: T = body + C(t) + sum P [S(t - on) - S(t - off)], against the solver driven with the same pulses.

S comes from 40 growing steps and is read between nodes that are a factor 1.2 apart, linear in log t. The chord of a
response that bends like sqrt(t) or log(t) misses by (ln 1.2)^2 / 8 = 0.4 % of its bend at most; RKL2's growing steps
add their own second order. Allowed: 2 % of the largest rise, 10 times less than dropping a pulse would make.
"""

from __future__ import annotations

import numpy as np

from tests.planning.surrogate.conftest import LONGEST_S, setup
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.emission import Emission, forward_w
from vertherm.heat.member import NOMINAL
from vertherm.heat.needle import shaft_source_w_m
from vertherm.heat.stepping import StepLimits
from vertherm.planning.surrogate.correction import Correction
from vertherm.planning.surrogate.coupled import TAIL_S
from vertherm.planning.surrogate.dose import Dose, Pulse
from vertherm.planning.surrogate.linear import _solver, alone, node_times, per_watt, without_power
from vertherm.planning.surrogate.response import Response, moments, step_weights
from vertherm.planning.surrogate.sites import Sites

FIRST, SECOND, PAUSE = 20.0, 35.0, 40.0


def ones(n: int) -> Correction:
    """No correction at all: R = rho = 1."""
    return Correction(
        np.array([10.0]), np.array([0.0, 10.0]), np.ones((1, 2, n), np.float32),
        np.array([10.0]), np.ones((1, 1, 1 + len(TAIL_S), n), np.float32),
    )  # fmt: skip


def linear_response(cells: np.ndarray) -> Response:
    lone, times = alone(setup(), 0), node_times(LONGEST_S, 900.0)
    n = cells.size
    return Response(
        sites=Sites(cells, {}, {}, {}),
        times_s=times,
        per_w=per_watt(lone, NOMINAL, times, cells)[None],
        without=without_power(lone, NOMINAL, times, cells)[None],
        body_c=37.0, drive=1.0, key="", base=np.arange(n), damage=np.zeros((1, 4)), model=np.zeros(n, np.uint8),
        corrections=(ones(n),),
    )  # fmt: skip


def driven(cells: np.ndarray, dose: Dose, every_s: float) -> tuple[np.ndarray, np.ndarray]:
    """The solver itself, frozen at 37 degC, with fine steps: instants and temperatures of the cells."""
    lone = alone(setup(), 0)
    coarse = _solver(lone, NOMINAL)
    solver = BioheatSolver(coarse.problem, shaft=coarse.shafts, limits=StepLimits(heating_s=1.0, cooling_s=1.0))
    emission = Emission(lone, NOMINAL)
    one = emission.solve(solver, (0,))
    heat = emission.heating(one, [forward_w(1.0, NOMINAL, lone, one[0])])
    load = shaft_source_w_m(solver.shafts[0].fin, one[0].emitter.antenna, one[0].solution, heat.forward_w[0])
    at, rows = [], []
    for pulse, rest in zip(dose.pulses, (dose.pulses[0].pause_s, 120.0), strict=True):
        for length, power in ((pulse.on_s, pulse.power_w), (rest, 0.0)):
            for _ in range(round(length / every_s)):
                solver.advance(every_s, heat.q * np.float32(power), [load * power])
                at.append(solver.time_s)
                rows.append(solver.temperature_c.reshape(-1)[cells])
    return np.array(at), np.array(rows)


def test_two_pulses_superpose() -> None:
    shape = setup().tissue.grid.shape
    centre = np.array(setup().tissue.grid.index(setup().first.trajectory.point_mm(8.0))).round().astype(int)
    offsets = np.stack(np.meshgrid(*3 * [np.arange(-4, 5, 2)], indexing="ij"), -1).reshape(-1, 3)
    cells = np.unique(np.ravel_multi_index(tuple((centre + offsets).T), shape))
    dose = Dose((Pulse(FIRST, 30.0, PAUSE), Pulse(SECOND, 50.0)))
    at, true = driven(cells, dose, 5.0)
    fast = linear_response(cells).temperature_c(dose, at)
    rise = float((true - 37.0).max())
    assert rise > 50.0
    np.testing.assert_allclose(fast, true, atol=0.02 * rise)
    once = linear_response(cells).temperature_c(Dose(dose.pulses[:1]), at)
    assert np.abs(once - true).max() > 0.2 * rise, "the second pulse counts"


def test_step_weights_interpolate_and_hold() -> None:
    """Nodes 0, 1, 10, 100 s: exact at nodes, linear in log t between, 0 before the start, held after the end."""
    nodes = np.array([0.0, 1.0, 10.0, 100.0])
    values = np.array([0.0, 2.0, 4.0, 6.0])
    at = np.array([-5.0, 0.0, 0.5, 1.0, np.sqrt(10.0), 10.0, 1e4])
    np.testing.assert_allclose(step_weights(nodes, at) @ values, [0, 0, 1, 2, 3, 4, 6], atol=1e-6)


def test_moments_hold_every_change_of_power() -> None:
    dose = Dose((Pulse(20.0, 30.0, 10.0), Pulse(30.0, 60.0)))
    found = moments(dose)
    for instant in (0.0, 30.0, 40.0, 100.0, 1000.0):
        assert np.isclose(found, instant).any()
    assert (np.diff(found) > 0).all()
