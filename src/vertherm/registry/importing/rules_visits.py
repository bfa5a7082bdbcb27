"""Visits against their windows, their sections and their opioid doses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from vertherm.clinical import odi, opioids
from vertherm.registry.importing.derive import equivalent
from vertherm.registry.importing.problem import Problems
from vertherm.registry.importing.rule import Rule
from vertherm.registry.importing.staging import Staging
from vertherm.registry.importing.typed import TypedTable
from vertherm.registry.schema.followup import ODI_ITEMS
from vertherm.registry.windows import DEFAULT_WINDOWS

_ANSWERED = " + ".join(f"({item} IS NOT NULL)" for item in ODI_ITEMS)
_NO_DEATH = "NOT EXISTS (SELECT 1 FROM death d WHERE d.patient_key = t.patient_key)"


def make_windows(staging: Staging) -> None:
    """Table ``_window`` of every series: its own windows, or the usual ones where it has none."""
    staging.execute("CREATE TABLE _window (series TEXT, name TEXT, first_day INTEGER, last_day INTEGER)")
    staging.execute("INSERT INTO _window SELECT series, time_point, first_day, last_day FROM visit_window")
    usual = [(item.name, item.first_day, item.last_day) for item in DEFAULT_WINDOWS]
    staging.execute(
        "INSERT INTO _window SELECT series, ?, ?, ? FROM series "
        "WHERE NOT EXISTS (SELECT 1 FROM visit_window w WHERE w.series = series.series)",
        usual,
    )
    staging.execute("CREATE INDEX _window_series ON _window (series, name)")


def visit_rules() -> Iterator[Rule]:
    """All rules on visits that a query can say."""
    yield from _WINDOWS
    yield from _DEATH
    yield from _ODI


_WINDOWS = (
    Rule(
        "unknown_window",
        "missed_visit",
        "time_point",
        "SELECT t._row, NULL, p.series, (SELECT group_concat(w.name, ', ') FROM _window w WHERE w.series = p.series) "
        "FROM missed_visit t JOIN patient p USING (patient_key) WHERE p.series IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM _window w WHERE w.series = p.series AND w.name = t.time_point)",
        "series {0} has no such window",
        "use one of {1}",
        reads=("visit_window", "patient", "series"),
    ),
    Rule(
        "missed_but_visited",
        "missed_visit",
        "time_point",
        "SELECT t._row, v._row, v.date FROM missed_visit t JOIN patient p USING (patient_key) "
        "JOIN _window w ON w.series = p.series AND w.name = t.time_point "
        "JOIN (SELECT patient_key, min(date) AS zero FROM procedure GROUP BY patient_key) z USING (patient_key) "
        "JOIN visit v ON v.patient_key = t.patient_key "
        "WHERE julianday(v.date) - julianday(z.zero) BETWEEN w.first_day AND w.last_day",
        "a visit on {0} lies in the window that was missed",
        "take the missed visit out, or check the date of the visit",
        other="visit",
        other_column="date",
        reads=("visit_window", "patient", "series", "procedure"),
    ),
)
_DEATH = (
    Rule(
        "died_without_death",
        "missed_visit",
        "reason",
        f"SELECT t._row, NULL FROM missed_visit t WHERE t.reason = 'died' AND {_NO_DEATH}",
        "missed because of death, but the patient has no record of death",
        "add the death, or correct the reason",
        reads=("death",),
    ),
    *(
        Rule(
            "died_but_visited",
            "visit",
            field,
            f"SELECT t._row, NULL FROM visit t WHERE t.{field} = 'died'",
            "a patient who was seen or called cannot have died before",
            "give another reason, or record a missed visit instead of this one",
        )
        for field in ("vas_missing", "odi_missing", "omeq_mg_day_missing")
    ),
)
_ODI = (
    Rule(
        "odi_reason_with_sections",
        "visit",
        "odi_missing",
        f"SELECT t._row, NULL, {_ANSWERED} FROM visit t "
        f"WHERE t.odi_missing IS NOT NULL AND {_ANSWERED} >= {odi.LEAST_ANSWERED}",
        "a reason for a missing ODI, though {0} sections are answered",
        "delete the reason; the total is computed",
    ),
    Rule(
        "odi_too_few_sections",
        "visit",
        "odi",
        f"SELECT t._row, NULL, {_ANSWERED} FROM visit t "
        f"WHERE t.odi IS NOT NULL AND {_ANSWERED} BETWEEN 1 AND {odi.LEAST_ANSWERED - 1}",
        f"a total from {{0}} sections; at least {odi.LEAST_ANSWERED} must be answered",
        "leave the total empty and say why it is missing",
    ),
)
_DOSES = (
    "SELECT v._row, o._row, v.omeq_mg_day, v.omeq_mg_day_missing, v.omeq_table, o.drug, o.route, o.dose, o.unit, "
    "o.patient_key, o.visit_no FROM opioid_dose o JOIN visit v USING (patient_key, visit_no) "
    "ORDER BY o.patient_key, o.visit_no"
)
_TOLERANCE_MG, _TOLERANCE = 0.5, 0.01


def check_doses(staging: Staging, tables: dict[str, TypedTable], problems: Problems) -> None:
    """Oral morphine equivalents against the opioid doses of their visits."""
    visits: dict[tuple[object, object], list[tuple[object, ...]]] = {}
    for row in staging.query(_DOSES):
        visits.setdefault((row[9], row[10]), []).append(row)
    for rows in visits.values():
        if any(row[0] is not None or row[1] is not None for row in rows):
            _check_visit(rows, tables, problems)


def _check_visit(rows: list[tuple[object, ...]], tables: dict[str, TypedTable], problems: Problems) -> None:
    if any(None in row[5:9] for row in rows):
        return  # a dose that could not be read has its own problem
    _, _, total, reason, table, *_ = rows[0]
    version = str(table) if table else opioids.CURRENT
    doses = [(str(row[5]), str(row[6]), float(str(row[7])), str(row[8])) for row in rows]
    expected = equivalent(doses, version)
    if reason is None and expected is None and version in opioids.VERSIONS:
        _unknown(rows, version, tables, problems)
        return
    given = None if total is None else float(str(total))
    found = _contradiction(given, reason, version, expected)
    if found is not None:
        _at_visit(rows, tables, problems, *found)


def _contradiction(
    total: float | None, reason: object, version: str, expected: float | None
) -> tuple[str, str, str, str] | None:
    """Kind, column, reason and remedy where a visit's equivalent contradicts its doses.

    Args:
        total: the equivalent that is given, mg/day.
        reason: why it is missing.
        version: conversion table that the visit names.
        expected: equivalent of the doses by that table, None where it cannot be computed.
    """
    if reason is not None:
        words = "a reason for a missing opioid dose, though doses are recorded"
        return "omeq_reason_with_doses", "omeq_mg_day_missing", words, "delete the reason or the doses"
    if expected is not None:
        if total is None or abs(total - expected) <= max(_TOLERANCE_MG, _TOLERANCE * expected):
            return None
        words = f"{total:g} mg/day, but the doses of the visit make {expected:g} by table {version}"
        return "omeq_contradicts_doses", "omeq_mg_day", words, "leave it empty, it is computed; or correct the doses"
    if version != opioids.AS_REPORTED:
        words = f"there is no conversion table {version!r}"
        remedy = f"use one of {', '.join(opioids.VERSIONS)}, or '{opioids.AS_REPORTED}'"
        return "unknown_conversion", "omeq_table", words, remedy
    if total == 0:
        words = "no opioid, though doses are recorded"
        return "omeq_contradicts_doses", "omeq_mg_day", words, "correct the equivalent or the doses"
    return None


def _unknown(rows: list[tuple[object, ...]], version: str, tables: dict[str, TypedTable], problems: Problems) -> None:
    for row in rows:
        drug, route, unit = str(row[5]), str(row[6]), str(row[8])
        if row[1] is None or equivalent([(drug, route, 1.0, unit)], version) is not None:
            continue
        known = drug.strip().lower() in opioids.drugs(version)
        table = tables["opioid_dose"]
        table.report(
            problems,
            int(str(row[1])),
            "route" if known else "drug",
            "unknown_opioid",
            f"conversion table {version} does not hold {drug}, {route}, {unit.replace('_', ' ')}",
            "use the generic name, route and unit of the table"
            + ("" if known else f" ({_nearest(drug, opioids.drugs(version))})")
            + f", or give the equivalent with omeq_table '{opioids.AS_REPORTED}'",
        )


def _nearest(drug: str, known: Sequence[str]) -> str:
    """The names most like ``drug``, or all of the table where none is alike."""
    alike = get_close_matches(drug.strip().lower(), known, n=3, cutoff=0.6)
    return f"{' or '.join(alike)}?" if alike else ", ".join(known)


def _at_visit(
    rows: list[tuple[object, ...]],
    tables: dict[str, TypedTable],
    problems: Problems,
    kind: str,
    column: str,
    reason: str,
    remedy: str,
) -> None:
    """Report at the visit where it is imported, otherwise at its first imported dose."""
    visit = rows[0][0]
    if visit is not None:
        tables["visit"].report(problems, int(str(visit)), column, kind, reason, remedy)
        return
    dose = next(row[1] for row in rows if row[1] is not None)
    words = f"{reason} (of the visit in the registry)"
    tables["opioid_dose"].report(problems, int(str(dose)), "dose", kind, words, "import the visit along with it")
