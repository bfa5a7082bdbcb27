"""scikit-fem on the problems: quadratic bricks on a graded tensor mesh, the NGSolve peer's IMEX Crank-Nicolson.

It brings no mesher for solids, so tissue constants are read at the quadrature points from the exact solids: interfaces
cross elements. Matrices are constant: one sparse factor, or conjugate gradients with the diagonal, a step length.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from vertherm.bench.peers.outcome import Clock, Outcome
from vertherm.bench.peers.problem import ARTERIAL_C, Floats, Problem


@dataclass(frozen=True)
class Tuning:
    """How the peer runs.

    Args:
        fine_mm: edge of the bricks within ``near_mm`` of the source.
        near_mm: half edge of the fine cube; bricks grow by ``growth`` each beyond.
        growth: of neighbouring bricks.
        step_s: longest step.
        tolerance: of the conjugate gradients, relative.
    """

    fine_mm: float = 3.0
    near_mm: float = 18.0
    growth: float = 1.5
    step_s: float = 10.0
    tolerance: float = 1e-4


def run(problem: Problem, tuning: Tuning | None = None, *, threads: int = 1) -> Outcome:
    """Solve with scikit-fem; ``threads`` is not used (NumPy and SciPy run on one).

    Raises:
        ImportError: scikit-fem is not installed.
    """
    import skfem

    del threads
    tuning = tuning or Tuning()
    clock = Clock()
    lines = [_lines(problem, tuning, axis) for axis in range(3)]
    mesh = skfem.MeshHex.init_tensor(*lines)
    basis = skfem.Basis(mesh, skfem.ElementHex2(), intorder=4)
    clock("mesh")
    march = _March(problem, tuning, basis)
    clock("assembly")
    probes = basis.probes(1e-3 * problem.probes_mm.T)
    clock("points")
    setup = sum(clock.parts_s.values())
    temperature = march.march(probes)
    steps = clock("steps")
    note = f"{mesh.nelements} bricks, {march.iterations} iterations"
    return Outcome(temperature, setup, steps, basis.N, march.steps, clock.parts_s, note)


def _lines(problem: Problem, tuning: Tuning, axis: int) -> Floats:
    centre, half = problem.centre_mm[axis], problem.half_width_mm
    count = max(2, round(2 * tuning.near_mm / tuning.fine_mm))
    near = centre + np.linspace(-tuning.near_mm, tuning.near_mm, count + 1)
    out = near.tolist()
    for sign in (-1.0, 1.0):
        far, size, at = sign * half, tuning.fine_mm, out[0] if sign < 0 else out[-1]
        sizes: list[float] = []
        while sum(sizes) < abs(far - at):
            size *= tuning.growth
            sizes.append(size)
        reach = np.cumsum(sizes) * abs(far - at) / sum(sizes)
        out = [*(at - reach[::-1]), *out] if sign < 0 else [*out, *(at + reach)]
    return 1e-3 * np.array(out)


class _March:
    """Matrices and the time loop; temperatures relative to arterial blood."""

    def __init__(self, problem: Problem, tuning: Tuning, basis: Any) -> None:
        import skfem
        from skfem.helpers import dot, grad

        self.problem, self.tuning = problem, tuning
        self.iterations = self.steps = 0
        x = 1e3 * np.asarray(basis.global_coordinates()) - np.array(problem.centre_mm)[:, None, None]
        local = np.einsum("ab,bij->aij", problem.frame, x)
        region = problem.region(np.hypot(local[0], local[1]), local[2])
        k, c, w = (
            np.array([getattr(m, name) for m in problem.materials])[region]
            for name in ("conductivity", "capacity", "perfusion")
        )

        @skfem.BilinearForm
        def stiffness(u: Any, v: Any, p: Any) -> Any:
            return p.k * dot(grad(u), grad(v)) + p.w * u * v

        @skfem.BilinearForm
        def mass(u: Any, v: Any, p: Any) -> Any:
            return p.c * u * v

        @skfem.LinearForm
        def load(v: Any, p: Any) -> Any:
            return p.q * v

        self.A, self.M = stiffness.assemble(basis, k=k, w=w), mass.assemble(basis, c=c)
        self.f = load.assemble(basis, q=problem.source_w_m3(np.linalg.norm(x, axis=0)))
        self.free = basis.complement_dofs(basis.get_dofs())
        self.T = np.zeros(basis.N)
        if problem.arrhenius is not None:
            self._points(basis, region, w)

    def _points(self, basis: Any, region: Any, w: Any) -> None:
        """Sparse matrix from unknowns to quadrature points, and the weights back."""
        from scipy.sparse import coo_matrix

        elements, points = region.shape
        rows = np.arange(elements * points).reshape(elements, points)
        shape = (elements * points, basis.N)
        values = [np.broadcast_to(np.asarray(basis.basis[n][0]), region.shape) for n in range(basis.Nbfun)]
        row = np.concatenate([rows.ravel()] * basis.Nbfun)
        column = np.concatenate([np.repeat(basis.element_dofs[n], points) for n in range(basis.Nbfun)])
        self.to_points = coo_matrix((np.concatenate([v.ravel() for v in values]), (row, column)), shape).tocsr()
        damaged = np.array([m.damaged for m in self.problem.materials])[region]
        self.flow = (w * damaged * basis.dx).ravel()
        self.here, self.omega, self.rate = (np.zeros(self.flow.size) for _ in range(3))

    def march(self, probes: Any) -> Floats:
        """Temperatures in degC at the probes and the problem's times."""
        problem, out, now = self.problem, [], 0.0
        delta, last = np.zeros(self.T.size), 0.0
        systems: dict[float, Any] = {}
        for before, stop in pairwise([0.0, *sorted({*problem.times_s, problem.heating_s})]):
            count = max(1, int(np.ceil((stop - before) / self.tuning.step_s - 1e-9)))
            dt = round((stop - before) / count, 9)
            if dt not in systems:
                matrix = (self.M + 0.5 * dt * self.A)[self.free][:, self.free].tocsr()
                systems[dt] = matrix, 1.0 / matrix.diagonal()
            for _ in range(count):
                delta *= dt / last if last else 0.0
                delta = self._step(dt, delta, systems[dt], heating=now < problem.heating_s - 1e-9)
                now, last = now + dt, dt
                self.steps += 1
            if stop in problem.times_s:
                out.append(ARTERIAL_C + np.asarray(probes @ self.T))
        return np.array(out)

    def _step(self, dt: float, guess: Floats, system: Any, heating: bool) -> Floats:
        right = (self.f if heating else 0.0) - self.A @ self.T
        if self.problem.arrhenius is not None:
            change = self.to_points @ guess
            gain = 0.5 * dt * (self.rate + self._arrhenius(self.here + change))
            dead = np.clip((self.omega + gain - 1.0) / np.maximum(gain, 1e-300), 0.0, 1.0)
            dead[self.omega >= 1.0] = 1.0
            right = right + self.to_points.T @ (self.flow * dead * (self.here + 0.5 * change))
        delta = np.zeros_like(guess)
        delta[self.free] = self._solve(dt * right[self.free], guess[self.free], system)
        self.T = self.T + delta
        if self.problem.arrhenius is not None:
            self.here = self.to_points @ self.T
            rate = self._arrhenius(self.here)
            self.omega += 0.5 * dt * (self.rate + rate)
            self.rate = rate
        return delta

    def _solve(self, right: Floats, guess: Floats, system: Any) -> Floats:
        from scipy.sparse.linalg import LinearOperator, cg

        matrix, inverse = system

        def count(_: Floats) -> None:
            self.iterations += 1

        jacobi = LinearOperator(matrix.shape, matvec=lambda x: inverse * x)
        found, _ = cg(matrix, right, guess, rtol=self.tuning.tolerance, M=jacobi, callback=count)
        return np.asarray(found)

    def _arrhenius(self, temperature: Floats) -> Floats:
        law = self.problem.arrhenius
        assert law is not None
        out = np.zeros_like(temperature)
        warm = np.flatnonzero(temperature >= law.from_c - ARTERIAL_C)
        out[warm] = np.exp(law.ln_a - law.slope_k / (temperature[warm] + (ARTERIAL_C + 273.15)))
        return out
