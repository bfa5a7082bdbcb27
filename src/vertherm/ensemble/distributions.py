"""Uncertain parameters as data: a distribution each, with unit, source and certainty.

Every distribution is driven by its inverse cumulative distribution function, so one point of the unit cube is one
sample, whatever the mixture of kinds: what random numbers, Sobol points and Morris trajectories have in common.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from vertherm.core.errors import InputError

Kind = Literal["uniform", "normal", "log-uniform", "log-normal", "triangular", "choice"]
Value = float | str
Sample = dict[str, Value]
KINDS: dict[str, tuple[str, ...]] = {
    "uniform": ("low", "high"),
    "log-uniform": ("low", "high"),
    "normal": ("mean", "sd", "low", "high"),
    "log-normal": ("median", "factor_sd", "low", "high"),
    "triangular": ("low", "mode", "high"),
    "choice": ("values",),
}
"""Kinds and the numbers each needs. ``factor_sd`` is exp(sd of the logarithm): 2 is "within a factor of 2"."""
CERTAINTIES = ("S", "D", "R", "guess")


@dataclass(frozen=True)
class Distribution:
    """One distribution. Normal and log-normal ones are truncated to ``low`` .. ``high``: every kind is bounded.

    Args:
        kind: one of :data:`KINDS`.
        low: smallest value.
        high: largest value.
        middle: mean (normal), median before truncation (log-normal) or mode (triangular).
        spread: standard deviation (normal), or factor of one standard deviation (log-normal).
        values: what a choice chooses from.
        weights: their probabilities; empty: equal ones.
    """

    kind: Kind
    low: float = 0.0
    high: float = 1.0
    middle: float = 0.0
    spread: float = 0.0
    values: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    def value(self, u: float) -> Value:
        """The value below which a share ``u`` of the distribution lies; of a choice, the one that holds ``u``.

        Raises:
            InputError: ``u`` lies outside 0..1.
        """
        if not 0.0 <= u <= 1.0:
            raise InputError("A share of a distribution is unusable.", got=u, expected="0 to 1")
        if self.kind == "choice":
            edges = np.cumsum(self.weights or [1.0 / len(self.values)] * len(self.values))
            place = int(np.searchsorted(edges / edges[-1], u, side="right"))
            return self.values[min(place, len(self.values) - 1)]
        return min(max(self._quantile(u), self.low), self.high)

    def _quantile(self, u: float) -> float:
        if self.kind == "uniform":
            return self.low + u * (self.high - self.low)
        if self.kind == "log-uniform":
            return self.low * (self.high / self.low) ** u
        if self.kind == "normal":
            return _truncated(u, self.middle, self.spread, self.low, self.high)
        if self.kind == "log-normal":
            limits = math.log(self.low), math.log(self.high)
            return math.exp(_truncated(u, math.log(self.middle), math.log(self.spread), *limits))
        width, rise = self.high - self.low, self.middle - self.low
        if u * width <= rise:
            return self.low + math.sqrt(u * width * rise)
        return self.high - math.sqrt((1.0 - u) * width * (self.high - self.middle))

    def holds(self, value: Value) -> bool:
        """True where the distribution can give ``value``."""
        if self.kind == "choice" or isinstance(value, str):
            return value in self.values
        return math.isfinite(value) and self.low - 1e-12 <= value <= self.high + 1e-12

    @property
    def words(self) -> str:
        """The distribution in words, for tables."""
        if self.kind == "choice":
            return f"one of {', '.join(self.values)}"
        middle = {
            "normal": f", mean {self.middle:g}, SD {self.spread:g}",
            "log-normal": f", median {self.middle:g}, SD a factor {self.spread:g}",
            "triangular": f", mode {self.middle:g}",
        }.get(self.kind, "")
        return f"{self.kind}{middle}, {self.low:g} to {self.high:g}"


def _truncated(u: float, mean: float, sd: float, low: float, high: float) -> float:
    """Quantile of a normal distribution cut to ``low`` .. ``high``."""
    from scipy.special import ndtr, ndtri

    a, b = ndtr((low - mean) / sd), ndtr((high - mean) / sd)
    return float(mean + sd * ndtri(a + u * (b - a)))


@dataclass(frozen=True)
class Parameter:
    """One uncertain parameter.

    Args:
        name: unique, in the field's words.
        distribution: what it may be.
        nominal: its value where nothing is uncertain.
        unit: "1" for a factor, "" for a choice.
        source: where the distribution comes from.
        certainty: "S", "D", "R" or "guess".
        minimum: a distribution below this makes no sense (a negative conductivity).
        maximum: likewise above.
        effect: what it changes, for the layer that knows; opaque here.
    """

    name: str
    distribution: Distribution
    nominal: Value
    unit: str
    source: str
    certainty: str
    minimum: float = -math.inf
    maximum: float = math.inf
    effect: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wide = self.distribution
        if not self.name or not self.source or self.certainty not in CERTAINTIES:
            raise InputError(
                "An uncertain parameter lacks its name, source or certainty.",
                where=self.name or "parameters",
                got=f"source {self.source!r}, certainty {self.certainty!r}",
                expected=f"a source, and one of {', '.join(CERTAINTIES)}",
            )
        if wide.kind != "choice" and not (self.minimum <= wide.low and wide.high <= self.maximum):
            raise InputError(
                "A property is out of its range.",
                where=f"parameter {self.name!r}",
                got=f"{wide.low:g} to {wide.high:g} {self.unit}",
                expected=f"within {self.minimum:g} to {self.maximum:g} {self.unit}",
            )
        if not wide.holds(self.nominal):
            raise InputError(
                "The nominal value lies outside its distribution.",
                where=f"parameter {self.name!r}",
                got=self.nominal,
                expected=wide.words,
            )


@dataclass(frozen=True)
class Space:
    """Some uncertain parameters, in order: one axis of the unit cube each."""

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        names = self.names
        double = sorted({name for name in names if names.count(name) > 1})
        if double:
            raise InputError("Two uncertain parameters have the same name.", where="parameters", got=", ".join(double))

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the axes."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def nominal(self) -> Sample:
        """Every parameter at its nominal value."""
        return {parameter.name: parameter.nominal for parameter in self.parameters}

    def sample(self, u: Sequence[float] | np.ndarray) -> Sample:
        """The values at one point of the unit cube.

        Raises:
            InputError: another number of coordinates than parameters.
        """
        if len(u) != len(self.parameters):
            raise InputError("A sample has the wrong size.", got=len(u), expected=len(self.parameters))
        return {p.name: p.distribution.value(float(x)) for p, x in zip(self.parameters, u, strict=True)}

    def checked(self, sample: Mapping[str, Value]) -> Sample:
        """``sample`` filled up with nominal values, after a check of every name and value.

        Raises:
            InputError: an unknown name, or a value outside its parameter's range; names it.
        """
        known = {p.name: p for p in self.parameters}
        for name, value in sample.items():
            if name not in known:
                raise InputError("Unknown parameter.", where=name, expected=", ".join(known))
            if not known[name].distribution.holds(value):
                raise InputError(
                    "A property is out of its range.",
                    where=f"parameter {name!r}",
                    got=value,
                    expected=f"{known[name].distribution.words} {known[name].unit}".strip(),
                )
        return {**self.nominal, **sample}

    def chosen(self, names: Sequence[str]) -> Space:
        """The space of some of the parameters only.

        Raises:
            InputError: an unknown name.
        """
        known = {p.name: p for p in self.parameters}
        missing = [name for name in names if name not in known]
        if missing:
            raise InputError("Unknown parameter.", where=", ".join(missing), expected=", ".join(known))
        return Space(tuple(known[name] for name in names))

    def replaced(self, others: Sequence[Parameter]) -> Space:
        """With ``others`` in place of the parameters of the same names; new names come last."""
        by_name = {p.name: p for p in others}
        kept = [by_name.pop(p.name, p) for p in self.parameters]
        return replace(self, parameters=(*kept, *by_name.values()))
