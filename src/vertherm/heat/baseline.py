"""Temperature before any treatment: body heat against blood, and the skin's loss to the room."""

from __future__ import annotations

import numpy as np

from vertherm.core.errors import SolverError
from vertherm.heat import kernels
from vertherm.heat.fields import build_fields
from vertherm.heat.kernels import bits_of
from vertherm.heat.problem import BioheatProblem, Field
from vertherm.heat.state import f4, inner

ITERATIONS = 2000


def baseline_c(problem: BioheatProblem, tolerance_k: float = 0.01) -> Field:
    """Steady temperature in degC without source, for use as ``initial_c``; held cells keep theirs.

    Conjugate gradients with Jacobi on the solver's own operator, stopped where the next correction is below
    ``tolerance_k``. With nothing colder or warmer than arterial blood it is uniform and costs one sweep.

    Raises:
        SolverError: no convergence.
    """
    f = build_fields(problem)
    n = problem.shape[0]
    row = np.zeros(f.w.shape[:2], dtype=np.float32)
    zero, out = np.zeros_like(f.w), np.zeros_like(f.w)

    def operator(x: Field) -> Field:
        kernels.rate_kernel(x, out, bits_of(out), f.kx, f.ky, f.kz, f.w, f.p0, zero, f4(0.0), bits_of(row), 1, n + 1)
        return -(out * f.capacity)  # W/m3 per kelvin: symmetric and positive

    y = f.start.copy()
    inner(y)[f.free] = 0.0
    diagonal = np.maximum((0.5 * f.stiffness + f.p0) * f.capacity, 1e-30)
    r = -operator(y)
    z = r / diagonal
    d = z.copy()
    rz = _dot(r, z)
    for _ in range(ITERATIONS):
        if rz == 0.0:
            break
        q = operator(d)
        alpha = rz / _dot(d, q)
        y += f4(alpha) * d
        r -= f4(alpha) * q
        z = r / diagonal
        fresh = _dot(r, z)
        d = z + f4(fresh / rz) * d
        rz = fresh
        if float(np.abs(alpha * d).max()) < 0.1 * tolerance_k:
            break
    else:
        raise SolverError("The temperature before treatment did not converge.", where="heat.baseline")
    return inner(y) + f4(problem.arterial_c)


def _dot(a: Field, b: Field) -> float:
    return float(np.einsum("ijk,ijk->", a, b, dtype=np.float64))
