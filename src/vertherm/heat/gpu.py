"""The solver's work on an NVIDIA card: the state's arrays stay on the device, the host sees a few numbers a step.

Written to the interface of ``engine.Engine`` and checked in numba's CUDA simulator; it has never run on a card, so that
neither its speed nor its launch sizes are known to be good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.heat.exchange import Fin
from vertherm.heat.rkl2 import Plan

if TYPE_CHECKING:
    from vertherm.heat.state import BioheatState

Array = NDArray[np.float64]
f4 = np.float32
STATE = ("Y", "rate", "Da", "Db", "G", "s", "p", "peak", "cem", "omega", "latent", "model", "active")
FIELDS = ("kx", "ky", "kz", "w", "p0", "capacity", "lam", "rv", "stiffness")
CHANGING = ("Y", "G", "p", "peak", "cem", "omega", "latent")
FAR_BELOW = -1e30


def require_cuda() -> Any:
    """numba's CUDA module.

    Raises:
        InputError: numba-cuda, a driver or a device is missing.
    """
    advice = 'Use device = "cpu", or install vertherm[gpu] on a machine with an NVIDIA card and its driver.'
    try:
        from numba import cuda

        available = bool(cuda.is_available())
    except Exception as error:  # a broken driver raises whatever it likes
        raise InputError("CUDA cannot be used here.", where="device", got=error, advice=advice) from error
    if not available:
        raise InputError("No CUDA device was found.", where="device", got="cuda", expected="cpu", advice=advice)
    return cuda


class GpuEngine:
    """Rates, steps and readings of a state on the device; every row is swept.

    Args:
        state: the arrays of a run; the host's copies are brought up to date when they are read.
    """

    share = 1.0

    def __init__(self, state: BioheatState) -> None:
        if state.fields.fluid.cells.size:
            raise InputError(
                "Irrigation is not computed on a graphics card.", where="device", got="cuda", expected="cpu",
                advice='use device = "cpu" for treatments with irrigation',
            )  # fmt: skip
        self._cuda = require_cuda()
        from numba import config

        from vertherm.heat import gpu_kernels

        self.state, self._k = state, gpu_kernels
        # In the simulator every thread is a thread of Python: small blocks.
        self._block = (4, 2, 1) if config.ENABLE_CUDASIM else (32, 8, 1)
        self._lines = 8 if config.ENABLE_CUDASIM else 128
        self._d = {name: self._cuda.to_device(getattr(state, f"_{name}")) for name in STATE}
        self._stale: set[str] = set()
        self._tables = [self._cuda.to_device(a) for a in (state._table.values, state._stop.values)]
        self._follow()
        self.hottest_k, self.fastest_k_s = float(state._Y.max()), 0.0
        self.renew()

    def _follow(self) -> None:
        tracker = self.state.tracker
        owner = np.repeat(np.arange(len(tracker.structures)), np.diff(tracker.starts)).astype(np.int64)
        arrays = (tracker.cells, owner, tracker.sensor_cells, tracker.sensor_weights)
        self._tracked = [self._cuda.to_device(a) for a in arrays]

    def renew(self) -> None:
        """The fields or the shafts have changed."""
        s, f, send = self.state, self.state.fields, self._cuda.to_device
        for name in FIELDS:
            self._d[name] = send(getattr(f, name))
        self._fin = Fin.pack(s.shafts, f.w, s.problem.spacing_m)
        self._shaft = [send(a) for a in self._fin.group]
        self._gain, self._nothing = send(self._fin.gain), send(np.zeros(self._fin.gain.size))
        self._tissue = send(np.zeros(max(1, self._fin.gain.size)))
        self._faces = [(send(x.cells), send(x.weights), x.cells.size) for x in (f.sinks, f.outer)]

    def new_source(self) -> None:
        """The source has changed."""
        self._d["s"] = self._cuda.to_device(self.state._s)

    # -- launches -----------------------------------------------------------------------------------------------------
    def _columns(self) -> tuple[tuple[int, ...], tuple[int, int, int]]:
        nx, ny, nz = self.state.problem.shape
        sizes = (nz, ny, -(-nx // self._k.PLANES))
        return tuple(-(-n // b) for n, b in zip(sizes, self._block, strict=True)), self._block

    def _list(self, count: int) -> tuple[int, int]:
        return max(1, -(-count // self._lines)), self._lines

    def _boxed(self, kernel: Any, *args: Any, wider: int = 0, box: NDArray[np.int64] | None = None) -> None:
        """Launch over a box (the cells that boil), ``wider`` cells more on every side."""
        box, shape = self.state._box if box is None else box, self.state.problem.shape
        low = [max(int(box[2 * a]) - wider, 1) for a in range(3)]
        high = [min(int(box[2 * a + 1]) + wider, shape[a]) for a in range(3)]
        sizes = [b - a + 1 for a, b in zip(low, high, strict=True)][::-1]
        grid = tuple(-(-n // b) for n, b in zip(sizes, self._block, strict=True))
        kernel[grid, self._block](*args, *low, *high)

    def _medium(self) -> tuple[Any, ...]:
        return tuple(self._d[name] for name in ("kx", "ky", "kz", "w", "p"))

    def _curve(self) -> tuple[Any, ...]:
        return self._d["lam"], self._d["rv"], self.state._tl, self.state._tu

    def _exchange(self, x: Any, scale: float, out: Any, constant: Any, gain: float, stage: int) -> None:
        """Heat through faces and from shafts while the tissue is at ``scale * x`` plus what boils."""
        k, flat, g = self._k, x.reshape(-1), self._d["G"].reshape(-1)
        for kind, (cells, weights, count) in enumerate(self._faces):
            if count:
                grid = self._list(min(count, 64 * self._lines))
                k.faces_kernel[grid](flat, scale, g, cells, weights, self._heats, stage, kind)
        nodes = self._fin.gain.size
        if nodes:
            cells, weights, starts, operator, blocks = self._shaft
            k.tissue_kernel[self._list(nodes)](flat, scale, g, cells, weights, starts, self._tissue)
            spread = self._cuda.to_device(self._fin.gain * gain)
            k.shaft_kernel[self._list(nodes)](
                self._tissue, operator, blocks, constant, spread, out.reshape(-1), self._d["w"].reshape(-1), cells,
                weights, starts, self._heat, stage,
            )  # fmt: skip

    def _collect(self, stages: int) -> None:
        self._heats = self._cuda.to_device(np.zeros((stages, 2)))
        self._heat = self._cuda.to_device(np.zeros((stages, max(1, self._fin.gain.size))))

    def _watts(self, total: bool) -> Array:
        f, nodes = self.state.fields, self._fin.gain.size
        fixed = np.array([f.sinks.constant, f.outer.constant]) if total else np.zeros(2)
        shafts, held = self._fin.heats_w(self._heat.copy_to_host()[:, :nodes])
        faces = (self._heats.copy_to_host() - fixed) * self.state.problem.spacing_m
        out = np.concatenate([faces, np.zeros((len(faces), 1)), shafts], axis=1)
        out[:, 0] += held
        return out

    # -- the engine ---------------------------------------------------------------------------------------------------
    def rates(self, scale: float, constant: Array) -> Array:
        """As :meth:`vertherm.heat.cpu.CpuEngine.rates`."""
        d = self._d
        self._k.rate_kernel[self._columns()](d["Y"], d["rate"], *self._medium(), d["s"], f4(scale))
        if self.state._hot:
            self._boxed(self._k.apply_kernel, d["G"], d["rate"], *self._medium(), f4(1.0), wider=1)
        self._collect(1)
        self._exchange(d["Y"], 1.0, d["rate"], self._cuda.to_device(constant), 1.0, 0)
        return np.asarray(self._watts(total=True)[0])

    def scan(self, dt: float, box: NDArray[np.int64]) -> tuple[float, float]:
        """As :meth:`vertherm.heat.cpu.CpuEngine.scan`."""
        small = self._cuda.to_device(np.zeros(4, dtype=np.float32))
        found = self._cuda.to_device(np.array([1 << 30, -1] * 3, dtype=np.int32))
        d = self._d
        self._k.scan_kernel[self._columns()](d["Y"], d["rate"], *self._curve(), d["stiffness"], f4(dt), small, found)
        values = small.copy_to_host()
        box[:] = found.copy_to_host()
        self.fastest_k_s = float(values[self._k.RATE])
        return float(values[self._k.BOUND]), float(values[self._k.FASTEST])

    def clear(self, box: NDArray[np.int64]) -> None:
        """No cell of the box boils any more."""
        self._boxed(self._k.hot_state_kernel, self._d["Y"], self._d["G"], *self._curve(), f4(0.0), box=box)
        self._stale.add("G")

    def step(self, dt: float, plan: Plan) -> tuple[Array, float]:
        """As :meth:`vertherm.heat.cpu.CpuEngine.step`."""
        if self.state._perfusion_varies:
            self._perfuse(dt)
        D = self._stages(plan)
        small = self._cuda.to_device(np.full(4, FAR_BELOW, dtype=np.float32))
        heat = self._cuda.to_device(np.zeros(1))
        s, d, t = self.state, self._d, self.state._table
        self._k.finish_kernel[self._columns()](
            d["Y"], D, d["peak"], d["cem"], d["omega"], d["latent"], d["model"], d["p"], d["capacity"], *self._curve(),
            f4(dt), self._tables[0], s._offset, t.per_unit, s.marks[1], small, heat,
        )  # fmt: skip
        if s._hot:
            self._boxed(self._k.hot_state_kernel, d["Y"], d["G"], *self._curve(), f4(1.0))
        self.hottest_k = float(small.copy_to_host()[self._k.HOTTEST])
        self._stale.update(CHANGING)
        return self._watts(total=False), float(heat.copy_to_host()[0])

    def _perfuse(self, dt: float) -> None:
        s, d, t = self.state, self._d, self.state._table
        wake, dose_from, dead = s.marks
        nx, ny, _ = s.problem.shape
        grid = (-(-ny // self._block[0]), -(-nx // self._block[1]))
        self._k.rows_kernel[grid, self._block[:2]](d["Y"], d["rate"], d["active"], f4(dt), wake)
        self._k.perfusion_kernel[self._columns()](
            d["Y"], d["rate"], d["p"], d["p0"], d["omega"], d["model"], *self._curve(), f4(dt), self._tables[0],
            s._offset, t.per_unit, self._tables[1], s._stop.per_unit, d["active"], dose_from, dead,
        )  # fmt: skip

    def _stages(self, plan: Plan) -> Any:
        d, k, hot = self._d, self._k, self.state._hot
        self._collect(len(plan.factors))
        X, older, newer, scale = d["rate"], d["Da"], d["Db"], plan.first
        for n, factors in enumerate(plan.factors):
            if hot:
                self._boxed(k.excess_kernel, d["Y"], X, f4(scale), d["G"], *self._curve())
            k.stage_kernel[self._columns()](X, older, d["rate"], *self._medium(), *map(f4, factors))
            operator = float(plan.operators[n])
            if hot:
                self._boxed(k.apply_kernel, d["G"], older, *self._medium(), f4(operator), wider=1)
            # Outside the box nothing boils and G is zero.
            self._exchange(X, scale, older, self._nothing, operator, n)
            X, scale, older, newer = older, 1.0, newer, older
        return X

    def observe(self, row: Array) -> None:
        """As :meth:`vertherm.heat.cpu.CpuEngine.observe`."""
        cells, owner, sensors, weights = self._tracked
        found = self._cuda.to_device(np.full(max(1, row.size), FAR_BELOW))
        y, lam, rv = (self._d[name].reshape(-1) for name in ("Y", "lam", "rv"))
        band = (self.state._tl, self.state._tu)
        structures = len(self.state.tracker.structures)
        if cells.size:
            self._k.largest_kernel[self._list(cells.size)](y, lam, rv, *band, cells, owner, found)
        if sensors.size:
            grid = self._list(sensors.shape[0])
            self._k.sensor_kernel[grid](y, lam, rv, *band, sensors, weights, found, structures)
        row[:] = found.copy_to_host()[: row.size]

    def fetch(self, *names: str) -> None:
        """Bring arrays of the state up to date."""
        for name in names:
            if name in self._stale:
                self._d[name].copy_to_host(getattr(self.state, f"_{name}"))
                self._stale.discard(name)
        if "row_max" in names:
            self.fetch("Y")
            self.state._row_max[...] = self.state._Y[:, :, 1:-1].max(axis=2)
