"""Opioid doses as oral morphine equivalents (OMEQ), by versioned conversion tables.

A table is a CSV file ``data/opioids-<version>.csv``: drug, route, unit, factor (mg oral morphine a day per unit),
range where sources differ, source, certainty. ``cdc-2022`` holds the factors of the CDC guideline of 2022 alone;
``omeq-1``, the current one, adds what oncology needs (buprenorphine, parenteral opioids). All factors were recalled and
not read again (certainty ``R``); only oral morphine is 1 by definition. A table that has been used is never edited: a
correction is a new version. Equivalents compare groups and time points; they are no dosing advice.
"""

from __future__ import annotations

import csv
import functools
import importlib.resources
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vertherm.core.errors import InputError

CURRENT = "omeq-1"
"""Version of the conversion table that is used unless another is named."""
VERSIONS = ("omeq-1", "cdc-2022")
"""Versions that are delivered."""
AS_REPORTED = "as reported"
"""What a record names instead of a version where the source gave the equivalent itself."""


@dataclass(frozen=True)
class Conversion:
    """One line of a table.

    Args:
        drug, route: names as records use them.
        unit: unit of the dose, ``mg_per_day`` or ``ug_per_h``.
        factor: mg of oral morphine a day for one unit.
        low, high: range in use; None where the table gives none.
        source: where the factor comes from.
        certainty: ``R`` recalled and not read again, ``definition``.
        note: what to know of the drug.
    """

    drug: str
    route: str
    unit: str
    factor: float
    low: float | None
    high: float | None
    source: str
    certainty: str
    note: str


def oral_morphine_mg_day(doses: Iterable[tuple[str, str, float, str]], table: str = CURRENT) -> float:
    """Oral morphine equivalent of all opioids of one day, in mg/day.

    Args:
        doses: drug, route, dose and unit of each; an empty list gives 0.
        table: version of the conversion table.

    Raises:
        InputError: an unknown drug, route, unit or table, or a dose that is not a positive number.
    """
    return math.fsum(dose * conversion(drug, route, unit, table).factor for drug, route, dose, unit in _checked(doses))


def _checked(doses: Iterable[tuple[str, str, float, str]]) -> Iterable[tuple[str, str, float, str]]:
    for drug, route, dose, unit in doses:
        if not (math.isfinite(dose) and dose > 0.0):
            raise InputError("A dose must be a positive number.", where=f"{drug}, {route}", got=dose)
        yield drug, route, dose, unit


def conversion(drug: str, route: str, unit: str, table: str = CURRENT) -> Conversion:
    """The line of a table for a drug, route and unit; names are read without regard to case.

    Raises:
        InputError: the table has no such line, with what it has instead.
    """
    lines = conversions(table)
    found = lines.get((drug.strip().lower(), route, unit))
    if found is not None:
        return found
    same = [item for item in lines.values() if item.drug == drug.strip().lower()]
    if same:
        expected = "; ".join(f"{item.route} in {item.unit}" for item in same)
        advice = "correct route and unit, or enter the equivalent as reported"
    else:
        expected = ", ".join(drugs(table))
        advice = "use the drug's generic name, or enter the equivalent as reported"
    raise InputError(
        "The conversion table does not hold this opioid.",
        where=f"table {table}",
        got=f"{drug}, {route}, {unit}",
        expected=expected,
        advice=advice,
    )


def drugs(table: str = CURRENT) -> tuple[str, ...]:
    """Names of the drugs that a table holds, in alphabetical order."""
    return tuple(sorted({drug for drug, _, _ in conversions(table)}))


@functools.cache
def conversions(table: str = CURRENT) -> Mapping[tuple[str, str, str], Conversion]:
    """All lines of a table by drug, route and unit.

    Raises:
        InputError: no table of that version.
    """
    if table not in VERSIONS:
        raise InputError(
            "There is no opioid conversion table of this version.", got=repr(table), expected=", ".join(VERSIONS)
        )
    text = importlib.resources.files("vertherm.clinical").joinpath(f"data/opioids-{table}.csv").read_text("utf-8")
    lines = (_conversion(row) for row in csv.DictReader(text.splitlines()))
    return MappingProxyType({(item.drug, item.route, item.unit): item for item in lines})


def _conversion(row: dict[str, str]) -> Conversion:
    return Conversion(
        drug=row["drug"],
        route=row["route"],
        unit=row["unit"],
        factor=float(row["factor"]),
        low=float(row["low"]) if row["low"] else None,
        high=float(row["high"]) if row["high"] else None,
        source=row["source"],
        certainty=row["certainty"],
        note=row["note"],
    )
