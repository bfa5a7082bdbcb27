"""Coefficients of RKL2, the second-order stabilised Runge-Kutta-Legendre scheme.

Meyer, Balsara and Aslam, J Comput Phys 2014;257:594 (10.1016/j.jcp.2013.08.021). With s stages one step may be
(s^2 + s - 2) / 4 times as long as the explicit Euler limit 2 / rho, rho being the spectral radius; the scheme has real
stability only, which is all that heat conduction and perfusion need, and it damps what it does not resolve.

Written for increments D = Y - Y0 of a step: with L(Y0 + D) = L(Y0) + A D the recursion

    D_j = mu_j D_(j-1) + nu_j D_(j-2) + mu~_j dt A D_(j-1) + (mu~_j + gamma~_j) dt L(Y0)

needs neither Y0 nor the source in its inner loop; both are in L(Y0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

SAFETY = 0.90
"""Share of the stability limit that is used: away from its very end even an even number of stages damps well."""


@dataclass(frozen=True)
class Stage:
    """Coefficients of stage j >= 2: ``mu``, ``nu`` are pure numbers; ``operator`` and ``rate`` are multiplied by dt."""

    mu: float
    nu: float
    operator: float
    rate: float


def longest_step_s(stages: int, spectral_radius: float) -> float:
    """Longest stable step with ``stages`` stages; ``spectral_radius`` in 1/s bounds the eigenvalues of the operator."""
    return SAFETY * (2.0 / spectral_radius) * (stages * stages + stages - 2) / 4.0


def stages_needed(dt_s: float, spectral_radius: float) -> int:
    """Fewest stages (at least 3) that keep a step of ``dt_s`` stable."""
    ratio = dt_s * spectral_radius / (2.0 * SAFETY)
    return max(3, math.ceil(0.5 * (math.sqrt(9.0 + 16.0 * ratio) - 1.0) - 1e-9))


def _b(j: int) -> float:
    return 1.0 / 3.0 if j < 2 else (j * j + j - 2) / (2.0 * j * (j + 1))


@cache
def coefficients(stages: int) -> tuple[float, tuple[Stage, ...]]:
    """First-stage coefficient mu~_1 and the stages 2..s."""
    w1 = 4.0 / (stages * stages + stages - 2)
    rows = []
    for j in range(2, stages + 1):
        mu = (2 * j - 1) / j * _b(j) / _b(j - 1)
        nu = -(j - 1) / j * _b(j) / _b(j - 2)
        operator = mu * w1
        rows.append(Stage(mu, nu, operator, operator - (1.0 - _b(j - 1)) * operator))
    return _b(1) * w1, tuple(rows)


@dataclass(frozen=True, eq=False)
class Plan:
    """A step as the kernels take it; the first stage, a multiple of the rate, is never written out.

    Args:
        stages: number of stages.
        first: the first stage's increment is this times the rate.
        factors: float32 (stages - 1, 4): factors a, b, c, e of ``kernels.stage_cells``. What the terms of increment 0
            (zero) and 1 (a multiple of the rate) would add is moved into the factor of the rate.
        operators: (stages - 1,) step length of the operator in every stage.
        heat: (stages,) weights in s of a heat flow at the rate and in every later stage: the same recursion, for what
            passes through faces and from shafts. It can start like 1 / sqrt(t), which no quadrature over whole steps
            would follow.
    """

    stages: int
    first: float
    factors: NDArray[np.float32]
    operators: NDArray[np.float64]
    heat: NDArray[np.float64]

    @staticmethod
    def of(stages: int, dt_s: float) -> Plan:
        """The plan of a step of ``dt_s``."""
        first, rows = coefficients(stages)
        c1 = first * dt_s
        factors, operators = np.zeros((len(rows), 4)), np.array([row.operator * dt_s for row in rows])
        for n, row in enumerate(rows):
            scale = c1 if n == 0 else 1.0
            moved = row.nu * c1 if n == 1 else (row.mu * c1 if n == 0 else 0.0)
            factors[n] = row.mu if n else 0.0, row.nu if n > 1 else 0.0, operators[n] * scale, row.rate * dt_s + moved
        return Plan(stages, c1, factors.astype(np.float32), operators, dt_s * _heat_weights(stages))


@cache
def _heat_weights(stages: int) -> NDArray[np.float64]:
    first, rows = coefficients(stages)
    before, now = np.zeros(stages), np.zeros(stages)
    now[0] = first
    for n, row in enumerate(rows, 1):
        after = row.mu * now + row.nu * before
        after[n] += row.operator
        after[0] += row.rate
        before, now = now, after
    return now
