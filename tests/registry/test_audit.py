"""Every change leaves who, when, what, old, new and why; locks, death and history hold against direct SQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from tests.registry.tampering import change_pain, direct, fill, scalar, sql
from vertherm.core.errors import InputError
from vertherm.registry import triggers
from vertherm.registry.check import check, structure
from vertherm.registry.database import Registry
from vertherm.registry.engine import WRITE
from vertherm.registry.schema.system import AUDIT, AUDITED


def audit(registry: Registry, where: str = "1 = 1") -> list[Any]:
    with registry.engine.connect() as connection:
        return list(connection.execute(sa.select(AUDIT).where(sa.text(where)).order_by(AUDIT.c.id)))


def refused(registry: Registry, statement: str) -> InputError:
    with pytest.raises(sa.exc.DBAPIError) as caught, direct(registry) as connection:
        connection.exec_driver_sql(statement)
    from vertherm.registry.errors import translate

    return translate(caught.value)


def test_entry_change_and_deletion(registry: Registry) -> None:
    fill(registry)
    change_pain(registry, 9.5)
    with registry.transaction(user="carl", why="entered twice") as writer:
        writer.delete("root_status", [("P000002", 1, "L5", "left")])
    entered, changed = audit(registry, "entity = 'visit' AND record_key = 'P000001|1'")
    assert (entered.who, entered.why, entered.action, entered.old) == ("anna", "first entry", "I", None)
    assert (changed.who, changed.why, changed.action) == ("berta", "correction to 9.5", "U")
    old, new = json.loads(changed.old), json.loads(changed.new)
    assert old == json.loads(entered.new)
    assert {name for name in new if new[name] != old[name]} == {"vas"}
    assert (old["vas"], new["vas"], new["date"]) == (1.0, 9.5, "2014-12-30")
    assert not any(value is None for value in new.values())
    deleted = audit(registry, "action = 'D'")
    assert [(row.entity, row.record_key, row.who, row.new) for row in deleted] == [
        ("root_status", "P000002|1|L5|left", "carl", None)
    ]
    assert len({entered.tx, changed.tx, deleted[0].tx}) == 3
    at = datetime.strptime(changed.at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - at).total_seconds()) < 120


def test_one_row_for_every_row_written_in_every_table(registry: Registry) -> None:
    from tests.registry.sample import sample, store

    records = sample(3)
    store(registry, records)
    counts = {name: sum(1 for row in audit(registry) if row.entity == name) for name in AUDITED}
    assert {name: number for name, number in counts.items() if number} == records.counts()
    assert len(records.counts()) == len(AUDITED) - 3  # every table but locks, signatures and freezes


def test_the_key_of_a_record_is_the_same_text_on_both_databases(registry: Registry) -> None:
    from tests.registry.sample import sample, store

    store(registry, sample(2))
    keys = [row.record_key for row in audit(registry, "entity = 'thermocouple_reading'")]
    assert keys[:4] == ["P000|1|1|0.1", "P000|1|1|1.1", "P000|1|1|2.1", "P001|1|1|0.333333333333333"]


def test_a_transaction_that_fails_leaves_no_audit(registry: Registry) -> None:
    fill(registry)
    before = len(audit(registry))
    with pytest.raises(RuntimeError), registry.transaction(user="a", why="b") as writer:  # noqa: PT012
        writer.delete("root_status", [("P000002", 1, "L5", "left")])
        raise RuntimeError
    assert len(audit(registry)) == before


def test_direct_sql_is_audited_under_its_own_name(registry: Registry) -> None:
    fill(registry)
    sql(registry, "UPDATE visit SET vas = 0 WHERE patient_key = 'P000001' AND visit_no = 1")
    row = audit(registry)[-1]
    assert row.who == ("direct SQL" if registry.dialect == "sqlite" else "direct SQL (postgres)")
    assert (row.tx, row.why, row.action) == (None, None, "U")
    # The names of an earlier transaction on the same connection are gone.
    change_pain(registry, 3.0)
    sql(registry, "UPDATE visit SET vas = 0 WHERE patient_key = 'P000001' AND visit_no = 1")
    assert audit(registry)[-1].tx is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who = 'nobody' WHERE id = 1", "DELETE FROM audit WHERE id = 1", "DELETE FROM seal",
        "UPDATE seal SET n_rows = 1", "UPDATE meta SET value = 'x' WHERE name = 'registry_id'",
        "DELETE FROM meta WHERE name = 'registry_id'",
    ],
)  # fmt: skip
def test_history_cannot_be_changed_while_the_triggers_stand(registry: Registry, statement: str) -> None:
    fill(registry)
    assert "keeps history" in refused(registry, statement).what


def test_nor_by_the_back_doors_of_each_database(registry: Registry) -> None:
    fill(registry)
    if registry.dialect == "sqlite":
        row = "1, 'now', 'nobody', NULL, NULL, 'visit', 'P', 'D', '{}', NULL"
        assert "keeps history" in refused(registry, f"INSERT OR REPLACE INTO audit VALUES ({row})").what
        seal = "SELECT seal_no, tx, first_id, last_id, n_rows, digest, previous, 'x', at FROM seal WHERE seal_no = 1"
        assert "keeps history" in refused(registry, f"INSERT OR REPLACE INTO seal {seal}").what
    else:
        for table in ("audit", "seal", "meta", "visit CASCADE", "patient CASCADE"):
            assert "keeps history" in refused(registry, f"TRUNCATE {table}").what


def test_a_key_cannot_change(registry: Registry) -> None:
    fill(registry)
    assert "key of a record" in refused(registry, "UPDATE root_status SET root = 'L4' WHERE root = 'L5'").what


def lock(registry: Registry, entity: str, key: str, patient: str = "P000001") -> None:
    with registry.transaction(user="carl", why="monitored") as writer:
        writer.connection.exec_driver_sql(
            f"INSERT INTO record_lock VALUES ('{patient}', '{entity}', '{key}', 'carl', '2024-01-01T00:00:00Z')"
        )


def test_a_locked_record_holds_and_its_neighbours_do_not(registry: Registry) -> None:
    fill(registry)
    lock(registry, "visit", "P000001|1")
    for act in ("UPDATE visit SET vas = 0", "DELETE FROM visit"):
        assert "locked" in refused(registry, f"{act} WHERE patient_key = 'P000001' AND visit_no = 1").what
    with pytest.raises(InputError, match="The record is locked") as caught:
        change_pain(registry, 2.0)
    assert "P000001" in caught.value.where
    assert "unlock" in caught.value.advice
    sql(registry, "UPDATE visit SET vas = 0 WHERE patient_key = 'P000001' AND visit_no = 2")
    change_pain(registry, 2.0, patient="P000002")


def test_a_locked_patient_takes_no_change_at_all(registry: Registry) -> None:
    fill(registry)
    lock(registry, "*", "")
    for statement in (
        "UPDATE patient SET sex = 'other' WHERE patient_key = 'P000001'",
        "DELETE FROM root_status WHERE patient_key = 'P000001'",
        "INSERT INTO event (patient_key, event_no, date, kind) VALUES ('P000001', 1, '2020-01-01', 'surgery')",
        "INSERT INTO death (patient_key, date, cause) VALUES ('P000001', '2024-01-01', 'tumour')",
    ):
        assert "locked" in refused(registry, statement).what
    sql(registry, "UPDATE patient SET sex = 'other' WHERE patient_key = 'P000002'")
    with registry.transaction(user="a", why="b") as writer:
        writer.connection.exec_driver_sql("DELETE FROM record_lock")
    sql(registry, "UPDATE patient SET sex = 'other' WHERE patient_key = 'P000001'")


def sign(registry: Registry, key: str) -> None:
    with registry.transaction(user="carl", why="signed") as writer:
        writer.connection.exec_driver_sql(
            "INSERT INTO signature (patient_key, entity, record_key, content_sha256, signed_by, printed_name, meaning, "
            f"signed_at, mac) VALUES ('P000001', 'visit', '{key}', 'x', 'carl', 'Carl', 'checked', 'now', 'x')"
        )


def test_taking_a_lock_away_voids_its_signatures_and_no_others(registry: Registry) -> None:
    fill(registry)
    for key in ("P000001|1", "P000001|2"):
        lock(registry, "visit", key)
        sign(registry, key)
    with registry.transaction(user="dora", why="wrong value") as writer:
        writer.connection.exec_driver_sql("DELETE FROM record_lock WHERE record_key = 'P000001|1'")
    with registry.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT voided_by, voided_why FROM signature ORDER BY signature_no"
        ).fetchall()
    assert [tuple(row) for row in rows] == [("dora", "wrong value"), (None, None)]
    assert scalar(registry, "SELECT voided_at FROM signature WHERE signature_no = 1")
    assert [row.action for row in audit(registry, "entity = 'signature' AND record_key = '1'")] == ["I", "U"]
    for statement in (
        "UPDATE signature SET voided_at = NULL WHERE signature_no = 1",
        "UPDATE signature SET printed_name = 'Eve' WHERE signature_no = 2",
        "DELETE FROM signature",
        "UPDATE record_lock SET locked_by = 'Eve'",
    ):
        assert "keeps history" in refused(registry, statement).what


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO visit (patient_key, visit_no, date, vas, odi_missing, omeq_mg_day_missing) "
        "VALUES ('P000001', 9, '2016-01-02', 1, 'not_done', 'not_done')",
        "INSERT INTO procedure (patient_key, procedure_no, date, anaesthesia, guidance, technical_success) "
        "VALUES ('P000001', 2, '2016-01-02', 'general', 'ct', 'yes')",
        "INSERT INTO imaging (patient_key, imaging_no, date, modality, evaluable) "
        "VALUES ('P000001', 2, '2016-01-02', 'ct', 'yes')",
        "INSERT INTO event (patient_key, event_no, date, kind) VALUES ('P000001', 1, '2016-01-02', 'surgery')",
        "INSERT INTO complication (patient_key, complication_no, procedure_no, site, term, onset, attribution, outcome)"
        " VALUES ('P000001', 1, 1, 'skin', 'bleeding', '2016-01-02', 'possible', 'unknown')",
        "UPDATE visit SET date = '2016-01-02' WHERE patient_key = 'P000001' AND visit_no = 3",
    ],
)
def test_nothing_is_dated_after_death(registry: Registry, statement: str) -> None:
    fill(registry)
    sql(registry, "INSERT INTO death (patient_key, date, cause) VALUES ('P000001', '2016-01-01', 'tumour')")
    assert "after the patient's death" in refused(registry, statement).what
    sql(registry, statement.replace("2016-01-02", "2016-01-01"))


def test_nobody_dies_before_what_happened_to_them(registry: Registry) -> None:
    fill(registry)
    early = "INSERT INTO death (patient_key, date, cause) VALUES ('P000001', '2015-06-10', 'tumour')"
    assert "death would lie before" in refused(registry, early).what  # the examination was on 2015-06-11
    sql(registry, early.replace("06-10", "06-11"))
    assert "death would lie before" in refused(registry, "UPDATE death SET date = '2015-06-10'").what


def test_triggers_can_be_taken_away_and_put_back(registry: Registry) -> None:
    fill(registry)
    dated = {"visit": "date", "procedure": "date", "imaging": "date", "event": "date", "complication": "onset"}
    with registry.engine.connect() as connection:
        writing = connection.execution_options(**{WRITE: True})
        with writing.begin():
            triggers.remove(writing)
            writing.exec_driver_sql("UPDATE visit SET vas = 0 WHERE patient_key = 'P000001'")
            triggers.install(writing, dated)
    assert len(audit(registry, "action = 'U'")) == 0
    change_pain(registry, 5.0)
    assert len(audit(registry, "action = 'U'")) == 1


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)  # SQLite has no accounts
def test_an_account_for_entry_alone(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rights that docs/theory/registry-integrity.md names are enough to write, and no more than that."""
    data = ", ".join(name for name in AUDITED if name != "freeze")
    role = f"entry_{registry.registry_id[:8]}_{registry.address.database}"
    sql(
        registry,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {data} TO {role}",
        f'GRANT SELECT, INSERT ON audit, seal, "freeze" TO {role}',
        f"GRANT SELECT ON meta, alembic_version TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
    )
    try:
        with Registry.open(registry.address.set(username=role).render_as_string(hide_password=False)) as entry:
            fill(entry)
            lock(entry, "visit", "P000001|1")
            sign(entry, "P000001|1")
            with entry.transaction(user="dora", why="unlock") as writer:
                writer.connection.exec_driver_sql("DELETE FROM record_lock")
            for statement in ("DELETE FROM audit", "ALTER TABLE visit DISABLE TRIGGER ALL", "DROP TABLE visit"):
                with pytest.raises(sa.exc.DBAPIError):
                    sql(entry, statement)
            sql(entry, "UPDATE visit SET vas = 1 WHERE patient_key = 'P000002'")
            monkeypatch.setattr(structure, "_WANTED", {})
            assert {finding.kind for finding in check(entry).findings} == {"not checked", "unsealed", "signature"}
        assert audit(registry)[-1].who == f"direct SQL ({role})"
        assert {finding.kind for finding in check(registry).findings} == {"unsealed", "signature"}
    finally:
        sql(registry, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
