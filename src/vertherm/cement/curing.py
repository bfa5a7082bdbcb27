"""Curing heat of bone cement in the bioheat solver, from whatever temperature field the ablation left.

    C dT/dt = div(k grad T) - W (T - T_arterial) + H f dalpha/dt ,   dalpha/dt = k(T) (alpha + alpha0) (1 - alpha)

f is the share of cement in a cell. Reaction and conduction take turns: conversion advances exactly at the temperature
extrapolated to the middle of the step, and the heat it set free is held over the same step of the bioheat solver, so
that what is released is what enters. Where the reaction rests, steps are long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.kinetics import Kinetics, advance, rate
from vertherm.core.errors import InputError
from vertherm.heat.bioheat import BioheatProblem, BioheatSolver, StepLimits
from vertherm.heat.result import SETTLED, TIME_LIMIT
from vertherm.heat.tracking import StructurePeak
from vertherm.materials.bone_cement import BoneCement

Field = NDArray[np.float32]
SETTLED_BELOW_C = 43.0
CONVERSION_A_STEP, WARMING_A_STEP_K = 0.02, 1.0
"""Most that the fastest cell converts, and warms by its own heat, in a step."""
SHORTEST_STEP_S, COOLING_STEP_S = 0.1, 15.0
CURED = 1e-3
"""Share of the heat still to come that counts as nothing."""
LEAST_FRACTION = 1e-4
"""Cells with less cement are taken as free of it."""


@dataclass(frozen=True, eq=False)
class CuringResult:
    """What curing did; fields have the shape of the grid. Doses are those of the curing phase alone.

    Args:
        peak_c: highest temperature from injection on, the start included.
        cem43_min: equivalent minutes at 43 degC.
        omega: Arrhenius integral of each cell's own model.
        conversion: share of the heat of curing released, 0 where no cement is.
        temperature_c: at the end.
        time_s: end of the run.
        curves: ``time_s`` and the hottest cell of every structure (the reading of every sensor) at every step.
        structures: extremes of every structure.
        released_j: heat set free, H sum(f dalpha) h^3.
        expected_j: heat the cement held at injection, H sum(f (1 - alpha_start)) h^3.
        energy: the solver's ledger in joules, with its relative ``error``.
        status: "settled", or "not settled: limit of time".
        statistics: steps, stages, wall time.
    """

    peak_c: Field
    cem43_min: Field
    omega: Field
    conversion: Field
    temperature_c: Field
    time_s: float
    curves: dict[str, NDArray[np.float64]]
    structures: dict[str, StructurePeak]
    released_j: float
    expected_j: float
    energy: dict[str, float]
    status: str
    statistics: dict[str, float]

    @property
    def settled(self) -> bool:
        """True where all has cured, every structure has peaked and nothing is above 43 degC."""
        return self.status == SETTLED


def with_cement(
    problem: BioheatProblem, cement: Field, properties: BoneCement, omega: Field | None = None
) -> BioheatProblem:
    """The tissue with cement in it. Heat capacities mix by volume; blood and boiling water leave with the tissue.

    Each face is two half cells in series, each of tissue and cement in series: 1 / k = (1 - f) / k_tissue + f / k_pmma
    with f the mean share of its two cells. Exact for a flat interface at or between cell centres; on the low side
    (warmer cement) for cement in fingers between trabeculae. Faces that conduct nothing stay so.

    Args:
        problem: the tissue.
        cement: (nx, ny, nz) volume fraction of cement, 0..1.
        properties: of the cement.
        omega: Arrhenius integral left by the ablation: coagulated tissue has lost its blood flow; None: all is alive.

    Raises:
        InputError: a fraction outside 0..1 or on another grid.
    """
    f = _checked(problem, cement)
    bone, own = np.float32(1.0) - f, np.float32(properties.volumetric_heat_capacity)
    alive = 1.0 if omega is None else problem.response.survival(omega).astype(np.float32)
    latent = problem.latent_j_m3
    return replace(
        problem,
        capacity=(bone * problem.capacity + f * own).astype(np.float32),
        conductivity_faces=_faces(problem, f, properties.conductivity.value),
        perfusion=np.asarray(bone * problem.perfusion * alive, np.float32),
        latent_j_m3=None if latent is None else (bone * latent).astype(np.float32),
        capacity_vapour=np.asarray(bone * problem.vapour + f * own, np.float32),
    )


def injected(
    problem: BioheatProblem, temperature_c: Field, cement: Field, properties: BoneCement, cement_c: float
) -> Field:
    """Start temperature: tissue at ``temperature_c`` and cement at ``cement_c`` mixed in each cell by heat capacity.

    Args:
        problem: the tissue without cement.
        temperature_c: what the ablation left, (nx, ny, nz).
        cement: volume fraction.
        properties: of the cement.
        cement_c: of the cement as it is injected, near that of the room.
    """
    f = _checked(problem, cement)
    tissue, own = (1.0 - f) * problem.capacity, f * properties.volumetric_heat_capacity
    return np.asarray((tissue * temperature_c + own * cement_c) / (tissue + own), np.float32)


def cure(
    problem: BioheatProblem,
    cement: Field,
    kinetics: Kinetics,
    *,
    initial_c: Field,
    alpha_start: float,
    structures: Mapping[str, NDArray[Any]],
    sensors: Mapping[str, NDArray[np.float64]] | None = None,
    longest_s: float = 3600.0,
    step_s: float = 5.0,
    threads: int = 1,
) -> CuringResult:
    """Cure until all heat is out, every structure has peaked and nothing is above 43 degC.

    Args:
        problem: tissue with the cement in it (:func:`with_cement`).
        cement: (nx, ny, nz) volume fraction of cement.
        kinetics: how it cures.
        initial_c: temperature field at injection, (nx, ny, nz); held cells keep that of the problem.
        alpha_start: conversion at injection (``kinetics.premixed``).
        structures: flat cell indices (or masks) by name: canal, cord, roots.
        sensors: fractional cell indices by name.
        longest_s: longest time to follow.
        step_s: longest step while the cement cures.
        threads: of the heat solver; the result does not depend on it.

    Raises:
        InputError: unusable fractions, conversion, times or temperatures.
        SolverError: the field stopped being finite.
    """
    share = _checked(problem, cement)
    for name, value in (("longest_s", longest_s), ("step_s", step_s)):
        if not (np.isfinite(value) and value > 0):
            raise InputError("A time is unusable.", where=name, got=value, expected="finite s, > 0")
    if not 0.0 <= alpha_start <= 1.0:
        raise InputError("The conversion at injection is unusable.", got=alpha_start, expected="0..1")
    solver = BioheatSolver(
        replace(problem, initial_c=np.ascontiguousarray(initial_c, np.float32)),
        structures=structures,
        sensors=sensors,
        threads=threads,
        limits=StepLimits(heating_s=step_s, cooling_s=COOLING_STEP_S),
    )
    reaction = _Reaction(solver, share, kinetics, alpha_start, step_s)
    while reaction.left > CURED and solver.time_s < longest_s - 1e-6:
        reaction.step(longest_s - solver.time_s)
    settled = reaction.left <= CURED and _cool(solver, longest_s - solver.time_s)
    return reaction.result(SETTLED if settled else TIME_LIMIT)


class _Reaction:
    """Conversion in the cells with cement, and the solver it heats."""

    def __init__(self, solver: BioheatSolver, share: Field, law: Kinetics, alpha: float, step_s: float) -> None:
        self.solver, self.law, self.step_s = solver, law, step_s
        self.cells = np.flatnonzero(share.reshape(-1) > LEAST_FRACTION)
        self.share = share.reshape(-1)[self.cells].astype(np.float64)
        self.alpha = np.full(self.cells.size, alpha)
        self.heat = law.heat_j_m3 * self.share
        self.warming = self.heat / solver.problem.capacity.reshape(-1)[self.cells]
        self.volume = solver.problem.spacing_m**3
        self.start_j = float((self.heat * (1.0 - self.alpha)).sum()) * self.volume
        self.released_j = 0.0
        self.source = np.zeros(share.shape, np.float32)
        self.before: tuple[NDArray[np.float64], float] | None = None

    @property
    def left(self) -> float:
        """Share of all the cement's heat that is still to come."""
        return float((self.heat * (1.0 - self.alpha)).sum() / self.heat.sum()) if self.cells.size else 0.0

    def step(self, longest_s: float) -> None:
        """One step of reaction and conduction, at most ``longest_s``."""
        now = self.solver.temperature_c.reshape(-1)[self.cells].astype(np.float64)
        dt = min(self._choose(now), longest_s)
        middle = now
        if self.before is not None:
            # Second order: the temperature of the cement half a step ahead.
            middle = now + 0.5 * dt * (now - self.before[0]) / self.before[1]
        after = advance(self.law, self.alpha, middle, dt)
        freed = self.heat * (after - self.alpha)
        self.source.reshape(-1)[self.cells] = freed / dt
        self.solver.advance(dt, self.source)
        self.released_j += float(freed.sum()) * self.volume
        self.alpha, self.before = after, (now, dt)

    def _choose(self, temperature_c: NDArray[np.float64]) -> float:
        speed = rate(self.law, self.alpha, temperature_c)
        fastest = float(np.max(speed)) / CONVERSION_A_STEP
        hottest = float(np.max(speed * self.warming)) / WARMING_A_STEP_K
        return min(self.step_s, max(1.0 / max(fastest, hottest, 1e-12), SHORTEST_STEP_S))

    def result(self, status: str) -> CuringResult:
        """Copy everything out."""
        solver = self.solver
        conversion = np.zeros(solver.problem.capacity.size, np.float32)
        conversion[self.cells] = self.alpha
        return CuringResult(
            peak_c=solver.peak_c,
            cem43_min=solver.cem43_min,
            omega=solver.omega,
            conversion=conversion.reshape(solver.problem.shape),
            temperature_c=solver.temperature_c,
            time_s=solver.time_s,
            curves=solver.tracker.curves(),
            structures=solver.peaks(),
            released_j=self.released_j,
            expected_j=self.start_j,
            energy=solver.balance().as_dict(),
            status=status,
            statistics=solver.statistics.as_dict(),
        )


def combined(ablation_peak_c: Field, ablation_cem43: Field, curing: CuringResult) -> tuple[Field, Field]:
    """Peak temperature and CEM43 of ablation and curing together: the larger, and the sum.

    Args:
        ablation_peak_c: up to the injection, (nx, ny, nz).
        ablation_cem43: minutes up to the injection.
        curing: started from the temperature field at that moment.
    """
    if np.shape(ablation_peak_c) != curing.peak_c.shape or np.shape(ablation_cem43) != curing.peak_c.shape:
        raise InputError(
            "Ablation and curing are on different grids.",
            got=(np.shape(ablation_peak_c), np.shape(ablation_cem43)),
            expected=curing.peak_c.shape,
        )
    peak = np.maximum(ablation_peak_c, curing.peak_c).astype(np.float32)
    return peak, (ablation_cem43 + curing.cem43_min).astype(np.float32)


def _cool(solver: BioheatSolver, longest_s: float) -> bool:
    """March on until structures have peaked and nothing anywhere could still push one above 43 degC."""

    def done(now: BioheatSolver, _: float) -> bool:
        hottest = now.hottest_c
        return hottest < SETTLED_BELOW_C and now.tracker.settled(SETTLED_BELOW_C, hottest)

    if not done(solver, 0.0):
        solver.advance(max(longest_s, 0.0), on_step=done)
    return done(solver, 0.0)


def _faces(problem: BioheatProblem, f: Field, k_cement: float) -> tuple[Field, Field, Field]:
    found = []
    for axis, face in enumerate(problem.conductivity_faces):
        edges = np.pad(f, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        lower, upper = (slice(None),) * axis + (slice(0, -1),), (slice(None),) * axis + (slice(1, None),)
        mean = np.float32(0.5) * (edges[lower] + edges[upper])
        below = (1.0 - mean) * np.float32(k_cement) + mean * face
        found.append(np.asarray(face * np.float32(k_cement) / below, np.float32))
    return found[0], found[1], found[2]


def _checked(problem: BioheatProblem, cement: Field) -> Field:
    share = np.asarray(cement, np.float32)
    if share.shape != problem.shape:
        raise InputError("The cement does not fit the heat grid.", got=share.shape, expected=problem.shape)
    if not (np.isfinite(share).all() and float(share.min()) >= 0.0 and float(share.max()) <= 1.0 + 1e-5):
        raise InputError(
            "The volume fraction of cement is unusable.", got=f"{share.min()} to {share.max()}", expected="0..1"
        )
    return np.minimum(share, np.float32(1.0))
