"""The third reference: the vertebra solved in its axis of revolution, by a code that shares nothing with a contestant.

Axisymmetric finite volumes on a graded (r, z) grid whose lines lie on the straight surfaces; the ball is averaged over
sub-points. Crank-Nicolson with one sparse factorisation for each step length (SciPy); the flow that damage switches off
is an explicit term, extrapolated in time, with the crossing placed within the step. Refined until its own Richardson
estimate is small against the errors it judges; the finest run is stored beside this file with its estimate.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.bench.peers.problem import ARTERIAL_C, Ball, Problem, Tube, closed_form_c

Floats = NDArray[np.float64]
RADIUS_MM = 60.0
"""The cylinder stands for the box: neither is felt within the probes."""
STORED = "vertebra.json"


@dataclass(frozen=True)
class Reference:
    """Temperatures in degC, shape (times, probes), and the estimate of their own largest error in K."""

    temperature_c: Floats
    error_k: float
    note: str


def reference(problem: Problem) -> Reference:
    """The stored reference of the vertebra, or the closed form.

    Raises:
        ValueError: the stored one belongs to another problem (run ``make_reference`` anew).
    """
    if not problem.solids:
        return Reference(closed_form_c(problem), 1e-6, "closed form by quadrature")
    stored = json.loads(files("vertherm.bench.peers").joinpath("data", STORED).read_text("utf-8"))
    if stored["problem"] != json.loads(json.dumps(problem.as_dict())):
        raise ValueError("The stored reference belongs to another problem.")
    return Reference(np.array(stored["temperature_c"]), stored["error_k"], stored["note"])


def make_reference(problem: Problem, spacing_mm: float = 0.1, step_s: float = 0.5) -> dict[str, Any]:
    """The finest run and what its coarser neighbours differ by; takes minutes."""
    fine = solve(problem, spacing_mm, step_s)
    space, time = solve(problem, 2 * spacing_mm, step_s), solve(problem, 2 * spacing_mm, 2 * step_s)
    # Second order in both: the error of the fine run is a third of its distance to the run at twice the spacing.
    by_space, by_time = float(np.abs(fine - space).max()) / 3, float(np.abs(space - time).max()) / 3
    note = f"axisymmetric finite volumes, {spacing_mm} mm, {step_s} s; "
    note += f"Richardson {by_space:.4f} K in space, {by_time:.4f} K in time"
    return {
        "problem": problem.as_dict(),
        "temperature_c": fine.tolist(),
        "error_k": by_space + by_time,
        "note": note,
    }


def solve(problem: Problem, spacing_mm: float, step_s: float, radius_mm: float = RADIUS_MM) -> Floats:
    """Temperatures in degC at the probes and times, shape (times, probes)."""
    return _Run(problem, spacing_mm, step_s, radius_mm).march()


def _axis(marks: list[float], fine_mm: float, low: float, high: float, end: float, start: float) -> Floats:
    """Cell faces: every mark is a face, cells of about ``fine_mm`` between ``low`` and ``high``, growing beyond."""
    edges = sorted({low, high, *(m for m in marks if low < m < high)})
    middle = np.concatenate(
        [np.linspace(a, b, max(1, round((b - a) / fine_mm)), endpoint=False) for a, b in pairwise(edges)] + [[high]]
    )
    return np.concatenate([_growing(low, start, fine_mm)[::-1], middle, _growing(high, end, fine_mm)])


def _growing(near: float, far: float, first: float) -> Floats:
    if near == far:
        return np.zeros(0)
    sizes = first * 1.05 ** np.arange(1, 500)
    reach = np.cumsum(sizes)
    reach = reach[: int(np.searchsorted(reach, abs(far - near))) + 1]
    return near + np.sign(far - near) * reach * abs(far - near) / reach[-1]


class _Run:
    """One run; arrays are (nr, nz) of cells, SI, temperatures relative to arterial blood."""

    def __init__(self, problem: Problem, spacing_mm: float, step_s: float, radius_mm: float) -> None:
        self.problem, self.step_s = problem, step_s
        radial, axial = _marks(problem)
        reach = max([*radial, 30.0]), max([*map(abs, axial), 30.0])
        self.r = 1e-3 * _axis(radial, spacing_mm, 0.0, reach[0], radius_mm, 0.0)
        self.z = 1e-3 * _axis(axial, spacing_mm, -reach[1], reach[1], radius_mm, -radius_mm)
        self._materials(8)
        self._operator()

    def _materials(self, parts: int) -> None:
        """Volume means of capacity and flow; conductivity stays a field of shares for the faces."""
        problem = self.problem
        centres = [_sub_points(edges, parts) * 1e3 for edges in (self.r, self.z)]
        shape = (self.r.size - 1, self.z.size - 1)
        values = {name: np.zeros(shape) for name in ("conductivity", "resistivity", "capacity", "perfusion", "alive")}
        for i in range(shape[0]):
            r = centres[0][i]
            region = problem.region(r[:, None, None], centres[1][None])
            weight = (r / r.sum())[:, None, None] / parts
            for number, material in enumerate(problem.materials):
                share = ((region == number) * weight).sum(axis=(0, 2))
                values["conductivity"][i] += share * material.conductivity
                values["resistivity"][i] += share / material.conductivity
                values["capacity"][i] += share * material.capacity
                values["perfusion"][i] += share * material.perfusion
                values["alive"][i] += share * material.perfusion * material.damaged
        self.capacity, self.perfusion, self.stops = values["capacity"], values["perfusion"], values["alive"]
        # A cell cut by the ball: between the arithmetic (along the surface) and the harmonic mean (across it).
        self.conductivity = 0.5 * (values["conductivity"] + 1 / values["resistivity"])

    def _operator(self) -> None:
        """Sparse matrix of -div(k grad) + perfusion in W/K, cell volumes, sources."""
        from scipy.sparse import coo_matrix

        r, z = self.r, self.z
        self.rc, self.zc = 0.5 * (r[1:] + r[:-1]), 0.5 * (z[1:] + z[:-1])
        area = np.pi * (r[1:] ** 2 - r[:-1] ** 2)
        self.volume = area[:, None] * np.diff(z)[None]
        half_r, half_z = 0.5 * np.diff(r)[:, None] / self.conductivity, 0.5 * np.diff(z)[None] / self.conductivity
        across = 2 * np.pi * r[1:-1, None] * np.diff(z)[None] / (half_r[1:] + half_r[:-1])
        along = area[:, None] / (half_z[:, 1:] + half_z[:, :-1])
        number = np.arange(self.volume.size).reshape(self.volume.shape)
        pairs = [(number[1:], number[:-1], across), (number[:, 1:], number[:, :-1], along)]
        diagonal = self.perfusion * self.volume
        diagonal[-1] += 2 * np.pi * r[-1] * np.diff(z) / half_r[-1]
        diagonal[:, 0] += area / half_z[:, 0]
        diagonal[:, -1] += area / half_z[:, -1]
        rows, cols, data = [number.ravel()], [number.ravel()], [diagonal.ravel()]
        for a, b, g in pairs:
            a, b, g = a.ravel(), b.ravel(), g.ravel()
            rows += [a, b, a, b]
            cols += [b, a, a, b]
            data += [-g, -g, g, g]
        size = self.volume.size
        self.A = coo_matrix(
            (np.concatenate(data), (np.concatenate(rows), np.concatenate(cols))), shape=(size, size)
        ).tocsc()
        distance = 1e3 * np.hypot(self.rc[:, None], self.zc[None])
        self.heat = (self.problem.source_w_m3(distance) * self.volume).ravel()
        self.mass = (self.capacity * self.volume).ravel()
        self.off = (self.stops * self.volume).ravel()

    def march(self) -> Floats:
        problem = self.problem
        T, before = np.zeros(self.mass.size), np.zeros(self.mass.size)
        self.omega = np.zeros(self.mass.size)
        out, time, factors = [], 0.0, {}
        for stop in sorted({*problem.times_s, problem.heating_s}):
            steps = max(1, round((stop - time) / self.step_s))
            dt = (stop - time) / steps
            if dt not in factors:
                factors[dt] = self._factor(dt)
            for _ in range(steps):
                heating = time < problem.heating_s - 1e-9
                T, before = self._step(T, before, dt, factors[dt], heating), T
                time += dt
            if stop in problem.times_s:
                out.append(self._read(T))
        return np.array(out)

    def _factor(self, dt: float) -> Any:
        from scipy.sparse import diags
        from scipy.sparse.linalg import splu

        return splu((diags(self.mass) + 0.5 * dt * self.A).tocsc())

    def _step(self, T: Floats, before: Floats, dt: float, factor: Any, heating: bool) -> Floats:
        law = self.problem.arrhenius
        load = (self.heat if heating else 0.0 * self.heat) - np.asarray(self.A @ T)
        if law is None:
            return np.asarray(T + factor.solve(dt * load))
        ahead = 2 * T - before
        gain = 0.5 * dt * (_rate(law, T) + _rate(law, ahead))
        dead = np.clip((self.omega + gain - 1.0) / np.maximum(gain, 1e-300), 0.0, 1.0)
        dead[self.omega >= 1.0] = 1.0
        new = T + factor.solve(dt * (load + self.off * dead * 0.5 * (T + ahead)))
        self.omega = self.omega + 0.5 * dt * (_rate(law, T) + _rate(law, new))
        return np.asarray(new)

    def _read(self, T: Floats) -> Floats:
        """Cubic interpolation between cell centres; the axis by mirror images."""
        from scipy.interpolate import RectBivariateSpline

        field = T.reshape(self.volume.shape)
        mirrored = np.concatenate([field[2::-1], field])
        radii = np.concatenate([-self.rc[2::-1], self.rc])
        spline = RectBivariateSpline(radii, self.zc, mirrored, kx=3, ky=3)
        r, z, _ = np.array(self.problem.probes).T
        return ARTERIAL_C + np.asarray(spline.ev(1e-3 * r, 1e-3 * z))


def _rate(law: Any, T: Floats) -> Floats:
    celsius = T + ARTERIAL_C
    rate = np.exp(law.ln_a - law.slope_k / (np.maximum(celsius, 0.0) + 273.15))
    return np.where(celsius < law.from_c, 0.0, rate)


def _sub_points(edges: Floats, parts: int) -> Floats:
    """(cells, parts) middles of the parts of each cell."""
    offset = (np.arange(parts) + 0.5) / parts
    return np.asarray(edges[:-1, None] + np.diff(edges)[:, None] * offset[None])


def _marks(problem: Problem) -> tuple[list[float], list[float]]:
    radial, axial = [], []
    for solid in problem.solids:
        if isinstance(solid, Tube):
            radial += [solid.inner, solid.outer]
            axial += [solid.low, solid.high]
        elif isinstance(solid, Ball):
            radial += [solid.radius]
            axial += [solid.z - solid.radius, solid.z + solid.radius]
    return radial, axial
