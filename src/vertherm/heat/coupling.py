"""One member of a prediction: heat and electromagnetics in turn, re-solved as the tissue dries, until all has cooled.

    after every interval of power:  T, dry fraction -> eps, sigma -> azimuthal mean -> |E|^2, S11 -> q(x)
    in between:                     bioheat with q held, doses, curves

Tissue beside an antenna dries within seconds: intervals are short at first and grow up to ``resolve_every_s``
(:func:`solve_intervals`). Several antennas fire together or one
after the other; each is solved as if it were alone. A needle is in the tissue from the start of an activation it fires
in until the next activation that it does not fire in; those of the last activation stay, uncooled, until the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vertherm.geometry.volume import FloatArray
from vertherm.heat.assembly import Faces, bioheat_problem, heated
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.emission import Emission, forward_w
from vertherm.heat.member import Member
from vertherm.heat.needle import fin_of, shaft_source_w_m
from vertherm.heat.power_log import PowerLog
from vertherm.heat.protection import Protection
from vertherm.heat.result import SETTLED, TIME_LIMIT, ThermalResult
from vertherm.heat.schedule import Activation, TemperatureControl
from vertherm.heat.setup import Setup
from vertherm.heat.shaft import BoundShaft
from vertherm.heat.stepping import StepLimits

SETTLED_BELOW_C = 43.0
GROWTH = 1.3
"""Of the intervals between two solves of the antennas."""
CONSTANTS_USED = (
    "body_temperature",
    "room_temperature",
    "skin_convection",
    "perfusion_rise_start",
    "perfusion_rise_full",
    "perfusion_rise_factor",
    "perfusion_stop_omega",
    "latent_heat_water",
    "vaporisation_start",
    "vaporisation_end",
    "heat_capacity_vapour",
    "cem43_cutoff",
    "conductivity_slope",
    "conductivity_cap",
)
"""Scalar constants behind every member; the assessment lists those that no source confirms."""

Watch = Callable[[BioheatSolver], None]


def models_used(setup: Setup) -> dict[str, str]:
    """Ids of the models behind every member, for the assessment."""
    start = f"starts at {setup.body_c:g} °C throughout, also at the skin (the cautious choice)"
    several = (
        "fields of antennas that fire together add with their phases, scaled to the power that the antennas absorb; "
        "scattering by the other needles is not modelled"
        if setup.coherent
        else "powers of antennas that fire together add"
    )
    return {
        "electromagnetics": "axisymmetric TM finite elements, u = r H_phi, P2; |E|^2 weighted with the local "
        "conductivity" + (f"; {several}" if len(setup.emitters) > 1 else ""),
        "dielectric drying": "sigmoid (Ji and Brace 2011, normalised) and water (irreversible water loss)",
        "heat": "Pennes, sub-cell averaged faces, conductivity rising with temperature (updated with each solve), RKL2 "
        f"in time, enthalpy form of vaporisation; {start}",
        "perfusion": "shut down at omega 1; rises with temperature in members with full cooling only",
        "shaft": "one-dimensional fin, quasi-steady; coolant acts behind the radiating part until the last switch-off",
        "damage": "isotherms of the peak, CEM43 (R 0.5 / 0.25, nothing below 39 °C), Arrhenius by tissue",
        "full-wave check": setup.full_wave or "not run: neural rows carry the local SAR factor",
        **({"protection": protection_model(setup.protection)} if setup.protection else {}),
    }


def protection_model(protection: Protection) -> str:
    """How what protects is modelled, in words."""
    parts = []
    if protection.dissections:
        parts.append(
            "gas and fluid replace soft tissue on the sub-cells, conduct and store heat, take no blood flow, and stay "
            "where they were put"
        )
    if protection.irrigations:
        parts.append(
            "irrigation takes up heat in proportion to the temperature above that of the fluid, all that its flow can "
            "carry, evenly over its region, from the first watt until all has cooled"
        )
    if protection.skin_cooling:
        parts.append("coolant on the skin through a film, from the first watt until all has cooled")
    return "; ".join(parts)


def run_member(
    setup: Setup,
    member: Member,
    watch: Watch | None = None,
    *,
    threads: int = 1,
    limits: StepLimits | None = None,
) -> ThermalResult:
    """Predict one member: treatment, then cool-down until every structure has peaked and is below 43 °C.

    Args:
        setup: antennas, tissue and schedule.
        member: the model choices.
        watch: called with the solver after every interval between two solves, after each pause and at the end.
        threads: threads of the heat solver; the result does not depend on it.
        limits: steps of the heat solver; None: the default ones.

    Raises:
        SolverError: a field stopped being finite.
    """
    run = _Run(setup, member, watch, threads, limits)
    for number, activation in enumerate(setup.schedule.activations, 1):
        run.activate(activation, f"control sensor {number}")
        run.pause(activation.pause_s)
    settled = run.cool_down()
    return ThermalResult.of(
        run.solver,
        setup.tissue.grid,
        power=run.log.columns(),
        status=SETTLED if settled else TIME_LIMIT,
        lowest_c=run.cold.found,
    )


class _Run:
    """The solver, the needles and what is written down while one member runs."""

    def __init__(
        self, setup: Setup, member: Member, watch: Watch | None, threads: int, limits: StepLimits | None
    ) -> None:
        self.setup, self.member, self._watch = setup, member, watch
        grid, problem = setup.tissue.grid, bioheat_problem(setup, member.cooling)
        self.cold_faces: Faces = problem.conductivity_faces
        air = setup.tissue.air_cells()
        self.shafts = [fin_of(e.antenna, e.trajectory, grid).bind(grid, problem, air) for e in setup.emitters]
        for shaft in self.shafts:
            problem = shaft.into(problem)
        self.solver = BioheatSolver(
            problem,
            structures=setup.probes,
            sensors=_sensors(setup),
            shaft=tuple(self.shafts),
            threads=threads,
            limits=limits,
        )
        self.emission, self.log, self.cold = Emission(setup, member), PowerLog(), _Lowest()
        if setup.protection:
            self.cold.look(self.solver)  # cold fluid is coldest at the start

    def activate(self, activation: Activation, sensor: str) -> None:
        """One activation: solve the antennas that fire, heat, solve again."""
        solver, setup, firing = self.solver, self.setup, self.setup.firing(activation)
        self._place(firing)
        control = TemperatureControl.of(activation, sensor) if activation.set_temperature_c is not None else None
        given = activation.powers_w(len(firing))
        for duration in solve_intervals(activation.duration_s, setup.first_solve_s, setup.resolve_every_s):
            emitted = self.emission.solve(solver, firing)
            solver.set_conductivity(heated(self.cold_faces, solver.temperature_c))
            powers = [forward_w(p, self.member, setup, e) for p, e in zip(given, emitted, strict=True)]
            loads = [np.zeros(shaft.g.shape) for shaft in self.shafts]
            for place, one, power in zip(firing, emitted, powers, strict=True):
                loads[place] = shaft_source_w_m(self.shafts[place].fin, one.emitter.antenna, one.solution, power)
            start, weighted = solver.time_s, _Mean()
            heating = self.emission.heating(emitted, powers)
            solver.advance(duration, heating.q, loads, control=control, on_step=weighted)
            self.log.add(start, duration, weighted.mean(duration), heating)
            self._looked()

    def pause(self, pause_s: float) -> None:
        """Power off, needles and coolant as they are."""
        if pause_s:
            self.log.pause(self.solver.time_s, pause_s)
            self.solver.advance(pause_s)
            self._looked()

    def cool_down(self) -> bool:
        """Without power until all has peaked and cooled; False where the time was not enough."""
        # The pump stops with the generator: from here the shaft carries heat to the room, not into coolant.
        self.solver.stop_coolant()
        settled = self.solver.settle(self.setup.max_cooldown_s, SETTLED_BELOW_C)
        if self.setup.protection:
            self.cold.look(self.solver)  # irrigation and coolant on the skin go on
        if self._watch is not None:
            self._watch(self.solver)
        return settled

    def _place(self, firing: tuple[int, ...]) -> None:
        """Only the needles that fire touch the tissue."""
        placed: list[BoundShaft] = [s if n in firing else s.absent() for n, s in enumerate(self.shafts)]
        self.solver.use_shafts(placed)

    def _looked(self) -> None:
        self.cold.look(self.solver)
        if self._watch is not None:
            self._watch(self.solver)


def solve_intervals(duration_s: float, first_s: float, longest_s: float) -> list[float]:
    """Times in s between two solves of the antennas in one activation: growing, the later ones equal.

    Args:
        duration_s: of the activation.
        first_s: first interval; where it is not below ``longest_s``, all are equal.
        longest_s: longest interval.
    """
    found: list[float] = []
    left, step = duration_s, first_s
    # The last interval may be half as long again, so that no sliver is left.
    while step < longest_s and left > 1.5 * step:
        found.append(step)
        left -= step
        step *= GROWTH
    rest = max(1, int(np.ceil(left / longest_s - 1e-9)))
    return [*found, *[left / rest] * rest]


def _sensors(setup: Setup) -> dict[str, FloatArray]:
    """Fractional cell indices of thermocouples and controlling sensors."""
    grid = setup.tissue.grid
    sensors: dict[str, FloatArray] = {
        f"thermocouple {name}": grid.index(point) for name, point in setup.thermocouples.items()
    }
    for number, activation in enumerate(setup.schedule.activations, 1):
        if activation.sensor_mm is not None:
            sensors[f"control sensor {number}"] = grid.index(np.array(activation.sensor_mm))
    return sensors


@dataclass(eq=False)
class _Lowest:
    """Coldest cell of each structure, looked at after every interval: the shaft chills slowly."""

    found: dict[str, float] = field(default_factory=dict)

    def look(self, solver: BioheatSolver) -> None:
        """Take the state now into account."""
        for name, value in solver.lowest_c().items():
            self.found[name] = min(value, self.found.get(name, value))


@dataclass(eq=False)
class _Mean:
    """Time mean of the control's scale over an interval."""

    total: float = 0.0
    last_s: float | None = None

    def __call__(self, solver: BioheatSolver, scale: float) -> None:
        before = self.last_s if self.last_s is not None else solver.time_s - solver.last_step_s
        self.total += scale * (solver.time_s - before)
        self.last_s = solver.time_s

    def mean(self, duration_s: float) -> float:
        """Mean scale."""
        return self.total / duration_s
