"""cement.json: where the cement goes, what it may reach, how warm it gets, what it strengthens. One document a case."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vertherm.planning.assessment import Banded, Probability, Status
from vertherm.planning.sins import Sins

SCHEMA_VERSION = 1
Site = Literal["canal", "foramen", "vein", "disc", "paravertebral"]
SITES: tuple[Site, ...] = ("canal", "foramen", "vein", "disc", "paravertebral")
NEURAL_SITES: tuple[Site, ...] = ("canal", "foramen")


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PublishedRow(_Row):
    """A published number beside a result: never fitted to, only shown.

    Args:
        words: what was measured, in whom.
        value: in the unit of the result it stands beside; None where only a range is known.
        low, high: its range or interval; None where none is known.
        source: where it was read.
        certainty: "S", "D", "R" or "guess".
    """

    words: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    source: str
    certainty: str


class MaterialRow(_Row):
    """One material of the internal calibration: what the scan shows, and what it should be."""

    name: str
    hu: float
    sd_hu: float
    voxels: int
    equivalent_mg_cm3: float = Field(description="density of bone mineral it stands for (negative: fat, air)")


class CalibrationRow(_Row):
    """CT number to bone mineral density: density = intercept + slope HU."""

    method: Literal["internal", "given", "not calibrated"]
    slope_mg_cm3_hu: float
    intercept_mg_cm3: float
    error_mg_cm3: float = Field(description="standard error of a trabecular density")
    materials: list[MaterialRow] = Field(default_factory=list)
    words: str


class CementRow(_Row):
    """The cement and how it is injected."""

    name: str
    label: str
    viscosity_class: str
    start_after_mixing_s: float
    working_from_s: float
    working_to_s: float
    room_c: float
    rate_ml_min: float
    radiopacity_hu: Banded | None = Field(default=None, description="CT number of the set cement")
    words: str


class NeedleRow(_Row):
    """A needle that cement comes out of."""

    name: str
    path: str = Field(default="", description="path of the plan it is; empty: given in the case file")
    entry_ras_mm: tuple[float, float, float]
    tip_ras_mm: tuple[float, float, float]
    volume_ml: float
    crosses: list[str] = Field(default_factory=list, description="structures that a given needle runs through")
    crosses_nerves: bool = Field(default=False, description="true: canal, cord, sac or a root is among them")


class EndplateRow(_Row):
    """How near the cement comes to one endplate."""

    endplate: Literal["superior", "inferior"]
    contact: bool
    distance_mm: float | None = Field(description="smallest; None: no cement, or the endplate was not found")


class FillRow(_Row):
    """What the nominal injection fills, with the band of the samples."""

    injected_ml: float
    in_bone_ml: Banded
    leaked_ml: Banded
    lesion_share: Banded = Field(description="of the lesion's volume that holds cement")
    body_share: Banded = Field(description="of the vertebral body's volume that holds cement")
    left_share: Banded = Field(description="of the cement in the body that lies on the patient's left")
    endplates: list[EndplateRow]
    capacity_ml: float = Field(description="pore space that cement can reach within the bone")


class SiteRow(_Row):
    """Leakage to one site."""

    site: Site
    onset_ml: float | None = Field(description="nominal volume at which cement arrives; None: not before the last ml")
    distance_mm: float | None = Field(description="nominal fill to the site; None: the site was not found")
    probability: Probability = Field(description="of cement there at the injected volume")
    derived: bool = Field(description="true: the site was placed by a rule, not labelled")
    words: str = ""


class LeakageCurve(_Row):
    """Probability of leakage over injected volume; one list an injected volume.

    ``probability``, ``low``, ``high``: by site, and "any", "neural" (canal or foramen).
    """

    volume_ml: list[float]
    probability: dict[str, list[float]]
    low: dict[str, list[float]]
    high: dict[str, list[float]]
    distance_mm: dict[str, list[float | None]] = Field(description="nominal distance to each site over the volume")
    published: list[PublishedRow]


class SafeFillRow(_Row):
    """The largest volume at which every limit on leakage holds by the upper end of its interval."""

    volume_ml: float
    binds: str = Field(description="site whose limit ends it; empty: none within the volumes looked at")
    limits: dict[str, float] = Field(description="largest probability by site")
    enough: bool = Field(default=True, description="false: too few samples to show that a limit holds at any volume")
    words: str


class CourseRow(_Row):
    """Injection over time: one list an instant."""

    since_mixing_s: list[float]
    volume_ml: list[float]
    viscosity_pa_s: list[float]
    pressure_mpa: list[float]
    pressure_low_mpa: list[float]
    pressure_high_mpa: list[float]


class StopRow(_Row):
    """A rule that ends the injection, and where it does."""

    rule: Literal["working time", "pressure", "leakage", "volume", "capacity", "session"]
    volume_ml: float | None = Field(description="where it ends the injection; None: it does not")
    since_mixing_s: float | None = None
    words: str


class CuringStructureRow(_Row):
    """Heat at one structure: by the ablation, by the cement, by both."""

    name: str
    kind: str
    ablation_peak_c: float | None = None
    ablation_cem43_min: float | None = None
    curing_peak_c: Banded = Field(description="nominal kinetics; band over kinetics and cooling")
    curing_cem43_min: Banded
    combined_peak_c: Banded
    combined_cem43_min: Banded
    warn_words: str
    stop_words: str
    status: Status


class CuringCourse(_Row):
    """Hottest cell of some structures over time in one variant."""

    variant: str
    since_injection_s: list[float]
    temperature_c: dict[str, list[float]]


class DelayRow(_Row):
    """Cement injected so long after the last switch-off."""

    delay_s: float
    structure: str = Field(description="the one nearest to its limit")
    combined_peak_c: float
    combined_cem43_min: float
    status: Status


class CuringRow(_Row):
    """Curing heat on top of the ablation."""

    starts_from: str = Field(description="in words: body temperature, or what the ablation left after how long")
    delay_s: float | None = None
    cement_peak_c: Banded
    structures: list[CuringStructureRow]
    courses: list[CuringCourse]
    delays: list[DelayRow] = Field(default_factory=list)
    delay_needed_s: float | None = Field(default=None, description="shortest delay looked at that keeps every limit")
    delay_words: str = ""
    released_kj: float
    energy_error: float
    published: list[PublishedRow]


class StrengthStateRow(_Row):
    """The vertebral body in one state, under axial compression."""

    state: Literal["without lesion", "with lesion", "after ablation", "with cement"]
    stiffness_ratio: Banded = Field(description="to the state without lesion")
    failure_ratio: Banded
    posterior_share: float = Field(description="of the axial force through the posterior wall at mid-height")
    load_right_mm: float = Field(description="the line of load at mid-height against that without lesion, to the right")
    load_anterior_mm: float = Field(description="likewise, forwards")
    stiffness_n_mm: Banded
    failure_n: Banded


class StrengthVolumeRow(_Row):
    """Strength with less or more cement, nominal fill."""

    volume_ml: float = Field(description="injected")
    stiffness_ratio: float
    failure_ratio: float


class StrengthDistributionRow(_Row):
    """Strength with the same volume in another place: the fill of one sample."""

    words: str
    left_share: float = Field(description="of the cement in the body that lies on the patient's left")
    stiffness_ratio: float
    failure_ratio: float
    load_right_mm: float = Field(description="the line of load at mid-height against that without lesion, to the right")


class StrengthRow(_Row):
    """Voxel finite elements of the body: ratios first."""

    spacing_mm: float
    elements: int
    criterion: str
    states: list[StrengthStateRow]
    volumes: list[StrengthVolumeRow]
    volume_words: str = ""
    distribution: list[StrengthDistributionRow] = Field(default_factory=list)
    published: list[PublishedRow]
    words: str


class TargetCement(_Row):
    """The cement of one target.

    ``source``: "predicted", or "measured" where the case gives the cement that a later scan shows.
    """

    target: str
    level: str
    kind: str
    source: Literal["predicted", "measured"]
    status: Status
    needles: list[NeedleRow]
    fill: FillRow
    sites: list[SiteRow] = Field(default_factory=list)
    curve: LeakageCurve | None = None
    safe: SafeFillRow | None = None
    course: CourseRow | None = None
    stops: list[StopRow] = Field(default_factory=list)
    curing: CuringRow | None = None
    strength: StrengthRow | None = None
    sins: Sins
    beside_published: list[str] = Field(default_factory=list, description="where results lie against published ones")
    samples: int = 0
    failed: int = 0
    notes: list[str] = Field(default_factory=list)


class SessionRow(_Row):
    """All cement of one procedure."""

    volume_ml: float
    warn_ml: float
    status: Status
    words: str


class AssumptionRow(_Row):
    """A number that no source confirms, and that this result rests on."""

    name: str
    value: float
    unit: str
    low: float | None
    high: float | None
    certainty: str
    source: str


class CementDocument(_Row):
    """Everything about the cement of a case."""

    schema_version: int = SCHEMA_VERSION
    case: str
    title: str
    notice: str
    synthetic: bool
    status: Status
    status_words: str
    cement: CementRow
    calibration: CalibrationRow
    session: SessionRow
    targets: list[TargetCement]
    assumptions: list[AssumptionRow]
    models: dict[str, str]
    not_assessed: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    timings_s: dict[str, float] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
