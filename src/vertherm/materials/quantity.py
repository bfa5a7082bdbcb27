"""A number that carries its unit, range, source and how sure we are of it; and the reader of the data tables."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from vertherm.core.errors import MissingValueError

Certainty = Literal["S", "D", "R", "guess"]
CERTAINTIES: tuple[Certainty, ...] = ("S", "D", "R", "guess")
"""Surest first: S read in the source named, D derived from such, R recalled (unverified), guess a proposal of ours."""


@dataclass(frozen=True)
class Quantity:
    """One constant of the project.

    Args:
        value: the nominal value, in ``unit``.
        unit: its unit; "1" for a pure number.
        low: lower end of the plausible range, or None where nobody gave one.
        high: upper end.
        source: where it was read, or why it was chosen.
        certainty: "S", "D", "R" or "guess" (see :data:`CERTAINTIES`).
    """

    value: float
    unit: str
    low: float | None
    high: float | None
    source: str
    certainty: Certainty

    @property
    def verified(self) -> bool:
        """True where the value was read in a source or derived from such values."""
        return self.certainty in ("S", "D")

    @property
    def range_text(self) -> str:
        """The range as "low - high", or "not stated"."""
        return "not stated" if self.low is None or self.high is None else f"{self.low:.4g} - {self.high:.4g}"


def worst_certainty(*certainties: Certainty) -> Certainty:
    """The least sure of several certainties."""
    return max(certainties, key=CERTAINTIES.index)


@cache
def read_table(name: str) -> tuple[dict[str, str], ...]:
    """Rows of ``materials/data/<name>.csv`` as dictionaries of text."""
    text = files("vertherm.materials").joinpath("data", f"{name}.csv").read_text("utf-8")
    return tuple(dict(row) for row in csv.DictReader(text.splitlines()))


def certainty_of(text: str, where: str) -> Certainty:
    """The certainty mark in a table cell.

    Raises:
        MissingValueError: the mark is none of :data:`CERTAINTIES`.
    """
    for certainty in CERTAINTIES:
        if text == certainty:
            return certainty
    raise MissingValueError("A value has no certainty mark.", where=where, got=repr(text), expected=CERTAINTIES)


def number(row: dict[str, str], column: str, where: str) -> float:
    """A number in a table row.

    Raises:
        MissingValueError: the cell is empty or not a number.
    """
    try:
        return float(row[column])
    except (KeyError, ValueError) as error:
        raise MissingValueError(
            "A value is missing in a data table.",
            where=f"{where}, column {column}",
            got=repr(row.get(column)),
            expected="a number",
            advice="whoever maintains the table must supply it, with its source",
        ) from error


def optional_number(row: dict[str, str], column: str) -> float | None:
    """A number in a table row, or None where the cell is empty."""
    return float(row[column]) if row.get(column) else None


def read_quantities(table: str) -> dict[str, Quantity]:
    """A table with the columns name, value, unit, low, high, certainty, source as quantities by name."""
    return {
        row["name"]: Quantity(
            number(row, "value", f"{table}.csv: {row['name']}"),
            row["unit"],
            optional_number(row, "low"),
            optional_number(row, "high"),
            row["source"],
            certainty_of(row["certainty"], f"{table}.csv: {row['name']}"),
        )
        for row in read_table(table)
    }
