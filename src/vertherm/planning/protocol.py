"""The protocol: limits, metrics, margins and required structures as data that the user edits, not code."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from vertherm.access.rules import AccessRules
from vertherm.cement.rules import CementRules
from vertherm.core.errors import InputError
from vertherm.imaging.anatomy import StructureKind
from vertherm.planning.validate import read_toml, validated

CANAL_KINDS = ("cord", "cauda", "dural sac", "canal")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _known_kinds(value: tuple[str, ...]) -> tuple[str, ...]:
    known = {kind.value for kind in StructureKind}
    unknown = sorted(set(value) - known)
    if unknown:
        raise ValueError(f"unknown kinds {unknown}; expected some of {sorted(known)}")
    return value


class Metric(_Part):
    """A definition of the ablation zone: where ``field`` reaches ``level``."""

    id: str
    label: str
    field: Literal["peak_c", "cem43_min", "omega"]
    level: float = Field(gt=0)
    source: str = Field(min_length=3)


class Limit(_Part):
    """Warn and stop limits of some kinds of structure; a missing number means that quantity has no limit.

    ``..._below_c`` are limits on cooling (a cooled shaft, irrigation).
    """

    kinds: tuple[str, ...] = Field(min_length=1)
    warn_c: float | None = None
    stop_c: float | None = None
    warn_cem43_min: float | None = None
    stop_cem43_min: float | None = None
    warn_below_c: float | None = None
    stop_below_c: float | None = None
    source: str = Field(min_length=3)

    @field_validator("kinds")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known_kinds(value)

    @model_validator(mode="after")
    def _ordered(self) -> Limit:
        for warn, stop in ((self.warn_c, self.stop_c), (self.warn_cem43_min, self.stop_cem43_min)):
            if warn is not None and stop is not None and warn > stop:
                raise ValueError("a warn limit lies above its stop limit")
        if self.warn_below_c is not None and self.stop_below_c is not None and self.warn_below_c < self.stop_below_c:
            raise ValueError("warn_below_c lies below stop_below_c")
        if self.stop_c is None and self.stop_cem43_min is None:
            raise ValueError("a limit needs stop_c or stop_cem43_min")
        return self

    def words(self, level: Literal["warn", "stop"]) -> str:
        """The limit in words, for tables."""
        temperature, dose = getattr(self, f"{level}_c"), getattr(self, f"{level}_cem43_min")
        below = getattr(self, f"{level}_below_c")
        parts = [
            f"{temperature:g} °C" if temperature is not None else "",
            f"CEM43 {dose:g} min" if dose is not None else "",
            f"below {below:g} °C" if below is not None else "",
        ]
        return " or ".join(part for part in parts if part) or "none"


class LocalSar(_Part):
    """Factor on the local SAR in neural structures, and why."""

    factor: float = Field(ge=1, le=10)
    kinds: tuple[str, ...]
    source: str

    @field_validator("kinds")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known_kinds(value)


class Required(_Part):
    """Structures that must be labelled, by region of the spine.

    Words: "canal" (any of cord, cauda, dural sac, canal), "roots", a kind or several with | between, or "name:" with
    the beginning of a structure's name.
    """

    cervical: tuple[str, ...] = Field(min_length=1)
    thoracic: tuple[str, ...] = Field(min_length=1)
    lumbar: tuple[str, ...] = Field(min_length=1)
    sacral: tuple[str, ...] = Field(min_length=1)

    @field_validator("cervical", "thoracic", "lumbar", "sacral")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        kinds = [kind for word in value if not word.startswith("name:") for kind in word.split("|")]
        _known_kinds(tuple(kind for kind in kinds if kind != "roots"))
        return value


@cache
def _default_access() -> AccessRules:
    """A protocol file that says nothing about access gets the rules that ship with the package."""
    with resources.as_file(resources.files("vertherm.planning") / "data" / "default_access.toml") as path:
        return validated(AccessRules, read_toml(path, "default access rules")["access"], "default access rules")


@cache
def _default_cement() -> CementRules:
    """A protocol file that says nothing about cement gets the rules that ship with the package."""
    with resources.as_file(resources.files("vertherm.planning") / "data" / "default_cement.toml") as path:
        return validated(CementRules, read_toml(path, "default cement rules")["cement"], "default cement rules")


class Protocol(_Part):
    """Everything that judges a prediction."""

    name: str
    version: str
    coverage_metric: str
    coverage_source: str = ""
    margin_goal_mm: float = Field(ge=0, le=20)
    margin_source: str = ""
    metrics: tuple[Metric, ...] = Field(min_length=1)
    limits: tuple[Limit, ...] = Field(min_length=1)
    required: Required
    local_sar: LocalSar
    access: AccessRules = Field(default_factory=_default_access)
    cement: CementRules = Field(default_factory=_default_cement)
    uncertainty: tuple[dict[str, Any], ...] = Field(
        default=(), description="[[uncertainty]]: uncertain parameters changed or added; checked when they are used"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Protocol:
        names = [metric.id for metric in self.metrics]
        if self.coverage_metric not in names:
            raise ValueError(f"coverage_metric {self.coverage_metric!r} is not among the metrics {names}")
        kinds = [kind for limit in self.limits for kind in limit.kinds]
        doubled = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if doubled:
            raise ValueError(f"several limits for {doubled}")
        return self

    def limit_for(self, kind: str) -> Limit | None:
        """The limit of a kind of structure, or None where the protocol has none."""
        return next((limit for limit in self.limits if kind in limit.kinds), None)

    def metric(self, name: str) -> Metric:
        """A metric by its id."""
        return next(metric for metric in self.metrics if metric.id == name)


@cache
def default_protocol() -> Protocol:
    """The protocol that ships with the package: defaults of ours."""
    with resources.as_file(resources.files("vertherm.planning") / "data" / "default_protocol.toml") as path:
        return validated(Protocol, read_toml(path, "default protocol"), "default protocol")


def load_protocol(path: Path) -> Protocol:
    """A protocol from a TOML file of the same form as the default one.

    Raises:
        InputError: the file or one of its entries is wrong.
    """
    return validated(Protocol, read_toml(path, "protocol file"), str(path))


def required_for(protocol: Protocol, region: str) -> tuple[str, ...]:
    """Requirement words of a region.

    Raises:
        InputError: the region is unknown.
    """
    if region not in Required.model_fields:
        raise InputError("Unknown region.", got=region, expected=", ".join(Required.model_fields))
    return tuple(getattr(protocol.required, region))
