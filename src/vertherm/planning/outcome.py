"""What one member predicts, small enough to travel between processes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vertherm.heat.member import Member
from vertherm.heat.result import FAILED


@dataclass(frozen=True)
class StructureOutcome:
    """Hottest and most dosed cell of a structure in one member."""

    peak_c: float
    cem43_min: float
    peak_time_s: float
    lowest_c: float


@dataclass(frozen=True)
class ZoneOutcome:
    """Size of one metric's zone in one member."""

    volume_ml: float
    long_axis_mm: float
    short_axis_mm: float


@dataclass(frozen=True)
class CoverageOutcome:
    """How one metric's zone covers one lesion in one member; None where there is no zone."""

    coverage: float
    margin_mm: float | None
    error_mm: float | None


@dataclass(frozen=True, eq=False)
class MemberOutcome:
    """Result of one member.

    Args:
        fields: "peak_c", "cem43_min", "omega": float32 on the heat grid; {} once they are counted (see
            :mod:`vertherm.planning.envelope`): only the nominal member keeps its own.
        curves: largest temperature over time by structure, and by thermocouple.
        power: columns "time_s", "forward_w", "net_w", "absorbed_w", "reflection_db".
        ledger: joules; keys as in :class:`vertherm.planning.assessment.EnergyBalance`.
        status: "settled", or why the prediction is incomplete.
        hottest_c: hottest cell of all.
        edge_c: hottest outermost cell away from the shafts.
        beyond: which of the cells without an image reach the temperature that makes them matter; in their order.
        sample: number of the sample (from 1) this member reads; 0 for the nominal and the standard members.
        reading: "safety" or "coverage" for a sampled member, else "".
    """

    member: Member
    structures: dict[str, StructureOutcome]
    zones: dict[str, ZoneOutcome]
    coverage: dict[str, dict[str, CoverageOutcome]]
    fields: dict[str, NDArray[np.float32]]
    time_s: NDArray[np.float64]
    curves: dict[str, NDArray[np.float64]]
    power: dict[str, NDArray[np.float64]]
    ledger: dict[str, float]
    status: str
    statistics: dict[str, float]
    hottest_c: float = 0.0
    edge_c: float = 0.0
    beyond: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    sample: int = 0
    reading: str = ""

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"sample {self.sample}, {self.reading}" if self.sample else self.member.name

    @property
    def failed(self) -> bool:
        """True where the run broke off and its numbers mean nothing."""
        return self.status.startswith(FAILED)
