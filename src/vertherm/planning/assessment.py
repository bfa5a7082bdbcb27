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


class Percentile(_Row):
    """A percentile of the sampled ensemble.

    ``bound`` decides: the confidence bound of the percentile, or the worst sample where there are too few for one.
    ``estimate`` is the point estimate; ``rule`` says in words what ``bound`` is.
    """

    estimate: float
    bound: float
    confidence: float
    samples: int
    failed: int
    rule: str


class Probability(_Row):
    """Share of the samples in which something happened, with its exact 95 % interval (Clopper-Pearson).

    Samples that ``failed`` widen the interval: they may or may not have been among the ``events``.
    """

    events: int
    samples: int
    failed: int
    estimate: float
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


class ApplicatorRow(_Row):
    """One antenna and where it lies. The same antenna moved between activations has one row for each place."""

    name: str
    antenna: str
    cooled: bool
    frequency_mhz: float
    entry_ras_mm: tuple[float, float, float]
    tip_ras_mm: tuple[float, float, float]
    insertion_mm: float
    phase_deg: float = 0.0
    calibration: str = ""


class ProtectionRow(_Row):
    """A dissection, an irrigation or cooling of the skin."""

    kind: Literal["dissection", "irrigation", "skin cooling"]
    name: str
    medium: str = ""
    protects: str = ""
    volume_ml: float | None = Field(default=None, description="that the medium fills or the fluid passes")
    temperature_c: float
    flow_ml_min: float | None = None
    words: str


class TreatmentRow(_Row):
    """What was given: antennas, needles, schedule, and the power in each member (summed over the antennas).

    ``entry_ras_mm``, ``tip_ras_mm``, ``insertion_mm`` and ``frequency_mhz`` are those of the first applicator.
    """

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
    applicators: list[ApplicatorRow] = Field(default_factory=list)
    coherent: bool = False
    protection: list[ProtectionRow] = Field(default_factory=list)


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
    p5_coverage: Percentile | None = Field(default=None, description="what decides where samples were run")
    p5_margin_mm: Percentile | None = None
    probability_covered: Probability | None = Field(default=None, description="that the zone covers the whole lesion")
    probability_margin: Probability | None = Field(default=None, description="that it does so with the wanted margin")


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

    p95_temperature_c: Percentile | None = Field(default=None, description="what decides where samples were run")
    p95_cem43_min: Percentile | None = None
    p5_lowest_c: Percentile | None = None
    probability_warn: Probability | None = Field(default=None, description="that the warn limit is reached")
    probability_stop: Probability | None = None


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
    irrigation_j: float = 0.0


class Assumption(_Row):
    """A value or model that the result rests on."""

    name: str
    value: str
    range: str
    source: str
    certainty: str
    verified: bool


class ParameterRow(_Row):
    """One uncertain parameter of the sampled ensemble."""

    name: str
    distribution: str
    unit: str
    nominal: float | str
    source: str
    certainty: str


class FailedRow(_Row):
    """A member without a result, or with an incomplete one."""

    member: str
    status: str
    sample: dict[str, float | str] = Field(default_factory=dict)


class EnsembleRow(_Row):
    """The sampled ensemble behind the bands: what was varied, how often, and what failed."""

    samples: int
    runs: int
    seed: int
    readings: str
    safety_rule: str
    coverage_rule: str
    parameters: list[ParameterRow]
    failed: list[FailedRow]
    values: list[dict[str, float | str]] = Field(description="the parameters of every sample, in order")


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
    ensemble: EnsembleRow | None = None
    models: dict[str, str]
    assumptions: list[Assumption]
    notes: list[str]
    timings_s: dict[str, float]
    provenance: dict[str, Any]
