"""Whatever is done past the application by somebody without the key is found, and the finding says what and where.

Each test changes one thing in a registry that was clean a moment before. The last tests show what is not found, as the
threat model says.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.registry.tampering import change_pain, fill, hidden_sql, scalar, sql, unguarded
from tests.servers.cohort import cohort
from vertherm.core.errors import InputError
from vertherm.registry import seal as sealing
from vertherm.registry.check import CheckReport, check, export_head
from vertherm.registry.database import Registry
from vertherm.registry.engine import address
from vertherm.registry.key import VARIABLE
from vertherm.registry.schema.system import AUDIT, SEAL

VISIT = "entity = 'visit' AND record_key = 'P000001|1'"
VISIT_ROW = "patient_key = 'P000001' AND visit_no = 1"


@pytest.fixture
def told(registry: Registry) -> Registry:
    """Three patients, then three corrections of one visit by three people."""
    fill(registry)
    for vas, user in ((9.0, "berta"), (8.0, "carl"), (7.0, "dora")):
        change_pain(registry, vas, user=user)
    assert check(registry).findings == ()
    return registry


def kinds(report: CheckReport) -> set[str]:
    return {finding.kind for finding in report.findings}


def text(report: CheckReport, kind: str) -> str:
    return "\n".join(f"{finding.where}: {finding.what}" for finding in report.findings if finding.kind == kind)


def test_an_edited_audit_row(told: Registry) -> None:
    row = scalar(told, f"SELECT max(id) FROM audit WHERE {VISIT}")
    old = '{"vas":0.5}' if told.dialect == "sqlite" else '{"vas": 0.5}'
    hidden_sql(told, f"UPDATE audit SET old = '{old}' WHERE id = {row}")
    report = check(told)
    assert kinds(report) == {"audit", "history"}
    assert "visit P000001|1" in text(report, "history")
    assert "by dora" in text(report, "history")
    assert "edited" in text(report, "audit")


def test_an_audit_row_given_to_another_author(told: Registry) -> None:
    hidden_sql(told, "UPDATE audit SET who = 'eve' WHERE entity = 'lesion' AND record_key = 'P000002|1'")
    report = check(told)
    assert kinds(report) == {"audit"}
    assert "lesion P000002|1, entered at" in text(report, "audit")
    assert "by eve" in text(report, "audit")


def test_a_deleted_audit_row(told: Registry) -> None:
    row = scalar(told, f"SELECT min(id) FROM audit WHERE {VISIT} AND who = 'berta'")
    hidden_sql(told, f"DELETE FROM audit WHERE id = {row}")
    report = check(told)
    assert kinds(report) == {"audit", "history"}
    assert (
        f"1 rows were sealed, 0 are there: rows were deleted or given to another transaction (numbers {row})"
        in text(report, "audit")
    )


def test_audit_rows_in_another_order(told: Registry) -> None:
    first, second = (scalar(told, f"SELECT {end}(id) FROM audit WHERE entity = 'patient'") for end in ("min", "max"))
    hidden_sql(
        told,
        f"UPDATE audit SET id = 999999 WHERE id = {first}",
        f"UPDATE audit SET id = {first} WHERE id = {second}",
        f"UPDATE audit SET id = {second} WHERE id = 999999",
    )
    report = check(told)
    assert kinds(report) == {"audit"}
    assert "moved" in text(report, "audit")


@pytest.mark.parametrize("tx", ["NULL", "stolen", "'invented'"])
def test_forged_audit_rows(told: Registry, tx: str) -> None:
    if tx == "stolen":
        tx = f"'{scalar(told, 'SELECT max(tx) FROM audit')}'"
    sql(
        told,
        "INSERT INTO audit (at, who, why, tx, entity, record_key, action, old, new) "
        f"VALUES ('2024-01-01T00:00:00.000Z', 'anna', 'x', {tx}, 'visit', 'P000001|1', 'U', '{{}}', '{{}}')",
    )
    report = check(told)
    assert "visit P000001|1, audit row" in text(report, "unsealed")
    assert {"unsealed", "history"} <= kinds(report)


def test_a_forged_row_in_the_middle(told: Registry) -> None:
    row = scalar(told, "SELECT max(id) FROM audit WHERE who = 'anna'")
    hidden_sql(
        told,
        f"UPDATE audit SET id = id + 1000 WHERE id > {row}",
        "INSERT INTO audit (id, at, who, why, tx, entity, record_key, action, old, new) SELECT id + 1, at, who, why, "
        f"tx, entity, 'P9', action, old, new FROM audit WHERE id = {row}",
    )
    assert {"unsealed", "audit"} <= kinds(check(told))


def test_an_edited_seal(told: Registry) -> None:
    hidden_sql(told, "UPDATE seal SET at = '2001-01-01T00:00:00.000Z' WHERE seal_no = 2")
    assert "seal 2 of 2001-01-01" in text(check(told), "seal")


def test_a_deleted_seal(told: Registry) -> None:
    hidden_sql(told, "DELETE FROM seal WHERE seal_no = 3")
    report = check(told)
    assert "seal 3 of the chain is missing" in text(report, "seal")
    assert "by berta" in text(report, "unsealed")


def test_all_seals_deleted(told: Registry) -> None:
    hidden_sql(told, "DELETE FROM seal")
    report = check(told)
    assert "no seal at all" in text(report, "seal")
    with pytest.raises(InputError, match="last seal"):
        change_pain(told, 1.0)
    with pytest.raises(InputError, match="has no seal"):
        export_head(told, Path("unused.json"))


def cut(registry: Registry) -> None:
    """Take back the last transaction so that nothing in the database tells of it."""
    last = "(SELECT max(seal_no) FROM seal)"
    tx = scalar(registry, f"SELECT tx FROM seal WHERE seal_no = {last}")
    hidden_sql(
        registry,
        f"UPDATE visit SET vas = 8 WHERE {VISIT_ROW}",
        f"DELETE FROM audit WHERE tx = '{tx}'",
        f"DELETE FROM seal WHERE tx = '{tx}'",
    )


def test_a_cut_end_is_found_by_the_exported_head(told: Registry, tmp_path: Path) -> None:
    export_head(told, tmp_path / "head.json")
    cut(told)
    report = check(told, heads=[tmp_path / "head.json"])
    assert kinds(report) == {"head"}
    assert "cut off" in text(report, "head")
    # The copy beside the key does it without the file.
    (tmp_path / "head.json").unlink()
    assert kinds(check(told)) == {"head"}


def test_a_cut_end_that_was_written_over_is_found_too(told: Registry, tmp_path: Path) -> None:
    export_head(told, tmp_path / "head.json")
    cut(told)
    change_pain(told, 1.0)
    assert "rewritten" in text(check(told), "head")
    change_pain(told, 2.0)
    assert "rewritten" in text(check(told), "head")


def test_a_true_seal_from_another_branch(told: Registry) -> None:
    """Seal and rows were once genuine, made with the key; but the seal after them follows from another one."""
    number = scalar(told, "SELECT max(seal_no) FROM seal")
    with told.engine.connect() as connection:
        genuine = connection.execute(sa.select(SEAL).where(SEAL.c.seal_no == number)).mappings().one()
        rows = connection.execute(sa.select(AUDIT).where(AUDIT.c.tx == genuine["tx"])).mappings().all()
    cut(told)
    change_pain(told, 2.0)
    change_pain(told, 3.0)
    other = scalar(told, f"SELECT tx FROM seal WHERE seal_no = {number}")
    hidden_sql(told, f"DELETE FROM audit WHERE tx = '{other}'", f"DELETE FROM seal WHERE tx = '{other}'")
    with unguarded(told) as connection:
        connection.execute(SEAL.insert(), dict(genuine))
        connection.execute(AUDIT.insert(), [dict(row) for row in rows])
    assert "does not follow from the seal before it" in text(check(told), "seal")


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)  # SQLite lets only one write at a time
def test_direct_sql_while_the_application_writes(told: Registry) -> None:
    """Its audit rows lie among those of the application: only they are reported, the seal around them holds."""
    records = cohort(2, first=50)
    with told.transaction(user="anna", why="entry") as writer:
        writer.insert("patient", records.rows("patient")[:1])
        sql(told, f"UPDATE visit SET vas = 1.5 WHERE {VISIT_ROW}")
        pretended = "SELECT set_config('vertherm.tx', 'invented', true)"
        sql(told, pretended, "UPDATE visit SET vas = 1.5 WHERE patient_key = 'P000002' AND visit_no = 1")
        writer.insert("patient", records.rows("patient")[1:])
    report = check(told)
    assert kinds(report) == {"unsealed"}
    assert len(report.findings) == 2


def test_an_older_copy_put_in_place(told: Registry, tmp_path: Path) -> None:
    head = tmp_path / "head.json"
    if told.dialect == "sqlite":
        path = Path(str(told.address.database))
        scalar(told, "PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(path, tmp_path / "older.db")
        change_pain(told, 1.0)
        export_head(told, head)
        told.close()
        for name in tmp_path.glob("registry.db*"):
            name.unlink()
        shutil.copy(tmp_path / "older.db", path)
        assert kinds(check(told, heads=[head])) == {"head"}
        return
    name = told.address.database
    told.close()
    server = sa.create_engine(told.address.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}_older TEMPLATE {name}")
    change_pain(told, 1.0)
    export_head(told, head)
    url = told.address.set(database=f"{name}_older").render_as_string(hide_password=False)
    with Registry.open(url) as older:
        assert kinds(check(older, heads=[head])) == {"head"}
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}_older WITH (FORCE)")
    server.dispose()


def test_a_frozen_head_inside_the_registry_counts_as_well(told: Registry) -> None:
    with told.transaction(user="anna", why="freeze") as writer:
        writer.connection.exec_driver_sql(
            'INSERT INTO "freeze" (at, who, why, series, data_sha256, counts, head_seal_no, head_mac, audit_rows) '
            "VALUES ('2024-01-01T00:00:00.000Z', 'anna', 'x', '', 'x', '{}', 3, 'another', 1)"
        )
    assert "freeze 1" in text(check(told), "head")


def test_data_edited_with_the_triggers_off(told: Registry) -> None:
    hidden_sql(told, f"UPDATE visit SET vas = 1.5 WHERE {VISIT_ROW}")
    report = check(told)
    assert kinds(report) == {"live data"}
    assert "visit P000001|1, last changed at" in text(report, "live data")
    assert "by dora" in text(report, "live data")
    assert "vas is 1.5 in the data, 7" in text(report, "live data")


def test_data_deleted_and_inserted_with_the_triggers_off(told: Registry) -> None:
    hidden_sql(
        told,
        "DELETE FROM root_status WHERE patient_key = 'P000003'",
        "INSERT INTO event (patient_key, event_no, date, kind) VALUES ('P000001', 1, '2018-01-01', 'surgery')",
        "INSERT INTO root_status (patient_key, visit_no, root, side, motor) VALUES ('P000001', 1, 'L4', 'left', 5)",
    )
    report = check(told)
    assert kinds(report) == {"live data"}
    assert text(report, "live data").count("is gone from the data") == 6
    assert text(report, "live data").count("the audit does not know it") == 2


def test_a_deleted_record_brought_back(told: Registry) -> None:
    with told.transaction(user="anna", why="twice") as writer:
        writer.delete("root_status", [("P000002", 2, "L5", "left")])
    hidden_sql(
        told,
        "INSERT INTO root_status (patient_key, visit_no, root, side, motor) VALUES ('P000002', 2, 'L5', 'left', 5)",
    )
    assert "the audit says that it was deleted" in text(check(told), "live data")


def test_data_edited_with_the_triggers_in_place(told: Registry) -> None:
    sql(told, f"UPDATE visit SET vas = 1.5 WHERE {VISIT_ROW}", "DELETE FROM root_status WHERE patient_key = 'P000003'")
    report = check(told)
    assert kinds(report) == {"unsealed"}
    assert "visit P000001|1" in text(report, "unsealed")
    assert "by direct SQL" in text(report, "unsealed")
    assert len(report.findings) == 7


def test_data_edited_under_a_stolen_or_invented_transaction(told: Registry) -> None:
    for tx in (scalar(told, "SELECT max(tx) FROM audit"), "invented"):
        if told.dialect == "sqlite":
            context = f"UPDATE audit_context SET who = 'dora', why = 'x', tx = '{tx}'"
            after = "UPDATE audit_context SET who = NULL, why = NULL, tx = NULL"
        else:
            context = f"SELECT set_config('vertherm.who', 'dora', true), set_config('vertherm.tx', '{tx}', true)"
            after = "SELECT 1"
        sql(told, context, f"UPDATE visit SET vas = vas - 1 WHERE {VISIT_ROW}", after)
    report = check(told)
    assert kinds(report) == {"unsealed"}
    assert "claims to belong to transaction" in text(report, "unsealed")
    assert "No seal covers the transaction it claims (invented)" in text(report, "unsealed")
    # An honest change afterwards is sealed, and does not seal the others along with itself.
    change_pain(told, 2.0)
    assert len(check(told).findings) == 2


def test_a_trigger_removed_changed_or_added(told: Registry) -> None:
    if told.dialect == "sqlite":
        sql(told, "DROP TRIGGER vt_visit_audit_update", "DROP TRIGGER vt_lesion_lock_update",
            "CREATE TRIGGER vt_lesion_lock_update BEFORE UPDATE ON lesion WHEN 0 BEGIN SELECT 1; END",
            "CREATE TRIGGER nice AFTER INSERT ON visit BEGIN UPDATE visit SET vas = 0; END")  # fmt: skip
    else:
        sql(told, "DROP TRIGGER vt_visit_audit ON visit", "ALTER TABLE event DISABLE TRIGGER vt_event_audit",
            "CREATE OR REPLACE FUNCTION vt_lesion_guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER nice AFTER INSERT ON visit FOR EACH ROW EXECUTE FUNCTION vt_lesion_guard()",
            "CREATE RULE hush AS ON DELETE TO visit DO INSTEAD NOTHING")  # fmt: skip
    report = check(told)
    assert kinds(report) == {"structure"}
    found = text(report, "structure")
    assert "is missing: somebody removed it" in found
    assert "it was changed" in found
    assert "nice: The trigger does not belong to the registry" in found
    assert len(report.findings) == (3 if told.dialect == "sqlite" else 5)


def test_a_constraint_removed(told: Registry) -> None:
    if told.dialect == "sqlite":
        with unguarded(told) as connection:
            connection.exec_driver_sql("PRAGMA writable_schema = ON")
            connection.exec_driver_sql(
                "UPDATE sqlite_master SET sql = replace(sql, 'vas BETWEEN 0 AND 10', 'vas BETWEEN 0 AND 99') "
                "WHERE name = 'visit'"
            )
    else:
        sql(told, "ALTER TABLE visit DROP CONSTRAINT ck_visit_vas",
            "ALTER TABLE visit ADD CONSTRAINT ck_visit_vas CHECK (vas >= 0 AND vas <= 99)",
            "ALTER TABLE response DROP CONSTRAINT fk_response_patient_key_lesion_no")  # fmt: skip
    report = check(told)
    assert kinds(report) == {"structure"}
    assert "visit" in text(report, "structure")


def test_values_brought_in_past_the_rules(told: Registry) -> None:
    statements = (
        f"UPDATE visit SET vas = 77 WHERE {VISIT_ROW}",
        "UPDATE procedure SET date = '2030-01-01' WHERE patient_key = 'P000002'",
        "INSERT INTO death (patient_key, date, cause) VALUES ('P000002', '2025-01-01', 'tumour')",
        "UPDATE response SET lesion_no = 9 WHERE patient_key = 'P000003'",
    )
    if told.dialect == "sqlite":
        told.close()
        raw = sa.create_engine(address(told.url))
        with raw.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.isolation_level = None
            for statement in ("PRAGMA foreign_keys = OFF", "PRAGMA ignore_check_constraints = ON"):
                driver.execute(statement)
            for (name,) in driver.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                driver.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                driver.execute(statement)
        raw.dispose()
    else:
        hidden_sql(told, "ALTER TABLE visit DROP CONSTRAINT ck_visit_vas", *statements,
                   "ALTER TABLE visit ADD CONSTRAINT ck_visit_vas CHECK (vas BETWEEN 0 AND 10) NOT VALID")  # fmt: skip
    found = text(check(told), "rule")
    assert "visit P000001|1: Pain (VAS) has a value" in found or "visit P000001|1: pain (VAS) has a value" in found
    assert "procedure P000002|1: The date lies after the patient's death" in found
    assert "It belongs to a lesion that does not exist" in found


def test_an_equivalent_that_is_not_that_of_its_doses(told: Registry) -> None:
    with told.transaction(user="anna", why="x") as writer:
        writer.insert("opioid_dose", [("P000001", 1, 1, "morphine", "oral", 60.0, "mg_per_day")])
        writer.connection.exec_driver_sql(f"UPDATE visit SET omeq_mg_day = 20, omeq_table = 'omeq-1' WHERE {VISIT_ROW}")
    report = check(told)
    assert kinds(report) == {"derived value"}
    assert "20 mg/day, but the doses of the visit make 60" in text(report, "derived value")


def test_a_signature_on_other_content(told: Registry) -> None:
    from vertherm.registry.lock import lock
    from vertherm.registry.signature import sign

    lock(told, "P000001", "visit", "1", user="carl", why="monitored")
    sign(told, "P000001", "visit", "1", user="carl", printed_name="Carl", meaning="checked")
    assert check(told).findings == ()
    hidden_sql(told, f"UPDATE visit SET vas = 1.5 WHERE {VISIT_ROW}")
    assert kinds(check(told)) == {"live data", "signature"}


def test_another_name_of_the_registry(told: Registry) -> None:
    hidden_sql(
        told,
        "UPDATE meta SET value = 'feedface' WHERE name = 'registry_id'",
        "UPDATE meta SET value = '7' WHERE name = 'schema_version'",
    )
    with Registry.open(told.address.render_as_string(hide_password=False)) as renamed:
        report = check(renamed)
    assert {"seal", "schema"} <= kinds(report)


def rewrite(registry: Registry, key: bytes) -> None:
    """The whole chain anew, over whatever the audit now holds."""
    with unguarded(registry) as connection:
        rows = connection.execute(sa.select(SEAL).order_by(SEAL.c.seal_no)).mappings().all()
        connection.execute(SEAL.delete())
        previous = sealing.origin(registry.registry_id)
        for row in rows:
            held = sa.select(AUDIT).where(AUDIT.c.id.between(row["first_id"], row["last_id"])).order_by(AUDIT.c.id)
            digest = sealing.digest_of(tuple(item) for item in connection.execute(held))
            draft = sealing.Seal(**{**row, "digest": digest, "previous": previous, "mac": ""})
            previous = sealing.mac_of(key, registry.registry_id, draft)
            connection.execute(SEAL.insert(), {**vars(draft), "mac": previous})


def forge(registry: Registry) -> None:
    """Another pain from the very beginning, in the data and in every audit row."""
    hidden_sql(
        registry,
        f"DELETE FROM audit WHERE {VISIT} AND who IN ('berta', 'carl', 'dora')",
        "DELETE FROM seal WHERE seal_no > 2",
        f"UPDATE visit SET vas = 1 WHERE {VISIT_ROW}",
        "UPDATE audit SET who = 'eve'",
    )


def test_a_chain_forged_without_the_key(told: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    forge(told)
    rewrite(told, b"x" * 32)
    report = check(told)
    assert kinds(report) == {"seal"}
    assert "forged" in text(report, "seal")
    assert report.verified_with_key
    # Without the key the forgery cannot be told, and the report says that nobody tried.
    monkeypatch.delenv("VERTHERM_REGISTRY_KEY_FILE")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    report = check(told)
    assert report.findings == ()
    assert not report.verified_with_key


def test_not_found_a_forger_with_the_key_and_no_exported_head(told: Registry, own_key: Path) -> None:
    forge(told)
    rewrite(told, bytes.fromhex(own_key.read_text()))
    assert check(told).findings == ()


def test_found_all_the_same_with_an_exported_head(told: Registry, own_key: Path, tmp_path: Path) -> None:
    export_head(told, tmp_path / "head.json")
    forge(told)
    rewrite(told, bytes.fromhex(own_key.read_text()))
    assert kinds(check(told)) == {"head"}


def test_not_found_a_cut_end_that_no_head_knows(told: Registry, tmp_path: Path) -> None:
    cut(told)
    assert check(told).findings == ()


def test_heads_that_are_none(told: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "head.json"
    for content in ("", "[]", '{"seal_no": 1}', json.dumps({"registry_id": "x", "seal_no": "a"})):
        path.write_text(content)
        with pytest.raises(InputError, match="no exported head"):
            check(told, heads=[path])
    export_head(told, path)
    path.write_text(path.read_text().replace(told.registry_id, "f" * 32))
    with pytest.raises(InputError, match="another registry"):
        check(told, heads=[path])
    monkeypatch.setenv(VARIABLE, "12" * 32)
    found = check(told).findings
    assert [finding.where for finding in found] == ["all 5 seals"], "one finding, not one a seal"
    assert "None was made with this key" in found[0].what


def test_thousands_of_findings_are_counted_not_listed(registry: Registry) -> None:
    fill(registry, cohort(400))
    sql(registry, "UPDATE visit SET vas = 0")
    report = check(registry)
    assert len(report.findings) == 101
    assert report.findings[-1].what == "1100 more of this kind."
