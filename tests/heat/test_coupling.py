"""The pieces of the coupling that stand on their own."""

from __future__ import annotations

import numpy as np
import pytest

from vertherm.heat.assembly import heated
from vertherm.heat.bioheat import BioheatProblem, BioheatSolver

N = 21


def _slab(k: float) -> BioheatProblem:
    shape = (N, 3, 3)
    faces = tuple(np.full([n + (a == axis) for a, n in enumerate(shape)], k, np.float32) for axis in range(3))
    held = np.zeros(shape, bool)
    held[0], held[-1] = True, True
    temperature = np.full(shape, 37.0, np.float32)
    temperature[-1] = 87.0
    return BioheatProblem(
        1e-3,
        np.full(shape, 4e6, np.float32),
        faces,  # type: ignore[arg-type]
        np.zeros(shape, np.float32),
        held=held,
        held_temperature_c=temperature,
        initial_c=temperature,
        boundary="insulated",
    )


def test_conductivity_that_rises_with_temperature() -> None:
    """Steady slab of 20 mm between 37 and 87 degC with k = k0 (1 + b (T - 37)), b = 0.0066/K.

    Kirchhoff: theta + b theta^2 / 2 is linear in x, so the middle is at theta = (sqrt(1 + b (50 + 25 b 50)) - 1) / b =
    27.0 K instead of 25. Tolerance 0.1 K: the faces take the mean factor of two cells, second order; the update is
    repeated until nothing moves.
    """
    problem = _slab(0.5)
    solver = BioheatSolver(problem)
    for _ in range(40):
        solver.advance(60.0)
        solver.set_conductivity(heated(problem.conductivity_faces, solver.temperature_c))
    b, top = 0.0066, 50.0
    expected = (np.sqrt(1 + b * (top + 0.5 * b * top**2)) - 1) / b
    middle = float(solver.temperature_c[N // 2, 1, 1]) - 37.0
    assert expected > 26.5
    assert middle == pytest.approx(expected, abs=0.1)


def test_cold_tissue_keeps_its_conductivity() -> None:
    faces = _slab(0.5).conductivity_faces
    for old, new in zip(faces, heated(faces, np.full((N, 3, 3), 37.0, np.float32)), strict=True):
        np.testing.assert_array_equal(old, new)
