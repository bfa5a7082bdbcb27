"""What an ablation leaves at the moments at which cement might be injected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.coupling import run_member, solve_intervals
from vertherm.heat.member import Member
from vertherm.heat.schedule import Schedule
from vertherm.heat.setup import Setup

Field = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class AblationState:
    """Fields of shape (nx, ny, nz) at one moment after the last switch-off.

    Args:
        temperature_c: now.
        peak_c: highest temperature so far.
        cem43_min: equivalent minutes at 43 degC so far.
        omega: Arrhenius integral so far.
    """

    temperature_c: Field
    peak_c: Field
    cem43_min: Field
    omega: Field


def ablation_state(
    setup: Setup, member: Member, delays_s: Sequence[float], *, threads: int = 1
) -> dict[float, AblationState]:
    """Run the ablation and read the fields at each delay after its last switch-off, coolant off as in any cool-down.

    Args:
        setup: antennas, tissue and schedule; a pause after the last activation is left out (the delay replaces it).
        member: model choices.
        delays_s: s after the last switch-off, >= 0, in any order.
        threads: of the heat solver.

    Raises:
        InputError: no delay, or one that is no usable number.
        SolverError: the field stopped being finite.
    """
    moments = sorted(set(map(float, delays_s)))
    if not moments or not np.isfinite(moments).all() or moments[0] < 0:
        raise InputError("The delays are unusable.", where="delays_s", got=list(delays_s), expected="finite s, >= 0")
    activations = setup.schedule.activations
    schedule = Schedule((*activations[:-1], replace(activations[-1], pause_s=0.0)))
    ended = replace(setup, schedule=schedule, max_cooldown_s=0.0)
    reader = _Reader(_looks(ended), moments)
    run_member(ended, member, reader, threads=threads)
    return reader.found


def _looks(setup: Setup) -> int:
    """How often a run looks at the solver before its cool-down."""
    return sum(
        len(solve_intervals(a.duration_s, setup.first_solve_s, setup.resolve_every_s)) + bool(a.pause_s)
        for a in setup.schedule.activations
    )


class _Reader:
    """Lets the looks of the treatment pass; at the last one it goes on cooling and reads."""

    def __init__(self, passed: int, moments: list[float]) -> None:
        self.left, self.moments = passed, moments
        self.found: dict[float, AblationState] = {}

    def __call__(self, solver: BioheatSolver) -> None:
        if self.left:
            self.left -= 1
            return
        for step, moment in zip(np.diff(self.moments, prepend=0.0), self.moments, strict=True):
            solver.advance(float(step))
            self.found[moment] = AblationState(solver.temperature_c, solver.peak_c, solver.cem43_min, solver.omega)
