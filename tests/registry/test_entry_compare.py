"""Double entry: every difference with its place and both values, nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.registry.sample import DAY, sample, store
from vertherm.core.errors import InputError
from vertherm.registry.database import Registry
from vertherm.registry.entry_compare import ABSENT, Difference, compare, compare_files
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES


def visit(**values: object) -> Records:
    records = Records()
    records.add("visit", **{"patient_key": "P1", "visit_no": 1, "date": DAY, **values})  # type: ignore[arg-type]
    return records


def test_every_kind_of_difference() -> None:
    """7 and 7.0 agree, two empty cells are no cell; a value against an empty cell, and two values, are differences."""
    first = visit(vas=7.0, odi=40.0, note="a")
    second = visit(vas=7, odi=None, odi_missing="lost", note="b")
    found = compare(first, second)
    assert found.rows == 1
    assert found.cells == 5  # date, vas, odi, odi_missing, note
    assert found.differences == (
        Difference("visit", "P1|1", "odi", 40, None),
        Difference("visit", "P1|1", "odi_missing", None, "lost"),
        Difference("visit", "P1|1", "note", "a", "b"),
    )
    assert found.different_cells == 3
    assert found.error_rate == 3 / 5


def test_a_row_that_only_one_has() -> None:
    first, second = visit(vas=1.0), visit(vas=1.0)
    second.add("visit", patient_key="P1", visit_no=10, date=DAY, vas=2.0)
    second.add("visit", patient_key="P1", visit_no=9, date=DAY, vas=2.0)
    found = compare(first, second)
    assert [(item.record_key, item.field, item.first) for item in found.differences] == [
        ("P1|9", "", ABSENT),
        ("P1|10", "", ABSENT),
    ]
    assert (found.rows, found.different_cells) == (1, 0)
    assert [item.second for item in compare(second, first).differences] == [ABSENT, ABSENT]


def test_nothing_against_nothing() -> None:
    assert compare(Records(), Records()).error_rate is None


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_one_changed_cell_is_found_wherever_it_is(data: st.DataObject) -> None:
    """The same entries in any order agree; one cell made different is the one difference reported."""
    first = sample(3)
    tables = {name: data.draw(st.permutations(rows)) for name, rows in first.tables.items()}
    assert compare(first, Records(tables)).differences == ()
    entity = data.draw(st.sampled_from([item for item in ENTITIES if len(item.fields) > len(item.key)]))
    number = data.draw(st.integers(0, len(first.rows(entity.name)) - 1))
    row = first.rows(entity.name)[number]
    place = data.draw(st.integers(len(entity.key), len(entity.fields) - 1))
    other = (*row[:place], "another value", *row[place + 1 :])
    rows = [*first.rows(entity.name)]
    rows[number] = other
    (found,) = compare(first, Records({**tables, entity.name: rows})).differences
    assert (found.entity, found.field, found.second) == (entity.name, entity.columns[place], "another value")
    assert found.record_key == "|".join(str(part) for part in row[: len(BY_NAME[entity.name].key)])


def _folder(path: Path, vas: str, *, patient: str = "P1") -> Path:
    path.mkdir()
    (path / "series.csv").write_text("series,title,synthetic,day_zero\ns1,Test,yes,patient\n")
    head = "patient_key,series,synthetic,sex,primary_tumour,prior_radiotherapy,systemic_therapy"
    (path / "patient.csv").write_text(f"{head}\n{patient},s1,yes,female,breast,no,no\n")
    head = "patient_key,visit_no,date,vas,odi_missing,omeq_mg_day_missing"
    (path / "visit.csv").write_text(f"{head}\n{patient},1,2023-03-01,{vas},lost,lost\n")
    return path


def test_files_are_compared_as_an_import_would_read_them(tmp_path: Path) -> None:
    """7 and 7.0 are spelled differently and agree; a 7 against an 8 is a difference and told in one line."""
    one, same, other = (_folder(tmp_path / name, vas) for name, vas in (("1", "7"), ("2", "7.0"), ("3", "8")))
    assert compare_files(one, same, "csv").differences == ()
    (found,) = compare_files(one, other, "csv").differences
    assert str(found) == "visit P1|1, vas: 7 | 8"
    with pytest.raises(InputError, match="vas"):
        compare_files(one, _folder(tmp_path / "4", "11"), "csv")


def test_files_that_build_on_a_registry(registry: Registry, tmp_path: Path) -> None:
    """Visits alone, of a patient whom the registry has: nothing is imported."""
    store(registry, sample(1))
    before = registry.records().sha256()
    folders = [_folder(tmp_path / name, vas, patient="P000") for name, vas in (("1", "7"), ("2", "6"))]
    for folder in folders:
        (folder / "series.csv").unlink()
        (folder / "patient.csv").unlink()
        text = (folder / "visit.csv").read_text()
        (folder / "visit.csv").write_text(text.replace("P000,1,2023-03-01", "P000,3,2023-06-01"))
    (found,) = compare_files(*folders, "csv", registry=registry).differences
    assert (found.record_key, found.first, found.second) == ("P000|3", 7, 6)
    assert registry.records().sha256() == before
