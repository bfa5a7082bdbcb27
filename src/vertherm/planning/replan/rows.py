"""What a re-plan says: one document, words included."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vertherm.planning.assessment import Status

Mode = Literal["same dose", "new dose"]
Recommendation = Literal["keep the dose", "change the dose", "goal not reached", "no safe dose"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NeedleRow(_Row):
    """One needle: where it was planned, and where it lies."""

    name: str
    target: str
    planned_entry_ras_mm: tuple[float, float, float]
    planned_tip_ras_mm: tuple[float, float, float]
    entry_ras_mm: tuple[float, float, float]
    tip_ras_mm: tuple[float, float, float]
    moved_mm: float = Field(description="between the tips")
    turned_deg: float
    words: str = Field(description="where the tip lies instead, in the patient's directions; empty: as planned")
    tip_outside_mm: float = Field(description="of the lesion; 0 inside")
    crosses: list[str] = Field(description="structures that no needle may pass through")


class CheckRow(_Row):
    """One rule of access for the needle as it lies; see :class:`vertherm.access.path.Check`."""

    needle: str
    rule: str
    value: str
    limit: str
    kept: bool


class DoseRow(_Row):
    """One activation of a dose."""

    place: str
    power_w: float
    time_s: float
    pause_s: float


class ReplanStructure(_Row):
    """One structure as planned, and at the real place with the same and with the new dose; what decides."""

    name: str
    stop_c: float | None
    stop_cem43_min: float | None
    planned_c: float | None
    planned_cem43_min: float | None
    same_c: float
    same_cem43_min: float
    same_status: Status
    new_c: float | None = None
    new_cem43_min: float | None = None
    new_status: Status | None = None
    planned_distance_mm: float | None
    distance_mm: float | None


class ReplanTarget(_Row):
    """One lesion with its margin, likewise."""

    name: str
    planned_coverage: float | None
    planned_margin_mm: float | None
    same_coverage: float
    same_margin_mm: float | None
    same_reached: bool
    new_coverage: float | None = None
    new_margin_mm: float | None = None
    new_reached: bool | None = None


class DifferenceRow(_Row):
    """See :class:`vertherm.planning.compare_plans.ComparisonRow`."""

    subject: str
    quantity: str
    unit: str
    before: float | None
    after: float | None
    limit: float | None
    weight: str
    words: str


class ReplanDocument(_Row):
    """Everything that ``replan.json`` holds."""

    schema_version: Literal[1] = 1
    case: str
    title: str
    notice: str
    synthetic: bool
    status: Literal["provisional"] = "provisional"
    mode: Mode
    recommendation: Recommendation
    words: str = Field(description="what to do, in a sentence")
    comparison: str = Field(description="plan and real place with the same dose, in words")
    verdict: Status = Field(description="of the recommended dose; of no safe dose: of the same dose")
    needles: list[NeedleRow]
    checks: list[CheckRow]
    planned_dose: list[DoseRow]
    new_dose: list[DoseRow] = Field(description="empty: as planned, or none is safe")
    power_kind: str
    structures: list[ReplanStructure]
    targets: list[ReplanTarget]
    differences: list[DifferenceRow]
    not_assessed: list[str] = Field(description="required, but not labelled: never silently safe")
    variants: int
    model: str
    notes: list[str]
    timings_s: dict[str, float]
    provenance: dict[str, Any] = Field(default_factory=dict)
