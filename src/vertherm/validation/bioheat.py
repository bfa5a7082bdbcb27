"""Validation rows of the bioheat solver: closed forms, prescribed solutions and an ordinary differential equation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vertherm.heat.bioheat import BioheatSolver, StepLimits
from vertherm.materials.damage import damage_model
from vertherm.materials.perfusion import PerfusionModel
from vertherm.validation import manufactured, sources, spheres
from vertherm.validation.blocks import radius_m, uniform
from vertherm.validation.case import Case
from vertherm.validation.evidence import Evidence, Figure

CONDUCTIVITY, CAPACITY, PERFUSION = 0.5, 3.8e6, 2000.0
"""W/mK, J/m3K, W/m3K of the reference case (antennas.md states the first two; the third is ours, that of muscle)."""
SIGMA_M, POWER_W, TIME_S, CELLS, SPACING_M = 6e-3, 10.0, 270.0, 97, 1e-3
RADII_MM = (0, 4, 8, 12, 16, 20, 24)
ARTERIAL_C = 37.0

EVIDENCE = Evidence(
    title="Heat: perfused tissue",
    question="Does the solver find the temperature that Pennes' equation prescribes, in uniform and layered tissue?",
    context="Every zone, margin and peak temperature of a structure is read from this solver, on 1 mm cells.",
    evidence="Closed forms for a point, a line and a Gaussian source in perfused tissue, while they heat and when "
    "steady; a prescribed solution with conductivity, capacity and perfusion varying in three dimensions, "
    "whose error must fall with the second order in space and time; spheres and layers with jumps of "
    "conductivity; perfusion that rises and stops, against an integrator of ordinary differential "
    "equations. Tolerances follow the scheme's own error at 1 mm and are given with each case; the goal "
    "is 0.2 K on the reference case.",
    unknown="Whether Pennes' sink describes blood flow in a vertebra with a metastasis; the properties themselves. "
    "At curved jumps of conductivity by a factor of 5 to 8 the scheme is of first order: 3-5 % of the rise "
    "at 1 mm.",
)


def closed_form_c(radius_m: float, time_s: float) -> float:
    """Temperature in degC around a Gaussian source in a uniform perfused medium, by quadrature over time.

    T = Ta + P/C int_0^t exp(-W u / C) exp(-r^2 / 2 s^2) / (2 pi s^2)^(3/2) du, s^2 = sigma^2 + 2 (k/C) u.
    """
    from scipy.integrate import quad

    def impulse(age: float) -> float:
        variance = SIGMA_M**2 + 2 * CONDUCTIVITY / CAPACITY * age
        spread = np.exp(-(radius_m**2) / (2 * variance)) / (2 * np.pi * variance) ** 1.5
        return float(np.exp(-PERFUSION / CAPACITY * age) * spread)

    integral, _ = quad(impulse, 0.0, time_s, epsabs=0.0, epsrel=1e-10)
    return ARTERIAL_C + POWER_W / CAPACITY * float(integral)


def run_reference() -> BioheatSolver:
    """The reference case, marched to its end."""
    shape, middle = (CELLS, CELLS, CELLS), (CELLS - 1) / 2
    sensors = {f"{r} mm": np.array([middle + r, middle, middle]) for r in RADII_MM}
    solver = BioheatSolver(uniform(shape, SPACING_M, k=CONDUCTIVITY, c=CAPACITY, w=PERFUSION), sensors=sensors)
    density = np.exp(-(radius_m(shape, SPACING_M) ** 2) / (2 * SIGMA_M**2)) / (2 * np.pi * SIGMA_M**2) ** 1.5
    solver.advance(TIME_S, (POWER_W * density).astype(np.float32))
    return solver


def reference_errors_k(solver: BioheatSolver | None = None) -> dict[int, float]:
    """|computed - closed form| in kelvin by radius in mm."""
    readings = (solver or run_reference()).readings()
    return {r: abs(readings[f"{r} mm"] - closed_form_c(r * 1e-3, TIME_S)) for r in RADII_MM}


FLOW_W, HEAT_W_M3 = 30000.0, 6.0e5
"""W/m3K and W/m3 of one cell whose flow rises with temperature and stops with damage."""
VALID_FROM_C = 43.0
"""Below it the liver model counts nothing."""
FLOW_TIMES_S = (120.0, 240.0, 300.0)


class _Dead:
    """Event of the integrator: damage reaches 1, flow stops."""

    terminal = True

    def __call__(self, _: float, y: np.ndarray) -> float:
        """Zero where the event happens."""
        return float(y[1] - 1.0)


def flow_reference_c(times_s: tuple[float, ...]) -> list[float]:
    """C dT/dt = q - W F(T) (T - Ta), d omega/dt = A exp(-Ea / R T), F = 0 from omega 1 on: adaptive Runge-Kutta."""
    from scipy.integrate import solve_ivp

    model = damage_model("liver_coagulation")

    def alive(_: float, y: np.ndarray) -> list[float]:
        # Written out: the package's own functions would hide their own errors.
        sink = FLOW_W * (1.0 + min(max((y[0] - 39.0) / 6.0, 0.0), 1.0)) * (y[0] - ARTERIAL_C)
        rate = np.exp(model.ln_a - model.ea_j_mol / (8.31446 * (y[0] + 273.15))) if y[0] >= VALID_FROM_C else 0.0
        return [(HEAT_W_M3 - sink) / CAPACITY, float(rate)]

    run = solve_ivp(
        alive,
        (0, times_s[-1]),
        [ARTERIAL_C, 0.0],
        events=_Dead(),
        rtol=1e-9,
        atol=1e-9,
        max_step=1.0,
        dense_output=True,
    )
    if run.sol is None:
        raise AssertionError(run.message)
    stop = float(run.t[-1])
    last = float(run.y[0, -1])
    return [float(run.sol(t)[0]) if t <= stop else last + HEAT_W_M3 / CAPACITY * (t - stop) for t in times_s]


def _flow() -> PerfusionModel:
    return PerfusionModel(factor=2.0, start_c=39.0, full_c=45.0, stop_omega=1.0)


def flow_computed_c(times_s: tuple[float, ...]) -> list[float]:
    """The same cell in the bioheat solver, steps of at most 5 s."""
    problem = uniform(
        (3, 3, 3), SPACING_M, k=0.0, c=CAPACITY, w=FLOW_W, boundary="insulated", perfusion_response=_flow()
    )
    solver = BioheatSolver(problem, limits=StepLimits(heating_s=5.0))
    source = np.full((3, 3, 3), HEAT_W_M3, np.float32)
    found = []
    for time_s in times_s:
        solver.advance(time_s - solver.time_s, source)
        found.append(float(solver.temperature_c[1, 1, 1]))
    return found


def _reference_cases() -> list[Case]:
    solver = run_reference()
    readings = solver.readings()
    name = "reference case (97^3 at 1 mm, Gaussian 6 mm, 10 W, 270 s)"
    source = "closed form by quadrature, reference/antennas.md"
    rows = [
        Case(name, f"temperature at {r} mm", closed_form_c(r * 1e-3, TIME_S), source, readings[f"{r} mm"], 0.2, "degC")
        for r in RADII_MM
    ]
    conservation = "conservation: source = stored + perfusion + boundary"
    rows.append(Case(name, "energy balance error", 0.0, conservation, solver.balance().error, 0.005, "1"))
    return rows


def flow_cases() -> list[Case]:
    """Temperature of the cell while flow rises, before it stops, and after."""
    times, name = FLOW_TIMES_S, "one cell, flow doubles from 39 to 45 degC and stops at omega 1"
    pairs = zip(times, flow_reference_c(times), flow_computed_c(times), strict=True)
    source = "adaptive Runge-Kutta, tolerance 1e-9"
    return [Case(name, f"temperature at {t:g} s", expected, source, got, 0.1, "degC") for t, expected, got in pairs]


def cases() -> list[Case]:
    """Rows for ``vertherm validate``."""
    return [*_reference_cases(), *sources.cases(), *manufactured.cases(), *spheres.cases(), *flow_cases()]


def figures(folder: Path) -> list[Figure]:
    """Reference case, orders, point and line source."""
    from vertherm.validation import heat_figures

    return [
        heat_figures.reference_profile(folder, run_reference()),
        heat_figures.manufactured_orders(folder),
        heat_figures.source_profiles(folder),
    ]
