"""Imports into a registry: wholly or not at all, the same again changes nothing, rows may refer to what is there.

Every test runs on SQLite and on a real PostgreSQL server.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registry.importing.small import TODAY, Tables, small, small_records, write_folder
from vertherm.core.errors import InputError
from vertherm.registry.database import Registry
from vertherm.registry.importing.importer import ImportReport, check_path, import_path, import_records
from vertherm.registry.importing.problem import ImportProblems, problems_csv
from vertherm.registry.records import Records
from vertherm.registry.schema.system import AUDIT, SEAL


def bring(registry: Registry, folder: Path, tables: Tables, **more: object) -> ImportReport:
    """Import tables as a folder of CSV."""
    path = write_folder(folder, tables)
    return import_path(registry, path, user="tester", why="test", today=TODAY, **more)  # type: ignore[arg-type]


def rows_of(registry: Registry, table: object) -> int:
    with registry.engine.connect() as connection:
        return len(connection.execute(table.select()).fetchall())  # type: ignore[attr-defined]


def test_first_and_second_import(registry: Registry, tmp_path: Path) -> None:
    """34 rows go in; the same again writes nothing: no row, no audit, no seal."""
    first = bring(registry, tmp_path / "a", small())
    assert sum(first.inserted.values()) == sum(map(len, small().values())) == 34
    assert not first.updated
    assert not first.unchanged
    assert registry.records().sha256() == small_records(tmp_path).sha256()
    audit, seals = rows_of(registry, AUDIT), rows_of(registry, SEAL)
    second = bring(registry, tmp_path / "a", small())
    assert (second.changed, sum(second.unchanged.values())) == (0, 34)
    assert (rows_of(registry, AUDIT), rows_of(registry, SEAL)) == (audit, seals)


def test_other_content_needs_update(registry: Registry, tmp_path: Path) -> None:
    """A row that is there with another VAS is a problem that names both values; update=True replaces only it."""
    bring(registry, tmp_path / "a", small())
    tables = small()
    tables["visit"][0]["vas"] = "8"
    before = registry.records().sha256()
    with pytest.raises(ImportProblems) as caught:
        bring(registry, tmp_path / "b", tables)
    (problem,) = caught.value.problems
    assert (problem.kind, problem.file, problem.row, problem.column) == ("changed_row", "visit.csv", 2, "vas")
    assert "vas = 7" in problem.reason
    assert registry.records().sha256() == before
    audit = rows_of(registry, AUDIT)
    report = bring(registry, tmp_path / "b", tables, update=True)
    assert (report.inserted, report.updated, sum(report.unchanged.values())) == ({}, {"visit": 1}, 33)
    assert rows_of(registry, AUDIT) == audit + 1
    assert next(iter(registry.records().dicts("visit")))["vas"] == 8.0


def test_nothing_is_half_imported(registry: Registry, tmp_path: Path) -> None:
    """One wrong cell in the last table keeps all rows out; the message counts it and names it."""
    tables = small()
    tables["event"][0]["date"] = "yesterday"
    with pytest.raises(ImportProblems) as caught:
        bring(registry, tmp_path / "a", tables)
    assert caught.value.count == 1
    assert caught.value.exit_code == 2
    assert "event.csv, event, row 2, date: not a date (got 'yesterday')" in str(caught.value)
    assert not registry.records().counts()


def test_rows_refer_to_what_is_there(registry: Registry, tmp_path: Path) -> None:
    """A later file brings one visit alone: its patient, procedure and windows are in the registry."""
    bring(registry, tmp_path / "a", small())
    visit = {"patient_key": "P1", "visit_no": "3", "date": "2016-08-05", "vas": "3", "odi_missing": "not_done"}
    report = bring(registry, tmp_path / "b", {"visit": [{**visit, "omeq_mg_day_missing": "unknown"}]})
    assert report.inserted == {"visit": 1}


def test_rules_see_what_is_there(registry: Registry, tmp_path: Path) -> None:
    """A visit after a death in the registry, a death before visits in it, a lesion that is there under another number.

    The problem names the row of the import, since that is what its reader can correct.
    """
    bring(registry, tmp_path / "a", small())
    none = {"odi_missing": "lost", "omeq_mg_day_missing": "lost", "vas_missing": "lost"}
    late = {"visit": [{"patient_key": "P2", "visit_no": "2", "date": "2016-08-02", **none}]}
    early = {"death": [{"patient_key": "P1", "date": "2016-03-19", "cause": "other"}]}
    again = {"lesion": [{**small()["lesion"][1], "lesion_no": "7"}]}
    alike = {"patient": [{**small()["patient"][1], "patient_key": "p1"}]}
    for number, (tables, kind, row) in enumerate(
        [(late, "after_death", 2), (early, "after_death", 2), (again, "not_unique", 2), (alike, "keys_alike", 2)]
    ):
        with pytest.raises(ImportProblems) as caught:
            bring(registry, tmp_path / f"b{number}", tables)
        assert (kind, row) in {(problem.kind, problem.row) for problem in caught.value.problems}, str(caught.value)


def test_doses_that_come_later_contradict_their_visit(registry: Registry, tmp_path: Path) -> None:
    """The equivalent in the registry was computed from two doses; a third must bring its visit along, with update."""
    bring(registry, tmp_path / "a", small())
    third = {**small()["opioid_dose"][0], "opioid_no": "3", "drug": "morphine", "dose": "10"}
    with pytest.raises(ImportProblems) as caught:
        bring(registry, tmp_path / "b", {"opioid_dose": [third]})
    assert [problem.kind for problem in caught.value.problems] == ["omeq_contradicts_doses"]
    report = bring(registry, tmp_path / "c", {"opioid_dose": [third], "visit": [small()["visit"][1]]}, update=True)
    assert (report.inserted, report.updated) == ({"opioid_dose": 1}, {"visit": 1})
    assert list(registry.records().dicts("visit"))[1]["omeq_mg_day"] == 100.0


def test_a_visit_alone_takes_the_doses_in_the_registry(registry: Registry, tmp_path: Path) -> None:
    """The same visit again, without its doses in the file, still computes to what is there: unchanged."""
    bring(registry, tmp_path / "a", small())
    report = bring(registry, tmp_path / "b", {"visit": [small()["visit"][1]]})
    assert (report.changed, report.unchanged) == (0, {"visit": 1})


def test_typed_records(registry: Registry, tmp_path: Path) -> None:
    """Records without a file obey the same rules, in words that name entity and number of the row."""
    records = small_records(tmp_path)
    wrong = Records({name: list(rows) for name, rows in records.tables.items()})
    wrong.add("death", patient_key="P1", date=None, cause="other")
    wrong.add("missed_visit", patient_key="P3", time_point="before", reason="lost")
    visit = list(wrong.rows("visit")[0])
    visit[3] = 11.0
    wrong.tables["visit"][0] = tuple(visit)
    with pytest.raises(ImportProblems) as caught:
        import_records(registry, wrong, user="tester", why="test", today=TODAY)
    found = {(problem.table, problem.row, problem.kind) for problem in caught.value.problems}
    assert found == {
        ("death", 2, "required"), ("missed_visit", 2, "unknown_patient"), ("visit", 1, "not_allowed"),
    }  # fmt: skip
    assert not registry.records().counts()
    report = import_records(registry, records, user="tester", why="test", today=TODAY)
    assert sum(report.inserted.values()) == 34
    assert import_records(registry, records, user="tester", why="test", today=TODAY).changed == 0


def test_check_writes_nothing(registry: Registry, tmp_path: Path) -> None:
    """A dry run says what would be done."""
    path = write_folder(tmp_path / "a", small())
    assert sum(check_path(registry, path, today=TODAY).inserted.values()) == 34
    assert not registry.records().counts()


def test_a_refusal_of_the_database_leaves_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With our own rules switched off the database still refuses a visit after death, and keeps nothing."""
    tables = small()
    tables["visit"][2]["date"] = "2016-08-02"
    monkeypatch.setattr("vertherm.registry.importing.validator.apply_rules", lambda *_: None)
    with pytest.raises(InputError) as caught:
        bring(registry, tmp_path / "a", tables)
    assert not isinstance(caught.value, ImportProblems)
    assert not registry.records().counts()


def test_someone_else_was_faster(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between check and write another writer enters a row with other content: the import is refused, not lost in it."""
    from vertherm.registry.importing import importer

    bring(registry, tmp_path / "a", {name: rows for name, rows in small().items() if name != "event"})
    real = importer._plan
    calls = []

    def racing(records: Records, existing: Records) -> object:
        if not calls:
            calls.append(1)
            plan = real(records, existing)
            with registry.transaction(user="other", why="race") as writer:
                row = list(records.rows("event")[0])
                row[-1] = "entered by someone else"
                writer.insert("event", [tuple(row)])
            return plan
        return real(records, existing)

    monkeypatch.setattr(importer, "_plan", racing)
    with pytest.raises(ImportProblems, match="somebody else"):
        bring(registry, tmp_path / "b", small())
    assert next(iter(registry.records().dicts("event")))["note"] == "entered by someone else"


def test_problems_as_a_table(registry: Registry, tmp_path: Path) -> None:
    """All problems, also beyond the 20 that the message shows, go into a CSV whose cells cannot run as formulas."""
    tables = small()
    tables["root_status"] = [
        {"patient_key": "P1", "visit_no": "2", "root": "L3", "side": "left", "motor": "=9"} for _ in range(30)
    ]
    with pytest.raises(ImportProblems) as caught:
        bring(registry, tmp_path / "a", tables)
    assert caught.value.count == 59  # 30 formulas, 29 repeated keys
    assert "and 39 more" in str(caught.value)
    text = problems_csv(caught.value.problems)
    assert text.startswith("file,table,row,column,value,reason,remedy,kind\n")
    assert text.count("\n") == 60
    assert ",'=9," in text
