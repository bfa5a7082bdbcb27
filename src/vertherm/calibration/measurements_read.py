"""Reading a measurements file: TOML that names CSV files, or one CSV of zones. Strict: nothing is guessed silently."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vertherm.applicator.power import PowerKind
from vertherm.calibration.measurements import (
    ASSUMED_SD_K,
    ASSUMED_SD_MM,
    Boundary,
    Condition,
    Curve,
    Measurements,
    Zone,
)
from vertherm.calibration.reading import (
    checked,
    csv_rows,
    from_zero,
    known,
    needed,
    rows_of,
    table,
    toml_document,
    truth,
)
from vertherm.core.errors import InputError
from vertherm.materials.tissue import tissue, tissue_names

SHARED = ("medium", "start_c", "perfused", "power_kind", "power_w", "time_s")
ZONE_KEYS = (*SHARED, "time_min", "boundary", "short_mm", "long_mm", "sd_mm", "n")
CURVE_KEYS = (*SHARED, "r_mm", "z_mm", "csv", "sd_k")
TOP_KEYS = ("schema_version", "title", "source", "synthetic", "bench", "zones", "thermocouples")
BENCH_KEYS = ("medium", "start_c", "perfused", "power_kind", "power_w", "boundary", "zones_csv", "sd_mm", "sd_k", "n")
POWER_KINDS = (PowerKind.SET.value, PowerKind.FORWARD.value, PowerKind.NET.value)


def load_measurements(path: Path) -> Measurements:
    """Read and check a measurements file (``.toml``, or ``.csv`` with zones alone).

    Raises:
        InputError: unreadable, empty, an unknown key, a missing or unusable value; the message names file and row.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        rows = csv_rows(path, ZONE_KEYS)
        return _assembled(path, {}, rows, [], [("measurements", path)])
    document = toml_document(path)
    known(document, TOP_KEYS, str(path))
    bench = table(document, "bench", path)
    known(bench, BENCH_KEYS, f"{path}: [bench]")
    rows = [(f"{path.name}: zone {n}", row) for n, row in enumerate(rows_of(document, "zones", path), 1)]
    for place, row in rows:
        known(row, ZONE_KEYS, place)
    files = [("measurements", path)]
    if "zones_csv" in bench:
        other = path.parent / str(bench["zones_csv"])
        files.append(("zones", other))
        rows += csv_rows(other, ZONE_KEYS)
    curves = []
    for n, row in enumerate(rows_of(document, "thermocouples", path), 1):
        place = f"{path.name}: thermocouple {n}"
        known(row, CURVE_KEYS, place)
        curves.append((place, row))
        files.append((f"thermocouple {n}", path.parent / str(needed(row, "csv", place))))
    return _assembled(path, document, rows, curves, files)


def _assembled(
    path: Path,
    document: Mapping[str, Any],
    zone_rows: Sequence[tuple[str, Mapping[str, Any]]],
    curve_rows: Sequence[tuple[str, Mapping[str, Any]]],
    files: Sequence[tuple[str, Path]],
) -> Measurements:
    bench = document.get("bench", {})
    if not zone_rows and not curve_rows:
        raise InputError(
            "The measurements file is empty.",
            where=str(path),
            got="no zone and no thermocouple",
            expected="at least one [[zones]] row, a zones_csv, or a [[thermocouples]] row",
        )
    zones = tuple(_zone(_Row(place, row, bench)) for place, row in zone_rows)
    curves = tuple(_curve(_Row(place, row, bench), path.parent) for place, row in curve_rows)
    found = Measurements(
        path=path,
        title=str(document.get("title", path.stem)),
        source=str(document.get("source", "")),
        synthetic=truth(document.get("synthetic", False), f"{path}: synthetic"),
        zones=zones,
        curves=curves,
        files=tuple(dict.fromkeys(files)),
        assumptions=_assumptions(zones, curves),
    )
    kinds = sorted({condition.power_kind for condition in found.conditions})
    if len(kinds) > 1:
        raise InputError(
            "The measurements mix several meanings of power.",
            where=f"{path}: power_kind",
            got=", ".join(kinds),
            expected="one of them throughout: the efficiency belongs to it",
            advice="convert the powers, or calibrate each kind from a file of its own",
        )
    return found


def _assumptions(zones: Sequence[Zone], curves: Sequence[Curve]) -> tuple[str, ...]:
    found = []
    if any(zone.assumed for zone in zones):
        count = sum(zone.assumed for zone in zones)
        found.append(f"[guess] {count} zones without sd_mm: a scatter of {ASSUMED_SD_MM:g} mm was assumed")
    if any(curve.assumed for curve in curves):
        count = sum(curve.assumed for curve in curves)
        found.append(f"[guess] {count} thermocouples without sd_k: an error of {ASSUMED_SD_K:g} K was assumed")
    return tuple(found)


# ---- one row --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Row:
    """A row with the file's defaults behind it."""

    place: str
    own: Mapping[str, Any]
    bench: Mapping[str, Any]

    def raw(self, key: str) -> Any:
        value = self.own.get(key)
        return self.bench.get(key) if value is None or value == "" else value

    def text(self, key: str, expected: str, advice: str = "") -> str:
        value = self.raw(key)
        if not isinstance(value, str) or not value.strip():
            raise InputError(
                "A measurement lacks a value.",
                where=f"{self.place}: {key}",
                got=value if value is not None else "nothing",
                expected=expected,
                advice=advice or f"add {key} to the row, or once under [bench]",
            )
        return value.strip()

    def number(self, key: str, optional: bool = False) -> float | None:
        value = self.raw(key)
        if (value is None or value == "") and optional:
            return None
        return checked(value, key, f"{self.place}: {key}")

    def needed(self, key: str) -> float:
        value = self.number(key)
        assert value is not None  # not optional
        return value

    def condition(self) -> Condition:
        medium = self.text("medium", ", ".join(tissue_names()))
        names = tuple(name for name in tissue_names() if name not in ("air", "co2", "metal"))
        if medium not in names:
            raise InputError(
                "The medium is unknown.",
                where=f"{self.place}: medium",
                got=medium,
                expected=", ".join(names),
                advice="choose the tissue whose properties come nearest, and say so in the source",
            )
        kind = self.text("power_kind", ", ".join(POWER_KINDS)).lower()
        if kind not in POWER_KINDS:
            raise InputError(
                "The kind of power is unknown.",
                where=f"{self.place}: power_kind",
                got=kind,
                expected=", ".join(POWER_KINDS),
                advice="'set' is what the generator shows, 'forward' is behind the cable, 'net' less what is reflected",
            )
        if self.raw("perfused") is None:
            raise InputError(
                "A measurement does not say whether the medium was perfused.",
                where=f"{self.place}: perfused",
                got="nothing",
                expected="true (in vivo) or false (ex vivo)",
                advice="add perfused to the row, or once under [bench]",
            )
        perfused = truth(self.raw("perfused"), f"{self.place}: perfused")
        if perfused and tissue(medium).perfusion <= 0:
            raise InputError(
                "A medium without perfusion data cannot be perfused.", where=f"{self.place}: medium", got=medium
            )
        return Condition(medium, self.needed("start_c"), perfused, self.needed("power_w"), kind)


def _zone(row: _Row) -> Zone:
    minutes = row.own.get("time_min")
    if minutes not in (None, ""):
        if row.own.get("time_s") not in (None, ""):
            raise InputError("A zone gives its time twice.", where=row.place, got="time_s and time_min", expected="one")
        time_s = checked(
            float(checked(minutes, "", f"{row.place}: time_min")) * 60.0, "time_s", f"{row.place}: time_min"
        )
    else:
        time_s = row.needed("time_s")
    short, long = row.number("short_mm", optional=True), row.number("long_mm", optional=True)
    if short is None and long is None:
        raise InputError(
            "A zone has neither axis.", where=row.place, expected="short_mm, long_mm or both", advice="drop the row"
        )
    if short is not None and long is not None and short > 1.5 * long:
        raise InputError(
            "A zone is much wider than long.",
            where=row.place,
            got=f"short {short:g} mm, long {long:g} mm",
            expected="short_mm across the antenna, long_mm along it",
            advice="the columns look swapped",
        )
    scatter, count = row.number("sd_mm", optional=True), row.number("n", optional=True) or 1.0
    error = (ASSUMED_SD_MM if scatter is None else scatter) / math.sqrt(count)
    boundary = Boundary.parse(str(row.raw("boundary") or ""), f"{row.place}: boundary")
    return Zone(row.place, row.condition(), time_s, boundary, short, long, error, scatter is None)


def _curve(row: _Row, folder: Path) -> Curve:
    path = folder / row.text("csv", "a file with the columns time_s and temperature_c")
    rows = csv_rows(path, ("time_s", "temperature_c"), minimum=3)
    times = np.array([from_zero(r["time_s"], f"{place}: time_s") for place, r in rows])
    temperatures = np.array(
        [checked(r["temperature_c"], "temperature_c", f"{place}: temperature_c") for place, r in rows]
    )
    back = np.flatnonzero(np.diff(times) <= 0)
    if back.size:
        place = rows[int(back[0]) + 1][0]
        raise InputError(
            "The times of a curve do not increase.",
            where=place,
            got=f"{times[back[0] + 1]:g} s after {times[back[0]]:g} s",
            expected="strictly increasing seconds since power on",
            advice="sort the rows and drop repeated times",
        )
    condition = row.condition()
    if abs(temperatures[0] - condition.start_c) > 5.0 and times[0] <= 1.0:
        raise InputError(
            "A curve does not start at the start temperature.",
            where=rows[0][0],
            got=f"{temperatures[0]:g} degC",
            expected=f"{condition.start_c:g} degC within 5 K",
            advice="correct start_c, or count time from the moment the power came on",
        )
    error = row.number("sd_k", optional=True)
    return Curve(
        row.place, condition, row.needed("time_s"), row.needed("r_mm"), row.needed("z_mm"), times, temperatures,
        ASSUMED_SD_K if error is None else error, error is None,
    )  # fmt: skip
