"""Numbers and keys as a reader wants them: sensible digits, units, no NaN, no underscores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vertherm.planning.assessment import Banded, Probability

UNKNOWN = "–"
_HEADINGS = {"sar_factor": "local SAR factor", "cem43_min": "CEM43 (min)"}
_UNITS = {
    "w": "W",
    "kw": "kW",
    "j": "J",
    "kj": "kJ",
    "s": "s",
    "min": "min",
    "c": "°C",
    "mm": "mm",
    "ml": "mL",
    "db": "dB",
    "mhz": "MHz",
    "pct": "%",
}


def number(value: Any, digits: int = 1) -> str:
    """A number with fixed digits; large doses without digits; unknown or non-finite values as a dash."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return UNKNOWN if value is None else str(value)
    if not math.isfinite(value):
        return UNKNOWN
    if abs(value) >= 1e5:
        return f"{value:.1e}"
    text = f"{value:.{0 if abs(value) >= 1000 else digits}f}"
    return text[1:] if text.lstrip("-0.") == "" and text.startswith("-") else text


def dose(value: float | None) -> str:
    """CEM43 in minutes: two digits where small, none where large, and a ceiling, since beyond it nothing changes."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value >= 10_000:
        return "over 10 000"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def band(row: Banded | None, digits: int = 1) -> str:
    """Smallest to largest of all members."""
    return UNKNOWN if row is None else span(number(row.low, digits), number(row.high, digits))


def dose_band(row: Banded | None) -> str:
    """Smallest to largest dose of all members."""
    return UNKNOWN if row is None else span(dose(row.low), dose(row.high))


def percent_band(row: Banded) -> str:
    """Smallest to largest share of all members."""
    return span(percent(row.low), percent(row.high))


def span(low: str, high: str) -> str:
    """Two texts as a range, once where they are equal."""
    return low if low == high else f"{low} to {high}"


def article(text: str) -> str:
    """A text with "the" in front, once."""
    return text if text.startswith("the ") else f"the {text}"


def sentence(text: str) -> str:
    """A text with a capital first letter."""
    return text[:1].upper() + text[1:]


def percent(value: float | None) -> str:
    """A share as a percentage; never rounded up to 100."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{math.floor(value * 1000 + 1e-9) / 10:.1f} %"


def sideways(value: float) -> str:
    """Millimetres to the patient's right as "1.2 right" or "1.2 left"."""
    return _way(value, "right", "left")


def forwards(value: float) -> str:
    """Millimetres forwards as "1.2 forwards" or "1.2 backwards"."""
    return _way(value, "forwards", "backwards")


def _way(value: float, positive: str, negative: str) -> str:
    text = number(abs(value))
    return text if float(text) == 0.0 else f"{text} {positive if value > 0 else negative}"


def share(value: float | None) -> str:
    """A share that may exceed one, in whole percent; tiny ones are named so."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return (
        "<\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}%"
        if 0 < value < 0.01
        else f"{100 * value:.0f}\N{NO-BREAK SPACE}%"
        if value < 100
        else "over 10 000 %"
    )


def chance(row: Probability | None) -> str:
    """A probability with its interval, and the counts it comes from."""
    if row is None:
        return UNKNOWN
    interval = f"{100 * row.low:.1f} to {100 * row.high:.1f} %"
    return f"{100 * row.estimate:.0f} % ({interval}; {row.events} of {row.samples})"


def count(value: int) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}".replace(",", "\N{NO-BREAK SPACE}")


def signed(value: float | None, digits: int = 0) -> str:
    """A number with its sign; zero has none."""
    text = number(value, digits)
    positive = value is not None and value > 0 and text.strip("0.") != ""
    return f"+{text}" if positive else text


def miss(value: float) -> str:
    """By how little something was missed; never nothing."""
    return "under 0.05" if value < 0.05 else number(value)


def clock(seconds: float | None) -> str:
    """Seconds as m:ss."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    total = round(seconds)
    return f"{'-' if total < 0 else ''}{abs(total) // 60}:{abs(total) % 60:02d}"


def point(values: Sequence[float]) -> str:
    """A point in mm."""
    return ", ".join(number(value) for value in values)


def heading(key: str) -> str:
    """A key as a column heading: "forward_w" becomes "forward (W)"."""
    if key in _HEADINGS:
        return _HEADINGS[key]
    words = key.split("_")
    if len(words) > 1 and words[-1].lower() in _UNITS:
        return f"{' '.join(words[:-1])} ({_UNITS[words[-1].lower()]})"
    return " ".join(words)


def plain(value: Any) -> str:
    """Any JSON value in one line."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return UNKNOWN if not math.isfinite(value) else f"{value:.6g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{heading(str(key))}: {plain(item)}" for key, item in value.items()) or UNKNOWN
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value) or UNKNOWN
    return str(value)


def table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of rows that need not have the same keys."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [heading(key) for key in keys], [[plain(row.get(key)) for key in keys] for row in rows]


def flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested provenance as lines of key and text."""
    lines: list[tuple[str, str]] = []
    for key, item in value.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(item, dict):
            lines += flat(item, f"{prefix}{key} › ")
        elif isinstance(item, list) and item and all(isinstance(part, dict) for part in item):
            lines += [(name, plain(part)) for part in item]
        else:
            lines.append((name, plain(item)))
    return lines
