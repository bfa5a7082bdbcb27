"""Step responses: the patient with all properties held at 37 °C, where temperature is linear in power and in time.

    T(x, t) = body + C(x, t) + sum_i P_i [S(x, t - on_i) - S(x, t - off_i)]

S is the answer to 1 W from time 0 on; C is what happens without any power (coolant, room air at skin and shaft, fluid
that came in cold). Two marches of the bioheat solver give both. Steps grow with time, like the nodes: what a step has
to resolve decays as slowly as the steps are long, and RKL2 stays stable and second order.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vertherm.heat.assembly import bioheat_problem
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.emission import Emission, forward_w
from vertherm.heat.member import Member
from vertherm.heat.needle import fin_of, shaft_source_w_m
from vertherm.heat.schedule import Activation, Schedule
from vertherm.heat.setup import Setup
from vertherm.heat.stepping import StepLimits

Float = NDArray[np.float32]
Array = NDArray[np.float64]
Index = NDArray[np.int64]
FIRST_S = 1.0
NODES = 40
UNLIMITED = 1e9
LARGE_W = 1e4
"""The model is linear: at this power what happens without power (some 10 K at most) vanishes, 1 mK per watt."""


def node_times(longest_s: float, tail_s: float) -> Array:
    """Times of the nodes in s, 0 and then growing; beyond the last one a response stands still."""
    return np.concatenate([[0.0], np.geomspace(FIRST_S, 2.0 * longest_s + tail_s, NODES)])


def alone(setup: Setup, place: int) -> Setup:
    """The setup with only the antenna of one place in the tissue."""
    schedule = Schedule((Activation(power_w=1.0, duration_s=1.0),))
    return replace(setup, emitters=(setup.emitters[place],), schedule=schedule, coherent=False)


def per_watt(setup: Setup, member: Member, times_s: Array, cells: Index | None = None) -> Float:
    """S: rise of ``cells`` (None: all) in K per watt, in the meaning of the setup's ``power_kind``; (nodes, cells).

    Args:
        setup: with one antenna (:func:`alone`).
        member: cooling, meaning of the power and local SAR factor; drying does not matter at 37 °C.
        times_s: nodes, from 0.
        cells: flat cells.

    Raises:
        SolverError: the field stopped being finite.
    """
    solver = _solver(setup, member)
    emission = Emission(setup, member)
    emitted = emission.solve(solver, (0,))
    watts = [LARGE_W * forward_w(1.0, member, setup, one) for one in emitted]
    heating = emission.heating(emitted, watts)
    load = shaft_source_w_m(solver.shafts[0].fin, emitted[0].emitter.antenna, emitted[0].solution, watts[0])
    return _march(solver, heating.q, load, times_s, cells, setup.body_c) / np.float32(LARGE_W)


def without_power(setup: Setup, member: Member, times_s: Array, cells: Index | None = None) -> Float:
    """C: temperature less that of the body without any power; (nodes, cells)."""
    return _march(_solver(setup, member), None, None, times_s, cells, setup.body_c)


def _solver(setup: Setup, member: Member) -> BioheatSolver:
    """A solver whose tissue neither dries nor changes; its steps are as long as it is asked to march."""
    grid, problem = setup.tissue.grid, bioheat_problem(setup, member.cooling)
    problem = replace(problem, latent_j_m3=None, perfusion_response=None)
    air = setup.tissue.air_cells()
    shafts = [fin_of(e.antenna, e.trajectory, grid).bind(grid, problem, air) for e in setup.emitters]
    for shaft in shafts:
        problem = shaft.into(problem)
    limits = StepLimits(heating_s=UNLIMITED, cooling_s=UNLIMITED, change_k=UNLIMITED)
    return BioheatSolver(problem, shaft=shafts, limits=limits)


def _march(
    solver: BioheatSolver, q: Float | None, load: Array | None, times_s: Array, cells: Index | None, body_c: float
) -> Float:
    rows = []
    for step in np.diff(times_s, prepend=0.0):
        solver.advance(float(step), q, None if load is None else [load])
        now = solver.temperature_c.reshape(-1)
        rows.append((now if cells is None else now[cells]) - np.float32(body_c))
    return np.array(rows, dtype=np.float32)
