"""Series, windows, keys that look alike, and rows that stand twice under different numbers."""

from __future__ import annotations

from collections.abc import Iterator

from vertherm.registry.importing.rule import Rule
from vertherm.registry.schema.catalogue import DATED
from vertherm.registry.schema.field import Entity, Kind


def series_rules() -> Iterator[Rule]:
    """All rules on series and on rows that are there twice."""
    yield from _SERIES
    for entity in DATED:
        last = entity.by_name[entity.key[-1]]
        dated_once = any(entity.date in names for names in entity.unique)
        if last.kind is Kind.integer and not dated_once:
            yield _twice(entity)


def _twice(entity: Entity) -> Rule:
    number = entity.key[-1]
    others = ", ".join(f't."{name}"' for name in entity.columns if name != number)
    return Rule(
        "entered_twice",
        entity.name,
        number,
        f"SELECT max(t._row), NULL, min(t.{number}), max(t.{number}) FROM {entity.name} t "
        f"GROUP BY {others} HAVING count(DISTINCT t.{number}) > 1",
        f"{entity.label.lower()} {{0}} and {{1}} are the same but for their number",
        "delete one of them, or record what tells them apart",
    )


_SERIES = (
    Rule(
        "synthetic_contradicts",
        "patient",
        "synthetic",
        "SELECT p._row, s._row, p.synthetic, s.series, s.synthetic FROM patient p JOIN series s USING (series) "
        "WHERE p.synthetic <> s.synthetic",
        "synthetic = {0} in series {1}, which says synthetic = {2}",
        "real and synthetic patients never share a series: correct the mark or the series",
        other="series",
        other_column="synthetic",
    ),
    Rule(
        "windows_overlap",
        "visit_window",
        "first_day",
        "SELECT a._row, b._row, b.time_point, b.first_day, b.last_day FROM visit_window a "
        "JOIN visit_window b ON b.series = a.series AND b.first_day < a.first_day AND b.last_day >= a.first_day",
        "overlaps window {0} (days {1} to {2}): a visit could count twice",
        "make the windows end before the next begins",
        other="visit_window",
        other_column="last_day",
    ),
    Rule(
        "keys_alike",
        "patient",
        "patient_key",
        "SELECT max(p._row), NULL, min(p.patient_key), max(p.patient_key) FROM patient p "
        "GROUP BY lower(p.patient_key) HAVING count(DISTINCT p.patient_key) > 1",
        "{0} and {1} differ only in capitals",
        "use one spelling for one patient, and keys that cannot be confused for two",
    ),
)
