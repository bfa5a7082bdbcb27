"""Dates against each other: death, birth, procedures, last contact, the study period."""

from __future__ import annotations

from collections.abc import Iterator

from vertherm.registry.importing.rule import Rule
from vertherm.registry.schema.catalogue import DATED, ENTITIES
from vertherm.registry.schema.field import Kind

_SWAPPED = "check both dates for day, month and year"
_YEAR = "CAST(substr({0}, 1, 4) AS INTEGER)"
_OLDEST = 115


def date_rules() -> Iterator[Rule]:
    """All rules on dates."""
    for entity in ENTITIES:
        if entity.of_patient:
            for item in entity.fields:
                if item.kind is Kind.date:
                    yield from _against_life(entity.name, item.name)
    yield from _LAST_CONTACT
    yield from _OTHERS


def _against_life(entity: str, field: str) -> Iterator[Rule]:
    if entity != "death":
        yield Rule(
            "after_death",
            entity,
            field,
            f"SELECT t._row, d._row, t.{field}, d.date FROM {entity} t JOIN death d USING (patient_key) "
            f"WHERE t.{field} > d.date",
            "{0} lies after the patient's death on {1}",
            _SWAPPED,
            other="death",
            other_column="date",
        )
    yield Rule(
        "before_birth",
        entity,
        field,
        f"SELECT t._row, p._row, t.{field}, p.birth_year FROM {entity} t JOIN patient p USING (patient_key) "
        f"WHERE {_YEAR.format('t.' + field)} < p.birth_year",
        "{0} lies before the patient's birth in {1}",
        "check the date and the year of birth",
        other="patient",
        other_column="birth_year",
    )


_LAST_CONTACT = tuple(
    Rule(
        "last_contact_early",
        "patient",
        "last_contact",
        # A patient of whom the registry knows and whose later visits arrive now is no contradiction.
        f"SELECT p._row, NULL, max(t.{entity.date}) FROM patient p JOIN {entity.name} t USING (patient_key) "
        f"WHERE p._row IS NOT NULL AND t.{entity.date} > p.last_contact GROUP BY p._row",
        f"last known to be alive before a later {entity.label.lower()} on {{0}}",
        "give the latest day on which the patient was known to be alive, or leave it empty",
        reads=(entity.name,),
    )
    for entity in DATED
)
_FIRST = "(SELECT min(q.date) FROM procedure q WHERE q.patient_key = {0}.patient_key)"
_OTHERS = (
    Rule(
        "age_contradicts_birth",
        "patient",
        "age",
        f"SELECT p._row, NULL, p.age, p.birth_year, {_FIRST.format('p')} AS first FROM patient p "
        f"WHERE p.age IS NOT NULL AND p.birth_year IS NOT NULL "
        f"AND {_YEAR.format('first')} - p.birth_year - p.age NOT BETWEEN 0 AND 1",
        "aged {0} does not go with birth in {1} and a first procedure on {2}",
        "correct the age, the year of birth or the date",
        reads=("procedure",),
    ),
    Rule(
        "implausible_age",
        "procedure",
        "date",
        f"SELECT t._row, p._row, {_YEAR.format('t.date')} - p.birth_year FROM procedure t "
        f"JOIN patient p USING (patient_key) WHERE {_YEAR.format('t.date')} - p.birth_year > {_OLDEST}",
        "the patient would have been about {0} years old",
        "check the date and the year of birth",
        other="patient",
        other_column="birth_year",
    ),
    Rule(
        "onset_before_procedure",
        "complication",
        "onset",
        "SELECT t._row, p._row, t.onset, p.date FROM complication t JOIN procedure p USING (patient_key, procedure_no) "
        "WHERE t.onset < p.date",
        "onset on {0} lies before the procedure on {1}",
        "check the dates and the number of the procedure",
        other="procedure",
        other_column="date",
    ),
    Rule(
        "event_before_procedure",
        "event",
        "date",
        f"SELECT t._row, NULL, t.date, {_FIRST.format('t')} AS first FROM event t WHERE t.date < first",
        "{0} lies before the patient's first procedure on {1}",
        "earlier treatment belongs to the patient or the lesion (prior radiotherapy, systemic therapy), not here",
        reads=("procedure",),
    ),
    Rule(
        "outside_study_period",
        "procedure",
        "date",
        f"SELECT t._row, s._row, t.date, coalesce(s.first_day, '...'), coalesce(s.last_day, '...') FROM procedure t "
        f"JOIN patient p USING (patient_key) JOIN series s USING (series) "
        f"WHERE t.date < s.first_day OR (t.date > s.last_day AND t.date = {_FIRST.format('t')})",
        "the patient's first procedure on {0} lies outside the study period, {1} to {2}",
        "check the date and the study period of the series",
        other="series",
        other_column="last_day",
    ),
    Rule(
        "fatal_without_death",
        "complication",
        "outcome",
        "SELECT t._row, NULL FROM complication t WHERE (t.outcome = 'fatal' OR t.term = 'death') "
        "AND NOT EXISTS (SELECT 1 FROM death d WHERE d.patient_key = t.patient_key)",
        "a fatal complication of a patient who has no record of death",
        "add the death, or correct the outcome",
        reads=("death",),
    ),
)
