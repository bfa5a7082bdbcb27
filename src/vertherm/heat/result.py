"""What a thermal run leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import Grid
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.problem import Field
from vertherm.heat.tracking import StructurePeak

SETTLED = "settled"
TIME_LIMIT = "not settled: limit of time"
FAILED = "failed"
"""States of a run: a status text is one of these, the last two possibly followed by ": " and the reason."""


@dataclass(frozen=True, eq=False)
class ThermalResult:
    """Fields, doses, histories and the energy account of one run; picklable. Fields have shape ``grid.shape``.

    Args:
        grid: the heat grid.
        peak_c: highest temperature a cell reached at any step, degC.
        cem43_min: cumulative equivalent minutes at 43 degC (stops at 1e9).
        omega: Arrhenius integral of the cell's own damage model (stops at 1e9).
        latent_fraction: largest share of its latent heat a cell took up: dried tissue, 0..1.
        temperature_c: temperature at the end.
        time_s: end of the run.
        curves: ``time_s`` and, by name, the temperature at every step of each structure (its hottest cell) and sensor.
        structures: extremes of every structure.
        power: columns of the power log.
        energy: the ledger in joules, with its relative ``error``.
        status: "settled", or why the run ended before.
        statistics: steps, stages, wall time.
        lowest_c: coldest cell of each structure at any moment looked at (a cooled shaft chills).
    """

    grid: Grid
    peak_c: Field
    cem43_min: Field
    omega: Field
    latent_fraction: Field
    temperature_c: Field
    time_s: float
    curves: dict[str, NDArray[np.float64]]
    structures: dict[str, StructurePeak]
    power: dict[str, NDArray[np.float64]]
    energy: dict[str, float]
    status: str
    statistics: dict[str, float]
    lowest_c: dict[str, float] = field(default_factory=dict)

    @staticmethod
    def of(
        solver: BioheatSolver,
        grid: Grid,
        *,
        power: Mapping[str, NDArray[Any]] | None = None,
        status: str = SETTLED,
        lowest_c: Mapping[str, float] | None = None,
    ) -> ThermalResult:
        """Copy everything out of ``solver``."""
        return ThermalResult(
            grid=grid,
            peak_c=solver.peak_c,
            cem43_min=solver.cem43_min,
            omega=solver.omega,
            latent_fraction=solver.latent_fraction_max,
            temperature_c=solver.temperature_c,
            time_s=solver.time_s,
            curves=solver.tracker.curves(),
            structures=solver.peaks(),
            power={name: np.asarray(column, dtype=np.float64) for name, column in (power or {}).items()},
            energy=solver.balance().as_dict(),
            status=status,
            statistics=solver.statistics.as_dict(),
            lowest_c=dict(lowest_c or {}),
        )

    @property
    def settled(self) -> bool:
        """True where every structure peaked and cooled below the threshold."""
        return self.status.startswith(SETTLED)

    @property
    def failed(self) -> bool:
        """True where the run broke off."""
        return self.status.startswith(FAILED)
