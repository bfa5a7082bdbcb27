"""NGSolve on the problems: body-fitted curved tetrahedra, high order, IMEX Crank-Nicolson, one matrix a step length.

Tuned as the table in benchmarks/README.md says. Per step, in delta form,

    (M + dt/2 A) delta = dt (f - A T + g),   A = stiffness + perfusion as if none had stopped,

with g the flow that damage has switched off, explicit at the quadrature points of the tissues that can be damaged and
extrapolated half a step, so that no matrix ever changes. Solved by conjugate gradients with the diagonal (or BDDC) as
preconditioner from the previous step's delta, or by a sparse Cholesky factor made once per step length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vertherm.bench.peers.outcome import Clock, Outcome
from vertherm.bench.peers.problem import ARTERIAL_C, Ball, Floats, Problem, Solid

Solver = Literal["jacobi", "bddc", "multigrid", "cholesky"]


@dataclass(frozen=True)
class Tuning:
    """How the peer runs.

    Args:
        order: polynomial degree, also of the curved surfaces.
        hot_mm: element size in the ball with the source.
        fine_mm: element size in the other solids.
        far_mm: largest element.
        grading: how fast elements may grow (Netgen).
        heating_s, cooling_s: step lengths; the first second after each switch takes shorter ones.
        first_s: step after a switch of the source; steps then double.
        solver: of the linear systems.
        quadrature: order of the rule that carries damage.
        tolerance: of the conjugate gradients, relative to the step's right-hand side (not to the residual of the
            extrapolated start, which is small already).
    """

    order: int = 3
    hot_mm: float = 4.0
    fine_mm: float = 8.0
    far_mm: float = 24.0
    grading: float = 0.5
    heating_s: float = 10.0
    cooling_s: float = 15.0
    first_s: float = 100.0
    solver: Solver = "jacobi"
    quadrature: int = 3
    tolerance: float = 1e-2


def run(problem: Problem, tuning: Tuning | None = None, *, threads: int = 1) -> Outcome:
    """Solve with NGSolve.

    Raises:
        ImportError: NGSolve is not installed (it is a development tool, LGPL).
    """
    import ngsolve as ng

    tuning = tuning or Tuning()
    ng.SetNumThreads(threads)
    clock = Clock()
    with ng.TaskManager():
        mesh = _mesh(problem, tuning)
        clock("mesh")
        march = _March(problem, tuning, mesh)
        clock("assembly")
        march.prepare()
        clock("factor")
        points = [mesh(*point) for point in (problem.probes_mm * 1e-3).tolist()]
        clock("points")
        setup = sum(clock.parts_s.values())
        temperature = march.march(points)
        steps = clock("steps")
    note = f"{mesh.ne} elements, {march.iterations} iterations"
    return Outcome(temperature, setup, steps, march.fes.ndof, march.steps, clock.parts_s, note)


def _shape(solid: Solid, problem: Problem) -> Any:
    from netgen.occ import Cylinder, Pnt, Sphere, Vec

    z = problem.frame[2]

    def point(height_mm: float) -> Any:
        return Pnt(*(1e-3 * (np.array(problem.centre_mm) + height_mm * z)).tolist())

    if isinstance(solid, Ball):
        return Sphere(point(solid.z), 1e-3 * solid.radius)
    height, axis = 1e-3 * (solid.high - solid.low), Vec(*z.tolist())
    shape = Cylinder(point(solid.low), axis, r=1e-3 * solid.outer, h=height)
    return shape - Cylinder(point(solid.low), axis, r=1e-3 * solid.inner, h=height) if solid.inner > 0 else shape


def _mesh(problem: Problem, tuning: Tuning) -> Any:
    """Mesh of the box with every surface followed by curved elements; metres, materials by name."""
    import ngsolve as ng
    from netgen.occ import Box, Glue, OCCGeometry, Pnt, Sphere

    half = 1e-3 * problem.half_width_mm
    left = Box(Pnt(-half, -half, -half), Pnt(half, half, half))
    left.faces.name = "outer"
    parts: list[Any] = []
    for solid, material in reversed(list(zip(problem.solids, problem.materials[1:], strict=True))):
        shape = _shape(solid, problem)
        for above in parts:
            shape = shape - above
        shape.mat(material.name)
        shape.maxh = 1e-3 * (tuning.hot_mm if isinstance(solid, Ball) else tuning.fine_mm)
        parts.append(shape)
    if not parts:  # nothing to follow: small elements where the source is
        hot = Sphere(Pnt(*(1e-3 * c for c in problem.centre_mm)), 2.5e-3 * problem.sigma_mm)
        hot.mat(problem.background.name)
        hot.maxh = 1e-3 * tuning.hot_mm
        parts.append(hot)
    for part in parts:
        left = left - part
    left.mat(problem.background.name)
    geometry = OCCGeometry(Glue([*parts, left]))
    mesh = ng.Mesh(geometry.GenerateMesh(maxh=1e-3 * tuning.far_mm, grading=tuning.grading))
    mesh.Curve(tuning.order)
    return mesh


def _sizes(left: float, longest: float, first: float, switched: bool) -> list[float]:
    """Steps that fill ``left``: doubling from ``first`` after a switch of the source, then even ones."""
    sizes: list[float] = []
    step = first
    while switched and step < longest and sum(sizes) + step < 0.5 * left:
        sizes.append(step)
        step *= 2
    rest = left - sum(sizes)
    count = max(1, int(np.ceil(rest / longest - 1e-9)))
    return [*sizes, *(count * [round(rest / count, 9)])]


class _March:
    """Matrices and the time loop."""

    def __init__(self, problem: Problem, tuning: Tuning, mesh: Any) -> None:
        import ngsolve as ng

        self.problem, self.tuning, self.mesh = problem, tuning, mesh
        self.iterations = self.steps = 0
        materials = {m.name: m for m in problem.materials}
        conductivity, capacity, perfusion = (
            mesh.MaterialCF({name: getattr(m, field) for name, m in materials.items()})
            for field in ("conductivity", "capacity", "perfusion")
        )
        self.fes = ng.H1(mesh, order=tuning.order, dirichlet="outer", wb_withedges=False)
        u, v = self.fes.TnT()
        self.A = ng.BilinearForm(conductivity * ng.grad(u) * ng.grad(v) * ng.dx + perfusion * u * v * ng.dx).Assemble()
        self.M = ng.BilinearForm(capacity * u * v * ng.dx).Assemble()
        centre = [1e-3 * c for c in problem.centre_mm]
        square = (ng.x - centre[0]) ** 2 + (ng.y - centre[1]) ** 2 + (ng.z - centre[2]) ** 2
        sigma = 1e-3 * problem.sigma_mm
        peak = problem.power_w / (2 * np.pi * sigma**2) ** 1.5
        source = peak * ng.exp(-square / (2 * sigma**2))
        self.f = ng.LinearForm(source * v * ng.dx(bonus_intorder=4)).Assemble()
        self.T = ng.GridFunction(self.fes)
        self._damage(materials)

    def _damage(self, materials: dict[str, Any]) -> None:
        """Omega at the quadrature points of the tissues that can be damaged.

        One sparse matrix takes the unknowns to the points (times their weights) and, transposed, the flow stopped at
        the points back to a load: far cheaper than assembling a linear form in every step.
        """
        import ngsolve as ng
        from ngsolve.comp import IntegrationRuleSpace

        if self.problem.arrhenius is None:
            return
        where = self.mesh.Materials("|".join(name for name, m in materials.items() if m.damaged))
        space = IntegrationRuleSpace(self.mesh, order=self.tuning.quadrature, definedon=where)
        u, v = self.fes.TrialFunction(), space.TestFunction()
        measure = ng.dx(definedon=where, intrules=space.GetIntegrationRules())
        self.to_points = ng.BilinearForm(u * v * measure).Assemble().mat
        self.to_load = self.to_points.CreateTranspose()
        flow = self.mesh.MaterialCF({name: m.perfusion for name, m in materials.items()})
        one, values = ng.GridFunction(self.fes), ng.GridFunction(space)
        one.Set(1.0)
        self.at_points, self.load = values.vec, self.T.vec.CreateVector()
        self.at_points.data = self.to_points * one.vec
        weights = self.at_points.FV().NumPy().copy()
        self.inverse_weights = 1.0 / weights
        values.Interpolate(flow)
        self.flow = self.at_points.FV().NumPy().copy()
        self.omega = np.zeros(weights.size)
        self.here, self.rate = np.zeros(weights.size), np.zeros(weights.size)

    def prepare(self) -> None:
        """Matrices, and factors or preconditioners, of every step length."""
        self.systems: dict[float, Any] = {}
        for dt, *_ in self._plan():
            if dt not in self.systems:
                self.systems[dt] = self._system(dt)

    def _system(self, dt: float) -> tuple[Any, Any]:
        import ngsolve as ng

        u, v = self.fes.TnT()
        if self.tuning.solver in ("bddc", "multigrid"):
            materials = {m.name: m for m in self.problem.materials}
            k, c, w = (
                self.mesh.MaterialCF({name: getattr(m, field) for name, m in materials.items()})
                for field in ("conductivity", "capacity", "perfusion")
            )
            form = ng.BilinearForm(0.5 * dt * k * ng.grad(u) * ng.grad(v) * ng.dx + (c + 0.5 * dt * w) * u * v * ng.dx)
            pre = ng.Preconditioner(form, self.tuning.solver)
            form.Assemble()
            return form.mat, pre.mat
        matrix = self.M.mat.CreateMatrix()
        matrix.AsVector().data = self.M.mat.AsVector() + 0.5 * dt * self.A.mat.AsVector()
        if self.tuning.solver == "cholesky":
            return matrix, matrix.Inverse(self.fes.FreeDofs(), inverse="sparsecholesky")
        return matrix, matrix.CreateSmoother(self.fes.FreeDofs())

    def _plan(self) -> Iterator[tuple[float, bool, float | None]]:
        """(step, heating, time reached where temperatures are compared)."""
        problem, tuning = self.problem, self.tuning
        now = 0.0
        for stop in sorted({*problem.times_s, problem.heating_s}):
            heating = now < problem.heating_s - 1e-9
            switched = now == 0.0 or abs(now - problem.heating_s) < 1e-9
            sizes = _sizes(stop - now, tuning.heating_s if heating else tuning.cooling_s, tuning.first_s, switched)
            for n, dt in enumerate(sizes, start=1):
                yield dt, heating, (stop if n == len(sizes) and stop in problem.times_s else None)
            now = stop

    def march(self, points: list[Any]) -> Floats:
        """Temperatures in degC at ``points`` and the problem's times."""
        out = []
        delta = self.T.vec.CreateVector()
        delta[:] = 0.0
        last = 0.0
        residual = self.T.vec.CreateVector()
        for dt, heating, mark in self._plan():
            residual.data = -self.A.mat * self.T.vec
            if heating:
                residual.data += self.f.vec
            if last > 0.0:
                delta.data = (dt / last) * delta
            if self.problem.arrhenius is not None:
                self._stop_flow(delta, dt)
                residual.data += self.load
            residual.data = dt * residual
            self._solve(dt, residual, delta)
            self.T.vec.data += delta
            if self.problem.arrhenius is not None:
                self._age(dt)
            last = dt
            self.steps += 1
            if mark is not None:
                out.append([self.T(point) + ARTERIAL_C for point in points])
        return np.array(out)

    def _points(self, vector: Any) -> Floats:
        self.at_points.data = self.to_points * vector
        return np.asarray(self.at_points.FV().NumPy() * self.inverse_weights)

    def _arrhenius(self, temperature: Floats) -> Floats:
        law = self.problem.arrhenius
        assert law is not None
        out = np.zeros_like(temperature)
        warm = np.flatnonzero(temperature >= law.from_c - ARTERIAL_C)
        out[warm] = np.exp(law.ln_a - law.slope_k / (temperature[warm] + (ARTERIAL_C + 273.15)))
        return out

    def _stop_flow(self, delta: Any, dt: float) -> None:
        """Load of the flow that is off, with temperature and omega run ahead by the last step's change."""
        change = self._points(delta)
        gain = 0.5 * dt * (self.rate + self._arrhenius(self.here + change))
        dead = np.clip((self.omega + gain - 1.0) / np.maximum(gain, 1e-300), 0.0, 1.0)
        dead[self.omega >= 1.0] = 1.0
        self.at_points.FV().NumPy()[:] = self.flow * dead * (self.here + 0.5 * change)
        self.load.data = self.to_load * self.at_points

    def _age(self, dt: float) -> None:
        self.here = self._points(self.T.vec)
        rate = self._arrhenius(self.here)
        self.omega += 0.5 * dt * (self.rate + rate)
        self.rate = rate

    def _solve(self, dt: float, right: Any, delta: Any) -> None:
        matrix, inverse = self.systems[dt]
        if self.tuning.solver == "cholesky":
            delta.data = inverse * right
            return
        from ngsolve.krylovspace import CGSolver

        work = right.CreateVector()
        work.data = inverse * right
        goal = self.tuning.tolerance * math.sqrt(abs(work.InnerProduct(right)))
        solver = CGSolver(matrix, pre=inverse, atol=goal, maxiter=500)
        solver.Solve(rhs=right, sol=delta, initialize=False)
        self.iterations += solver.iterations - 1
