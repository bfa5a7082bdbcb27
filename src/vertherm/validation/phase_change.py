"""Validation rows of vaporisation: moving fronts in one dimension, forwards (boiling) and backwards (condensation)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.problem import BioheatProblem
from vertherm.validation.blocks import uniform
from vertherm.validation.case import Case
from vertherm.validation.evidence import Evidence, Figure

STEFAN = {"k": 0.5, "wet": 4e6, "dry": 0.6e6, "latent": 1e9, "wall_c": 180.0, "start_c": 37.0, "boil_c": 100.0}
"""W/mK, J/m3K, J/m3K, J/m3, degC: tissue-like numbers of a boiling front with a hot wall."""
COLD_WALL_C, VAPOUR_C = 37.0, 140.0
"""The same column dried and hot, in front of a cold wall: water returns and the front runs the other way."""
SPACINGS_MM = (1.0, 0.5, 0.25)
TIME_S = 300.0

EVIDENCE = Evidence(
    title="Heat: vaporisation",
    question="Does the boundary of the dried zone lie where the latent heat of tissue water puts it?",
    context="Vaporisation holds the tissue near 100 °C beside the antenna, decides how much power goes into steam, "
    "and through drying changes the antenna's field: the size of the zone hangs on it.",
    evidence="Neumann's two-phase similarity solutions: a boiling front behind a hot wall and a condensing front "
    "behind a cold one, with the front at three cell sizes. The enthalpy form places a front inside a "
    "cell; its error is a few per cent of a cell, hence the tolerances (0.04 mm at 0.25 mm cells).",
    unknown="One dimension, one sharp boiling temperature, no transport of steam: tissue loses water over a range "
    "of temperatures, steam moves and condenses elsewhere, and shrinkage is not modelled. No measurement "
    "is behind it.",
)


def neumann_front_m(time_s: float) -> float:
    """Position of a one-dimensional boiling front after Neumann: s = 2 lambda sqrt(a_dry t)."""
    p = STEFAN
    return _front_m(time_s, p["dry"], p["wet"], p["wall_c"] - p["boil_c"], p["boil_c"] - p["start_c"])


def neumann_condensation_m(time_s: float) -> float:
    """Position of the front of returning water behind a cold wall: s = 2 lambda sqrt(a_wet t)."""
    p = STEFAN
    return _front_m(time_s, p["wet"], p["dry"], p["boil_c"] - COLD_WALL_C, VAPOUR_C - p["boil_c"])


def _front_m(time_s: float, capacity_behind: float, capacity_ahead: float, drive_k: float, excess_k: float) -> float:
    """Neumann's two-phase solution (Carslaw and Jaeger 1959, 11.2); both phases conduct alike.

    Args:
        time_s: time since the wall changed.
        capacity_behind, capacity_ahead: J/m3K between wall and front, and beyond the front.
        drive_k: temperature difference between wall and front.
        excess_k: between the front and the undisturbed medium.
    """
    from scipy.optimize import brentq
    from scipy.special import erf, erfc

    k, latent = STEFAN["k"], STEFAN["latent"]
    behind, ahead = k / capacity_behind, k / capacity_ahead

    def condition(root: float) -> float:
        ratio = root * math.sqrt(behind / ahead)
        gain = k * drive_k / (math.sqrt(math.pi * behind) * float(erf(root))) * math.exp(-(root**2))
        loss = k * excess_k / (math.sqrt(math.pi * ahead) * float(erfc(ratio))) * math.exp(-(ratio**2))
        return gain - loss - latent * root * math.sqrt(behind)

    return 2 * float(brentq(condition, 1e-4, 3.0)) * math.sqrt(behind * time_s)


def _column(spacing_m: float, cells: int, wall_c: float) -> BioheatProblem:
    """A column of cells behind a held one; all its free cells hold water."""
    shape = (cells, 1, 1)
    held = np.zeros(shape, dtype=bool)
    held[0] = True
    return uniform(
        shape,
        spacing_m,
        k=STEFAN["k"],
        c=STEFAN["wet"],
        held=held,
        held_temperature_c=wall_c,
        latent_j_m3=np.full(shape, STEFAN["latent"], np.float32),
        capacity_vapour=STEFAN["dry"],
        initial_c=STEFAN["start_c"],
        boundary="insulated",
        band_c=(STEFAN["boil_c"] - 0.1, STEFAN["boil_c"] + 0.1),
    )


def stefan_front_m(time_s: float, spacing_m: float, cells: int) -> tuple[float, BioheatSolver]:
    """The boiling front from the enthalpy form: a column of cells behind a wall held at the hot temperature."""
    solver = BioheatSolver(_column(spacing_m, cells, STEFAN["wall_c"]))
    solver.advance(time_s)
    # The wall is the centre of the held cell; half a cell of tissue lies between it and the first free cell's face.
    return (float(solver.latent_fraction[1:].sum()) + 0.5) * spacing_m, solver


def condensation_front_m(time_s: float, spacing_m: float, cells: int) -> tuple[float, BioheatSolver]:
    """The front of returning water: the column is boiled dry in a millisecond, then left to the cold wall."""
    problem = _column(spacing_m, cells, COLD_WALL_C)
    solver = BioheatSolver(problem)
    p, high = STEFAN, problem.band[1]
    # Up to the band, through it (latent heat and the wet capacity), and on as vapour.
    heat = p["wet"] * (high - p["start_c"]) + p["latent"] + p["dry"] * (VAPOUR_C - high)
    solver.advance(1e-3, np.full(problem.shape, heat / 1e-3, np.float32))
    solver.advance(time_s)
    wet = 1.0 - solver.latent_fraction[1:]
    return (float(wet.sum()) + 0.5) * spacing_m, solver


def boiling_profile_c(depth_m: NDArray[np.float64], time_s: float) -> NDArray[np.float64]:
    """Neumann's temperature on both sides of the boiling front, degC."""
    from scipy.special import erf, erfc

    p, front = STEFAN, neumann_front_m(time_s)
    dry, wet = (2 * math.sqrt(p["k"] / p[name] * time_s) for name in ("dry", "wet"))
    behind = p["wall_c"] - (p["wall_c"] - p["boil_c"]) * erf(depth_m / dry) / erf(front / dry)
    ahead = p["start_c"] + (p["boil_c"] - p["start_c"]) * erfc(depth_m / wet) / erfc(front / wet)
    return np.where(depth_m < front, behind, ahead)


def front_errors_mm() -> list[float]:
    """Error of the boiling front after ``TIME_S`` at each of ``SPACINGS_MM``."""
    exact = neumann_front_m(TIME_S)
    fronts = (stefan_front_m(TIME_S, h * 1e-3, round(30 / h))[0] for h in SPACINGS_MM)
    return [abs(front - exact) * 1e3 for front in fronts]


def cases() -> list[Case]:
    """Fronts after 300 s, the temperatures on both sides, conservation, and convergence."""
    front, solver = stefan_front_m(TIME_S, 0.25e-3, 120)
    exact, source = neumann_front_m(TIME_S), "Neumann's two-phase solution"
    name = "boiling front (Stefan), cells of 0.25 mm, 300 s"
    warm = float(boiling_profile_c(np.array([8e-3]), TIME_S)[0])
    back, _ = condensation_front_m(TIME_S, 0.25e-3, 320)
    errors = front_errors_mm()
    worst = max(error / h for error, h in zip(errors, SPACINGS_MM, strict=True))
    return [
        Case(name, "front", exact * 1e3, source, front * 1e3, 0.04, "mm"),
        Case(name, "temperature 8 mm from the wall", warm, source, float(solver.temperature_c[32, 0, 0]), 0.3, "degC"),
        Case(name, "energy balance error", 0.0, "stored = through the wall", solver.balance().error, 0.005, "1"),
        Case("boiling front, cells of 1 to 0.25 mm", "largest error in cells", 0.0, source, worst, 0.1, "cells"),
        Case("boiling front, cells of 1 to 0.25 mm", "error at 0.25 over error at 1 mm", 0.0, source,
             errors[-1] / errors[0], 0.5, "1"),
        Case("condensing front, cells of 0.25 mm, 300 s", "front", neumann_condensation_m(TIME_S) * 1e3, source,
             back * 1e3, 0.04, "mm"),
    ]  # fmt: skip


def figures(folder: Path) -> list[Figure]:
    """The two fronts."""
    from vertherm.validation import heat_figures

    return [heat_figures.boiling_fronts(folder)]
