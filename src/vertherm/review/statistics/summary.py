"""Location and spread of one column of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vertherm.review.statistics.inputs import numbers


@dataclass(frozen=True)
class Summary:
    """Location and spread; every number is NaN where it does not exist.

    Args:
        n: values present.
        missing: values missing (NaN).
        mean: arithmetic mean.
        sd: sample standard deviation (divisor n - 1; NaN for fewer than two values).
        median: middle value.
        q1: lower quartile, linear interpolation between order statistics at 1 + (n - 1)/4 (type 7).
        q3: upper quartile, in the same way.
        minimum: smallest value.
        maximum: largest value.
    """

    n: int
    missing: int
    mean: float
    sd: float
    median: float
    q1: float
    q3: float
    minimum: float
    maximum: float

    @property
    def methods(self) -> tuple[str, ...]:
        """Ids in ``methods``."""
        return ("summary",)


def summarise(values: ArrayLike) -> Summary:
    """Summary of a column in which NaN stands for missing.

    Args:
        values: numbers, in any unit.

    Raises:
        InputError: the column is not a vector of numbers or holds an infinite one.

    Source: quartiles as type 7 in Hyndman and Fan, Am Stat 1996;50:361-365.
    """
    column = numbers(values, "values")
    present = column[~np.isnan(column)]
    n, missing = int(present.size), int(column.size - present.size)
    if n == 0:
        nan = float("nan")
        return Summary(0, missing, nan, nan, nan, nan, nan, nan, nan)
    q1, median, q3 = (float(q) for q in np.quantile(present, [0.25, 0.5, 0.75], method="linear"))
    sd = float(present.std(ddof=1)) if n > 1 else float("nan")
    return Summary(n, missing, float(present.mean()), sd, median, q1, q3, float(present.min()), float(present.max()))
