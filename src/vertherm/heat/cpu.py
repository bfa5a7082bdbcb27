"""The solver's work on this machine's cores: compiled kernels on the state's own arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.heat import kernels_cells, kernels_step
from vertherm.heat.activity import Activity
from vertherm.heat.exchange import Fin, by_plane, fluid_by_plane, rows_of
from vertherm.heat.rkl2 import Plan
from vertherm.heat.team import Team

if TYPE_CHECKING:
    from vertherm.heat.state import BioheatState

Array = NDArray[np.float64]
f4 = np.float32
SWEEP_BYTES = 36
"""What a stage reads and writes of each cell."""
PAIR_BYTES = kernels_step.CACHE_BYTES
"""Where a sweep moves more than this two stages share a pass over the grid."""


class CpuEngine:
    """Rates, steps and readings of a state.

    Args:
        state: the arrays of a run.
        threads: threads that share each sweep; results do not depend on it.
        rest_k: see :class:`vertherm.heat.activity.Activity`.
    """

    def __init__(self, state: BioheatState, threads: int, rest_k: float) -> None:
        self.state, self.team = state, Team(threads)
        always = np.zeros(state.fields.w.shape[:2], dtype=bool)
        self._pack()
        always[self._listed[:, 0], self._listed[:, 1]] = True
        warm = min(float(state.marks[0]), float(state.marks[1]))
        self.activity = Activity(state.fields.w > 0, always, rest_k, warm)
        planes = state.fields.w.shape[0]
        self._extra, self._scale = np.zeros(planes), 1.0
        self._row_sum = np.zeros(state.fields.w.shape[:2], dtype=np.float32)
        self._everything = self._first = True
        self._paired = SWEEP_BYTES * state.fields.w.size > PAIR_BYTES

    def _pack(self) -> None:
        s, f = self.state, self.state.fields
        self.fin = Fin.pack(s.shafts, f.w, s.problem.spacing_m)
        self._faces = (*by_plane(f.sinks, f.w.shape), *by_plane(f.outer, f.w.shape))
        self._fluid = fluid_by_plane(f.fluid, f.w.shape)
        self._listed = rows_of(np.concatenate([self.fin.cells, f.fluid.cells]), f.w.shape)
        self._tissue = np.zeros(self.fin.gain.size)
        self._heats, self._heat = np.zeros((0, 3, f.w.shape[0])), np.zeros((0, self.fin.gain.size))

    def renew(self) -> None:
        """The fields or the shafts have changed."""
        self._pack()
        self._everything = True

    def new_source(self) -> None:
        """The source has changed."""
        self._everything = True

    def rates(self, scale: float, constant: Array) -> Array:
        """Time derivative of the state with its source times ``scale``.

        Args:
            scale: factor on the source.
            constant: (nodes,) W/m of the shafts that does not depend on the tissue.

        Returns:
            W into held cells, W through the outer faces, W into passing fluid, W from each shaft.
        """
        s, f = self.state, self.state.fields
        # A sleeping row's rate stays what it was as long as nothing about it and its neighbours changes.
        spans = self.activity.rate_spans(self._everything or scale != self._scale)
        self._everything, self._scale = False, scale
        heats, heat = np.zeros((3, f.w.shape[0])), np.zeros(self.fin.gain.size)
        self.team.run(
            kernels_step.rates, s._Y, s._rate, s._s, s._G, f4(scale), (f.kx, f.ky, f.kz, f.w, s._p), self._faces,
            self._fluid, (*self.fin.group, self.fin.spread), constant, self.fin.gain, s._row_rate, self._listed, s._box,
            spans, self.activity.cuts(self.team.threads), heats, self._tissue, heat,
        )  # fmt: skip
        fixed = np.array([f.sinks.constant, f.outer.constant, 0.0])
        return self._watts(heats.sum(axis=1) - fixed, heat)

    def _watts(self, faces: Array, per_m: Array) -> Array:
        shafts, held = self.fin.heats_w(per_m)
        out = np.concatenate([faces * self.state.problem.spacing_m, shafts], axis=-1)
        out[..., 0] += held
        return out

    def scan(self, dt: float, box: NDArray[np.int64]) -> tuple[float, float]:
        """Find the cells that boil or may begin to within ``dt``: see ``kernels_cells.hot_scan``."""
        s = self.state
        bound, fastest = kernels_cells.hot_scan(
            s._Y, s._rate, s._row_max, s._row_rate, *s._curve, s.fields.stiffness, f4(dt), box
        )
        return float(bound), float(fastest)

    def step(self, dt: float, plan: Plan) -> tuple[Array, float]:
        """Perfusion, stages, new state, doses.

        Returns:
            heats as from :meth:`rates` of every stage after the first, (stages - 1, 3 + shafts), and perfusion's heat
            in W/m3 summed over the cells.
        """
        s, f, t = self.state, self.state.fields, self.state._table
        self.activity.prepare(dt, plan.stages, s._row_rate, s._row_max)
        s._row_before, s._row_max = s._row_max, s._row_before
        count, nodes = len(plan.factors), self.fin.gain.size
        if len(self._heats) < count:
            self._heats, self._heat = np.zeros((count, 3, f.w.shape[0])), np.zeros((count, nodes))
        if self._first:
            self._sleepers_heat()
        self.team.run(
            kernels_step.step, (s._Y, s._G, s._peak, s._cem, s._omega, s._latent, s._model), (s._rate, s._Da, s._Db),
            (f.p0, f.capacity), plan.factors, plan.operators, plan.first, f4(dt), (f.kx, f.ky, f.kz, f.w, s._p),
            s._curve, self._faces, self._fluid, (*self.fin.group, self.fin.spread), self.fin.gain,
            (t.values, s._offset, t.per_unit, s._stop.values, s._stop.per_unit), s.marks,
            (s._row_max, s._row_rate, s._row_before, s._active), s._box, self.activity.spans,
            self.activity.cuts(self.team.threads), self._heats, self._tissue, self._heat, self._row_sum, self._extra,
            s._perfusion_varies, self._paired,
        )  # fmt: skip
        perfused = float(self._row_sum.sum(dtype=np.float64)) + float(self._extra.sum())
        return self._watts(self._heats[:count].sum(axis=2), self._heat[:count]), perfused

    def _sleepers_heat(self) -> None:
        """Perfusion's heat of rows that no step sweeps: theirs stays."""
        s = self.state
        flow = s.fields.capacity * s._p
        self._row_sum[...] = np.einsum("ijk,ijk->ij", flow[..., 1:-1], s._Y[..., 1:-1])
        self._first = False

    def observe(self, row: Array) -> None:
        """Largest temperature of every structure, then the sensors, relative to arterial blood."""
        s, tracker = self.state, self.state.tracker
        split = len(tracker.structures)
        kernels_cells.largest_kernel(s._Y, *s._curve, tracker.cells, tracker.starts, row[:split])
        kernels_cells.sensor_kernel(s._Y, *s._curve, tracker.sensor_cells, tracker.sensor_weights, row[split:])

    @property
    def hottest_k(self) -> float:
        """Largest equivalent temperature of any row (right where positive)."""
        return float(self.state._row_max.max())

    @property
    def fastest_k_s(self) -> float:
        """Largest rate of any row."""
        return float(self.state._row_rate.max())

    @property
    def share(self) -> float:
        """Share of the rows that steps sweep now."""
        return self.activity.share

    def clear(self, box: NDArray[np.int64]) -> None:
        """No cell of the box boils any more."""
        self.state._G[box[0] : box[1] + 1, box[2] : box[3] + 1, box[4] : box[5] + 1] = 0.0

    def fetch(self, *names: str) -> None:
        """Bring arrays of the state up to date: they always are."""
