"""The state of a bioheat run: padded arrays, lookup tables, and what a caller reads from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.heat import kernels
from vertherm.heat.engine import Engine
from vertherm.heat.fields import build_fields, reconduct
from vertherm.heat.ledger import EnergyLedger
from vertherm.heat.problem import BioheatProblem, Field, temperature_functions
from vertherm.heat.shaft import BoundShaft
from vertherm.heat.tables import RateTable
from vertherm.heat.tracking import StructurePeak, Tracker

f4 = np.float32
NEVER = 1e30
"""A temperature nothing reaches; finite, because the kernels are compiled without infinities."""


def inner(values: NDArray[Any]) -> NDArray[Any]:
    """The cells of a padded array, without its ghosts (a view)."""
    return values[1:-1, 1:-1, 1:-1]


def _positive(threshold_k: float) -> np.float32:
    """A threshold for row maxima, which are right only where positive; any other is below everything: always passed."""
    return f4(threshold_k if threshold_k > 0 else -NEVER)


class BioheatState:
    """Arrays of a run; temperatures inside are relative to arterial blood, what is read is in degC."""

    _engine: Engine

    def __init__(
        self,
        problem: BioheatProblem,
        shafts: tuple[BoundShaft, ...],
        structures: Mapping[str, NDArray[Any]],
        sensors: Mapping[str, NDArray[np.float64]],
    ) -> None:
        self.shafts = shafts
        self.problem = problem
        self.fields = build_fields(problem)
        self.tracker = Tracker(problem.shape, structures, sensors)
        self.time_s = 0.0
        self.ledger = EnergyLedger()
        self._allocate()
        self._tabulate()

    def _allocate(self) -> None:
        f, p = self.fields, self.problem
        zeros = np.zeros_like(f.w)
        self._Y = f.start.copy()
        self._rate, self._Da, self._Db, self._G, self._s = (zeros.copy() for _ in range(5))
        self._p = f.p0.copy()
        self._peak, self._cem, self._omega, self._latent = f.start.copy(), zeros.copy(), zeros.copy(), zeros.copy()
        self._model = np.zeros(f.w.shape, dtype=np.uint8)
        if p.damage_index is not None:
            inner(self._model)[...] = p.damage_index
        rows = f.w.shape[:2]
        self._row_max = np.ascontiguousarray(f.start[:, :, 1:-1].max(axis=2))
        self._row_before = self._row_max.copy()
        self._row_rate = np.zeros(rows, dtype=np.float32)
        self._row_sum = np.zeros(rows, dtype=np.float32)
        self._active = np.zeros(rows, dtype=np.bool_)
        self._box = np.array([1, 0, 1, 0, 1, 0], dtype=np.int64)
        low, high = p.band if f.lam.any() else (NEVER, NEVER)
        self._tl, self._tu = f4(low - p.arterial_c), f4(high - p.arterial_c)
        self._curve = (f.lam, f.rv, self._tl, self._tu)

    def _tabulate(self) -> None:
        """Tables of the functions of temperature and omega, and the temperatures at which they wake up."""
        self._table = RateTable.of_temperature(temperature_functions(self.problem))
        self._stop = RateTable.of([self.problem.response.survival], 0.0, 8.0, 256)
        self._offset = self._table.low - self.problem.arterial_c
        rise = self._table.rate[0]
        changing = np.flatnonzero(np.abs(rise - rise[0]) > 1e-6)
        start = self._table.low + (int(changing[0]) - 1 if changing.size else rise.size) / self._table.per_unit
        dose = self._table.first_nonzero(slice(1, None))
        # Flow changes where the temperature passes the start of the rise (0.02 K later costs 0.3 % of the rise) or
        # where damage begins; doses count from the first temperature at which any of them does.
        wake = _positive(min(start + 0.02, dose) - self.problem.arterial_c)
        dose_from = _positive(dose - self.problem.arterial_c)
        flowing = np.flatnonzero(self._stop.rate[0])
        last = int(flowing[-1]) + 1 if flowing.size else 0
        dead = last / self._stop.per_unit if last < self._stop.rate.shape[1] else NEVER
        self.marks = (wake, dose_from, dead)
        self._perfusion_varies = bool(changing.size or np.ptp(self._stop.rate) > 0) and bool(self.fields.p0.any())
        self._largest_flow = float((self.fields.p0 * max(1.0, float(rise.max()))).max())
        self._bound()

    def _bound(self) -> None:
        """Largest rate in 1/s of anything in the linear part: decides the number of stages."""
        conduction = float(self.fields.stiffness.max())
        self._radius = max(conduction + self._largest_flow + self._shaft_bound(), 1e-9)

    def set_conductivity(self, conductivity_faces: tuple[Field, Field, Field]) -> None:
        """Go on with other face conductivities, for example as tissue heats; temperatures and doses stay.

        Args:
            conductivity_faces: as in :class:`BioheatProblem`; the shafts keep the contact they were bound with.
        """
        self.problem = replace(self.problem, conductivity_faces=conductivity_faces)
        self.fields = reconduct(self.fields, self.problem)
        self._bound()
        self._engine.renew()

    def use_shafts(self, shafts: Sequence[BoundShaft]) -> None:
        """Go on with other shafts in place of the present ones (same number, cells among those bound at the start)."""
        self.shafts = tuple(shafts)
        self._bound()
        self._engine.renew()

    def stop_coolant(self) -> None:
        """Switch the coolant of every shaft off; metal and tissue stay as warm as they are."""
        self.shafts = tuple(shaft.without_coolant() for shaft in self.shafts)
        self._bound()
        self._engine.renew()

    def lowest_c(self) -> dict[str, float]:
        """Coldest cell of every structure now."""
        self._fetch("Y", "G")
        Y, G = self._Y.reshape(-1), self._G.reshape(-1)
        cells, starts = self.tracker.cells, self.tracker.starts[:-1]
        now = Y[cells] + G[cells] + f4(self.problem.arterial_c)
        lowest = np.minimum.reduceat(now, starts) if starts.size else now
        return dict(zip(self.tracker.structures, map(float, lowest), strict=True))

    def _fetch(self, *names: str) -> None:
        """Have the arrays of these names (without their underscore) as they are now, wherever the work is done."""
        self._engine.fetch(*names)

    def _shaft_bound(self) -> float:
        """Largest rate in 1/s that the exchange with the shafts adds to a cell (Gershgorin)."""
        per_cell = np.zeros(self._Y.size)
        for shaft in self.shafts:
            pieces = np.repeat(shaft.g * shaft.step_m, np.diff(shaft.starts)) * shaft.weights
            np.add.at(per_cell, shaft.cells, pieces)
        return float((per_cell * self.fields.w.reshape(-1)).max()) / self.problem.spacing_m

    @property
    def _hot(self) -> bool:
        return bool(self._box[1] >= self._box[0])

    @property
    def temperature_c(self) -> Field:
        """Temperature now, degC, shape of the grid (a copy)."""
        self._fetch("Y", "G")
        return inner(self._Y + self._G) + f4(self.problem.arterial_c)

    @property
    def latent_fraction(self) -> Field:
        """Share of the latent heat taken up now, 0..1."""
        self._fetch("Y")
        lam = inner(self.fields.lam)
        share = (inner(self._Y) - self._tl) / np.maximum(lam + (self._tu - self._tl), f4(1e-6))
        return np.where(lam > 0, np.clip(share, 0, 1), 0).astype(np.float32)

    @property
    def latent_fraction_max(self) -> Field:
        """Largest share so far: water that has left the tissue."""
        self._fetch("latent")
        return inner(self._latent).copy()

    @property
    def peak_c(self) -> Field:
        """Highest temperature so far."""
        self._fetch("peak")
        return inner(self._peak) + f4(self.problem.arterial_c)

    @property
    def cem43_min(self) -> Field:
        """Cumulative equivalent minutes at 43 degC (stops at 1e9)."""
        self._fetch("cem")
        return inner(self._cem).copy()

    @property
    def omega(self) -> Field:
        """Arrhenius integral of each cell's own model (stops at 1e9)."""
        self._fetch("omega")
        return inner(self._omega).copy()

    @property
    def perfusion_w_m3k(self) -> Field:
        """Perfusion in use, W/m3K."""
        self._fetch("p")
        return inner(self._p * self.fields.capacity)

    @property
    def hottest_c(self) -> float:
        """Highest temperature of the grid now."""
        self._fetch("Y", "G", "row_max")
        rows = self._row_max[1:-1, 1:-1]
        boiling = rows > self._tl
        # Row maxima are temperatures where nothing boils and right where they are positive.
        plain = float(rows[~boiling].max(initial=-NEVER))
        if plain <= 0.0 and not boiling.any():
            return float(np.max(inner(self._Y) + inner(self._G))) + self.problem.arterial_c
        hot = float((inner(self._Y)[boiling] + inner(self._G)[boiling]).max(initial=-NEVER))
        return max(plain, hot) + self.problem.arterial_c

    def readings(self) -> dict[str, float]:
        """Latest temperature of every structure and sensor."""
        return dict(zip(self.tracker.names, map(float, self.tracker.rows[-1]), strict=True))

    def peaks(self) -> dict[str, StructurePeak]:
        """Peak, its time and doses of every structure."""
        return self.tracker.peaks(self.cem43_min, self.omega)

    def shaft_temperature_c(self, number: int = 0, source_w_per_m: NDArray[np.float64] | float = 0.0) -> NDArray:
        """Temperature of a shaft at its nodes, given the tissue now."""
        shaft = self.shafts[number]
        self._fetch("Y", "G")
        tissue = (self._Y.reshape(-1)[shaft.cells] + self._G.reshape(-1)[shaft.cells]) * shaft.weights
        sums = np.add.reduceat(np.append(tissue, 0.0), shaft.starts[:-1]) * (np.diff(shaft.starts) > 0)
        return shaft.temperature_c(sums + self.problem.arterial_c, source_w_per_m)

    def balance(self) -> EnergyLedger:
        """The ledger with the heat stored now."""
        f, shape = self.fields, self.problem.shape
        self._fetch("Y")
        kernels.weighted_sum_kernel(self._Y, f.capacity, self._row_sum, 1, shape[0] + 1)
        now = self._row_sum.astype(np.float64).sum()
        kernels.weighted_sum_kernel(f.start, f.capacity, self._row_sum, 1, shape[0] + 1)
        start = self._row_sum.astype(np.float64).sum()
        self.ledger.stored_j = float(now - start) * self.problem.spacing_m**3
        return self.ledger

    def _observe(self) -> None:
        row = np.empty(len(self.tracker.names), dtype=np.float64)
        self._engine.observe(row)
        self.tracker.record(self.time_s, row + self.problem.arterial_c)
