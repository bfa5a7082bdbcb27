"""Runs of the coupled model (drying, boiling, perfusion, conduction that rises) that the linear answer is held against.

One run heats with constant power, re-solving the antenna at instants that grow apart (tissue dries fast at first), and
cools afterwards; the temperature of the watched cells is taken at every re-solve and at chosen times after switch-off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.coupling import run_member
from vertherm.heat.member import Member
from vertherm.heat.schedule import Activation, Schedule
from vertherm.heat.setup import Setup
from vertherm.heat.stepping import StepLimits

Float = NDArray[np.float32]
Array = NDArray[np.float64]
FIRST_SOLVE_S, GROWTH, LONGEST_SOLVE_S = 6.0, 1.6, 200.0
LIMITS = StepLimits(heating_s=10.0, cooling_s=30.0)
"""Twice the usual steps: they move peaks by 0.1 K, a tenth of what the fast model errs by."""
TAIL_S: Array = np.array([15.0, 30.0, 60.0, 120.0, 240.0, 450.0, 900.0])
"""Instants after switch-off at which the coupled model is read."""
FIELD_REACH_MM = 32.0
"""Radius of the field's domain in these runs, two wavelengths at 2.45 GHz: half the time of the whole domain. What it
cuts off is cut off in the linear answer that the run is compared with as well."""


def solve_times(longest_s: float) -> Array:
    """Instants in s at which the coupled runs are read while they heat; the last is ``longest_s``."""
    found, now, step = [], 0.0, FIRST_SOLVE_S
    while now + step < longest_s - 0.5 * FIRST_SOLVE_S:
        now += step
        found.append(now)
        step = min(step * GROWTH, LONGEST_SOLVE_S)
    return np.array([*found, longest_s])


@dataclass(frozen=True, eq=False)
class CoupledRun:
    """What one coupled run leaves.

    Args:
        heating_c: (solves, cells) temperature at :func:`solve_times` up to its switch-off.
        tail_c: (tail, cells) at :data:`TAIL_S` after it.
        peak_c, cem43_min: by structure, over all of its cells and all steps, tail included.
        fields: "peak_c", "cem43_min", "omega" of the watched cells at the end.
        absorbed: (solves,) power absorbed between one solve and the next, relative to the first.
    """

    heating_c: Float
    tail_c: Float
    peak_c: dict[str, float]
    cem43_min: dict[str, float]
    fields: dict[str, Float]
    absorbed: Array


class _Reader:
    """Takes the watched cells at every re-solve; after the switch-off it goes on cooling as long as it must."""

    def __init__(self, cells: NDArray[np.int64], solves: int) -> None:
        self.cells, self.solves = cells, solves
        self.heating: list[Float] = []
        self.tail: list[Float] = []

    def __call__(self, solver: BioheatSolver) -> None:
        if len(self.heating) < self.solves:
            self.heating.append(self._now(solver))
            return
        for step in np.diff(TAIL_S, prepend=0.0):
            solver.advance(float(step))
            self.tail.append(self._now(solver))

    def _now(self, solver: BioheatSolver) -> Float:
        return solver.temperature_c.reshape(-1)[self.cells]


def coupled_run(setup: Setup, member: Member, power_w: float, times_s: Array, cells: NDArray[np.int64]) -> CoupledRun:
    """Heat with ``power_w`` until the last of ``times_s``, then cool.

    Args:
        setup: with one antenna.
        member: model choices.
        power_w: in the meaning of the setup.
        times_s: the antenna is solved at 0 and at each of them but the last.
        cells: flat cells to read.

    Raises:
        SolverError: the field stopped being finite.
    """
    steps = np.diff(times_s, prepend=0.0)
    schedule = Schedule(tuple(Activation(power_w=power_w, duration_s=float(step)) for step in steps))
    one = 2.0 * LONGEST_SOLVE_S  # every step is one interval
    changed = replace(setup, schedule=schedule, first_solve_s=one, resolve_every_s=one, max_cooldown_s=0.0)
    reader = _Reader(cells, len(steps))
    result = run_member(changed, member, reader, limits=LIMITS)
    fields = {"peak_c": result.peak_c, "cem43_min": result.cem43_min, "omega": result.omega}
    return CoupledRun(
        heating_c=np.array(reader.heating),
        tail_c=np.array(reader.tail),
        peak_c={name: found.peak_c for name, found in result.structures.items()},
        cem43_min={name: found.cem43_min for name, found in result.structures.items()},
        fields={name: field.reshape(-1)[cells] for name, field in fields.items()},
        absorbed=result.power["absorbed_w"] / result.power["absorbed_w"][0],
    )
