"""Thermocouple readings and the power log of a running treatment, read from CSV files. Strict: nothing is guessed.

Readings are long (``time_s, name, temperature_c``) or wide (``time_s`` and one column for each thermocouple, its name
as header). Times count from the first watt; readings before it (negative times) give the start temperature. Comma,
semicolon or tab separate; with semicolons the decimal comma is understood.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError

Array = NDArray[np.float64]
TIMES = {"time_s": 1.0, "t_s": 1.0, "time [s]": 1.0, "time (s)": 1.0, "seconds": 1.0,
         "time_min": 60.0, "time [min]": 60.0, "time (min)": 60.0, "minutes": 60.0}  # fmt: skip
"""Headers of the time, with seconds in one unit of each."""
NAMES = ("name", "thermocouple", "sensor", "channel")
TEMPERATURES = ("temperature_c", "temp_c", "t_c", "temperature [°c]", "temperature (°c)", "temperature [c]",
                "temperature (c)", "celsius")  # fmt: skip
RANGE_C = (-5.0, 130.0)
"""Readings outside it are a wrong unit or a broken sensor, not tissue."""
RANGE_S = (-600.0, 14400.0)
RANGE_W = (0.0, 500.0)
FEWEST = 3
"""Readings of each thermocouple since the first watt."""


@dataclass(frozen=True, eq=False)
class ThermocoupleLog:
    """Readings of a running treatment.

    Args:
        time_s: by thermocouple: (n,) seconds since the first watt, strictly increasing; negative before it.
        temperature_c: by thermocouple: (n,) degC.
        source: for messages.
    """

    time_s: Mapping[str, Array]
    temperature_c: Mapping[str, Array]
    source: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The thermocouples, in the file's order."""
        return tuple(self.time_s)

    @property
    def last_s(self) -> float:
        """Time of the newest reading."""
        return max(float(times[-1]) for times in self.time_s.values())

    def until(self, now_s: float) -> ThermocoupleLog:
        """The readings up to ``now_s``."""
        keep = {name: times <= now_s + 1e-9 for name, times in self.time_s.items()}
        return ThermocoupleLog(
            {name: self.time_s[name][kept] for name, kept in keep.items()},
            {name: self.temperature_c[name][kept] for name, kept in keep.items()},
            self.source,
        )


@dataclass(frozen=True, eq=False)
class PowerRecord:
    """What the generator gave: from each time on that power, until the next.

    Args:
        time_s: (n,) seconds since the first watt, strictly increasing.
        power_w: (n,) watts of the kind the plan uses (set, forward or net).
        antenna: (n,) place that fires; "" where the log does not say.
        source: for messages.
    """

    time_s: Array
    power_w: Array
    antenna: tuple[str, ...]
    source: str = ""


# ---- readings -------------------------------------------------------------------------------------------------------
def read_thermocouples(path: Path) -> ThermocoupleLog:
    """Read and check a file of thermocouple readings.

    Raises:
        InputError: unreadable, unknown headers or units, values out of range, times that do not increase, too few
            rows; the message names file, line and what to do.
    """
    path = Path(path)
    header, rows = _table(path)
    time_column, scale = _time_column(header, path)
    found: dict[str, list[tuple[float, float, str]]] = {}
    for place, cells in rows:
        time_s = scale * _number(cells[time_column], f"{place}: {header[time_column]}", RANGE_S, "s")
        for name, text in _readings(header, time_column, cells, path, place):
            value = _number(text, f"{place}: {name}", RANGE_C, "°C", "temperatures are in °C, not kelvin or Fahrenheit")
            found.setdefault(name, []).append((time_s, value, place))
    if not found:
        raise _too_short(path, "no reading")
    return ThermocoupleLog(
        {name: _times(name, readings) for name, readings in found.items()},
        {name: np.array([value for _, value, _ in readings]) for name, readings in found.items()},
        path.name,
    )


def _readings(
    header: Sequence[str], time_column: int, cells: Sequence[str], path: Path, place: str
) -> list[tuple[str, str]]:
    """Name and text of every reading of a row; empty cells of a wide table are no readings."""
    lower = [name.lower() for name in header]
    names = [n for n, text in enumerate(lower) if text in NAMES]
    if not names:
        for text in lower:
            _refuse_unit(text, path)
        return [(header[n], cells[n]) for n in range(len(header)) if n != time_column and cells[n]]
    values = [n for n, text in enumerate(lower) if text in TEMPERATURES]
    if len(names) != 1 or len(values) != 1 or len(header) != 3:
        for text in lower:
            _refuse_unit(text, path)
        raise _wrong_header(path, header)
    if not cells[names[0]]:
        raise InputError("A reading has no name.", where=place, expected="the name of a thermocouple of the plan")
    return [(cells[names[0]], cells[values[0]])]


def _refuse_unit(text: str, path: Path) -> None:
    if re.search(r"(_f|_k|\[°?f\]|\(°?f\)|\[k\]|\(k\)|fahrenheit|kelvin)$", text):
        raise InputError(
            "The temperatures are not in °C.",
            where=str(path),
            got=text,
            expected="temperature_c",
            advice="convert them",
        )


def _times(name: str, readings: Sequence[tuple[float, float, str]]) -> Array:
    times = np.array([time for time, _, _ in readings])
    back = np.flatnonzero(np.diff(times) <= 0)
    if back.size:
        raise InputError(
            "The times of a thermocouple do not increase.",
            where=readings[int(back[0]) + 1][2],
            got=f"{name}: {times[back[0] + 1]:g} s after {times[back[0]]:g} s",
            expected="strictly increasing seconds since the first watt",
            advice="sort the rows and drop repeated times",
        )
    if int(np.count_nonzero(times >= 0)) < FEWEST:
        raise InputError(
            "A thermocouple has too few readings.",
            where=name,
            got=f"{int(np.count_nonzero(times >= 0))} since the first watt",
            expected=f"at least {FEWEST}",
            advice="wait for more, or leave this thermocouple out",
        )
    return times


# ---- power ----------------------------------------------------------------------------------------------------------
def read_power_log(path: Path) -> PowerRecord:
    """Read what the generator gave: ``time_s, power_w`` and, where several places fire in turn, ``antenna``.

    Raises:
        InputError: unreadable, unknown headers, values out of range, or times that do not increase.
    """
    path = Path(path)
    header, rows = _table(path)
    time_column, scale = _time_column(header, path)
    lower = [name.lower() for name in header]
    known = {header[time_column].lower(), "power_w", "antenna"}
    if "power_w" not in lower or set(lower) - known:
        raise InputError(
            "The columns of a power log are not known.",
            where=str(path),
            got=", ".join(header),
            expected="time_s, power_w and, if needed, antenna",
            advice="watts, of the kind the plan uses",
        )
    power, antenna = lower.index("power_w"), lower.index("antenna") if "antenna" in lower else None
    times = [scale * _number(c[time_column], f"{p}: {header[time_column]}", RANGE_S, "s") for p, c in rows]
    powers = [_number(cells[power], f"{place}: power_w", RANGE_W, "W") for place, cells in rows]
    back = np.flatnonzero(np.diff(times) <= 0)
    if back.size:
        raise InputError(
            "The times of a power log do not increase.",
            where=rows[int(back[0]) + 1][0],
            got=f"{times[int(back[0]) + 1]:g} s after {times[int(back[0])]:g} s",
            expected="strictly increasing seconds since the first watt",
        )
    names = tuple("" if antenna is None else cells[antenna] for _, cells in rows)
    return PowerRecord(np.array(times), np.array(powers), names, path.name)


# ---- tables ---------------------------------------------------------------------------------------------------------
def _table(path: Path) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Header, and place ("file: line n") with cells of every row that is not empty."""
    text = _text(path)
    first = text.split("\n", 1)[0]
    separator = max(";\t,", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    header = [name.strip() for name in next(reader, [])]
    rows = []
    for cells in reader:
        place = f"{path.name}: line {reader.line_num}"
        stripped = [cell.strip() for cell in cells]
        if not any(stripped):
            continue
        if len(stripped) != len(header):
            raise InputError(
                "A line has another number of cells than the header.",
                where=place,
                got=f"{len(stripped)} cells",
                expected=f"{len(header)} cells",
                advice="with decimal commas, separate the columns by semicolons",
            )
        rows.append((place, stripped))
    if len(set(header)) < len(header) or not all(header):
        raise InputError("The columns need a name each.", where=str(path), got=", ".join(header) or "no header")
    if not rows:
        raise _too_short(path, "no row below the header")
    return header, rows


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "The readings cannot be read.",
            where=str(path),
            got=getattr(error, "strerror", None) or str(error),
            expected="a UTF-8 text file (CSV)",
        ) from error


def _time_column(header: Sequence[str], path: Path) -> tuple[int, float]:
    found = [(n, TIMES[name.lower()]) for n, name in enumerate(header) if name.lower() in TIMES]
    if len(found) != 1:
        raise _wrong_header(path, header)
    return found[0]


def _wrong_header(path: Path, header: Sequence[str]) -> InputError:
    return InputError(
        "The columns of the readings are not known.",
        where=str(path),
        got=", ".join(header),
        expected="time_s, name, temperature_c; or time_s and one column for each thermocouple, in °C",
        advice="the unit belongs to the header: time_s (or time_min), temperature_c",
    )


def _too_short(path: Path, got: str) -> InputError:
    return InputError(
        "The readings are empty.", where=str(path), got=got, expected=f"at least {FEWEST} rows for each thermocouple"
    )


def _number(text: str, where: str, limits: tuple[float, float], unit: str, advice: str = "") -> float:
    try:
        found = float(text.replace(",", "."))
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and limits[0] <= found <= limits[1]):
        raise InputError(
            "A reading is unusable.",
            where=where,
            got=repr(text),
            expected=f"a number of {limits[0]:g} to {limits[1]:g} {unit}",
            advice=advice,
        )
    return found
