"""Numbers as a reader wants them, and the cells that carry them: never a bare number, always n and its spread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from vertherm.review.model import Cell, Scalar
from vertherm.review.statistics.proportion import Proportion
from vertherm.review.statistics.result import NotEstimable
from vertherm.review.statistics.summary import Summary

NONE = "–"
NOT_ESTIMABLE = "not estimable"


def raw(value: Any) -> Scalar:
    """A number as JSON takes it: NaN, infinity and pandas' NA become None, numpy numbers Python's own."""
    if value is None or isinstance(value, str | bool | int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if hasattr(value, "dtype") and value.dtype.kind in "iu" else number


def fixed(value: Any, digits: int = 1) -> str:
    """A number with fixed digits, halves away from zero, and a true minus sign; a dash where there is none."""
    number = raw(value)
    if not isinstance(number, int | float):
        return NONE
    # 21/400 is 5.25 %, which a reader with a calculator rounds to 5.3; binary formatting says 5.2.
    text = f"{Decimal(f'{number:.12g}').quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):f}"
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.") else "−" + text[1:]
    return text


def span(low: Any, high: Any, digits: int = 1) -> str:
    """Two numbers as a range."""
    return f"{fixed(low, digits)} to {fixed(high, digits)}"


def percent(value: Any, digits: int = 1) -> str:
    """A share as a percentage without its sign."""
    number = raw(value)
    return fixed(None if number is None else 100.0 * float(number), digits)


def p_value(value: Any) -> str:
    """A p-value: three digits, never "0.000"."""
    number = raw(value)
    if not isinstance(number, int | float):
        return NONE
    return "<\u00a00.001" if number < 0.001 else f"{number:.3f}"


def clock(seconds: Any) -> str:
    """Seconds as minutes and seconds, "4 min 30 s"."""
    number = raw(seconds)
    if not isinstance(number, int | float):
        return NONE
    total = round(number)
    return f"{total // 60} min {total % 60:02d} s"


def plural(count: int, noun: str, many: str = "") -> str:
    """A count with its noun."""
    return f"{whole(count)} {noun if count == 1 else many or noun + 's'}"


def whole(count: Any) -> str:
    """A count with no-break spaces between thousands."""
    number = raw(count)
    return NONE if number is None else f"{int(number):,}".replace(",", "\u00a0")


def count_cell(count: Any) -> Cell:
    """A count."""
    return Cell(whole(count), {"n": raw(count)})


def share_cell(count: int, total: int) -> Cell:
    """A count with its percentage of a total: descriptive, without interval."""
    if not total:
        return Cell(f"{whole(count)} (of 0)", {"n": count, "of": 0, "share": None})
    return Cell(f"{whole(count)} ({percent(count / total)} %)", {"n": count, "of": total, "share": count / total})


def median_cell(summary: Summary, digits: int = 1) -> Cell:
    """Median [IQR]."""
    if summary.n == 0:
        return Cell(NONE, {"median": None, "q1": None, "q3": None})
    # The middle of two whole numbers is kept: a SINS of 6.5 printed as 7 would stand in another class.
    halves = digits == 0 and fixed(summary.median, 1).endswith(".5")
    return Cell(
        f"{fixed(summary.median, 1 if halves else digits)} [{span(summary.q1, summary.q3, digits)}]",
        {"median": raw(summary.median), "q1": raw(summary.q1), "q3": raw(summary.q3)},
    )


def mean_cell(summary: Summary, digits: int = 1) -> Cell:
    """Mean (SD)."""
    if summary.n == 0:
        return Cell(NONE, {"mean": None, "sd": None})
    sd = fixed(summary.sd, digits) if summary.n > 1 else "SD not estimable"
    return Cell(f"{fixed(summary.mean, digits)} ({sd})", {"mean": raw(summary.mean), "sd": raw(summary.sd)})


def range_cell(summary: Summary, digits: int = 1) -> Cell:
    """Smallest to largest."""
    if summary.n == 0:
        return Cell(NONE, {"minimum": None, "maximum": None})
    return Cell(
        span(summary.minimum, summary.maximum, digits),
        {"minimum": raw(summary.minimum), "maximum": raw(summary.maximum)},
    )


def interval_cell(estimate: Any, low: Any, high: Any, digits: int = 1) -> Cell:
    """An estimate with its interval."""
    values: Mapping[str, Scalar] = {"estimate": raw(estimate), "low": raw(low), "high": raw(high)}
    if values["estimate"] is None:
        return Cell(NOT_ESTIMABLE, values)
    inside = NOT_ESTIMABLE if values["low"] is None or values["high"] is None else span(low, high, digits)
    return Cell(f"{fixed(estimate, digits)} ({inside})", values)


def proportion_cells(result: Proportion) -> tuple[Cell, Cell, Cell]:
    """k/n, percentage with the exact interval, Wilson interval."""
    counts = Cell(f"{whole(result.events)}/{whole(result.n)}", {"events": result.events, "n": result.n})
    if result.n == 0:
        return counts, Cell(NOT_ESTIMABLE, {"estimate": None, "low": None, "high": None}), Cell(NONE)
    exact = Cell(
        f"{percent(result.estimate)} % ({percent(result.low, 2)} to {percent(result.high, 2)})",
        {"estimate": raw(result.estimate), "low": raw(result.low), "high": raw(result.high)},
    )
    wilson = Cell(
        f"{percent(result.wilson_low, 2)} to {percent(result.wilson_high, 2)}",
        {"low": raw(result.wilson_low), "high": raw(result.wilson_high)},
    )
    return counts, exact, wilson


def reason(result: NotEstimable) -> str:
    """Why something could not be estimated, as a sentence."""
    return f"{NOT_ESTIMABLE}: {result.reason}"
