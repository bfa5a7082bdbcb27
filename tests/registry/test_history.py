"""History: every change of a patient in order, with old and new, and nobody else's."""

from __future__ import annotations

import pytest

from tests.registry.sample import sample, store
from vertherm.core.errors import InputError
from vertherm.registry.database import Registry
from vertherm.registry.history import FieldChange, history


@pytest.fixture
def filled(registry: Registry) -> Registry:
    store(registry, sample(2), why="first entry")
    return registry


def test_a_change_is_told_field_by_field(filled: Registry) -> None:
    row = next(row for row in filled.records().rows("visit") if row[:2] == ("P001", 2))
    values = dict(zip(("patient_key", "visit_no", "date", "vas", "vas_missing"), row, strict=False))
    assert values["vas"] is not None
    new = (*row[:3], None, "refused", *row[5:])
    with filled.transaction(user="bob", why="was not asked") as writer:
        writer.update("visit", [new])
    with filled.transaction(user="eve", why="double") as writer:
        writer.delete("visit", [row[:2]])
    first, second, third = [item for item in history(filled, "P001", "visit") if item.record_key == "P001|2"]
    assert (first.who, first.why, first.action) == ("tester", "first entry", "entered")
    assert FieldChange("visit_no", None, 2) in first.fields
    assert (second.who, second.why, second.action) == ("bob", "was not asked", "changed")
    (vas, reason) = sorted(second.fields, key=lambda item: item.field)
    assert (vas.field, vas.new, reason) == ("vas", None, FieldChange("vas_missing", None, "refused"))
    assert float(vas.old or 0) == pytest.approx(float(str(values["vas"])), rel=1e-14)
    assert (third.who, third.action) == ("eve", "deleted")
    assert all(item.new is None for item in third.fields)
    assert first.number < second.number < third.number
    assert first.tx != second.tx


def test_only_this_patient(registry: Registry) -> None:
    """P1 is no part of P10, and the signs that LIKE treats as wild cards are letters here."""
    from tests.registry.sample import patient, series
    from vertherm.registry.records import Records

    records = Records()
    series(records)
    for key in ("P1", "P10", "P_", "P%"):
        patient(records, key)
    store(registry, records)
    for key in ("P1", "P10", "P_", "P%"):
        found = history(registry, key)
        assert {item.record_key.split("|")[0] for item in found} == {key}
        assert len(found) == sum(row[0] == key for rows in records.tables.values() for row in rows)


def test_direct_sql_says_so(filled: Registry) -> None:
    with filled.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE patient SET age = 61 WHERE patient_key = 'P001'")
    last = history(filled, "P001", "patient")[-1]
    assert last.who.startswith("direct SQL")
    assert last.tx is None
    assert last.fields == (FieldChange("age", 60, 61),)


def test_unknown_names_are_refused(filled: Registry) -> None:
    with pytest.raises(InputError, match="no such patient"):
        history(filled, "P9")
    for entity in ("series", "nonsense"):
        with pytest.raises(InputError, match="no records of a patient"):
            history(filled, "P001", entity)
    assert history(filled, "P001", "death") == []
