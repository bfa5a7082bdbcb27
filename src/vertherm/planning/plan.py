"""The plan: paths, the chosen treatment, how sure it is, what else was looked at, and why. One document a case.

Status: "provisional" (coarse model for the percentiles, full model for a few variants), "verified" (the full ensemble
and the full-wave check kept every limit), "no safe plan" (nothing found keeps every limit: then ``chosen`` is None).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vertherm.planning.assessment import Percentile, Probability, Status

PlanStatus = Literal["provisional", "verified", "no safe plan"]
RelaxationKind = Literal[
    "dissection", "irrigation", "skin cooling", "deeper tip", "second needle", "partial ablation", "margin", "rule"
]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClearanceRow(_Row):
    """See :class:`vertherm.access.path.Clearance`."""

    name: str
    kind: str
    distance_mm: float
    after_error_mm: float
    required_mm: float
    label_error_mm: float
    depth_mm: float
    derived: bool


class PathRow(_Row):
    """One admissible needle path; see :class:`vertherm.access.path.NeedlePath`."""

    name: str
    approach: str
    side: str
    entry_kind: Literal["skin", "image edge"]
    entry_ras_mm: tuple[float, float, float]
    tip_ras_mm: tuple[float, float, float]
    focus_ras_mm: tuple[float, float, float]
    length_mm: float
    bone_mm: float
    axial_deg: float
    cranio_caudal_deg: float
    gantry_deg: float
    incidence_deg: float
    clearances: list[ClearanceRow]
    pedicle_wall_mm: float | None
    breach_mm: float
    breach_grade: str
    tip_to_target_mm: float
    tip_outside_mm: float
    coverage: float
    risk: float
    crosses: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    only_in_set: bool = Field(default=False, description="not of the front: it belongs to a set of several needles")
    zone_factor: float | None = Field(
        default=None, description="smallest factor on the reference zone's axes with which it holds lesion and margin"
    )


class RefusalRow(_Row):
    """See :class:`vertherm.access.path.Refusal`."""

    reason: str
    rule: str
    count: int
    alone: int
    best_miss: float
    unit: str


class NeedleSetRow(_Row):
    """Several needles together."""

    paths: list[str]
    gap_mm: float
    coverage: float
    risk: float


class AccessRow(_Row):
    """The paths to one target."""

    target: str
    level: str
    position: str
    needle: dict[str, float]
    paths: list[PathRow]
    sets: list[NeedleSetRow]
    candidates: int
    admissible: int
    refusals: list[RefusalRow]
    not_labelled: list[str]
    notes: list[str]
    timings_s: dict[str, float]


class GoalRow(_Row):
    """What the plan had to reach."""

    metric: str
    metric_label: str
    margin_mm: float
    coverage: float = Field(description="share of the lesion with its margin that must be ablated, 0 to 1")
    coverage_rule: str = Field(description="which percentile or worst variant decides")
    safety_rule: str


class ActivationRow(_Row):
    """One activation of the chosen treatment."""

    antenna: str
    power_w: float
    time_s: float
    pause_s: float = 0.0
    pull_back_mm: float = Field(default=0.0, description="tip drawn back from the deepest place of this needle")


class PlacedRow(_Row):
    """One antenna of the chosen treatment in its place."""

    name: str
    target: str
    path: str
    antenna: str
    frequency_mhz: float
    entry_ras_mm: tuple[float, float, float]
    tip_ras_mm: tuple[float, float, float]


class LimitRow(_Row):
    """One structure in the plan: what decides, and how much is left to its limits."""

    name: str
    status: Status
    peak_c: float = Field(description="what decides: 95th percentile bound, or the worst variant")
    cem43_min: float
    stop_c: float | None
    stop_cem43_min: float | None
    warn_c: float | None
    warn_cem43_min: float | None
    binding: bool = False
    percentile: Percentile | None = None
    probability_stop: Probability | None = None


class CoverageRow(_Row):
    """One target in the plan."""

    target: str
    coverage: float = Field(description="of the lesion with its margin; what decides: 5th percentile or worst variant")
    lesion_coverage: float
    margin_mm: float | None
    reached: bool
    probability_full: Probability | None = None


class CandidateRow(_Row):
    """One alternative the optimiser looked at: its best dose under the limits."""

    name: str
    target: str
    paths: list[str]
    antenna: str
    power_w: float
    time_s: float
    activations: int
    coverage: float
    margin_mm: float | None
    worst_structure: str
    worst_peak_c: float
    worst_dose_min: float
    safe: bool
    reached: bool
    score: float
    why: str = ""


class Chart(_Row):
    """Power by time for the chosen (or best) path: what clinicians know from the makers, with probabilities.

    Arrays are [power][time]. ``p_covered``: probability that the goal is reached; ``p_limit``: that any stop limit is
    broken; ``p_warn``: any warn limit; ``binding``: the structure that breaks first.
    """

    target: str
    path: str
    antenna: str
    power_kind: str
    power_w: list[float]
    time_s: list[float]
    p_covered: list[list[float]]
    p_limit: list[list[float]]
    p_warn: list[list[float]]
    coverage: list[list[float]]
    binding: list[list[str]]
    allowed: list[list[bool]] = Field(description="every limit kept by the deciding rule")
    samples: int
    rule: str
    chosen: tuple[float, float] | None = None


class Relaxation(_Row):
    """What would make a plan possible, or more of the lesion reachable, and by how much."""

    what: str
    kind: RelaxationKind
    effect: str
    coverage: float | None = None
    worst_structure: str = ""
    worst_peak_c: float | None = None
    safe: bool = False
    reached: bool = False


class Gap(_Row):
    """How far the optimiser stayed behind a dense sweep of the same problem."""

    sweep_points: int
    sweep_best: float
    found: float
    gap: float = Field(description="(best of the sweep - found) / best of the sweep; 0: none")
    what: str


class SharedRow(_Row):
    """A structure that several lesions' treatments heat: their doses add."""

    structure: str
    doses_min: dict[str, float]
    total_min: float
    peak_c: float
    status: Status


class Plan(_Row):
    """Everything that ``plan.json`` holds."""

    schema_version: Literal[1] = 1
    case: str
    title: str
    notice: str
    synthetic: bool
    status: PlanStatus
    status_words: str
    goal: GoalRow
    access: list[AccessRow]
    applicators: list[PlacedRow] = Field(default_factory=list, description="the chosen treatment; empty: no safe plan")
    activations: list[ActivationRow] = Field(default_factory=list)
    power_kind: str = "forward"
    protection: list[str] = Field(default_factory=list)
    limits: list[LimitRow] = Field(default_factory=list)
    coverage: list[CoverageRow] = Field(default_factory=list)
    candidates: list[CandidateRow] = Field(default_factory=list)
    charts: list[Chart] = Field(default_factory=list)
    shared: list[SharedRow] = Field(default_factory=list)
    binding: str = Field(default="", description="the limit that binds, in words")
    relaxations: list[Relaxation] = Field(default_factory=list)
    gap: Gap | None = None
    not_assessed: list[str] = Field(
        default_factory=list, description="what is required and not known: with any of these a plan is not called safe"
    )
    cement_ml: dict[str, float] = Field(default_factory=dict, description="planned by the user, by target; and 'total'")
    models: dict[str, str] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    timings_s: dict[str, float] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
