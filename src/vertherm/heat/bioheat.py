"""The bioheat solver: Pennes with vaporisation, perfusion that follows temperature and damage, doses, and a ledger.

    C dtheta/dt = div(k grad T) - W F(T, omega) (T - T_arterial) - H (T - T_fluid) + q ,   T = f(theta)

H is the exchange with passing fluid, in the cells that are irrigated. theta is the heat content divided by the wet
capacity C, so that latent heat is conserved to rounding whatever the step. Space: finite volumes on cubic cells. Time:
RKL2 (``rkl2.py``), steps chosen from physics, never unstable. The linear part runs over the whole grid at the speed of
plain C; what boiling adds, f(theta) - theta, is applied in the box of hot cells; the shaft's exchange (``shaft.py``)
and the fluid's in the cells they touch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError, SolverError
from vertherm.heat.engine import engine_for
from vertherm.heat.kernels import source_cells
from vertherm.heat.problem import BioheatProblem
from vertherm.heat.rkl2 import Plan, longest_step_s, stages_needed
from vertherm.heat.shaft import BoundShaft
from vertherm.heat.state import BioheatState, inner
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
        device: "cpu", or "cuda" for an NVIDIA card (``threads`` does not matter there).

    Raises:
        InputError: a device that does not exist or is not available here.
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
        device: str = "cpu",
    ) -> None:
        shafts = (shaft,) if isinstance(shaft, BoundShaft) else tuple(shaft)
        super().__init__(problem, shafts, structures or {}, sensors or {})
        self.limits = limits or StepLimits()
        self.statistics = Statistics(limited_cells=self.fields.limited_cells)
        self._engine = engine_for(self, device, threads, self.limits.rest_k)
        self._hot_bound = 0.0
        self._last_dt = self.limits.heating_s
        self._observe()

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
        if source is None:
            self._s[...] = 0.0
            self._engine.new_source()
            return
        if source.shape != self.problem.shape:
            raise InputError("The source does not fit the heat grid.", got=source.shape, expected=self.problem.shape)
        single = np.ascontiguousarray(source, dtype=np.float32)
        total, held = source_cells(single, self.fields.capacity, self._s)
        self._source_w, self._source_held_w = float(total) * volume, float(held) * volume
        if not np.isfinite(self._source_w):
            raise InputError("The heat source is not finite.", where="source_w_m3", got=self._source_w)
        self._engine.new_source()

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

    # -- one step -----------------------------------------------------------------------------------------------------
    def _step(self, left: float, longest: float, scale: float) -> float:
        """One step of at most ``longest``; returns its length."""
        constants = [
            shaft.constant(scale * load, self.problem.arterial_c)
            for shaft, load in zip(self.shafts, self._shaft_loads, strict=True)
        ]
        heats = self._engine.rates(scale, np.concatenate(constants or [np.zeros(0)]))
        dt, stages = self._choose(left, longest)
        plan = Plan.of(stages, dt)
        before = self._engine.hottest_k, self._engine.fastest_k_s
        later, perfused = self._engine.step(dt, plan)
        self._check(dt, perfused, *before)
        self._account(dt, scale, perfused, plan.heat[0] * heats + plan.heat[1:] @ later)
        self.statistics.add(dt, stages, self._engine.share)
        self.time_s += dt
        self._observe()
        self._last_dt = dt
        return dt

    def _choose(self, left: float, longest: float) -> tuple[float, int]:
        """Step and stages: physics sets the step (temperature change), stability the stages. Finds the hot box too."""
        limits = self.limits
        box = np.empty(6, dtype=np.int64)
        guess = min(longest, 2.0 * self._last_dt + 1.0)
        self._hot_bound, fastest = self._engine.scan(guess, box)
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
            self._engine.clear(old)
        if box[1] >= 0:
            for axis, n in enumerate(self.problem.shape):
                # One cell more: a step may carry heat a little further than the rate says.
                box[2 * axis : 2 * axis + 2] = max(box[2 * axis] - 1, 1), min(box[2 * axis + 1] + 1, n)
        else:
            box[:] = (1, 0, 1, 0, 1, 0)
        self._box = box

    def _check(self, dt: float, perfused: float, hottest: float, fastest: float) -> None:
        """Refuse a step that left the numbers, or that grew beyond what its own rate explains."""
        after = self._engine.hottest_k
        # Conduction and perfusion only even out: no cell can gain more than the fastest one's rate times the step.
        # Ten times that leaves room for the shaft and for heat that boiling cells pass on.
        if np.isfinite(perfused) and np.isfinite(after) and after - max(hottest, 0.0) <= 10.0 * (dt * fastest + 1.0):
            return
        self._fetch("Y")
        Y = inner(self._Y)
        odd = ~np.isfinite(Y)
        cell = np.unravel_index(int(np.argmax(odd) if odd.any() else np.argmax(np.abs(Y))), Y.shape)
        raise SolverError(
            "The temperature field stopped being finite." if odd.any() else "A time step exploded.",
            where=f"bioheat, {self.time_s:.2f} s, step {self.statistics.steps + 1} of {dt:.3g} s, "
            f"cell {tuple(map(int, cell))}",
            got=f"{float(Y[cell]) + self.problem.arterial_c:g} degC",
            expected=f"at most {hottest + self.problem.arterial_c + dt * fastest:.1f} degC",
            advice="Check the power density and the tissue's properties in that cell; shorter steps (StepLimits) help "
            "where they are right.",
        )

    def _account(self, dt: float, scale: float, perfused: float, heats: NDArray[np.float64]) -> None:
        """Energy of the step; blood's share by the mean temperature, apart from the scheme."""
        h, ledger = self.problem.spacing_m, self.ledger
        ledger.held_j += float(heats[0]) + self._source_held_w * scale * dt
        ledger.boundary_j += float(heats[1])
        ledger.irrigation_j += float(heats[2])
        ledger.shaft_j += float(heats[3:].sum())
        ledger.source_j += self._source_w * scale * dt
        ledger.perfusion_j += perfused * h**3 * dt
        freed = sum(float(load.sum()) * s.step_m for s, load in zip(self.shafts, self._shaft_loads, strict=True))
        ledger.shaft_source_j += freed * scale * dt
        # The fin stores nothing: what it set free and did not pass to the tissue went to the coolant and the room.
        ledger.coolant_j = ledger.shaft_source_j - ledger.shaft_j
