"""Small data tables of the imaging package: every number with unit, range, source and certainty."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

from vertherm.core.errors import MissingValueError


def rows(name: str) -> list[dict[str, str]]:
    """Rows of ``imaging/data/<name>`` as dictionaries."""
    text = resources.files("vertherm.imaging").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if line and not line.startswith("#")))


@dataclass(frozen=True)
class Rule:
    """A number that a rule uses, with where it comes from ("S" source, "D" derived, "R" recalled, "guess")."""

    name: str
    value: float
    unit: str
    low: float
    high: float
    certainty: str
    source: str


@functools.cache
def rules() -> dict[str, Rule]:
    """All rule constants (``data/rules.csv``) and the HU of tissues (``data/hu.csv``, named "hu <tissue>")."""
    table = {}
    for row in rows("rules.csv") + rows("hu.csv"):
        numbers = (float(row["value"]), row["unit"], float(row["low"]), float(row["high"]))
        if row["name"] in table:
            raise MissingValueError("A rule constant is given twice.", where="imaging/data", got=row["name"])
        table[row["name"]] = Rule(row["name"], *numbers, row["certainty"], row["source"])
    return table


def rule(name: str) -> float:
    """Value of one rule constant.

    Raises:
        MissingValueError: no such row.
    """
    try:
        return rules()[name].value
    except KeyError:
        raise MissingValueError(
            "A rule constant is missing.", where="imaging/data/rules.csv", got=name, advice="add it with its source"
        ) from None
