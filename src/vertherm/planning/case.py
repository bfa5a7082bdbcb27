"""The case file: one TOML that names images, labels, targets, antenna and schedule."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from vertherm.clinical.levels import CountingRule, Transition, parse_level
from vertherm.core.errors import InputError
from vertherm.planning.validate import read_toml, validated

Point = tuple[float, float, float]
Watts = Annotated[float, Field(ge=0, le=500)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _one_of(kind: type[StrEnum], value: str) -> str:
    known = [member.value for member in kind]
    if value not in known:
        raise ValueError(f"expected one of: {', '.join(known)}")
    return value


class LabelFile(_Part):
    """A label map and the vocabulary that says what its numbers mean."""

    path: Path
    vocabulary: str


class Images(_Part):
    """Planning CT, optional MR, labels. Paths are relative to the case file."""

    ct: Path
    series_uid: str | None = None
    mr: Path | None = None
    labels: tuple[LabelFile, ...] = ()


class SyntheticLesion(_Part):
    """A lesion made by the program; everything that follows is marked SYNTHETIC."""

    centre_mm: Point | None = Field(default=None, description="centre; left out: the middle of the vertebral body")
    offset_mm: Point = (0.0, 0.0, 0.0)
    frame: Literal["RAS", "LPS"] = "RAS"
    radius_mm: float = Field(default=8.5, gt=1.0, le=30.0)
    seed: int = 0
    posterior_wall_breach: bool = False


class Target(_Part):
    """A lesion: where, what, and that a person has confirmed its level."""

    name: str = "target"
    level: str
    level_confirmed: bool
    counting_rule: str = CountingRule.from_labels.value
    transition: str = Transition.none.value
    pathology: str = "unknown"
    kind: Literal["lytic", "blastic", "mixed"]
    mask: Path | None = None
    label: int | str | None = Field(
        default=None, description="value in the mask, or number or label text of a DICOM segment; left out: any above 0"
    )
    synthetic: SyntheticLesion | None = None
    sins: dict[str, str] = Field(
        default_factory=dict, description="entered parts of the SINS: pain, alignment, collapse, ...; win over computed"
    )

    @field_validator("counting_rule")
    @classmethod
    def _known_rule(cls, value: str) -> str:
        return _one_of(CountingRule, value)

    @field_validator("transition")
    @classmethod
    def _known_transition(cls, value: str) -> str:
        return _one_of(Transition, value)

    @field_validator("level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        try:
            return parse_level(value).value
        except InputError as error:
            raise ValueError(f"not a vertebra; expected {error.expected}") from error

    @model_validator(mode="after")
    def _one_source(self) -> Target:
        if (self.mask is None) == (self.synthetic is None):
            raise ValueError("give exactly one of mask and synthetic")
        if not self.level_confirmed:
            raise ValueError(
                "the level must be confirmed by a person: check it on the images and set level_confirmed = true"
            )
        return self


class Applicator(_Part):
    """An antenna and where it lies. An antenna that is moved between activations has one entry for each place."""

    name: str = Field(default="", description='how activations call it; left out: "antenna 1" and so on, in order')
    model: str
    entry: Point
    tip: Point
    frame: Literal["RAS", "LPS"]
    frequency_mhz: float = Field(default=2450.0, gt=100, le=30000)
    cooled: bool | None = None
    phase_deg: float = Field(default=0.0, ge=-360, le=360, description="of its drive; counts in a coherent schedule")
    calibration: Path | None = Field(default=None, description="device file written by vertherm calibrate")


class ActivationEntry(_Part):
    """Power on for a time, then a pause; or a temperature to hold."""

    power_w: Watts | tuple[Watts, ...] | None = Field(
        default=None, description="of every antenna that fires, or one power each in the order of applicators"
    )
    set_temperature_c: float | None = Field(default=None, gt=37, le=150)
    sensor: Point | None = Field(
        default=None, description="where the held temperature is measured; in the frame of the first applicator named"
    )
    max_power_w: float | None = Field(default=None, gt=0, le=500)
    applicators: tuple[str, ...] = Field(default=(), description="names of those that fire; left out: all")
    time_s: float = Field(gt=0, le=7200)
    pause_s: float = Field(default=0.0, ge=0, le=7200)

    @model_validator(mode="after")
    def _one_mode(self) -> ActivationEntry:
        if (self.power_w is None) == (self.set_temperature_c is None):
            raise ValueError("give exactly one of power_w and set_temperature_c")
        if self.set_temperature_c is not None and (self.max_power_w is None or self.sensor is None):
            raise ValueError("set_temperature_c needs max_power_w and sensor")
        return self


class ScheduleEntry(_Part):
    """Activations, and what the given power means."""

    power_kind: Literal["set", "forward", "net"]
    power_kind_note: str = ""
    coherent: bool = Field(
        default=False, description="fields of antennas that fire together add with their phases; false: powers add"
    )
    activations: tuple[ActivationEntry, ...] = Field(min_length=1)


class Thermocouple(_Part):
    """A point whose predicted curve is reported."""

    name: str = Field(min_length=1)
    position: Point
    frame: Literal["RAS", "LPS"] = "RAS"


class RegionEntry(_Part):
    """Where a medium lies: a layer around a structure, a ball, a capsule along points, or a mask. Exactly one."""

    around: str | None = Field(default=None, description="name of a structure: a layer on its side towards the antenna")
    thickness_mm: float = Field(default=6.0, gt=0.5, le=40, description="of that layer")
    points: tuple[Point, ...] = Field(default=(), description="one: a ball; more: a capsule along them")
    radius_mm: float = Field(default=8.0, gt=0.5, le=60, description="of the ball or capsule")
    mask: Path | None = None
    label: int | str | None = Field(
        default=None, description="value in the mask, or number or label text of a DICOM segment; left out: any above 0"
    )
    frame: Literal["RAS", "LPS"] = "RAS"

    @model_validator(mode="after")
    def _one_way(self) -> RegionEntry:
        if sum((self.around is not None, bool(self.points), self.mask is not None)) != 1:
            raise ValueError("give exactly one of around, points and mask")
        return self


class DissectionEntry(RegionEntry):
    """Gas or fluid between the zone and a structure."""

    name: str = Field(default="dissection", min_length=1)
    medium: Literal["co2", "saline", "dextrose"]
    protects: str = ""
    temperature_c: float = Field(default=37.0, ge=0, le=45)


class IrrigationEntry(RegionEntry):
    """Fluid that flows through a region while power is on and until all has cooled."""

    name: str = Field(default="irrigation", min_length=1)
    medium: Literal["saline", "dextrose"] = "saline"
    flow_ml_min: float = Field(gt=0, le=500)
    temperature_c: float = Field(default=20.0, ge=4, le=45)


class SkinCoolingEntry(_Part):
    """A cold pack or cooled fluid on the skin; left-out centre: where the first needle crosses it."""

    name: str = Field(default="skin cooling", min_length=1)
    centre: Point | None = None
    frame: Literal["RAS", "LPS"] = "RAS"
    radius_mm: float = Field(default=40.0, gt=1, le=200)
    temperature_c: float = Field(default=15.0, ge=0, le=37)
    film_w_m2k: float = Field(default=300.0, gt=0, le=20000, description="heat transfer between coolant and skin")


class ProtectionEntry(_Part):
    """What protects, and the thermocouples that watch."""

    thermocouples: tuple[Thermocouple, ...] = ()
    dissections: tuple[DissectionEntry, ...] = ()
    irrigations: tuple[IrrigationEntry, ...] = ()
    skin_cooling: tuple[SkinCoolingEntry, ...] = ()

    @field_validator("thermocouples", "dissections", "irrigations", "skin_cooling")
    @classmethod
    def _distinct(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len({item.name for item in value}) < len(value):
            raise ValueError("two entries have the same name: give each its own")
        return value


class AccessEntry(_Part):
    """How paths are sought. What is left out comes from the protocol's [access]."""

    position: Literal["prone", "supine", "left lateral", "right lateral"] | None = Field(
        default=None, description="of the patient during the procedure; left out: as the approach is usually done"
    )
    approaches: tuple[str, ...] = Field(default=(), description="only these; left out: all of the region")
    side: Literal["left", "right"] | None = Field(default=None, description="only from this side of the patient")
    instrument_length_mm: float | None = Field(default=None, gt=20, le=500)
    needle_radius_mm: float | None = Field(default=None, gt=0.2, le=5, description="left out: the antenna's shaft")
    placement_error_mm: float | None = Field(default=None, ge=0, le=10)
    tip_beyond_lesion_mm: float | None = Field(default=None, ge=0, le=30, description="left out: the protocol's")
    candidates: int = Field(default=2_000_000, ge=1000, le=50_000_000)
    paths: int = Field(default=12, ge=1, le=200, description="how many of the front are kept")
    needles: int = Field(default=2, ge=1, le=4, description="largest set of needles that is combined")


class PlanEntry(_Part):
    """What the optimiser may choose from, and what it must reach."""

    antennas: tuple[str, ...] = Field(default=("tosoratti_mini_choke",), min_length=1)
    frequency_mhz: float = Field(default=2450.0, gt=100, le=30000)
    cooled: bool | None = None
    calibration: Path | None = None
    power_kind: Literal["set", "forward", "net"] = "forward"
    power_w: tuple[float, float] = Field(default=(10.0, 60.0), description="smallest and largest")
    time_s: tuple[float, float] = Field(default=(60.0, 600.0), description="smallest and largest of an activation")
    max_activations: int = Field(default=2, ge=1, le=6)
    max_needles: int = Field(default=1, ge=1, le=4)
    margin_mm: float | None = Field(default=None, ge=0, le=20, description="left out: the protocol's margin_goal_mm")
    coverage: float = Field(
        default=1.0, gt=0, le=1, description="share of lesion with margin; below 1: partial ablation"
    )
    warn_is_limit: bool = Field(default=False, description="true: warn limits must be kept too, not only stop limits")
    paths: int = Field(default=4, ge=1, le=20, description="paths of each lesion that are treated on trial")
    samples: int = Field(default=24, ge=4, le=400, description="samples of the provisional plan")
    try_protection: tuple[Literal["co2", "saline", "dextrose", "irrigation", "skin cooling"], ...] = Field(
        default=("co2", "dextrose"),
        description="protections tried where no safe plan exists; they are suggested, never assumed",
    )
    cement_ml: dict[str, float] = Field(default_factory=dict, description="planned cement by target; totals are shown")

    @field_validator("power_w", "time_s")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("expected two numbers above 0, the smaller first")
        return value


class CementNeedle(_Part):
    """A cannula that cement comes out of."""

    name: str = Field(default="", description='left out: "cement needle 1" and so on')
    target: str = Field(default="", description="left out: the only target")
    entry: Point
    tip: Point
    frame: Literal["RAS", "LPS"]
    share: float = Field(default=1.0, gt=0, le=1, description="of the target's volume, relative to its other needles")


class MeasuredCement(_Part):
    """Cement as a later scan shows it, in place of the prediction: a mask, or a scan and a CT number."""

    target: str = Field(default="", description="left out: the only target")
    mask: Path | None = None
    label: int | str | None = Field(
        default=None, description="value in the mask, or number or label text of a DICOM segment; left out: any above 0"
    )
    ct: Path | None = Field(default=None, description="scan after the procedure, in the frame of the planning CT")
    threshold_hu: float = Field(default=1000.0, ge=300, le=3000, description="cement is at least this dense")

    @model_validator(mode="after")
    def _one_way(self) -> MeasuredCement:
        if (self.mask is None) == (self.ct is None):
            raise ValueError("give exactly one of mask and ct")
        return self


class DensityEntry(_Part):
    """A phantom's line: bone mineral density = intercept + slope HU, in mg/cm3."""

    slope: float = Field(gt=0)
    intercept: float = 0.0
    error_mg_cm3: float = Field(default=10.0, gt=0, le=100)


class CementEntry(_Part):
    """The cement of a case. What is left out comes from the protocol's [cement]."""

    type: str = Field(default="medium_viscosity", description="name in the catalogue of cements")
    needles: tuple[CementNeedle, ...] = Field(
        default=(), description="left out: along the antennas' needles, or the best path to the lesion"
    )
    volume_ml: dict[str, float] = Field(
        default_factory=dict, description="by target; left out: the maximal safe filling"
    )
    start_after_mixing_s: float | None = Field(default=None, ge=0, le=3600)
    rate_ml_min: float | None = Field(default=None, gt=0.05, le=20)
    room_c: float | None = Field(default=None, ge=10, le=35)
    ablation_delay_s: float | None = Field(
        default=None, ge=0, le=7200, description="from the last switch-off to the first cement"
    )
    samples: int | None = Field(default=None, ge=10, le=2000)
    seed: int = Field(default=0, ge=0)
    calibration: DensityEntry | None = None
    measured: tuple[MeasuredCement, ...] = ()
    heat: bool = Field(default=True, description="false: no curing heat")
    strength: bool = Field(default=True, description="false: no finite elements")

    @field_validator("volume_ml")
    @classmethod
    def _positive(cls, value: dict[str, float]) -> dict[str, float]:
        if any(not 0 < volume <= 30 for volume in value.values()):
            raise ValueError("expected volumes above 0, at most 30 ml")
        return value


class ProtocolEntry(_Part):
    """Which protocol judges, and whether this reconstructs what happened."""

    path: Path | None = None
    reconstruction: bool = Field(
        default=False,
        description="true: accept a needle through the canal, to reconstruct what happened; status stays stop",
    )


class Numerics(_Part):
    """Resolution and depth of the prediction."""

    spacing_mm: float = Field(default=1.0, ge=0.4, le=3.0)
    reach_mm: float = Field(default=45.0, ge=30.0, le=60.0)
    resolve_every_s: float = Field(default=25.0, ge=5.0, le=60.0)
    max_cooldown_s: float = Field(default=3600.0, ge=60.0, le=7200.0)
    fidelity: Literal["axisymmetric", "full-wave"] = Field(
        default="axisymmetric", description="full-wave: the power density near the canal from a three-dimensional solve"
    )
    full_wave_spacing_mm: float = Field(default=0.5, ge=0.25, le=2.0, description="cells of the full-wave solve")
    ensemble: int = Field(default=0, ge=0, le=1000, description="samples in place of the standard members; 0: none")
    ensemble_seed: int = Field(default=0, ge=0)


class CaseFile(_Part):
    """Everything that ``vertherm simulate``, ``access`` and ``plan`` need."""

    case: str = ""
    title: str = ""
    images: Images
    targets: tuple[Target, ...] = Field(min_length=1)
    applicators: tuple[Applicator, ...] = Field(default=(), description="what simulate predicts; plan finds its own")
    schedule: ScheduleEntry | None = None
    protection: ProtectionEntry = ProtectionEntry()
    access: AccessEntry = AccessEntry()
    plan: PlanEntry = PlanEntry()
    cement: CementEntry | None = Field(default=None, description="given: plan looks at the cement too")
    protocol: ProtocolEntry = ProtocolEntry()
    numerics: Numerics = Numerics()

    @field_validator("applicators")
    @classmethod
    def _named(cls, value: tuple[Applicator, ...]) -> tuple[Applicator, ...]:
        named = tuple(
            item.model_copy(update={"name": item.name or f"antenna {number}"}) for number, item in enumerate(value, 1)
        )
        if len({item.name for item in named}) < len(named):
            raise ValueError("two applicators have the same name: give each its own")
        return named

    @field_validator("targets")
    @classmethod
    def _distinct(cls, value: tuple[Target, ...]) -> tuple[Target, ...]:
        if len({target.name for target in value}) < len(value):
            raise ValueError("two targets have the same name: give each its own")
        if sum(target.synthetic is not None for target in value) > 1:
            raise ValueError("only one synthetic lesion a case")
        return value


def load_case(path: Path) -> CaseFile:
    """Read and check a case file; relative paths in it become absolute, seen from its folder.

    Raises:
        InputError: the file or one of its entries is wrong; lists every finding.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError("The case is a folder.", where=str(path), expected="a case file (TOML)")
    case = validated(CaseFile, read_toml(path, "case file"), str(path))
    return _absolute(case, path.resolve())


def _absolute(case: CaseFile, path: Path) -> CaseFile:
    def at(item: Path | None) -> Path | None:
        return None if item is None else (path.parent / item.expanduser())

    images = case.images.model_copy(
        update={
            "ct": at(case.images.ct),
            "mr": at(case.images.mr),
            "labels": tuple(label.model_copy(update={"path": at(label.path)}) for label in case.images.labels),
        }
    )
    targets = tuple(target.model_copy(update={"mask": at(target.mask)}) for target in case.targets)
    protocol = case.protocol.model_copy(update={"path": at(case.protocol.path)})
    applicators = tuple(a.model_copy(update={"calibration": at(a.calibration)}) for a in case.applicators)
    return case.model_copy(
        update={
            "case": case.case or path.stem,
            "title": case.title or case.case or path.stem,
            "images": images,
            "targets": targets,
            "applicators": applicators,
            "protection": _protection(case.protection, at),
            "cement": _cement(case.cement, at),
            "plan": case.plan.model_copy(update={"calibration": at(case.plan.calibration)}),
            "protocol": protocol,
        }
    )


def _protection(entry: ProtectionEntry, at: Callable[[Path | None], Path | None]) -> ProtectionEntry:
    moved = {
        name: tuple(item.model_copy(update={"mask": at(item.mask)}) for item in getattr(entry, name))
        for name in ("dissections", "irrigations")
    }
    return entry.model_copy(update=moved)


def _cement(entry: CementEntry | None, at: Callable[[Path | None], Path | None]) -> CementEntry | None:
    if entry is None:
        return None
    measured = tuple(item.model_copy(update={"mask": at(item.mask), "ct": at(item.ct)}) for item in entry.measured)
    return entry.model_copy(update={"measured": measured})
