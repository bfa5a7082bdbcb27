"""Backup and restore lose nothing, on and between both databases; what is damaged is refused and leaves nothing."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
import uuid
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.registry.sample import DAY, patient, sample, series, store
from tests.servers.fixtures import _run, _server
from vertherm.core.errors import InputError
from vertherm.registry import backup_file, bulk
from vertherm.registry.backup import backup
from vertherm.registry.database import Registry
from vertherm.registry.engine import address, make_engine
from vertherm.registry.lock import lock, locks, unlock
from vertherm.registry.records import Records
from vertherm.registry.restore import restore
from vertherm.registry.schema.tables import METADATA
from vertherm.registry.signature import findings, sign, signatures
from vertherm.registry.synthetic import generate

Doctor = Callable[[dict[str, Any], dict[str, bytes]], None]


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """Several transactions, a locked and signed patient, a voided signature, corrections and a deletion."""
    store(registry, sample(8))
    for key in ("P000", "P001"):
        lock(registry, key, user="ada", why="closed")
        sign(registry, key, user="ada", printed_name="Ada Éxample", meaning="reviewed")
    unlock(registry, "P001", user="bob", why="typing error")
    with registry.transaction(user="bob", why="typing error") as writer:
        writer.update("event", [("P001", 1, DAY, "surgery", None, None)])
        writer.delete("missed_visit", [("P001", "before")])
    return registry


@pytest.fixture
def fresh(tmp_path: Path, registry_templates: Callable[[str], tuple[str, Path]]) -> Iterator[Callable[[str], str]]:
    """Makes addresses of empty databases of either kind."""
    made: list[str] = []

    def of(kind: str) -> str:
        name = f"t_{uuid.uuid4().hex[:12]}"
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / name}.db"
        made.append(name)
        server = _server(registry_templates("postgresql")[0])
        _run(server, f"CREATE DATABASE {name}")
        return server.url(name)

    yield of
    for name in made:
        _run(_server(registry_templates("postgresql")[0]), f"DROP DATABASE {name} WITH (FORCE)")


def everything(registry: Registry) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table with the types of the database."""
    with registry.engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
            for table in METADATA.sorted_tables
        }


def tables_of(url: str) -> list[str]:
    """Tables at an address; nothing there counts as none."""
    target = address(url)
    if target.get_backend_name() == "sqlite" and not Path(str(target.database)).exists():
        return []
    engine = make_engine(target)
    try:
        return sa.inspect(engine).get_table_names()
    finally:
        engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_everything_comes_back(filled: Registry, kind: str, fresh: Callable[[str], str], tmp_path: Path) -> None:
    """Row for row in every table, from each database into each; the registry goes on where it was."""
    made = backup(filled, tmp_path / "b.zip")
    assert made.signed
    assert made.counts["audit"] > 180
    before = everything(filled)
    assert all(before[name] for name in ("death", "record_lock", "signature", "seal", "meta"))
    url = fresh(kind)
    report = restore(tmp_path / "b.zip", url)
    assert report.verified_with_key
    assert report.counts == made.counts
    with Registry.open(url) as again:
        assert again.registry_id == filled.registry_id
        assert everything(again) == before
        assert again.records() == filled.records()
        assert findings(again) == []
        _goes_on(again)
    assert everything(filled) == before


def _goes_on(registry: Registry) -> None:
    """Locks hold, the audit and the numbers count on, and the chain accepts the next seal."""
    highest = max(row[0] for row in everything(registry)["audit"])
    with pytest.raises(InputError, match="locked"), registry.transaction(user="u", why="w") as writer:
        writer.update("event", [("P000", 1, DAY, "surgery", None, None)])
    late = [("P002", 2, DAY + timedelta(500), "surgery", None, None)]
    with pytest.raises(InputError, match="death"), registry.transaction(user="u", why="w") as writer:
        writer.insert("event", late)
    lock(registry, "P003", user="u", why="w")
    assert sign(registry, "P003", user="u", printed_name="U", meaning="m").signature_no == 3
    assert min(row[0] for row in everything(registry)["audit"] if row[0] > highest) == highest + 1
    with pytest.raises(sa.exc.DBAPIError), registry.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit")
    assert len(locks(registry)) == 2
    assert len(signatures(registry)) == 3


def test_the_restored_registry_passes_its_check(
    filled: Registry, dialect: str, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    from vertherm.registry.check import check

    backup(filled, tmp_path / "b.zip")
    url = fresh("sqlite" if dialect == "postgresql" else "postgresql")
    restore(tmp_path / "b.zip", url)
    with Registry.open(url) as again:
        report = check(again)
    assert list(report.findings) == []
    assert report.verified_with_key
    with Registry.open(url) as again:
        _goes_on(again)
        assert list(check(again).findings) == []


def test_a_second_backup_holds_the_same_rows(filled: Registry, fresh: Callable[[str], str], tmp_path: Path) -> None:
    """There and back through both databases."""
    backup(filled, tmp_path / "1.zip")
    first, second = fresh("postgresql"), fresh("sqlite")
    restore(tmp_path / "1.zip", first)
    with Registry.open(first) as middle:
        backup(middle, tmp_path / "2.zip")
    restore(tmp_path / "2.zip", second)
    with Registry.open(second) as last:
        assert everything(last) == everything(filled)
        assert last.records().sha256() == filled.records().sha256()


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40)


# Not shrunk: every example makes a database.
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    notes=st.lists(_TEXT, min_size=10, max_size=60),
    numbers=st.lists(st.floats(0, 10, allow_subnormal=False), min_size=10, max_size=60),
)
def test_any_text_and_any_number_survive(
    registry: Registry, fresh: Callable[[str], str], tmp_path: Path, notes: list[str], numbers: list[float]
) -> None:
    name = f"s{uuid.uuid4().hex[:8]}"
    records = Records()
    series(records, name)
    for number, text in enumerate(notes):
        records.add(
            "patient", patient_key=f"{name}-{number}", series=name, synthetic="yes", sex="male",
            primary_tumour="breast", prior_radiotherapy="no", systemic_therapy="no", note=text,
        )  # fmt: skip
    for number, value in enumerate(numbers, start=1):
        records.add(
            "visit", patient_key=f"{name}-0", visit_no=number, date=DAY + timedelta(number), vas=value,
            odi_missing="lost", omeq_mg_day_missing="lost",
        )  # fmt: skip
    store(registry, records)
    expected = registry.records()
    assert {row[-1] for row in records.rows("patient")} <= {row[-1] for row in expected.rows("patient")}
    path = tmp_path / f"{name}.zip"
    backup(registry, path)
    url = fresh("sqlite" if registry.dialect == "postgresql" else "postgresql")
    restore(path, url)
    with Registry.open(url) as again:
        assert again.records() == expected


@pytest.mark.parametrize(("name", "patients"), [("khan2018", None), ("stress", 30)])
def test_a_synthetic_series_comes_back(
    registry: Registry, fresh: Callable[[str], str], tmp_path: Path, name: str, patients: int | None
) -> None:
    made = generate(name, patients=patients)
    store(registry, made)
    backup(registry, tmp_path / "b.zip")
    url = fresh("sqlite" if registry.dialect == "postgresql" else "postgresql")
    restore(tmp_path / "b.zip", url)
    with Registry.open(url) as again:
        assert again.records().sha256() == made.sha256()
        assert everything(again) == everything(registry)


def test_memory_does_not_grow_with_the_rows(registry: Registry) -> None:
    """40,000 rows of 400 bytes, 16 MB, through a few MB of memory, out and in."""
    table = sa.Table(
        "heap", sa.MetaData(), sa.Column("name", sa.Integer, primary_key=True), sa.Column("value", sa.Text)
    )
    lines = (json.dumps([number, f"{number:0400d}"]).encode() for number in range(40_000))
    sizes: list[int] = []
    with registry.engine.begin() as connection:
        table.create(connection)
        tracemalloc.start()
        bulk.load(connection, table, lines)
        bulk.dump(connection, table, lambda block: sizes.append(len(block)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        connection.execute(sa.text("DROP TABLE heap"))
    assert sum(sizes) > 16e6
    assert peak < 6e6


def test_an_empty_registry(registry: Registry, fresh: Callable[[str], str], tmp_path: Path, dialect: str) -> None:
    backup(registry, tmp_path / "b.zip")
    url = fresh(dialect)
    restore(tmp_path / "b.zip", url)
    with Registry.open(url) as again:
        assert everything(again) == everything(registry)
        store(again, sample(1))


def test_the_file_is_private_and_without_the_key(filled: Registry, own_key: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    backup(filled, path)
    assert path.stat().st_mode & 0o077 == 0
    key = own_key.read_text().strip()
    with zipfile.ZipFile(path) as archive:
        assert not any(key.encode() in archive.read(name) for name in archive.namelist())


def test_a_target_that_holds_something_is_left_alone(
    filled: Registry, database: str, fresh: Callable[[str], str], tmp_path: Path, dialect: str
) -> None:
    backup(filled, tmp_path / "b.zip")
    before = everything(filled)
    with pytest.raises(InputError, match="not empty"):
        restore(tmp_path / "b.zip", database)
    assert everything(filled) == before
    url = fresh(dialect)
    engine = make_engine(address(url))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (a INTEGER)")
    engine.dispose()
    with pytest.raises(InputError, match="not empty"):
        restore(tmp_path / "b.zip", url)
    assert tables_of(url) == ["mine"]


def doctored(path: Path, doctor: Doctor, *, rehash: bool = True) -> Path:
    """A copy with changes, and with hashes and counts that fit them."""
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        parts = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
    doctor(manifest, parts)
    for part in manifest.get("parts", []) if rehash else []:
        content = parts.get(f"tables/{part['table']}.jsonl", b"")
        part |= {"sha256": hashlib.sha256(content).hexdigest(), "rows": content.count(b"\n")}
    other = path.with_name("doctored.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        archive.writestr("manifest.json", json.dumps(manifest))
    return other


def _replace(old: bytes, new: bytes, part: str = "patient") -> Doctor:
    def doctor(_manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
        name = f"tables/{part}.jsonl"
        assert old in parts[name]
        parts[name] = parts[name].replace(old, new, 1)

    return doctor


def _manifest(**values: object) -> Doctor:
    return lambda manifest, _parts: manifest.update(values)


def _drop(_manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    del parts["tables/visit.jsonl"]


def _drop_wholly(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    _drop(manifest, parts)
    manifest["parts"] = [part for part in manifest["parts"] if part["table"] != "visit"]


def _add(_manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    parts["../outside.txt"] = b"x"


def _last_visit(_manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    parts["tables/visit.jsonl"] = b"\n".join(parts["tables/visit.jsonl"].split(b"\n")[:-2]) + b"\n"


def _columns(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    manifest["parts"][0]["columns"][0] = "nonsense"


@pytest.mark.parametrize(
    ("doctor", "told"),
    [
        (_replace(b"breast", b"kidney"), "SHA-256 differs"),
        (_last_visit, "rows where the manifest says"),
        (_drop, "do not agree with the manifest: tables/visit.jsonl"),
        (_add, "outside.txt"),
    ],
)
def test_a_changed_part_is_refused_without_the_key_too(
    filled: Registry,
    own_key: Path,
    fresh: Callable[[str], str],
    dialect: str,
    tmp_path: Path,
    doctor: Doctor,
    told: str,
) -> None:
    backup(filled, tmp_path / "b.zip")
    own_key.unlink()
    refused(doctored(tmp_path / "b.zip", doctor, rehash=False), fresh(dialect), told)


def refused(path: Path, url: str, told: str, **options: bool) -> None:
    with pytest.raises(InputError, match=told) as caught:
        restore(path, url, **options)
    assert str(path) in caught.value.text()
    assert tables_of(url) == []
    database = address(url).database
    if "sqlite" in url:
        # Not even an unfinished file beside it.
        assert not list(Path(str(database)).parent.glob(f"*{Path(str(database)).name}*"))


@pytest.mark.parametrize(
    ("doctor", "told"),
    [
        (_manifest(version=2), "another version"),
        (_manifest(schema_version=99), "another version"),
        (_manifest(revision="9999"), "another version"),
        (_manifest(format="zip"), "not the manifest"),
        (_manifest(parts=[{"table": "x"}]), "KeyError"),
        (_manifest(head_seal_no="many"), "ValueError"),
        (_manifest(head_seal_no=1), "last seal differ"),
        (_manifest(registry_id="0" * 32), "name of the registry"),
        (_replace(b"breast", b"brust!"), "not allowed"),
        (_replace(b"P003", b"P999"), "points at one that does not exist"),
        (_replace(b'["P003"', b'["P002"'), "such a record already"),
        (_replace(b'["P003",', b"["), "does not have"),
        (_replace(b'["P003"', b'{"P003"'), "damaged"),
        (_drop_wholly, "tables do not fit"),
        (_columns, "columns do not fit"),
    ],
)
def test_rows_that_cannot_be_leave_nothing(
    filled: Registry,
    own_key: Path,
    fresh: Callable[[str], str],
    dialect: str,
    tmp_path: Path,
    doctor: Doctor,
    told: str,
) -> None:
    """Hashes that fit and no key at hand: the database and the manifest themselves refuse, after rows were loaded."""
    backup(filled, tmp_path / "b.zip")
    own_key.unlink()
    url = fresh(dialect)
    if told in ("not allowed", "points at one that does not exist", "such a record already"):
        with pytest.raises(InputError, match=told):
            restore(doctored(tmp_path / "b.zip", doctor), url)
        assert tables_of(url) == []
    else:
        refused(doctored(tmp_path / "b.zip", doctor), url, told)


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_with_the_key_only_what_it_confirms(
    filled: Registry, own_key: Path, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    """Who doctors a backup can recompute every hash but not the code; leaving the code out does not help."""
    path = tmp_path / "b.zip"
    backup(filled, path)
    url = fresh("sqlite")
    refused(doctored(path, _replace(b"breast", b"kidney")), url, "key does not confirm")
    refused(doctored(path, _manifest(mac=None)), url, "not signed")
    assert not restore(doctored(path, _manifest(mac=None)), url, allow_unsigned=True).verified_with_key
    text = own_key.read_text()
    own_key.unlink()
    assert not backup(filled, path).signed
    report = restore(path, fresh("sqlite"))
    assert not report.verified_with_key
    assert report.key_path == own_key
    own_key.write_text(text)
    refused(path, fresh("sqlite"), "not signed")


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_damage_anywhere_is_refused_or_harmless(filled: Registry, fresh: Callable[[str], str], tmp_path: Path) -> None:
    """One byte changed at 150 places, and cuts: an error, or (in a time stamp of the ZIP) the very same rows."""
    path, bad = tmp_path / "b.zip", tmp_path / "bad.zip"
    backup(filled, path)
    content, before = path.read_bytes(), everything(filled)
    harmless = 0
    for place in range(0, len(content), max(1, len(content) // 150)):
        bad.write_bytes(content[:place] + bytes([content[place] ^ 0x15]) + content[place + 1 :])
        url = fresh("sqlite")
        try:
            restore(bad, url)
        except InputError:
            assert tables_of(url) == []
            continue
        harmless += 1
        with Registry.open(url) as again:
            assert everything(again) == before
    assert harmless < 30
    for length in (0, 1, 100, len(content) // 2, len(content) - 30, len(content) - 1):
        bad.write_bytes(content[:length])
        refused(bad, fresh("sqlite"), "damaged")


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_no_backup_at_all(fresh: Callable[[str], str], tmp_path: Path, dialect: str) -> None:
    refused(tmp_path / "none.zip", fresh("sqlite"), "cannot be read")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", fresh("sqlite"), "cannot be read")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", "b")
    refused(tmp_path / "other.zip", fresh("sqlite"), "no manifest.json")


def test_a_failed_backup_keeps_the_old_one(filled: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b.zip"
    backup(filled, path)
    old = path.read_bytes()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vertherm.registry.bulk.dump", full)
    with pytest.raises(InputError, match="No space left"):
        backup(filled, path)
    assert path.read_bytes() == old
    assert [item.name for item in tmp_path.glob("*b.zip*")] == ["b.zip"]


_KILLED = """
import sys, time
from pathlib import Path
from vertherm.registry.restore import restore
def progress(step, done):
    if step == "restore" and done > 0.6:
        print("half way", flush=True)
        time.sleep(60)
restore(Path(sys.argv[1]), sys.argv[2], progress=progress)
"""


def test_a_killed_restore_leaves_no_registry(
    filled: Registry, fresh: Callable[[str], str], dialect: str, tmp_path: Path
) -> None:
    """SIGKILL after most tables were loaded; the target is still free, and the next restore works."""
    backup(filled, tmp_path / "b.zip")
    url = fresh(dialect)
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "b.zip"), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half way\n"
        process.send_signal(signal.SIGKILL)
    assert tables_of(url) == []
    with pytest.raises(InputError, match="no registry"):
        Registry.open(url)
    restore(tmp_path / "b.zip", url)
    with Registry.open(url) as again:
        assert everything(again) == everything(filled)


def test_a_backup_while_writers_write_is_of_one_moment(
    registry: Registry, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    """Each transaction enters a whole patient: a backup holds all of a patient or nothing, and audit and seals fit."""
    store(registry, sample(1))
    entered, stop = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            with Registry.open(registry.address.render_as_string(hide_password=False)) as own:
                for number in range(1000):
                    if stop.is_set():
                        return
                    records = Records()
                    patient(records, f"{name}{number:03d}", number=number)
                    store(own, records)
                    entered.set()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("A", "B")]
    for thread in threads:
        thread.start()
    assert entered.wait(30)
    made: dict[int, Path] = {}
    for number in range(60):
        path = tmp_path / f"{number}.zip"
        made.setdefault(backup(registry, path).counts["patient"], path)
        if len(made) == 4:
            break
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(made) > 1, "nobody wrote meanwhile: the test shows nothing"
    for path in made.values():
        _whole(path, fresh("sqlite"))


def _whole(path: Path, url: str) -> None:
    restore(path, url)
    with Registry.open(url) as again:
        rows = everything(again)
    patients = {row[0] for row in rows["patient"]}
    for name in ("lesion", "event", "response", "plan_link"):
        assert {row[0] for row in rows[name]} == patients
    sealed = sum(row[4] for row in rows["seal"])
    assert sealed == len(rows["audit"]) == sum(len(found) for name, found in rows.items() if name not in _OWN)


_OWN = ("audit", "seal", "meta")


def test_lines_are_bounded() -> None:
    """A part that is one endless line is not read into memory as a whole."""

    class Endless:
        def readline(self, limit: int) -> bytes:
            assert limit <= 64 * 1024 * 1024
            return b""

    assert list(backup_file.lines(Endless())) == []  # type: ignore[arg-type]
