"""The case file: one TOML that names images, labels, targets, antenna and schedule."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

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
    label: int | None = Field(default=None, description="value of the lesion in the mask; left out: any value above 0")
    synthetic: SyntheticLesion | None = None

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


class Protection(_Part):
    """Thermocouples. (Dissection, irrigation and skin cooling are not modelled yet and therefore not accepted.)"""

    thermocouples: tuple[Thermocouple, ...] = ()

    @field_validator("thermocouples")
    @classmethod
    def _distinct(cls, value: tuple[Thermocouple, ...]) -> tuple[Thermocouple, ...]:
        if len({item.name for item in value}) < len(value):
            raise ValueError("two thermocouples have the same name: give each its own")
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
    """Everything that ``vertherm simulate`` needs."""

    case: str = ""
    title: str = ""
    images: Images
    targets: tuple[Target, ...] = Field(min_length=1)
    applicators: tuple[Applicator, ...] = Field(min_length=1)
    schedule: ScheduleEntry
    protection: Protection = Protection()
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
            "protocol": protocol,
        }
    )
