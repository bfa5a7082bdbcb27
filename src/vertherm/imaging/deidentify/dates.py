"""Dates of DICOM moved by days, and all the ways in which people write a date."""

from __future__ import annotations

import re
from datetime import date, timedelta

_DA = re.compile(r"(\d{4})([.\-/]?)(\d{2})\2(\d{2})")
_DT = re.compile(r"(\d{8})((?:\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?(?:[+-]\d{4})?)")
_TM = re.compile(r"\d{2}(?::?\d{2}(?::?\d{2}(?:\.\d{1,6})?)?)?")
_ZONE = re.compile(r"[+-]\d{4}")
_MONTHS = (
    ("jan", "january", "januar", "janvier"),
    ("feb", "february", "februar", "fevrier"),
    ("mar", "march", "marz", "maerz", "mars"),
    ("apr", "april", "avril"),
    ("may", "mai"),
    ("jun", "june", "juni", "juin"),
    ("jul", "july", "juli", "juillet"),
    ("aug", "august", "aout"),
    ("sep", "sept", "september", "septembre"),
    ("oct", "october", "okt", "oktober", "octobre"),
    ("nov", "november", "novembre"),
    ("dec", "december", "dez", "dezember", "decembre"),
)


def parse(text: str) -> date | None:
    """The date that a DA or DT value begins with; None where it holds none of day precision."""
    match = _DA.match(text.strip())
    try:
        return date(int(match[1]), int(match[3]), int(match[4])) if match else None
    except ValueError:
        return None


def shifted(vr: str, text: str, back: timedelta) -> str | None:
    """A DA, DT or TM value moved back; times stay as they are.

    Returns:
        The new value; None where the old one is no complete date, or no time.
    """
    text = text.strip()
    if vr == "TM":
        return text if _TM.fullmatch(text) else None
    if vr == "SH":
        return text if _ZONE.fullmatch(text) else None
    match = (_DA if vr == "DA" else _DT).fullmatch(text)
    day = parse(text) if match else None
    if match is None or day is None:
        return None
    try:
        moved = (day - back).strftime("%Y%m%d")
    except OverflowError:
        return None
    # strftime does not pad years below 1000 everywhere.
    return moved.zfill(8) + (match[2] if vr == "DT" else "")


def valid(vr: str, text: str) -> bool:
    """True for a well-formed DA, DT or TM value, or zone of time (SH)."""
    return shifted(vr, text, timedelta()) is not None


def notations(day: date) -> set[str]:
    """Ways to write a date, with everything but letters and digits left out, in lower case."""
    y, m, d = f"{day.year:04d}", f"{day.month:02d}", f"{day.day:02d}"
    made = {y + m + d, d + m + y, m + d + y, y[2:] + m + d, d + m + y[2:], m + d + y[2:]}
    made |= {f"{y}{day.month}{day.day}", f"{day.day}{day.month}{y}", f"{day.month}{day.day}{y}"}
    for name in _MONTHS[day.month - 1]:
        for number in (d, str(day.day)):
            made |= {number + name + y, name + number + y, y + name + number, number + name + y[2:]}
            made |= {f"{number}{end}{name}{y}" for end in ("st", "nd", "rd", "th")}
            made |= {f"{name}{number}{end}{y}" for end in ("st", "nd", "rd", "th")}
    return {text for text in made if len(text) >= 6}
