"""Rows that describe one variable: counts of its codes, or location and spread of its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from vertherm.registry.schema.catalogue import BY_NAME
from vertherm.review.cohort import Cohort
from vertherm.review.model import Cell, Row, columns, row
from vertherm.review.statistics.summary import summarise
from vertherm.review.words import count_cell, mean_cell, median_cell, range_cell, share_cell

COUNT_COLUMNS = columns(("item", "variable"), ("value", "n (% of known)"), ("missing", "missing, n"))
NUMBER_COLUMNS = columns(
    ("item", "variable"),
    ("n", "n"),
    ("missing", "missing, n"),
    ("median", "median [IQR]"),
    ("mean", "mean (SD)"),
    ("range", "range"),
)
UNKNOWN_CODES = frozenset({"unknown", "not_assessed", "unspecified", "unstated", "not_asked"})
"""Codes that mean "not known": counted as missing, said in a footnote."""
UNKNOWN_NOTE = "Missing counts empty fields and the entries 'unknown', 'not assessed', 'not asked' and 'not stated'."
QUARTILE_NOTE = "IQR: lower to upper quartile, by linear interpolation (type 7). SD: sample standard deviation (n - 1)."


def counts(
    cohort: Cohort,
    entity: str,
    column: str,
    values: pd.Series[Any],
    group: str,
    *,
    every: bool = False,
    missing: Iterable[str] = UNKNOWN_CODES,
) -> list[Row]:
    """One row a code that occurs, in the vocabulary's order.

    Args:
        cohort: for the labels.
        entity, column: the field.
        values: codes, one a unit; None for missing.
        group: heading, with the unit said.
        every: show codes that do not occur, too.
        missing: codes that count as missing.
    """
    unknown = frozenset(missing)
    known = values[values.notna() & ~values.isin(unknown)]
    tally = known.value_counts()
    order = [code for code in _codes(entity, column) if code not in unknown]
    order += [str(code) for code in tally.index if code not in order]
    rows = [
        row(cohort.label(entity, column, code), share_cell(int(tally.get(code, 0)), len(known)), "", group=group)
        for code in order
        if every or tally.get(code, 0)
    ]
    lost = Cell(str(len(values) - len(known)), {"n": len(values) - len(known)})
    if not rows:
        return [row("(no known value)", Cell("–"), lost, group=group)]
    first = rows[0]
    return [Row((*first.cells[:2], lost), group), *rows[1:]]


def _codes(entity: str, column: str) -> tuple[str, ...]:
    vocabulary = BY_NAME[entity].by_name[column].vocabulary
    return vocabulary.codes if vocabulary else ()


def numbers(label: str, values: pd.Series[Any], digits: int = 1, group: str = "") -> Row:
    """Location and spread of a number."""
    found = summarise(np.asarray(values, dtype=float))
    return row(
        label, count_cell(found.n), count_cell(found.missing), median_cell(found, digits),
        mean_cell(found, max(digits, 1)), range_cell(found, digits), group=group,
    )  # fmt: skip
