"""What a watch over a running treatment says: one document, words included."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vertherm.planning.assessment import Status

Action = Literal["continue", "lower power", "stop early", "stop now", "finished"]
"""``stop early``: no lower power helps, but some time is left; ``finished``: all power was given, it only cools."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StructureAdvice(_Row):
    """One structure: hottest point by the rule that decides (``expected``: best estimate)."""

    name: str
    now_c: float
    if_stopped_c: float = Field(description="highest temperature yet, if power ends now: heat still arrives afterwards")
    if_stopped_cem43_min: float
    if_continued_c: float
    if_continued_cem43_min: float
    expected_if_continued_c: float
    stop_c: float | None
    stop_cem43_min: float | None
    status_if_stopped: Status
    status_if_continued: Status
    informed_by: list[str] = Field(description="thermocouples near enough; empty: the worst variant stands")
    words: str


class TargetAdvice(_Row):
    """One lesion with its margin: the best estimate (of samples their weighted mean, else the nominal patient)."""

    name: str
    coverage_if_stopped: float
    coverage_if_continued: float


class SensorAdvice(_Row):
    """One thermocouple: last reading beside what was predicted for its time."""

    name: str
    readings: int
    last_s: float
    measured_c: float
    predicted_c: float = Field(description="nominal variant")
    predicted_low_c: float
    predicted_high_c: float
    error_k: float = Field(description="sensor and shape of the curve; one standard deviation")
    placement_share: float = Field(description="relative error of the rise by the thermocouple's place")
    distance_mm: float = Field(description="to the radiating part of the nearest needle")
    useful: bool


class ScaleAdvice(_Row):
    """Factor on the predicted temperature rises."""

    value: float
    low: float = Field(description="95 % interval")
    high: float
    supported: bool = Field(description="the readings narrow it enough to be used in both directions")
    chi2: float
    counts: float
    p: float
    explained: bool
    effective_variants: float


class Advice(_Row):
    """Everything that ``advice.json`` holds."""

    schema_version: Literal[1] = 1
    case: str
    title: str
    notice: str
    synthetic: bool
    now_s: float
    planned_end_s: float
    action: Action
    words: str
    reason: str
    time_left_s: float | None = Field(description="until a stop limit would be reached; None: not before the end")
    switch_off_s: float | None = Field(description="latest time to end power; None: as planned")
    lower_to: float | None = Field(default=None, description="share of the planned power that keeps every limit")
    binding: str = ""
    scale: ScaleAdvice
    structures: list[StructureAdvice]
    targets: list[TargetAdvice]
    sensors: list[SensorAdvice]
    delivered_kj: float
    notes: list[str]
    assumptions: list[str]
    timings_s: dict[str, float]
    provenance: dict[str, Any] = Field(default_factory=dict)
