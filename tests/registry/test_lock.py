"""Soft locks: what is locked cannot change by any path, unlocking is always possible and always told."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.registry.sample import DAY, patient, sample, store
from vertherm.core.errors import InputError
from vertherm.registry.database import Registry
from vertherm.registry.history import history
from vertherm.registry.lock import Lock, lock, locks, unlock
from vertherm.registry.record_ref import RecordRef, record_ref
from vertherm.registry.records import Records, Row
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES

OF_PATIENT = [entity.name for entity in ENTITIES if entity.of_patient]


@pytest.fixture
def filled(registry: Registry) -> Registry:
    store(registry, sample(3))
    return registry


def row_of(registry: Registry, entity: str, patient_key: str = "P000") -> Row:
    return next(row for row in registry.records().rows(entity) if row[0] == patient_key)


def changed(entity: str, row: Row) -> Row:
    """The same record with another value in a field that any value fits."""
    values = dict(zip(BY_NAME[entity].columns, row, strict=True))
    for name, value in (("note", "changed"), ("peak_temperature_c", 41.5), ("structure", "x"), ("volume_ml", 3.25)):
        if name in values and name not in BY_NAME[entity].key:
            return tuple({**values, name: value}.values())
    other = {"missed_visit": ("reason", "refused"), "opioid_dose": ("dose", 30.0), "root_status": ("motor", 3)}
    more = {
        "thermocouple_reading": ("temperature_c", 44.0),
        "plan_link": ("plan_id", "other"),
        "response": ("response", "pr"),
        "zone_prediction": ("dice", 0.25),
    }
    name, value = {**other, **more}[entity]
    return tuple({**values, name: value}.values())


def refused(registry: Registry, entity: str, row: Row) -> InputError:
    with pytest.raises(InputError) as caught, registry.transaction(user="u", why="w") as writer:
        writer.update(entity, [changed(entity, row)])
    assert "locked" in caught.value.text()
    return caught.value


def test_a_locked_record_cannot_change_and_its_neighbours_can(filled: Registry) -> None:
    """Every table: the lock holds the record, not the same table of another patient, and nothing is left half done."""
    who = "P002"  # the one with a row in every table, death included
    for entity in OF_PATIENT:
        row = row_of(filled, entity, who)
        key = row[: len(BY_NAME[entity].key)]
        name = "|".join(map(str, key))
        before = filled.records().sha256()
        lock(filled, who, entity, name, user="Ada", why="closed")
        refused(filled, entity, row)
        with pytest.raises(InputError, match="locked"), filled.transaction(user="u", why="w") as writer:
            writer.delete(entity, [key])
        with pytest.raises(sa.exc.DBAPIError, match="locked"), filled.engine.begin() as connection:
            connection.exec_driver_sql(f"DELETE FROM {entity} WHERE patient_key = '{who}'")
        assert filled.records().sha256() == before, entity
        if entity != "death":
            with filled.transaction(user="u", why="w") as writer:
                writer.update(entity, [changed(entity, row_of(filled, entity, "P000"))])
        assert unlock(filled, who, entity, name, user="Ada", why="reopened") == 0
        with filled.transaction(user="u", why="w") as writer:
            writer.update(entity, [changed(entity, row)])


def test_a_locked_patient_takes_no_change_and_no_new_record(filled: Registry) -> None:
    lock(filled, "P000", user="Ada", why="closed")
    for entity in OF_PATIENT:
        if entity != "death":
            refused(filled, entity, row_of(filled, entity))
    more = Records()
    more.add("event", patient_key="P000", event_no=2, date=DAY, kind="surgery")
    with pytest.raises(InputError, match="locked"):
        store(filled, more)
    store(filled, _one_more_event("P001"))


def _one_more_event(patient_key: str) -> Records:
    more = Records()
    more.add("event", patient_key=patient_key, event_no=2, date=DAY, kind="surgery")
    return more


def test_locks_name_who_and_when(filled: Registry) -> None:
    made = lock(filled, "P001", "lesion", "2", user="Ada", why="closed")
    assert made.ref == RecordRef("P001", "lesion", "P001|2")
    lock(filled, "P000", user="Bob", why="closed")
    assert locks(filled) == [Lock(RecordRef("P000"), "Bob", locks(filled)[0].locked_at), made]
    assert locks(filled, "P001") == [made]
    with pytest.raises(InputError, match=rf"locked by Ada at {made.locked_at}"):
        lock(filled, "P001", "lesion", "P001|2", user="Bob", why="again")


def test_locking_and_unlocking_is_audited(filled: Registry) -> None:
    lock(filled, "P001", "visit", "2", user="Ada", why="source data checked")
    unlock(filled, "P001", "visit", "2", user="Bob", why="typing error")
    told = [(item.who, item.why, item.action) for item in history(filled, "P001", "record_lock")]
    assert told == [("Ada", "source data checked", "entered"), ("Bob", "typing error", "deleted")]


def test_what_cannot_be_locked_or_unlocked_says_so(filled: Registry) -> None:
    for arguments, told in (
        (("P9",), "no such record"),
        (("P000", "lesion", "9"), "no such record"),
        (("P000", "lesion"), "does not name a record"),
        (("P000", "lesion", "P001|1"), "does not name a record"),
        (("P000", "lesion", "two"), "does not name a record"),
        (("P000", "series", "s1"), "no records of a patient"),
        (("P000", "nonsense", "1"), "no records of a patient"),
        (("P000", "*", "1"), "does not name a record"),
    ):
        with pytest.raises(InputError, match=told):
            lock(filled, *arguments, user="u", why="w")
    lock(filled, "P000", "lesion", "1", user="u", why="w")
    with pytest.raises(InputError, match=r"not locked(.|\n)*lesion P000\|1"):
        unlock(filled, "P000", user="u", why="w")
    assert len(locks(filled)) == 1


@pytest.mark.parametrize(
    ("entity", "written", "key"),
    [
        ("lesion", "2", "P1|2"),
        ("lesion", "P1|2", "P1|2"),
        ("patient", "", "P1"),
        ("death", "P1", "P1"),
        ("thermocouple_reading", "1|1|7.0", "P1|1|1|7"),
        ("thermocouple_reading", "P1|1|1|0.5", "P1|1|1|0.5"),
        ("cement_leak", "1|1|vein", "P1|1|1|vein"),
    ],
)
def test_keys_are_taken_with_and_without_the_patient(entity: str, written: str, key: str) -> None:
    assert record_ref("P1", entity, written) == RecordRef("P1", entity, key)


def test_a_record_locked_under_an_odd_number_is_held(registry: Registry) -> None:
    """Times of readings are doubles: the key of the lock must be the text that the trigger makes of them."""
    records = Records()
    from tests.registry.sample import series

    series(records)
    patient(records, "P0", number=0)
    store(registry, records)
    for time_s in (0.1, 1.1, 2.1):
        lock(registry, "P0", "thermocouple_reading", f"1|1|{time_s}", user="u", why="w")
        row = next(row for row in records.rows("thermocouple_reading") if row[3] == time_s)
        refused(registry, "thermocouple_reading", row)
