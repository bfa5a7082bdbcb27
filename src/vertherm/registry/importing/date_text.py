"""Dates as text: ISO days, and day.month.year with points; everything else has a message of its own."""

from __future__ import annotations

import re
from datetime import date, timedelta

from vertherm.registry.importing.fault import CellError

_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_POINTS = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
_MIDNIGHT = re.compile(r"[T ]00:00(?::00(?:\.0+)?)?Z?")
_TIME = re.compile(r"[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?")
_SLASHES = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})", re.ASCII)
_TWO_DIGITS = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2}", re.ASCII)
_EARLIEST, _LATEST = date(1900, 1, 1), date(2199, 12, 31)
_FORM = "write year-month-day, as 2016-03-31"


def parse_date(text: str, today: date) -> date:
    """The day in a cell: 2016-03-31, with midnight behind it as spreadsheets write it, or 31.03.2016.

    Raises:
        CellError: another form, no such day, before 1900, or after ``today``.
    """
    body = _without_midnight(text)
    match = _ISO.fullmatch(body)
    if match:
        year, month, day = (int(part) for part in match.groups())
    else:
        match = _POINTS.fullmatch(body)
        if not match:
            raise _other_form(body)
        day, month, year = (int(part) for part in match.groups())
    return _checked(year, month, day, today)


def _without_midnight(text: str) -> str:
    if len(text) <= 10:
        return text
    match = _TIME.search(text)
    if not match or match.end() != len(text):
        return text
    if _MIDNIGHT.fullmatch(match.group()):
        return text[: match.start()]
    raise CellError("time_of_day", "a date with a time of day", "give the day alone")


def _checked(year: int, month: int, day: int, today: date) -> date:
    try:
        value = date(year, month, day)
    except ValueError:
        reason = f"there is no month {month}" if not 1 <= month <= 12 else f"there is no day {day} in that month"
        remedy = "check whether day and month are swapped" if month > 12 >= day else "check the date"
        raise CellError("no_such_day", reason, f"{remedy}; {_FORM}") from None
    if not _EARLIEST <= value <= _LATEST:
        raise CellError("date_out_of_range", "before 1900 or after 2199", "check the year")
    if value > today:
        raise CellError("future_date", f"lies in the future (today is {today.isoformat()})", "check the year")
    return value


def _other_form(text: str) -> CellError:
    match = _SLASHES.fullmatch(text)
    if match:
        first, second, year = (int(part) for part in match.groups())
        if first <= 12 and second <= 12 and first != second:
            readings = f"{year}-{second:02}-{first:02} or {year}-{first:02}-{second:02}"
            return CellError("ambiguous_date", f"day and month cannot be told apart: {readings}", _FORM)
        month, day = (second, first) if second <= 12 else (first, second)
        return CellError("date_form", "not in the form year-month-day", f"write {year}-{month:02}-{day:02} if meant so")
    if _TWO_DIGITS.fullmatch(text):
        return CellError("two_digit_year", "a year of two digits", "write the year with four digits; " + _FORM)
    if re.fullmatch(r"\d{5}(?:\.0*)?", text):
        serial = int(float(text))
        counted = date(1899, 12, 30) + timedelta(days=serial)
        return CellError(
            "day_number",
            "a spreadsheet's day number, not a date",
            f"format the cells as dates; counted from 1900 it would be {counted.isoformat()}",
        )
    return CellError("not_a_date", "not a date", _FORM)
