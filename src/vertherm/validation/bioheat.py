"""Validation rows of the bioheat solver: closed forms it must reproduce."""

from __future__ import annotations

import numpy as np

from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.problem import BioheatProblem
from vertherm.validation.case import Case

CONDUCTIVITY, CAPACITY, PERFUSION = 0.5, 3.8e6, 2000.0
"""W/mK, J/m3K, W/m3K of the reference case (antennas.md states the first two; the third is ours, that of muscle)."""
SIGMA_M, POWER_W, TIME_S, CELLS, SPACING_M = 6e-3, 10.0, 270.0, 97, 1e-3
RADII_MM = (0, 4, 8, 12, 16, 20, 24)
ARTERIAL_C = 37.0


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


def _solver() -> BioheatSolver:
    shape = (CELLS, CELLS, CELLS)
    x, y, z = (np.full(tuple(n + (a == b) for b, n in enumerate(shape)), CONDUCTIVITY, np.float32) for a in range(3))
    problem = BioheatProblem(
        spacing_m=SPACING_M,
        capacity=np.full(shape, CAPACITY, np.float32),
        conductivity_faces=(x, y, z),
        perfusion=np.full(shape, PERFUSION, np.float32),
    )
    middle = (CELLS - 1) / 2
    sensors = {f"{r} mm": np.array([middle + r, middle, middle]) for r in RADII_MM}
    return BioheatSolver(problem, sensors=sensors)


def _source() -> np.ndarray:
    axis = (np.arange(CELLS) - (CELLS - 1) / 2) * SPACING_M
    one = np.exp(-(axis**2) / (2 * SIGMA_M**2)) / np.sqrt(2 * np.pi * SIGMA_M**2)
    return (POWER_W * one[:, None, None] * one[None, :, None] * one[None, None, :]).astype(np.float32)


def run_reference() -> BioheatSolver:
    """The reference case, marched to its end."""
    solver = _solver()
    solver.advance(TIME_S, _source())
    return solver


def reference_errors_k(solver: BioheatSolver | None = None) -> dict[int, float]:
    """|computed - closed form| in kelvin by radius in mm."""
    readings = (solver or run_reference()).readings()
    return {r: abs(readings[f"{r} mm"] - closed_form_c(r * 1e-3, TIME_S)) for r in RADII_MM}


def cases() -> list[Case]:
    """Rows for ``vertherm validate``."""
    solver = run_reference()
    source = "closed form by quadrature (Gaussian source in a uniform perfused medium), reference/antennas.md"
    readings = solver.readings()
    rows = [
        Case(
            "bioheat reference (97^3 at 1 mm, Gaussian 6 mm, 10 W, 270 s)",
            f"temperature at {r} mm",
            closed_form_c(r * 1e-3, TIME_S),
            source,
            readings[f"{r} mm"],
            0.2,
            "degC",
        )
        for r in RADII_MM
    ]
    rows.append(
        Case(
            "bioheat reference (97^3 at 1 mm, Gaussian 6 mm, 10 W, 270 s)",
            "energy balance error",
            0.0,
            "conservation: source = stored + perfusion + boundary",
            solver.balance().error,
            0.005,
            "1",
        )
    )
    return [*rows, *stefan_cases(), *dose_cases()]


STEFAN = {"k": 0.5, "wet": 4e6, "dry": 0.6e6, "latent": 1e9, "wall_c": 180.0, "start_c": 37.0, "boil_c": 100.0}
"""W/mK, J/m3K, J/m3K, J/m3, degC: tissue-like numbers of a boiling front with a hot wall."""


def neumann_front_m(time_s: float) -> float:
    """Position of a one-dimensional boiling front after Neumann: s = 2 lambda sqrt(a_dry t)."""
    from scipy.optimize import brentq
    from scipy.special import erf, erfc

    p = STEFAN
    dry, wet = p["k"] / p["dry"], p["k"] / p["wet"]

    def condition(root: float) -> float:
        ratio = root * np.sqrt(dry / wet)
        gain = p["k"] * (p["wall_c"] - p["boil_c"]) / (np.sqrt(np.pi * dry) * erf(root)) * np.exp(-(root**2))
        loss = p["k"] * (p["boil_c"] - p["start_c"]) / (np.sqrt(np.pi * wet) * erfc(ratio)) * np.exp(-(ratio**2))
        return float(gain - loss - p["latent"] * root * np.sqrt(dry))

    return 2 * float(brentq(condition, 1e-4, 3.0)) * float(np.sqrt(dry * time_s))


def stefan_front_m(time_s: float, spacing_m: float, cells: int) -> tuple[float, BioheatSolver]:
    """The same front from the enthalpy form: a column of cells behind a wall held at the hot temperature."""
    p, shape = STEFAN, (cells, 1, 1)
    held = np.zeros(shape, dtype=bool)
    held[0] = True
    x, y, z = (np.full(tuple(n + (a == b) for b, n in enumerate(shape)), p["k"], np.float32) for a in range(3))
    problem = BioheatProblem(
        spacing_m=spacing_m,
        capacity=np.full(shape, p["wet"], np.float32),
        conductivity_faces=(x, y, z),
        perfusion=np.zeros(shape, np.float32),
        held=held,
        held_temperature_c=p["wall_c"],
        latent_j_m3=np.full(shape, p["latent"], np.float32),
        capacity_vapour=p["dry"],
        initial_c=p["start_c"],
        boundary="insulated",
        band_c=(p["boil_c"] - 0.1, p["boil_c"] + 0.1),
    )
    solver = BioheatSolver(problem)
    solver.advance(time_s)
    # The wall is the centre of the held cell; half a cell of tissue lies between it and the first free cell's face.
    return (float(solver.latent_fraction[1:].sum()) + 0.5) * spacing_m, solver


def stefan_cases() -> list[Case]:
    """The boiling front after 300 s."""
    front, _ = stefan_front_m(300.0, 0.25e-3, 120)
    name = "Stefan problem (enthalpy form, cells of 0.25 mm, 300 s)"
    return [Case(name, "front", neumann_front_m(300.0) * 1e3, "Neumann's two-phase solution", front * 1e3, 0.04, "mm")]


def dose_cases() -> list[Case]:
    """Doses of tissue held at one temperature for 10 min."""
    shape = (4, 4, 4)
    faces = tuple(np.zeros(tuple(n + (a == b) for b, n in enumerate(shape)), np.float32) for a in range(3))
    rows = []
    for temperature, expected in ((45.0, 40.0), (43.0, 10.0), (41.0, 0.625), (38.9, 0.0)):
        problem = BioheatProblem(
            spacing_m=1e-3,
            capacity=np.full(shape, CAPACITY, np.float32),
            conductivity_faces=(faces[0], faces[1], faces[2]),
            perfusion=np.zeros(shape, np.float32),
            initial_c=temperature,
            boundary="insulated",
        )
        solver = BioheatSolver(problem)
        solver.advance(600.0)
        got = float(solver.cem43_min.max())
        rows.append(
            Case("constant temperature, 10 min", f"CEM43 at {temperature} degC", expected,
                 "definition, R 0.5 above and 0.25 below 43 degC, nothing below 39", got, 1e-4 * expected, "min")
        )  # fmt: skip
    return rows
