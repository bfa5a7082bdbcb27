"""The catalogue is the one source of tables, checks, forms and documentation: it must be sound in itself."""

from __future__ import annotations

import re

import pytest

from vertherm.registry.schema.catalogue import BY_NAME, DATED, ENTITIES
from vertherm.registry.schema.field import Entity, Field, Kind

EVERY = [pytest.param(entity, id=entity.name) for entity in ENTITIES]
FIELDS = [
    pytest.param(entity, field, id=f"{entity.name}.{field.name}") for entity in ENTITIES for field in entity.fields
]
# Words that PostgreSQL or SQLite reserve and that a column of ours might have wanted.
RESERVED = {
    "window",
    "order",
    "group",
    "user",
    "table",
    "column",
    "end",
    "case",
    "check",
    "default",
    "references",
    "to",
}


@pytest.mark.parametrize("entity", EVERY)
def test_key_comes_first_and_is_required(entity: Entity) -> None:
    assert entity.columns[: len(entity.key)] == entity.key
    assert all(entity.by_name[name].required for name in entity.key)


@pytest.mark.parametrize("entity", EVERY)
def test_names_are_unique_and_no_reserved_words(entity: Entity) -> None:
    assert len(set(entity.columns)) == len(entity.columns)
    names = [check.name for check in entity.checks]
    assert len(set(names)) == len(names)
    # A check and the condition of a field share one name space in the database.
    assert not set(names) & set(entity.columns)
    assert not RESERVED & set(entity.columns)


@pytest.mark.parametrize("entity", EVERY)
def test_references_point_at_a_parent_that_stands_before(entity: Entity) -> None:
    position = [item.name for item in ENTITIES].index(entity.name)
    for reference in entity.references:
        parent = BY_NAME[reference.entity]
        assert [item.name for item in ENTITIES].index(parent.name) < position
        assert len(reference.fields) == len(parent.key)
        assert set(reference.fields) <= set(entity.columns)


@pytest.mark.parametrize("entity", EVERY)
def test_checks_speak_of_fields_that_exist_and_say_what_to_do(entity: Entity) -> None:
    for check in entity.checks:
        assert set(check.fields) <= set(entity.columns)
        assert all(re.search(rf"\b{name}\b", check.sql) for name in check.fields)
        assert check.reason
        assert check.remedy


@pytest.mark.parametrize(("entity", "field"), FIELDS)
def test_every_field_is_complete(entity: Entity, field: Field) -> None:
    assert field.label
    assert re.fullmatch(r"[a-z][a-z0-9_]*", field.name)
    if field.kind is Kind.choice:
        assert field.vocabulary is not None
        assert field.vocabulary.codes
        assert all(re.fullmatch(r"[A-Za-z0-9_.]+", code) for code in field.vocabulary.codes)
    if field.kind in (Kind.integer, Kind.number):
        assert field.low is not None
        assert field.high is not None
        assert field.low < field.high
    if field.kind is Kind.text:
        assert field.max_length > 0
    if field.missing:
        assert entity.by_name[field.missing].kind is Kind.choice


def test_the_patient_identifies_and_dates_are_known() -> None:
    assert BY_NAME["patient"].by_name["patient_key"].identifier
    assert BY_NAME["patient"].by_name["birth_year"].identifier
    assert {entity.name for entity in DATED} == {"procedure", "complication", "visit", "imaging", "event"}
    for entity in DATED:
        assert entity.by_name[entity.date].kind is Kind.date
