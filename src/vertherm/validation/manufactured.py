"""Method of manufactured solutions in three dimensions: conductivity, capacity and perfusion vary in space.

On a cube of edge L with walls at arterial temperature the solution is prescribed,

    T = Ta + U(t) sin(pi x / L) sin(pi y / L) sin(pi z / L),   U(t) = A (1 - cos(2 pi t / P)) / 2,

and the source that makes it one follows from the equation, q = C T_t - div(k grad T) + W (T - Ta), written out by hand.
The solver takes sources that are constant over a call, so each step gets the exact mean of q over that step.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.heat.bioheat import BioheatProblem, BioheatSolver, StepLimits
from vertherm.validation.case import Case

Array = NDArray[np.float64]
EDGE_M, AMPLITUDE_K, PERIOD_S, TA = 32e-3, 40.0, 240.0, 37.0
K0, C0, W0 = 0.5, 3.6e6, 8000.0
"""W/mK, J/m3K, W/m3K: means of the varying coefficients."""
END_S = 90.0
GRIDS = (8, 16, 32)
STEPS_S = (22.5, 11.25, 5.625)
REFERENCE_STEP_S = 0.703125
SPACE_STEP_S = 0.3515625
TIME_GRID = 12


def _coordinates(n: int) -> tuple[Array, Array, Array]:
    axis = (np.arange(n) + 0.5) * EDGE_M / n
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    return x, y, z


def conductivity(x: Any, y: Any, z: Any) -> Any:
    """k in W/mK, between 0.2 and 0.8."""
    p = math.pi / EDGE_M
    return K0 * (1 + 0.4 * np.sin(2 * p * x + 0.5) * np.cos(p * y) + 0.2 * np.cos(2 * p * z))


def _conductivity_slopes(x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
    p = math.pi / EDGE_M
    along_x = 0.8 * p * np.cos(2 * p * x + 0.5) * np.cos(p * y)
    along_y = -0.4 * p * np.sin(2 * p * x + 0.5) * np.sin(p * y)
    return K0 * along_x, K0 * along_y, -0.4 * p * K0 * np.sin(2 * p * z)


def capacity(x: Any, y: Any, z: Any) -> Any:
    """C in J/m3K, between 0.5 and 1.5 of its mean."""
    p = math.pi / EDGE_M
    return C0 * (1 + 0.5 * np.cos(2 * p * x) * np.sin(p * y) * np.cos(p * z))


def perfusion(x: Any, y: Any, z: Any) -> Any:
    """W in W/m3K, between 0.3 and 1.7 of its mean."""
    p = math.pi / EDGE_M
    return W0 * (1 + 0.7 * np.sin(2 * p * y) * np.cos(2 * p * z + 1.0) + 0 * x)


def shape_function(x: Any, y: Any, z: Any) -> Any:
    """The spatial part of the solution."""
    p = math.pi / EDGE_M
    return np.sin(p * x) * np.sin(p * y) * np.sin(p * z)


def amplitude_k(time_s: float) -> float:
    """U(t)."""
    return AMPLITUDE_K * (1 - math.cos(2 * math.pi * time_s / PERIOD_S)) / 2


def _mean_amplitude_k(start_s: float, end_s: float) -> float:
    """Mean of U between two times."""
    w = 2 * math.pi / PERIOD_S
    return AMPLITUDE_K / 2 * (1 - (math.sin(w * end_s) - math.sin(w * start_s)) / (w * (end_s - start_s)))


def _source_parts(n: int) -> tuple[Array, Array]:
    """q = U' first + U second."""
    x, y, z = _coordinates(n)
    p = math.pi / EDGE_M
    s = shape_function(x, y, z)
    slopes = (
        p * np.cos(p * x) * np.sin(p * y) * np.sin(p * z),
        p * np.sin(p * x) * np.cos(p * y) * np.sin(p * z),
        p * np.sin(p * x) * np.sin(p * y) * np.cos(p * z),
    )
    drift = sum(a * b for a, b in zip(_conductivity_slopes(x, y, z), slopes, strict=True))
    return capacity(x, y, z) * s, 3 * p * p * conductivity(x, y, z) * s - drift + perfusion(x, y, z) * s


def _problem(n: int) -> BioheatProblem:
    """Coefficients at cell centres, conductivity at the middle of the faces."""
    centre = _coordinates(n)
    node = np.arange(n + 1) * EDGE_M / n
    faces = []
    for axis in range(3):
        at = [c.ravel() for c in centre]
        at[axis] = node
        faces.append(conductivity(*np.meshgrid(*at, indexing="ij", sparse=True)).astype(np.float32))
    return BioheatProblem(
        spacing_m=EDGE_M / n,
        capacity=np.asarray(capacity(*centre), np.float32),
        conductivity_faces=(faces[0], faces[1], faces[2]),
        perfusion=np.asarray(perfusion(*centre), np.float32),
        arterial_c=TA,
        initial_c=TA,
    )


def march(n: int, step_s: float) -> Array:
    """Rise above arterial temperature on n^3 cells at ``END_S``, in steps of ``step_s``."""
    solver = BioheatSolver(_problem(n), limits=StepLimits(heating_s=step_s, change_k=1e9))
    first, second = _source_parts(n)
    for number in range(round(END_S / step_s)):
        start, end = number * step_s, (number + 1) * step_s
        speed = (amplitude_k(end) - amplitude_k(start)) / step_s
        source = speed * first + _mean_amplitude_k(start, end) * second
        solver.advance(step_s, source.astype(np.float32))
    return np.asarray(solver.temperature_c - TA, dtype=np.float64)


def space_errors_k(grids: tuple[int, ...] = GRIDS) -> list[float]:
    """Root mean square error against the prescribed solution, steps short enough not to matter."""
    found = []
    for n in grids:
        exact = amplitude_k(END_S) * shape_function(*_coordinates(n))
        found.append(float(np.sqrt(np.mean((march(n, SPACE_STEP_S) - exact) ** 2))))
    return found


def time_errors_k(steps_s: tuple[float, ...] = STEPS_S) -> list[float]:
    """Root mean square error of the step alone: against much shorter steps on the same grid."""
    limit = march(TIME_GRID, REFERENCE_STEP_S)
    return [float(np.sqrt(np.mean((march(TIME_GRID, step) - limit) ** 2))) for step in steps_s]


def orders(errors: list[float]) -> list[float]:
    """Observed orders between neighbouring halvings."""
    return [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]


def cases() -> list[Case]:
    """Observed order in space and in time, and the error itself at 1 mm."""
    name, source = "manufactured solution, k C W vary in 3-D", "prescribed solution"
    space, time = space_errors_k(), time_errors_k()
    at_1_mm = space[GRIDS.index(32)]
    return [
        Case(name, "order in space, 4 to 2 mm cells", 2.0, source, orders(space)[0], 0.15, "1"),
        Case(name, "order in space, 2 to 1 mm cells", 2.0, source, orders(space)[1], 0.15, "1"),
        Case(name, "rms error at 1 mm (peak rise 34 K)", 0.0, source, at_1_mm, 0.005, "K"),
        Case(name, "order in time, 22.5 to 11.25 s", 2.0, "steps of 0.7 s, same grid", orders(time)[0], 0.3, "1"),
        Case(name, "order in time, 11.25 to 5.625 s", 2.0, "steps of 0.7 s, same grid", orders(time)[1], 0.3, "1"),
    ]
