"""What a verification says: one document, words included."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Coverage = Literal["covered with margin", "covered", "not covered", "not assessed"]
Registered = Literal["ok", "doubtful", "failed"]
Progression = Literal["suggested", "not seen", "not assessed"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RegistrationRow(_Row):
    """How an examination was laid on the planning scan, at one vertebra."""

    status: Registered
    reasons: list[str]
    error_mm: float | None = Field(description="95 % radius of the error at the lesion, as estimated")
    matrix: list[list[float]] | None = Field(description="planning RAS mm to follow-up RAS mm")
    method: str = Field("", description="program and method of the registration")
    similarity: float | None = Field(None, description="correlation of both images (MR: root of its ratio)")
    agreement: float | None = Field(None, description="the same without the quarter that agrees least")
    strain: float | None = Field(None, description="greatest principal strain of the vertebra between both images")
    covered: float | None = Field(None, description="share of the vertebra that the examination shows")


class MarginRow(_Row):
    """The margin by which the treated zone exceeds the lesion; a band of 95 %."""

    minimum_mm: float | None
    low_mm: float | None
    high_mm: float | None
    worst_point_mm: tuple[float, float, float]
    coverage: float = Field(description="share of the lesion's volume inside the zone")
    below_0: float = Field(description="share of the lesion's surface with a margin below 0 mm")
    from_0_to_goal: float
    goal_or_more: float
    goal_mm: float
    within_bone_mm: float | None = Field(description="minimum where cortex and canal end what must be treated")
    within_bone_low_mm: float | None
    within_bone_high_mm: float | None
    decided_by_barrier: float | None = Field(description="share of the surface where cortex or canal decides")
    beyond_barrier: float | None = Field(None, description="share of the surface beyond cortex or in the canal")


class ZoneRow(_Row):
    """The treated zone as seen."""

    given: bool
    volume_ml: float
    long_mm: float
    short_mm: float
    cnr: float | None
    edge_sd_mm: float
    hidden: float
    notes: list[str]


class AgreementRow(_Row):
    """One metric's predicted zone against the observed one."""

    metric: str
    label: str
    predicted_ml: float
    observed_ml: float
    predicted_long_mm: float
    predicted_short_mm: float
    dice: float
    mean_distance_mm: float
    hausdorff95_mm: float
    signed_mm: float = Field(description="mean distance of the observed surface beyond the predicted one")


class CementRow(_Row):
    """Cement as seen."""

    given: bool
    volume_ml: float
    by_site_ml: dict[str, float]


class FindingRow(_Row):
    """Something new against an earlier examination."""

    kind: str
    place: str
    volume_ml: float
    longest_mm: float
    centre_ras_mm: tuple[float, float, float]
    change: float = Field(description="mean difference of the image (HU; grey values for MR) from what is usual there")
    against: str


class SizeRow(_Row):
    """Size of viable tumour."""

    longest_mm: float
    perpendicular_mm: float
    volume_ml: float


class SuggestionRow(_Row):
    """What a criterion says."""

    criterion: str
    response: str
    words: str
    source: str


class TargetExamination(_Row):
    """One lesion at one examination."""

    target: str
    level: str
    examination: str
    date: str = Field(description="ISO date; empty where a single examination was given without one")
    days: int = Field(description="since the first examination of the follow-up")
    modality: str
    contrast: bool
    frame_uid: str = Field(default="", description="frame of reference of the examination; empty where it names none")
    files: dict[str, str] = Field(
        default_factory=dict, description="masks and registered image by kind and frame, relative to this document"
    )
    registration: RegistrationRow
    coverage: Coverage
    words: str
    zone: ZoneRow | None = None
    no_zone: str = ""
    margin: MarginRow | None = None
    agreement: list[AgreementRow] = Field(default_factory=list)
    cement: CementRow | None = None
    tumour: SizeRow | None = None
    findings: list[FindingRow] = Field(default_factory=list)
    suggestions: list[SuggestionRow] = Field(default_factory=list)
    progression: Progression = "not assessed"
    progression_words: str = ""
    notes: list[str] = Field(default_factory=list)


class Verification(_Row):
    """All lesions at all examinations."""

    schema_version: Literal[1] = 1
    title: str
    synthetic: bool
    notice: str
    confirmed: Literal[False] = Field(default=False, description="a reader has to confirm; the program never does")
    rows: list[TargetExamination]
    calibration: list[dict[str, Any]] = Field(description="predicted against observed, for the device's record")
    notes: list[str]
    provenance: dict[str, Any]
    timings_s: dict[str, float]
