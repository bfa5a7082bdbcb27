"""What a full wave found, on the heat grid and on its own cells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.fullwave.feed import Feed
from vertherm.geometry.volume import Grid

Field = NDArray[np.float32]


class FullWaveStatus(StrEnum):
    """How a full wave ended."""

    converged = "converged"
    not_converged = "not converged"
    nothing_to_do = "nothing to do"


@dataclass(frozen=True, eq=False)
class FullWaveResult:
    """Power density of one antenna in the patient by the three-dimensional full wave.

    Attributes:
        q: (nx, ny, nz) W/m^3 per W forward on the heat grid; outside ``inside`` the axisymmetric value.
        q_axisymmetric: the same cells, conductivities and averages with the axisymmetric field alone. q divided by
            it is what the third dimension changes, free of the way cells are averaged; 1 outside ``inside``.
        inside: (nx, ny, nz) True for heat cells that the full wave covers.
        e2: |E|^2 (peak) in (V/m)^2 on the fine cells of ``fine_grid``, per W forward.
        fine_grid: the fine cells without the absorbing layers.
        absorbed_w: sum of q over the cells inside, per W forward.
        absorbed_axisymmetric_w: the same of ``q_axisymmetric``.
        feed: factor on the marched field and reflection at the port (see feed.py); q, e2 and absorbed_w
            carry the factor.
        status: how the march ended; ``text`` says it in words.
        periods, steps: marched.
        residual: change of the phasors over the last period, relative L2.
        changes: the same for all periods after the ramp.
        cells: fine cells with the absorbing layers.
        memory_mb: arrays held at the peak, counted, not measured.
        prepare_s, march_s, wall_s: wall-clock times.
        formulation, device, spacing_mm: how it was run.
        notes: what a reader must know (clipped domain, share outside).
    """

    q: Field
    q_axisymmetric: Field
    inside: NDArray[np.bool_]
    e2: Field
    fine_grid: Grid
    absorbed_w: float
    absorbed_axisymmetric_w: float
    feed: Feed
    status: FullWaveStatus
    periods: int
    steps: int
    residual: float
    changes: tuple[float, ...]
    cells: int
    memory_mb: float
    prepare_s: float
    march_s: float
    wall_s: float
    formulation: str
    device: str
    spacing_mm: float
    notes: tuple[str, ...]

    @property
    def converged(self) -> bool:
        """True unless the march ran out of periods."""
        return self.status != FullWaveStatus.not_converged

    @property
    def text(self) -> str:
        """One line for reports."""
        how = f"{self.formulation} formulation, {self.spacing_mm:g} mm cells, {self.device}"
        end = f"{self.status.value} after {self.periods} periods (change {self.residual:.1e})"
        if self.status == FullWaveStatus.nothing_to_do:
            end = "the tissue equals the axisymmetric medium"
        return "; ".join([f"full wave: {how}; {end}; {self.wall_s:.0f} s", *self.notes])
