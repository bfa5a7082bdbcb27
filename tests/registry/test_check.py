"""An honest registry passes, and the chain can be followed with nothing but its description in the documentation."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from tests.registry.sample import sample, store
from tests.registry.tampering import change_pain, fill
from vertherm.registry.check import check, export_head
from vertherm.registry.check.heads import kept_path
from vertherm.registry.database import Registry


def test_a_new_registry(registry: Registry) -> None:
    report = check(registry)
    assert report.ok
    assert (report.findings, report.seals, report.audit_rows, report.verified_with_key) == ((), 1, 0, True)


def test_an_honest_registry_with_everything_in_it(registry: Registry, tmp_path: Path) -> None:
    from vertherm.registry.freeze import freeze
    from vertherm.registry.lock import lock, unlock
    from vertherm.registry.signature import sign

    store(registry, sample(40))
    lock(registry, "P001", user="carl", why="monitored")
    sign(registry, "P001", user="carl", printed_name="Carl", meaning="checked")
    lock(registry, "P002", user="carl", why="monitored")
    sign(registry, "P002", user="carl", printed_name="Carl", meaning="checked")
    unlock(registry, "P002", user="dora", why="wrong value")
    freeze(registry, user="anna", why="review", folder=tmp_path / "freeze")
    change_pain(registry, 5.0, patient="P003")
    with registry.transaction(user="anna", why="twice") as writer:
        writer.delete("event", [("P004", 1)])
        row = next(row for row in registry.records().rows("visit") if row[:2] == ("P005", 1))
        writer.update("visit", [row])
    steps: list[tuple[str, float]] = []
    report = check(
        registry, heads=list((tmp_path / "freeze").glob("*head.json")), progress=lambda *at: steps.append(at)
    )
    assert report.findings == ()
    assert report.heads >= 2
    assert json.loads(json.dumps(report.as_dict()))["ok"] is True
    for name in {step for step, _ in steps}:
        done = [value for step, value in steps if step == name]
        assert done == sorted(done)
        assert done[-1] == 1.0


def test_numbers_that_fifteen_digits_do_not_hold(registry: Registry) -> None:
    # SQLite writes 15 digits into the audit; that alone is no finding.
    store(registry, sample(7))
    assert check(registry).findings == ()


def test_the_chain_by_its_description_alone(registry: Registry, own_key: Path) -> None:
    """Written after docs/theory/registry-integrity.md, without the package's functions."""
    fill(registry)
    change_pain(registry, 9.0)
    key = bytes.fromhex(own_key.read_text().strip())
    with registry.engine.connect() as connection:
        seals = connection.exec_driver_sql(
            "SELECT seal_no, tx, first_id, last_id, n_rows, digest, previous, mac, at FROM seal ORDER BY seal_no"
        ).fetchall()
        rows = connection.exec_driver_sql(
            'SELECT id, at, who, why, tx, entity, record_key, action, "old", "new" FROM audit ORDER BY id'
        ).fetchall()
    previous = hashlib.sha256(f"vertherm-registry {registry.registry_id}".encode()).hexdigest()
    covered = 0
    for number, tx, first, last, count, digest, before, mac, at in seals:
        own = [row for row in rows if first <= row[0] <= last and row[4] == tx]
        text = "".join(json.dumps(list(row), ensure_ascii=False, separators=(",", ":")) + "\n" for row in own)
        assert hashlib.sha256(text.encode()).hexdigest() == digest
        assert len(own) == count
        fields = [registry.registry_id, number, tx, first, last, count, digest, before, at]
        message = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        assert hmac.new(key, message, hashlib.sha256).hexdigest() == mac
        assert before == previous
        previous, covered = mac, covered + count
    assert covered == len(rows) > 0
    assert [seal[0] for seal in seals] == list(range(1, len(seals) + 1))


def test_an_exported_head(registry: Registry, tmp_path: Path) -> None:
    fill(registry)
    head = export_head(registry, tmp_path / "deep" / "head.json")
    document = json.loads((tmp_path / "deep" / "head.json").read_text())
    assert document == {"registry_id": registry.registry_id, "seal_no": head.seal_no, "mac": head.mac,
                        "audit_rows": 55, "at": head.at}  # fmt: skip
    export_head(registry, tmp_path / "again.json")
    assert len(kept_path(registry.registry_id).read_text().splitlines()) == 1
    change_pain(registry, 1.0)
    export_head(registry, tmp_path / "again.json")
    assert len(kept_path(registry.registry_id).read_text().splitlines()) == 2
    assert check(registry, heads=[tmp_path / "deep" / "head.json", tmp_path / "again.json"]).findings == ()


def test_a_head_that_cannot_be_kept_warns(registry: Registry, tmp_path: Path) -> None:
    from vertherm.core.warnings import VerthermWarning

    kept_path(registry.registry_id).mkdir()
    with pytest.warns(VerthermWarning, match="could not be kept"):
        export_head(registry, tmp_path / "head.json")
    assert (tmp_path / "head.json").exists()


def test_a_transaction_of_many_rows_has_many_seals(registry: Registry) -> None:
    from tests.servers.cohort import cohort

    records = fill(registry, cohort(200))
    report = check(registry)
    rows = sum(records.counts().values())
    assert report.findings == ()
    assert (report.audit_rows, report.seals) == (rows, 1 + -(-rows // 1000))
    with registry.transaction(user="a", why="nothing to do"):
        pass
    assert check(registry).seals == report.seals
