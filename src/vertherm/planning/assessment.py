"""The assessment: what was predicted, with its band, and what follows from it. One document a case, variants inside."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["green", "warn", "stop", "not assessed"]
CoverageStatus = Literal["covered with margin", "covered", "not covered", "no zone"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Banded(_Row):
    """A value of the nominal member and the smallest and largest of all members that count for it."""

    value: float
    low: float
    high: float


class PowerRow(_Row):
    """Forward, net and absorbed power and energy of one member: three numbers, always all three."""

    member: str
    forward_w: float
    net_w: float
    absorbed_w: float
    forward_kj: float
    net_kj: float
    absorbed_kj: float
    reflection_start_db: float
    reflection_end_db: float


class TreatmentRow(_Row):
    """What was given: antenna, needle, schedule, and the power in each member."""

    antenna: str
    frequency_mhz: float
    entry_ras_mm: tuple[float, float, float]
    tip_ras_mm: tuple[float, float, float]
    insertion_mm: float
    power_kind: str
    power_note: str
    activations: list[dict[str, Any]]
    treatment_time_s: float
    simulated_time_s: float
    power: list[PowerRow]


class ZoneRow(_Row):
    """One ablation zone by one metric."""

    metric: str
    label: str
    volume_ml: Banded
    long_axis_mm: Banded
    short_axis_mm: Banded


class TargetMetricRow(_Row):
    """How one metric's zone covers one target. The margin is signed: positive, the zone reaches beyond the lesion."""

    metric: str
    coverage: Banded
    minimal_margin_mm: Banded | None
    margin_error_mm: float | None


class TargetRow(_Row):
    """One lesion."""

    name: str
    level: str
    level_confirmed: bool
    pathology: str
    kind: str
    volume_ml: float
    deciding_metric: str
    status: CoverageStatus
    metrics: list[TargetMetricRow]
    synthetic: bool


class StructureRow(_Row):
    """One structure against its limits. ``status`` comes from the worst member, never from the nominal one."""

    name: str
    kind: str
    required: bool
    derived: bool
    peak_temperature_c: Banded | None
    cem43_min: Banded | None
    peak_time_s: float | None
    after_switch_off: bool | None
    distance_to_antenna_mm: float | None = Field(description="to the last 15 mm of the needle")
    warn: str
    stop: str
    worst_member: str
    sar_factor: float
    status: Status
    words: str
    lowest_temperature_c: float | None = Field(default=None, description="coldest cell of any member")
    with_cooling_c: float | None = Field(default=None, description="worst peak with full vessel and CSF cooling")


class ThermocoupleRow(_Row):
    """Predicted peak at a point; ``low`` and ``high`` over all members without the local SAR factor."""

    name: str
    position_ras_mm: tuple[float, float, float]
    peak_temperature_c: Banded
    peak_time_s: float


class EnergyBalance(_Row):
    """Ledger of one member in joules; ``error`` is relative to what was delivered."""

    member: str
    delivered_j: float
    stored_j: float
    perfusion_j: float
    boundary_j: float
    sinks_j: float
    shaft_j: float
    error: float


class Assumption(_Row):
    """A value or model that the result rests on."""

    name: str
    value: str
    range: str
    source: str
    certainty: str
    verified: bool


class Assessment(_Row):
    """Everything that ``assessment.json`` holds."""

    schema_version: Literal[1] = 1
    case: str
    title: str
    level: str
    region: str
    notice: str
    synthetic: bool
    verdict: Status
    verdict_words: str
    coverage_verdict: CoverageStatus
    treatment: TreatmentRow
    zones: list[ZoneRow]
    targets: list[TargetRow]
    structures: list[StructureRow]
    thermocouples: list[ThermocoupleRow] = Field(default_factory=list)
    energy_balance: list[EnergyBalance]
    members: list[dict[str, Any]]
    models: dict[str, str]
    assumptions: list[Assumption]
    notes: list[str]
    timings_s: dict[str, float]
    provenance: dict[str, Any]
