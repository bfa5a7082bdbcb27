"""Parameters from a TOML table: what a user writes, checked entry by entry."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vertherm.core.errors import InputError
from vertherm.ensemble.distributions import KINDS, Distribution, Parameter, Space

_COMMON = ("name", "kind", "nominal", "unit", "source", "certainty", "minimum", "maximum", "effect", "weights")
_NAMES = {"mean": "middle", "median": "middle", "mode": "middle", "sd": "spread", "factor_sd": "spread"}


def read_space(path: Path) -> Space:
    """All ``[[parameter]]`` tables of a file.

    Raises:
        InputError: the file cannot be read, is no TOML, or an entry of it is wrong.
    """
    try:
        table = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise InputError(
            "The file of uncertain parameters cannot be read.", where=str(path), got=error.strerror
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("The file of uncertain parameters is no TOML.", where=str(path), got=error) from error
    rows = table.get("parameter")
    if not isinstance(rows, list) or not rows:
        raise InputError("The file holds no uncertain parameters.", where=str(path), expected="[[parameter]] tables")
    return space_of(rows, str(path))


def space_of(rows: Sequence[Mapping[str, Any]], where: str = "parameters") -> Space:
    """Parameters from tables as TOML gives them.

    Raises:
        InputError: an entry is wrong; says which and why.
    """
    return Space(tuple(parameter(row, where) for row in rows))


def parameter(row: Mapping[str, Any], where: str = "parameters") -> Parameter:
    """One parameter from its table.

    Raises:
        InputError: a key is missing, unknown or unusable.
    """
    name = str(row.get("name", ""))
    here = f"{where}: {name or 'parameter without a name'}"
    kind = row.get("kind")
    if kind not in KINDS:
        raise InputError("Unknown kind of distribution.", where=here, got=kind, expected=", ".join(KINDS))
    unknown = sorted(set(row) - {*_COMMON, *KINDS[kind]})
    missing = sorted({"nominal", "source", "certainty", *KINDS[kind]} - set(row))
    if unknown or missing:
        raise InputError(
            f"A {kind} distribution is written wrongly.",
            where=here,
            got=f"unknown keys: {', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'}",
            expected=", ".join((*_COMMON, *KINDS[kind])),
        )
    distribution = _choice(row, here) if kind == "choice" else _continuous(kind, row, here)
    nominal = str(row["nominal"]) if kind == "choice" else _number(row, "nominal", here)
    return Parameter(
        name=name,
        distribution=distribution,
        nominal=nominal,
        unit=str(row.get("unit", "")),
        source=str(row["source"]),
        certainty=str(row["certainty"]),
        minimum=_number(row, "minimum", here) if "minimum" in row else -math.inf,
        maximum=_number(row, "maximum", here) if "maximum" in row else math.inf,
        effect=dict(row.get("effect", {})),
    )


def _number(row: Mapping[str, Any], key: str, where: str) -> float:
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError("A number of a distribution is unusable.", where=f"{where}, {key}", got=value)
    return float(value)


def _choice(row: Mapping[str, Any], where: str) -> Distribution:
    values, weights = row["values"], row.get("weights", [])
    good = isinstance(values, list) and values and len(set(map(str, values))) == len(values)
    if not good:
        raise InputError("A choice needs different values.", where=where, got=values)
    if weights and (len(weights) != len(values) or any(w < 0 for w in weights) or sum(weights) <= 0):
        raise InputError(
            "The weights of a choice are unusable.", where=where, got=weights, expected="one a value, >= 0"
        )
    return Distribution("choice", values=tuple(map(str, values)), weights=tuple(float(w) for w in weights))


def _continuous(kind: str, row: Mapping[str, Any], where: str) -> Distribution:
    if "weights" in row:
        raise InputError("Only a choice has weights.", where=where)
    numbers = {_NAMES.get(key, key): _number(row, key, where) for key in KINDS[kind]}
    low, high, middle = numbers["low"], numbers["high"], numbers.get("middle", numbers["low"])
    positive = kind not in ("log-uniform", "log-normal") or min(low, middle) > 0
    spread = numbers.get("spread", 1.0)
    wide = spread > (1.0 if kind == "log-normal" else 0.0) or kind not in ("normal", "log-normal")
    if not (low < high and low <= middle <= high and positive and wide):
        raise InputError(
            "The numbers of a distribution are unusable.",
            where=where,
            got=", ".join(f"{key} {row[key]:g}" for key in KINDS[kind]),
            expected="low < high, the middle between them, a positive spread; a logarithm needs positive numbers",
        )
    return Distribution(kind, **numbers)  # type: ignore[arg-type]
