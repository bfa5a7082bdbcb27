"""Fields that follow from others: region, SINS, ODI and oral morphine equivalent are filled where they are empty."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vertherm.clinical import odi, opioids, sins
from vertherm.clinical.levels import Level
from vertherm.core.errors import InputError
from vertherm.registry.records import Value
from vertherm.registry.schema.followup import ODI_ITEMS

Columns = Mapping[str, list[Value]]
Doses = dict[tuple[Value, Value], list[tuple[str, str, float, str]]]
"""Drug, route, dose and unit of every opioid, by patient and visit."""


def derive_lesions(columns: Columns) -> None:
    """Fill region and SINS total of lesions where they are empty and their parts are there."""
    regions = {level.value: level.region.value for level in Level}
    columns["region"][:] = [
        regions.get(str(level)) if region is None else region
        for level, region in zip(columns["level"], columns["region"], strict=True)
    ]
    parts = zip(*(columns[name] for name in sins.POINTS), strict=True)
    columns["sins_total"][:] = [
        _sins(part) if total is None and None not in part else total
        for part, total in zip(parts, columns["sins_total"], strict=True)
    ]


def _sins(codes: tuple[Any, ...]) -> int | None:
    return sins.total(dict(zip(sins.POINTS, codes, strict=True)))


def derive_odi(columns: Columns) -> None:
    """Fill the ODI of visits from its sections where neither a total nor a reason is there."""
    sections = zip(*(columns[name] for name in ODI_ITEMS), strict=True)
    known: dict[tuple[Any, ...], float | None] = {}
    totals, reasons = columns["odi"], columns["odi_missing"]
    for index, items in enumerate(sections):
        if totals[index] is None and reasons[index] is None and any(item is not None for item in items):
            if items not in known:
                known[items] = odi.percent(items)
            totals[index] = known[items]


def derive_omeq(columns: Columns, doses: Doses) -> None:
    """Fill the oral morphine equivalent of visits from their opioid doses, with the table's version.

    Doses that the table does not hold leave it empty; :mod:`rules_visits` reports them.
    """
    totals, reasons, tables = columns["omeq_mg_day"], columns["omeq_mg_day_missing"], columns["omeq_table"]
    keys = zip(columns["patient_key"], columns["visit_no"], strict=True)
    for index, key in enumerate(keys):
        if totals[index] is not None or reasons[index] is not None or key not in doses:
            continue
        table = str(tables[index] or opioids.CURRENT)
        total = equivalent(doses[key], table)
        if total is not None:
            totals[index], tables[index] = total, table


def equivalent(doses: list[tuple[str, str, float, str]], table: str) -> float | None:
    """Oral morphine equivalent in mg/day, to a thousandth; None where the table does not hold one of the doses."""
    try:
        return round(opioids.oral_morphine_mg_day(doses, table), 3)
    except InputError:
        return None


def gather_doses(columns: Columns, into: Doses, skip: Callable[[int], bool] = lambda _: False) -> Doses:
    """Add the opioid doses of a table to ``into``; rows for which ``skip`` holds are left out."""
    names = ("patient_key", "visit_no", "drug", "route", "dose", "unit")
    for index, row in enumerate(zip(*(columns[name] for name in names), strict=True)):
        if None not in row and not skip(index):
            patient, visit, drug, route, dose, unit = row
            into.setdefault((patient, visit), []).append((str(drug), str(route), float(dose), str(unit)))
    return into
