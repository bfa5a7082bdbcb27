"""The bioheat solver: Pennes with vaporisation, perfusion that follows temperature and damage, doses, and a ledger.

    C dtheta/dt = div(k grad T) - W F(T, omega) (T - T_arterial) + q ,   T = f(theta)

theta is the heat content divided by the wet capacity C, so that latent heat is conserved to rounding whatever the step.
Space: finite volumes on cubic cells. Time: RKL2 (``rkl2.py``), steps chosen from physics, never unstable. The linear
part runs over the whole grid at the speed of plain C; what boiling adds, f(theta) - theta, is applied in the box of hot
cells; the shaft's exchange (``shaft.py``) in the cells it touches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError, SolverError
from vertherm.heat import kernels, kernels_cells
from vertherm.heat.fields import FixedFaces
from vertherm.heat.kernels import bits_of
from vertherm.heat.problem import BioheatProblem, Field
from vertherm.heat.rkl2 import coefficients, longest_step_s, stages_needed
from vertherm.heat.shaft import BoundShaft
from vertherm.heat.state import BioheatState, f4, inner
from vertherm.heat.stepping import Control, Statistics, StepLimits

__all__ = ["BioheatProblem", "BioheatSolver", "Control", "StepLimits"]

ShaftSource = NDArray[np.float64] | Sequence[NDArray[np.float64]] | None


class BioheatSolver(BioheatState):
    """Marches a :class:`BioheatProblem` in time. Results do not depend on ``threads``.

    Args:
        problem: the tissue.
        shaft: the needle's shaft tied to the problem's grid (``ShaftFin.bind``), or several needles' shafts. Its heat
            capacity is counted where ``problem`` comes from ``BoundShaft.into``.
        threads: threads that share each sweep (1 where variants run in parallel processes).
        structures: flat C-order cell indices (or bool masks) of structures to follow, by name.
        sensors: fractional cell indices (3,) of point sensors, by name (``Grid.index`` gives them).
        limits: step lengths.
    """

    def __init__(
        self,
        problem: BioheatProblem,
        *,
        shaft: BoundShaft | Sequence[BoundShaft] = (),
        threads: int = 1,
        structures: Mapping[str, NDArray[Any]] | None = None,
        sensors: Mapping[str, NDArray[np.float64]] | None = None,
        limits: StepLimits | None = None,
    ) -> None:
        shafts = (shaft,) if isinstance(shaft, BoundShaft) else tuple(shaft)
        super().__init__(problem, shafts, structures or {}, sensors or {})
        self.limits = limits or StepLimits()
        self.statistics = Statistics(limited_cells=self.fields.limited_cells)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        edges = np.linspace(1, problem.shape[0] + 1, max(1, threads) + 1).round().astype(int)
        self._slabs = [(int(a), int(b)) for a, b in pairwise(edges) if b > a]
        self._hot_bound = 0.0
        touched = np.unique(np.concatenate([s.cells for s in shafts] or [np.zeros(0, np.int64)]) // self._Y.shape[2])
        self._shaft_rows = (touched // self._Y.shape[1], touched % self._Y.shape[1])
        self._last_dt = self.limits.heating_s

    @property
    def stable_step_s(self) -> float:
        """Longest step of plain explicit Euler: the yardstick of stiffness."""
        return 2.0 / max(self._radius, self._hot_bound)

    @property
    def last_step_s(self) -> float:
        """Length of the latest step."""
        return self._last_dt

    def advance(
        self,
        duration_s: float,
        source_w_m3: NDArray[Any] | None = None,
        shaft_source_w_per_m: ShaftSource = None,
        *,
        control: Control | None = None,
        on_step: Callable[[BioheatSolver, float], bool | None] | None = None,
    ) -> None:
        """March ``duration_s``, choosing the steps.

        Args:
            duration_s: how far; 0 is allowed.
            source_w_m3: heat source of shape (nx, ny, nz) in W/m3, constant over the call; None: no source.
            shaft_source_w_per_m: heat set free in the shaft, one number a node of the fin (a sequence: several shafts).
            control: scales both sources at every step.
            on_step: called after every step with the solver and the scale in use; returning True ends the march.

        Raises:
            InputError: unusable duration or source.
            SolverError: the field stopped being finite.
        """
        if not (np.isfinite(duration_s) and duration_s >= 0):
            raise InputError("A duration is unusable.", where="advance", got=duration_s, expected="finite s, >= 0")
        started = time.perf_counter()
        self._set_source(source_w_m3)
        self._set_shaft_source(shaft_source_w_per_m)
        heating = source_w_m3 is not None or shaft_source_w_per_m is not None
        left = float(duration_s)
        while left > 1e-9:
            longest = min(left, self.limits.heating_s if heating else self.limits.cooling_s)
            scale = 1.0
            if control is not None and heating:
                longest = min(longest, control.interval_s)
                scale = float(control(self.time_s, longest, self.readings()))
            left -= self._step(left, longest, scale)
            if on_step is not None and on_step(self, scale):
                break
        self.statistics.wall_s += time.perf_counter() - started

    def settle(self, longest_s: float, threshold_c: float = 43.0) -> bool:
        """March without source until every structure has peaked and is below ``threshold_c``.

        Returns:
            False where ``longest_s`` was not enough.
        """

        def done(solver: BioheatSolver, _: float) -> bool:
            return solver.tracker.settled(threshold_c, solver.hottest_c)

        if not done(self, 0.0):
            self.advance(longest_s, on_step=done)
        return done(self, 0.0)

    def _set_source(self, source: NDArray[Any] | None) -> None:
        volume = self.problem.spacing_m**3
        self._source_w = self._source_held_w = 0.0
        rate = inner(self._s)
        if source is None:
            rate[...] = 0.0
            return
        if source.shape != self.problem.shape:
            raise InputError("The source does not fit the heat grid.", got=source.shape, expected=self.problem.shape)
        self._source_w = float(source.sum(dtype=np.float64)) * volume
        if not np.isfinite(self._source_w):
            raise InputError("The heat source is not finite.", where="source_w_m3", got=self._source_w)
        free = self.fields.free
        self._source_held_w = float(source[~free].sum(dtype=np.float64)) * volume
        np.divide(source, inner(self.fields.capacity), out=rate, where=free, casting="same_kind")
        rate[~free] = 0.0

    def _set_shaft_source(self, source: ShaftSource) -> None:
        sources = [source] if isinstance(source, np.ndarray) else list(source or [])
        if sources and len(sources) != len(self.shafts):
            raise InputError(
                "Shaft sources do not fit the shafts.", got=len(sources), expected=len(self.shafts), where="advance"
            )
        self._shaft_loads = []
        for number, shaft in enumerate(self.shafts):
            load = np.broadcast_to(sources[number] if sources else np.zeros(1), shaft.g.shape).astype(np.float64)
            if not np.isfinite(load).all():
                raise InputError("A shaft's heat source is not finite.", where="shaft_source_w_per_m")
            self._shaft_loads.append(load)

    def _sweep(self, kernel: Callable[..., None], *args: Any) -> None:
        if self._pool is None:
            kernel(*args, *self._slabs[0])
            return
        for future in [self._pool.submit(kernel, *args, lo, hi) for lo, hi in self._slabs]:
            future.result()

    # -- one step -----------------------------------------------------------------------------------------------------
    def _step(self, left: float, longest: float, scale: float) -> float:
        """One step of at most ``longest``; returns its length."""
        f, t = self.fields, self._table
        self._rates(scale)
        dt, stages = self._choose(left, longest)
        if self._perfusion_varies:
            self._sweep(
                kernels_cells.perfusion_kernel, self._Y, self._rate, self._p, f.p0, self._omega, self._model,
                *self._curve, f4(dt), t.values, self._offset, t.per_unit, self._stop.values, self._stop.per_unit,
                self._row_max, self._row_rate, self._active, self._wake, self._dose_from, self._dead,
            )  # fmt: skip
        D = self._stages(dt, stages)
        self._row_before, self._row_max = self._row_max, self._row_before
        self._sweep(kernels.add_kernel, self._Y, bits_of(self._Y), D, self._peak, bits_of(self._row_max), self._tl)
        if self._hot:
            kernels_cells.hot_state(self._Y, self._G, *self._curve, self._box)
        self._doses(D, dt)
        self._account(dt, scale)
        self.time_s += dt
        self._observe()
        self._last_dt = dt
        return dt

    def _rates(self, scale: float) -> None:
        """Time derivative of the state at the start of the step."""
        f = self.fields
        self._sweep(
            kernels.rate_kernel, self._Y, self._rate, bits_of(self._rate), f.kx, f.ky, f.kz, f.w, self._p, self._s,
            f4(scale), bits_of(self._row_rate),
        )  # fmt: skip
        if self._hot:
            kernels_cells.hot_apply(self._G, self._rate, f.kx, f.ky, f.kz, f.w, self._p, f4(1.0), self._box)
        self._constants = [
            shaft.constant(scale * load, self.problem.arterial_c)
            for shaft, load in zip(self.shafts, self._shaft_loads, strict=True)
        ]
        self._heats = self._local_heats(self._Y, 1.0, self._rate, 1.0, self._constants)
        i, j = self._shaft_rows
        self._row_rate[i, j] = np.abs(self._rate[i, j, 1:-1]).max(axis=1, initial=0.0)

    def _local_heats(
        self, X: Field, scale: float, out: Field, gain: float, constants: list[NDArray[np.float64]] | None = None
    ) -> NDArray[np.float64]:
        """Add the shafts' heat to ``out``; returns W into held cells, W through the outer faces, W from each shaft."""
        f, spacing = self.fields, self.problem.spacing_m
        heats = np.zeros(2 + len(self.shafts))
        total = constants is not None  # else an increment, to which fixed temperatures add nothing
        heats[0] = self._face_heat(X, scale, f.sinks, total)
        heats[1] = self._face_heat(X, scale, f.outer, total)
        for n, shaft in enumerate(self.shafts):
            constant = constants[n] if constants is not None else np.zeros(shaft.g.size)
            heat, lost = kernels_cells.shaft_kernel(
                X, self._G, scale, out, f.w, shaft.cells, shaft.weights, shaft.starts, shaft.operator, constant,
                gain * shaft.step_m / spacing,
            )  # fmt: skip
            heats[0] += lost * shaft.step_m
            heats[2 + n] = heat * shaft.step_m
        return heats

    def _face_heat(self, X: Field, scale: float, faces: FixedFaces, total: bool) -> float:
        """Heat in W into fixed temperatures, tissue at ``scale * X`` plus what boiling changes."""
        heat = kernels_cells.cell_heat_kernel(X, scale, self._G, self._hot, faces.cells, faces.weights)
        return (float(heat) - (faces.constant if total else 0.0)) * self.problem.spacing_m

    def _choose(self, left: float, longest: float) -> tuple[float, int]:
        """Step and stages: physics sets the step (temperature change), stability the stages. Finds the hot box too."""
        f, limits = self.fields, self.limits
        box = np.empty(6, dtype=np.int64)
        guess = min(longest, 2.0 * self._last_dt + 1.0)
        self._hot_bound, fastest = kernels_cells.hot_scan(
            self._Y, self._rate, self._row_max, self._row_rate, *self._curve, f.stiffness, f4(guess), box
        )
        radius = max(self._radius, self._hot_bound)
        wanted = limits.change_k / fastest if fastest > 0 else longest
        dt = min(guess, max(wanted, limits.shortest_s), longest_step_s(limits.stages, radius))
        parts = int(np.ceil(left / dt - 1e-6))
        dt = left / parts if parts < 4 else dt  # no sliver of a step at the end
        self._replace_box(box)
        return dt, stages_needed(dt, radius)

    def _replace_box(self, box: NDArray[np.int64]) -> None:
        old = self._box
        if self._hot:
            self._G[old[0] : old[1] + 1, old[2] : old[3] + 1, old[4] : old[5] + 1] = 0.0
        if box[1] >= 0:
            for axis, n in enumerate(self.problem.shape):
                # One cell more: a step may carry heat a little further than the rate says.
                box[2 * axis : 2 * axis + 2] = max(box[2 * axis] - 1, 1), min(box[2 * axis + 1] + 1, n)
        else:
            box[:] = (1, 0, 1, 0, 1, 0)
        self._box = box

    def _stages(self, dt: float, stages: int) -> Field:
        """Increment of one RKL2 step; the first stage, a multiple of the rate, is never written out."""
        f = self.fields
        first, rows = coefficients(stages)
        older, newer = self._Da, self._Db
        c1 = first * dt
        X, scale = self._rate, c1  # the increment so far is scale * X
        # Heat through faces and from shafts follows the same recursion: it can start like 1 / sqrt(t), which no
        # quadrature over whole steps would follow.
        heat_before, heat = np.zeros_like(self._heats), c1 * self._heats
        for n, row in enumerate(rows):
            # Increment 0 is zero and increment 1 is c1 * rate: their terms move into the factor of the rate.
            nu = row.nu if n > 1 else 0.0
            a = row.mu if n > 0 else 0.0
            e = row.rate * dt + (row.nu * c1 if n == 1 else 0.0) + (row.mu * c1 if n == 0 else 0.0)
            step = row.operator * dt
            if self._hot:
                kernels_cells.hot_excess(self._Y, X, f4(scale), self._G, *self._curve, self._box)
            self._sweep(
                kernels.stage_kernel, X, older, self._rate, f.kx, f.ky, f.kz, f.w, self._p,
                f4(a), f4(nu), f4(step * scale), f4(e),
            )  # fmt: skip
            if self._hot:
                kernels_cells.hot_apply(self._G, older, f.kx, f.ky, f.kz, f.w, self._p, f4(step), self._box)
            change = self._local_heats(X, scale, older, step)
            increment = row.mu * heat + row.nu * heat_before + step * change + row.rate * dt * self._heats
            heat_before, heat = heat, increment
            X, scale = older, 1.0
            older, newer = newer, older
        self.ledger.held_j += float(heat[0])
        self.ledger.boundary_j += float(heat[1])
        self.ledger.shaft_j += float(heat[2:].sum())
        self.statistics.add(dt, stages)
        return newer

    def _doses(self, D: Field, dt: float) -> None:
        f, t = self.fields, self._table
        self._sweep(
            kernels_cells.dose_kernel, self._Y, D, self._peak, self._cem, self._omega, self._model, *self._curve,
            f4(dt), t.values, self._offset, t.per_unit, self._row_max, self._row_before, self._dose_from,
        )  # fmt: skip
        self._sweep(kernels.perfusion_heat_kernel, self._Y, D, self._p, f.capacity, self._row_sum)
        self._perfused = float(self._row_sum.sum(dtype=np.float64))
        if not np.isfinite(self._perfused):
            raise SolverError("The temperature field stopped being finite.", where=f"bioheat, {self.time_s:.1f} s")
        if self._hot:
            self._perfused += kernels_cells.hot_finish(
                self._Y, self._G, self._p, f.capacity, self._latent, f.lam, self._tl, self._tu, self._box
            )

    def _account(self, dt: float, scale: float) -> None:
        """Source and perfusion of the step; blood's share by the mean temperature, apart from the scheme."""
        h, ledger = self.problem.spacing_m, self.ledger
        ledger.source_j += self._source_w * scale * dt
        ledger.perfusion_j += self._perfused * h**3 * dt
        ledger.held_j += self._source_held_w * scale * dt
        freed = sum(float(load.sum()) * s.step_m for s, load in zip(self.shafts, self._shaft_loads, strict=True))
        ledger.shaft_source_j += freed * scale * dt
        # The fin stores nothing: what it set free and did not pass to the tissue went to the coolant and the room.
        ledger.coolant_j = ledger.shaft_source_j - ledger.shaft_j
