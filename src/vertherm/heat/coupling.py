"""One member of a prediction: heat and electromagnetics in turn, re-solved as the tissue dries, until all has cooled.

    every ``resolve_every_s`` of power:  T, dry fraction -> eps, sigma -> azimuthal mean -> |E|^2, S11 -> q(x)
    in between:                          bioheat with q held, doses, curves

Re-solving every 20-30 s changes the zone by less than 1 mm (own prototype runs).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import Antenna
from vertherm.applicator.axisymmetric import AxisymmetricModel, AxisymmetricSolution
from vertherm.applicator.cache import SolutionCache
from vertherm.applicator.deposition import Deposition
from vertherm.applicator.power import PowerChain
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.member import Cooling, Member
from vertherm.heat.needle import fin_of, shaft_source_w_m
from vertherm.heat.problem import BioheatProblem
from vertherm.heat.result import SETTLED, TIME_LIMIT, ThermalResult
from vertherm.heat.schedule import Activation, Schedule, TemperatureControl
from vertherm.heat.shaft import BoundShaft
from vertherm.materials.constants import constants
from vertherm.materials.drying import dried, drying
from vertherm.materials.perfusion import conductivity_factor, perfusion_model
from vertherm.materials.tissue_map import TissueMap

Faces = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
SINKS_WITH_COOLING = ("blood", "csf")
"""Tissues whose flow carries heat away: held at arterial temperature in members with full cooling."""
SETTLED_BELOW_C = 43.0
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
ABOVE_MM = 10.0
"""The computing domain reaches this much farther up the shaft than around it: some power creeps back along it."""


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything a member needs; picklable.

    Args:
        tissue: tissues on the heat grid.
        trajectory: the needle.
        power_kind: "set", "forward" or "net": what the schedule's power means.
        probes: flat heat-grid cells of every structure to follow, by name.
        tracked: names of all structures with a row, also those wholly outside the heat grid.
        thermocouples: RAS mm by name.
        neural_cells: flat cells where the local SAR factor applies.
        reach_mm: radius of the electromagnetic domain around the needle.
    """

    tissue: TissueMap
    trajectory: Trajectory
    antenna: Antenna
    frequency_hz: float
    schedule: Schedule
    power_kind: str
    probes: dict[str, NDArray[np.int64]]
    tracked: tuple[str, ...]
    thermocouples: dict[str, FloatArray]
    neural_cells: NDArray[np.int64]
    resolve_every_s: float = 25.0
    reach_mm: float = 50.0
    max_cooldown_s: float = 3600.0


def models_used() -> dict[str, str]:
    """Ids of the models behind every member, for the assessment."""
    return {
        "electromagnetics": "axisymmetric TM finite elements, u = r H_phi, P2; |E|^2 weighted with the local "
        "conductivity",
        "dielectric drying": "sigmoid (Ji and Brace 2011, normalised) and water (irreversible water loss)",
        "heat": "Pennes, sub-cell averaged faces, conductivity rising with temperature (updated with each solve), RKL2 "
        "in time, enthalpy form of vaporisation; starts at 37 °C throughout, also at the skin (the cautious choice)",
        "perfusion": "shut down at omega 1; rises with temperature in members with full cooling only",
        "shaft": "one-dimensional fin, quasi-steady; coolant acts behind the radiating part until the last switch-off",
        "damage": "isotherms of the peak, CEM43 (R 0.5 / 0.25, nothing below 39 °C), Arrhenius by tissue",
        "full-wave check": "not run: neural rows carry the local SAR factor",
    }


@lru_cache(maxsize=2)
def bioheat_problem(setup: Setup, cooling: Cooling) -> BioheatProblem:
    """The tissue as the heat solver sees it, with the member's choice of cooling."""
    tissue, palette = setup.tissue, setup.tissue.palette
    full = cooling == "full"
    latent = [p.density * p.water_fraction * constants("latent_heat_water").value for p in palette]
    air = tissue.air_cells()
    held = air.copy()
    temperature = np.full(air.shape, constants("body_temperature").value, np.float32)
    temperature[tissue.exterior_air()] = constants("room_temperature").value
    if full:
        held |= tissue.fraction(SINKS_WITH_COOLING) > 0.5
    # Blood's own row is a flow per volume of vessel, not capillary perfusion: without cooling it must not be a sink.
    perfusion = [0.0 if p.name == "blood" else p.perfusion for p in palette]
    damage_index, models = tissue.damage_index()
    return BioheatProblem(
        spacing_m=tissue.spacing_m,
        capacity=tissue.capacity(),
        conductivity_faces=tissue.face_conductivities(constants("skin_convection").value),
        perfusion=tissue.tissue_mean(perfusion),
        held=held,
        held_temperature_c=temperature,
        latent_j_m3=tissue.tissue_mean(latent),
        arterial_c=constants("body_temperature").value,
        initial_c=np.where(air, temperature, np.float32(constants("body_temperature").value)),
        perfusion_response=perfusion_model(None if full else 1.0),
        damage_index=damage_index,
        damage_models=models,
    )


def heated(faces: Faces, temperature_c: NDArray[np.float32]) -> Faces:
    """Face conductivities at the present temperatures: each times the mean factor of its two cells.

    Args:
        faces: at 37 degC, shapes as in :class:`BioheatProblem`.
        temperature_c: of the cells, (nx, ny, nz).
    """
    factor = conductivity_factor(temperature_c).astype(np.float32)
    scaled = []
    for axis, face in enumerate(faces):
        edges = np.pad(factor, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        lower = (slice(None),) * axis + (slice(0, -1),)
        upper = (slice(None),) * axis + (slice(1, None),)
        scaled.append(np.float32(0.5) * face * (edges[lower] + edges[upper]))
    return scaled[0], scaled[1], scaled[2]


@lru_cache(maxsize=1)
def _emitter(setup: Setup) -> tuple[AxisymmetricModel, Deposition, NDArray[np.float32], NDArray[np.float32]]:
    """Antenna model, deposition and the tissue's permittivity and conductivity at 37 degC: the same for all members."""
    reach = setup.reach_mm
    below, above = reach, reach + ABOVE_MM
    model = AxisymmetricModel(setup.antenna, setup.frequency_hz, radius_mm=reach, below_mm=below, above_mm=above)
    deposition = Deposition(
        setup.tissue.grid,
        setup.trajectory,
        setup.antenna.shaft_radius_mm,
        reach_mm=reach,
        axial_mm=(-below, above),
        outline_mm=setup.antenna.outer_radius_mm,
    )
    values = np.array([p.permittivity(setup.frequency_hz) for p in setup.tissue.palette])
    return model, deposition, setup.tissue.cell_mean(values[:, 0]), setup.tissue.cell_mean(values[:, 1])


@dataclass(eq=False)
class _Field:
    """The antenna in this patient: dielectric state in, power density out."""

    setup: Setup
    member: Member
    first: bool = True

    def __post_init__(self) -> None:
        self.model, self.deposition, self.eps, self.sigma = _emitter(self.setup)

    def solve(self, solver: BioheatSolver) -> tuple[AxisymmetricSolution, NDArray[np.float32]]:
        """Solution and power density in W/m3 per watt forward, for the tissue as it is now."""
        factors = drying(self.member.drying).factors(solver.temperature_c, solver.latent_fraction_max)
        eps, sigma = dried(self.eps, self.sigma, factors)
        medium = self.deposition.azimuthal_mean(eps, sigma)
        # The first solve is the same for all members and for every later run of the case: kept on disk.
        solution = SolutionCache().solve(self.model, medium) if self.first else self.model.solve(medium)
        self.first = False
        density = self.deposition.power_density(solution, sigma.astype(np.float32))
        if self.member.sar_factor != 1.0:
            density.reshape(-1)[self.setup.neural_cells] *= self.member.sar_factor
        return solution, density


@dataclass(eq=False)
class _PowerLog:
    """One row per interval between two solves, and per pause."""

    rows: list[dict[str, float]] = field(default_factory=list)

    def add(
        self, time_s: float, duration_s: float, scale: float, solution: AxisymmetricSolution | None, forward_w: float
    ) -> None:
        absorbed = solution.absorbed_w if solution else 0.0
        net = solution.net_w if solution else 0.0
        self.rows.append(
            {
                "time_s": time_s,
                "duration_s": duration_s,
                "forward_w": forward_w * scale,
                "net_w": forward_w * scale * net,
                "absorbed_w": forward_w * scale * absorbed,
                "reflection_db": solution.s11_db if solution else 0.0,
            }
        )

    def columns(self) -> dict[str, NDArray[np.float64]]:
        names = ("time_s", "duration_s", "forward_w", "net_w", "absorbed_w", "reflection_db")
        return {name: np.array([row[name] for row in self.rows], dtype=np.float64) for name in names}


def forward_w(given_w: float, member: Member, setup: Setup, solution: AxisymmetricSolution) -> float:
    """Forward power at the antenna from the given power, as the member reads it.

    A generator setting first loses what the cable takes. "net" members hold the net power: reflection is made up for.
    """
    chain = PowerChain.of(solution, setup.antenna.cable_loss_db.value)
    at_antenna = given_w * chain.forward_per_set if setup.power_kind == "set" else given_w
    return chain.budget(at_antenna, member.power).forward_w


def run_member(setup: Setup, member: Member) -> ThermalResult:
    """Predict one member: treatment, then cool-down until every structure has peaked and is below 43 °C.

    Raises:
        SolverError: a field stopped being finite.
    """
    grid = setup.tissue.grid
    sensors: dict[str, FloatArray] = {
        f"thermocouple {name}": grid.index(point) for name, point in setup.thermocouples.items()
    }
    for number, activation in enumerate(setup.schedule.activations, 1):
        if activation.sensor_mm is not None:
            sensors[f"control sensor {number}"] = grid.index(np.array(activation.sensor_mm))
    problem = bioheat_problem(setup, member.cooling)
    shaft = fin_of(setup.antenna, setup.trajectory, grid).bind(grid, problem, setup.tissue.air_cells())
    solver = BioheatSolver(shaft.into(problem), structures=setup.probes, sensors=sensors, shaft=shaft)
    emitter, log, cold = _Field(setup, member), _PowerLog(), _Lowest()
    for number, activation in enumerate(setup.schedule.activations, 1):
        _activate(solver, shaft, emitter, activation, f"control sensor {number}", log, cold)
        if activation.pause_s:
            log.add(solver.time_s, activation.pause_s, 0.0, None, 0.0)
            solver.advance(activation.pause_s)
            cold.look(solver)
    # The pump stops with the generator: from here the shaft carries heat to the room, not into coolant.
    solver.stop_coolant()
    settled = solver.settle(setup.max_cooldown_s, SETTLED_BELOW_C)
    return ThermalResult.of(
        solver,
        grid,
        power=log.columns(),
        status=SETTLED if settled else TIME_LIMIT,
        lowest_c=cold.found,
    )


def _activate(
    solver: BioheatSolver,
    shaft: BoundShaft,
    emitter: _Field,
    activation: Activation,
    sensor: str,
    log: _PowerLog,
    lowest: _Lowest,
) -> None:
    setup, member = emitter.setup, emitter.member
    cold = bioheat_problem(setup, member.cooling).conductivity_faces
    control = TemperatureControl.of(activation, sensor) if activation.set_temperature_c is not None else None
    given = activation.power_w if activation.power_w is not None else activation.max_power_w
    if given is None:  # the schedule refuses this; the type does not know
        raise ValueError("an activation without power")
    intervals = max(1, int(np.ceil(activation.duration_s / setup.resolve_every_s - 1e-9)))
    for _ in range(intervals):
        duration = activation.duration_s / intervals
        solution, density = emitter.solve(solver)
        solver.set_conductivity(heated(cold, solver.temperature_c))
        power = forward_w(given, member, setup, solution)
        start, weighted = solver.time_s, _Mean()
        solver.advance(
            duration,
            density * np.float32(power),
            shaft_source_w_m(shaft.fin, setup.antenna, solution, power),
            control=control,
            on_step=weighted,
        )
        log.add(start, duration, weighted.mean(duration), solution, power)
        lowest.look(solver)


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
    start_s: float | None = None

    def __call__(self, solver: BioheatSolver, scale: float) -> None:
        before = self.last_s if self.last_s is not None else solver.time_s - solver.last_step_s
        self.total += scale * (solver.time_s - before)
        self.last_s = solver.time_s

    def mean(self, duration_s: float) -> float:
        """Mean scale."""
        return self.total / duration_s
