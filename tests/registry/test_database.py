"""What is written comes back the same from both databases; what fails leaves nothing and says which row."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.registry.tampering import change_pain, fill, scalar, sql
from tests.servers.cohort import cohort
from vertherm.core.errors import InputError
from vertherm.registry.database import Registry
from vertherm.registry.engine import address, shown
from vertherm.registry.frames import frames_of
from vertherm.registry.key import VARIABLE
from vertherm.registry.reading import snapshot
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import ENTITIES

# Whatever an escaping, a format sign or a reader of CSV might trip over.
ODD = "NA null \"quoted\" 'single' 100 % %s :name \\N \\ , ; | \t line\nbreak é 骨 \U0001f9b4 $body$"


def test_what_is_written_comes_back_the_same(registry: Registry) -> None:
    records = cohort(25)
    records.add("patient", patient_key="odd", series="test", synthetic="yes", sex="other", primary_tumour="other",
                primary_tumour_text=ODD[:200], prior_radiotherapy="no", systemic_therapy="no", note=ODD,
                last_contact=date(2020, 2, 29))  # fmt: skip
    fill(registry, records)
    back = registry.records()
    assert back.sha256() == records.sha256()
    assert {row[-1] for row in back.rows("patient")} == {None, ODD}
    assert isinstance(back.rows("visit")[0][2], date)


def test_frames_are_the_records_with_fixed_types(registry: Registry) -> None:
    records = fill(registry, cohort(12))
    records.add("patient", patient_key="odd", series="test", synthetic="yes", sex="other", primary_tumour="other",
                prior_radiotherapy="no", systemic_therapy="no", note=ODD)  # fmt: skip
    with registry.transaction(user="a", why="b") as writer:
        writer.insert("patient", records.rows("patient")[-1:])
    expected = frames_of(registry.records())
    for name, frame in registry.frames().items():
        pd.testing.assert_frame_equal(frame, expected[name])
    visits = registry.frames("test")["visit"]
    assert (visits["date"].dtype, visits["visit_no"].dtype, visits["vas"].dtype) == ("M8[ns]", "int64", "float64")
    assert registry.frames()["patient"]["note"].iloc[-1] == ODD


def test_rows_come_sorted_by_key_whatever_the_order_of_entry(registry: Registry) -> None:
    records = cohort(3)
    for key in ("b", "B", "a10", "a2", "é"):
        records.add("patient", patient_key=key, series="test", synthetic="yes", sex="male", primary_tumour="breast",
                    prior_radiotherapy="no", systemic_therapy="no")  # fmt: skip
    fill(registry, records)
    keys = [row[0] for row in registry.records().rows("patient")]
    assert keys == sorted(keys)
    assert list(registry.frames()["patient"]["patient_key"]) == keys


def test_one_series_alone(registry: Registry) -> None:
    fill(registry)
    other = Records()
    other.add("series", series="other", title="o", synthetic="yes", day_zero="patient")
    other.add("patient", patient_key="X", series="other", synthetic="yes", sex="male", primary_tumour="lung",
              prior_radiotherapy="no", systemic_therapy="no")  # fmt: skip
    fill(registry, other)
    assert registry.records("other").counts() == {"series": 1, "patient": 1}
    assert len(registry.frames("test")["visit"]) == 9
    assert len(registry.frames("other")["visit"]) == 0
    with pytest.raises(InputError, match="no such series"):
        registry.records("nowhere' OR 1=1 --")
    with pytest.raises(InputError, match="no such series"):
        registry.frames("nowhere")


def test_an_error_in_the_block_leaves_the_registry_as_it_was(registry: Registry) -> None:
    fill(registry)
    before, seals = registry.records().sha256(), scalar(registry, "SELECT count(*) FROM seal")
    with pytest.raises(RuntimeError), registry.transaction(user="a", why="b") as writer:  # noqa: PT012
        writer.insert(
            "patient", [(*("new", "test", "yes", "male"), *([None] * 2), "lung", None, "no", "no", *([None] * 4))]
        )
        raise RuntimeError
    assert registry.records().sha256() == before
    assert scalar(registry, "SELECT count(*) FROM seal") == seals


def test_a_refused_row_is_named_and_nothing_of_the_transaction_stays(registry: Registry) -> None:
    records = cohort(1500)
    visits = records.tables["visit"]
    number = 3200
    bad = list(visits[number])
    bad[3] = 11.0
    visits[number] = tuple(bad)
    with pytest.raises(InputError) as caught:
        fill(registry, records)
    assert f"patient_key {bad[0]}, visit_no {bad[1]}" in caught.value.where
    assert "0 to 10" in caught.value.expected
    assert registry.records().counts() == {}
    assert scalar(registry, "SELECT count(*) FROM audit") == 0


def test_update_and_delete(registry: Registry) -> None:
    fill(registry)
    change_pain(registry, 9.5)
    row = next(row for row in registry.records().rows("visit") if row[:2] == ("P000001", 1))
    assert row[3] == 9.5
    with registry.transaction(user="a", why="b") as writer:
        assert writer.delete("root_status", [("P000001", 1, "L5", "left"), ("P000001", 1, "S1", "left")]) == 2
    assert len(registry.records().rows("root_status")) == 16
    with (
        pytest.raises(InputError, match=r"no such record") as caught,
        registry.transaction(user="a", why="b") as writer,
    ):
        writer.update("visit", [row, ("P000001", 77, *row[2:])])
    assert "visit_no 77" in caught.value.where
    with pytest.raises(InputError, match="others still point"), registry.transaction(user="a", why="b") as writer:
        writer.delete("patient", [("P000001",)])
    with pytest.raises(InputError, match="such a record already"), registry.transaction(user="a", why="b") as writer:
        writer.insert("visit", [row])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vas", float("nan")), ("vas", float("inf")), ("vas", "7"), ("vas", True), ("vas", np.float64("nan")),
        ("visit_no", 1.5), ("visit_no", "1"), ("visit_no", True), ("date", "2015-01-01"),
        ("date", datetime(2015, 1, 1, 12, 30)), ("date", pd.NaT), ("note", ""), ("note", "a\x00b"), ("note", 7),
        ("note", "half \ud83d pair"), ("frankel", 3),
    ],
)  # fmt: skip
def test_values_of_another_type_are_refused_not_bent(registry: Registry, field: str, value: object) -> None:
    records = cohort(2)
    names = next(entity.columns for entity in ENTITIES if entity.name == "visit")
    row = dict(zip(names, records.tables["visit"].pop(), strict=True))
    records.tables.pop("root_status")
    fill(registry, records)
    with pytest.raises(InputError) as caught, registry.transaction(user="a", why="b") as writer:
        writer.insert("visit", [tuple((row | {field: value}).values())])
    assert caught.value.where.endswith(field)
    assert len(registry.records().rows("visit")) == 5


def test_numpy_values_and_whole_floats_are_taken_as_what_they_are(registry: Registry) -> None:
    records = cohort(2)
    names = next(entity.columns for entity in ENTITIES if entity.name == "visit")
    row = dict(zip(names, records.tables["visit"][-1], strict=True))
    odd = row | {"visit_no": np.int64(3), "vas": np.float32(row["vas"]), "date": pd.Timestamp(row["date"]),
                 "omeq_mg_day": np.float64(row["omeq_mg_day"]), "patient_key": np.str_(row["patient_key"])}  # fmt: skip
    expected = records.sha256()
    records.tables["visit"][-1] = tuple((odd | {"visit_no": 3.0}).values())
    fill(registry, records)
    assert registry.records().sha256() == expected


def test_a_row_of_the_wrong_length(registry: Registry) -> None:
    with pytest.raises(InputError, match="wrong number of values"), registry.transaction(user="a", why="b") as writer:
        writer.insert("series", [("s", "t")])
    with pytest.raises(InputError, match="no such table"), registry.transaction(user="a", why="b") as writer:
        writer.insert("audit", [("s", "t")])


def test_rows_may_come_from_a_generator_and_none_at_all(registry: Registry) -> None:
    records = cohort(30)
    with registry.transaction(user="a", why="b") as writer:
        assert writer.insert("visit", []) == 0
        for entity in ENTITIES:
            assert writer.insert(entity.name, iter(records.rows(entity.name))) == len(records.rows(entity.name))
    assert registry.records().sha256() == records.sha256()


def test_reading_sees_one_moment(registry: Registry) -> None:
    fill(registry)
    with snapshot(registry.engine) as connection:
        count = "SELECT count(*) FROM patient"
        assert connection.exec_driver_sql(count).scalar() == 3
        other = cohort(2, first=100)
        other.tables.pop("series")
        fill(registry, other)
        assert connection.exec_driver_sql(count).scalar() == 3
    assert scalar(registry, count) == 5


@pytest.mark.parametrize(("user", "why"), [("", "x"), ("  ", "x"), ("x", ""), ("x" * 201, "x"), ("x", "\x00")])
def test_every_change_has_an_author_and_a_reason(registry: Registry, user: str, why: str) -> None:
    with pytest.raises(InputError, match="Every change needs a"), registry.transaction(user=user, why=why):
        pass


def test_without_the_key_reading_works_and_writing_says_where_it_was_looked_for(
    registry: Registry, own_key: Path
) -> None:
    fill(registry)
    own_key.unlink()
    assert registry.records().counts()["patient"] == 3
    with pytest.raises(InputError, match="key of this registry is missing") as caught:
        change_pain(registry, 1.0)
    assert str(own_key) in caught.value.expected


def test_another_key_writes_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(registry)
    monkeypatch.setenv(VARIABLE, "ab" * 32)
    with pytest.raises(InputError, match="not made with the key at hand"):
        change_pain(registry, 1.0)
    monkeypatch.setenv(VARIABLE, "ab" * 31)
    with pytest.raises(InputError, match="no sealing key"):
        change_pain(registry, 1.0)


def test_a_new_registry_has_a_key_that_only_its_owner_reads(empty_database: str, own_key: Path) -> None:
    with Registry.create(empty_database) as registry:
        assert registry.records().counts() == {}
        assert scalar(registry, "SELECT count(*) FROM seal") == 1
    assert own_key.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(own_key.read_text())) == 32
    with pytest.raises(InputError, match="There is a registry here already"):
        Registry.create(empty_database)


def test_a_database_with_something_else_is_left_alone(empty_database: str, own_key: Path) -> None:
    import sqlalchemy as sa

    engine = sa.create_engine(address(empty_database), poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (x INTEGER)")
    with pytest.raises(InputError, match="holds something else"):
        Registry.create(empty_database)
    with pytest.raises(InputError, match="no registry here"):
        Registry.open(empty_database)
    assert not own_key.exists()


def test_no_file_no_registry(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no registry here") as caught:
        Registry.open(str(tmp_path / "missing.db"))
    assert "registry init" in caught.value.advice
    assert not (tmp_path / "missing.db").exists()


def test_a_file_that_is_no_database(tmp_path: Path, own_key: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("dear diary " * 500)
    for act in (Registry.open, Registry.create):
        with pytest.raises(InputError, match="no SQLite database"):
            act(str(path))
    assert path.read_text().startswith("dear diary")


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(InputError, match="cannot be reached") as caught:
        Registry.open("postgresql://me:secret@127.0.0.1:9/x")
    assert "secret" not in str(caught.value)


def test_a_file_is_for_its_owner_alone(tmp_path: Path, own_key: Path) -> None:
    Registry.create(str(tmp_path / "deep" / "r.db")).close()
    assert (tmp_path / "deep" / "r.db").stat().st_mode & 0o777 == 0o600


def test_a_table_removed_by_hand_is_an_input_error_too(registry: Registry) -> None:
    fill(registry)
    sql(registry, "DROP TABLE cement_leak")
    with pytest.raises(InputError):
        registry.records()
    with pytest.raises(InputError):
        registry.frames()


def test_addresses() -> None:
    assert address("postgres://u:p@h/d").drivername == "postgresql+pg8000"
    assert address("postgresql://u@h:5/d").drivername == "postgresql+pg8000"
    assert shown(address("postgresql://u:p@h/d")) == "postgresql://u:***@h/d"
    assert address("some/file.db").database == "some/file.db"
    assert address("sqlite:////a/b.db").database == "/a/b.db"
    for bad in ("mysql://u@h/d", "sqlite://", "sqlite:///:memory:", "postgresql://u@h:x/d"):
        with pytest.raises(InputError, match="no address of a registry"):
            address(bad)


def test_importing_stays_light() -> None:
    heavy = "('pandas', 'alembic', 'pg8000')"
    code = f"import sys, vertherm.registry.database as d; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)  # SQLite has no connection to lose
def test_a_connection_lost_in_the_middle(registry: Registry) -> None:
    before = fill(registry).sha256()
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    with pytest.raises(InputError, match="cannot be reached"), registry.transaction(user="a", why="b") as writer:  # noqa: PT012
        writer.delete("root_status", [("P000001", 1, "L5", "left")])
        scalar(registry, others + "pg_backend_pid()")
        writer.delete("root_status", [("P000001", 1, "S1", "left")])
    assert registry.records().sha256() == before
    change_pain(registry, 2.0)


def test_another_program_that_never_lets_go(tmp_path: Path, own_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vertherm.registry.engine._SQLITE_SETTINGS", ("busy_timeout = 50",))
    with Registry.create(str(tmp_path / "r.db")) as registry, registry.transaction(user="a", why="b"):
        with pytest.raises(InputError, match="database is busy") as caught, registry.transaction(user="c", why="d"):
            pass
        assert "try again" in caught.value.advice
