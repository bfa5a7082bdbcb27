"""REDCap: a dictionary that a project can be made from, and records in the form that it exports.

The 18 columns are those of the practice reference, section 4; the forms of the other tables were read in public
documentation of its interface.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.registry.importing.small import TODAY, checked, small_records
from vertherm.core.errors import InputError
from vertherm.registry.exporting.exporter import write_export
from vertherm.registry.exporting.manifest import make_manifest
from vertherm.registry.importing import read, validate
from vertherm.registry.importing.problem import Problem, Problems
from vertherm.registry.records import Records
from vertherm.registry.redcap.dictionary import COLUMNS, check_dictionary, codes_of, dictionary
from vertherm.registry.redcap.layout import EVENTS, FORMS
from vertherm.registry.redcap.names import PREFIXES, all_variables
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES
from vertherm.registry.schema.field import Kind

ROWS = {row["Variable / Field Name"]: row for row in dictionary()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def project(tmp_path: Path) -> Path:
    """The small series as a REDCap folder."""
    records = small_records(tmp_path)
    write_export(tmp_path / "out", "redcap", records, make_manifest(records, "full", None, "x"))
    return tmp_path / "out"


def rewritten(folder: Path, change: Callable[[list[list[str]]], object], name: str = "records.csv") -> Path:
    """The folder with one of its tables changed."""
    with (folder / name).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    change(rows)
    with (folder / name).open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder


def test_eighteen_columns(tmp_path: Path) -> None:
    """A to R, in REDCap's own order and words."""
    heading = (project(tmp_path) / "dictionary.csv").read_text("utf-8").splitlines()[0]
    assert len(COLUMNS) == 18
    assert heading == (
        'Variable / Field Name,Form Name,Section Header,Field Type,Field Label,"Choices, Calculations, OR Slider '
        'Labels",Field Note,Text Validation Type OR Show Slider Number,Text Validation Min,Text Validation Max,'
        "Identifier?,Branching Logic (Show field only if...),Required Field?,Custom Alignment,Question Number "
        "(surveys only),Matrix Group Name,Matrix Ranking?,Field Annotation"
    )


def test_variable_names() -> None:
    """Lower case, from a letter, no double or final underscore, at most 26 characters, none twice; a prefix a form."""
    names = [row["Variable / Field Name"] for row in dictionary()]
    assert len(set(names)) == len(names)
    assert names[0] == "record_id"
    assert all(re.fullmatch(r"[a-z](?:_?[a-z0-9])*", name) and len(name) <= 26 for name in names)
    assert set(PREFIXES) == {entity.name for entity in ENTITIES}
    assert len(set(PREFIXES.values())) == len(PREFIXES)


def test_every_field_has_one_variable() -> None:
    """All fields of the catalogue but the first keys, which are the record itself."""
    expected = {(entity.name, name) for entity in ENTITIES for name in entity.columns if name != entity.key[0]}
    assert set(all_variables().values()) == expected
    assert len(ROWS) == len(expected) + 1
    # Rows of one form stand together: REDCap refuses a form that begins again.
    forms = [row["Form Name"] for row in dictionary()]
    assert len([name for name, before in zip(forms, ["", *forms], strict=False) if name != before]) == len(FORMS)


@pytest.mark.parametrize(
    ("variable", "column", "text"),
    [
        ("vis_vas", 7, "number"), ("vis_vas", 8, "0"), ("vis_vas", 9, "10"), ("vis_visit_no", 7, "integer"),
        ("vis_date", 7, "date_ymd"), ("vis_date", 12, "y"), ("pat_birth_year", 10, "y"), ("pat_sex", 3, "radio"),
        ("les_level", 3, "dropdown"), ("pat_note", 3, "notes"), ("pln_document", 3, "notes"),
        ("les_region", 12, ""), ("record_id", 10, "y"), ("les_size_1_mm", 17, "unit: mm"),
        ("les_size_1_mm", 6, "mm"),
        ("pat_sex", 5, "female, female | male, male | other, other | unknown, unknown"),
        ("trt_cement_volume_ml", 11, "[trt_cement] = 'yes'"), ("trt_cement_type", 11, "[trt_cement] = 'yes'"),
        ("trt_energy_kj", 11, "[trt_ablation] = 'yes'"), ("vis_vas_missing", 11, "[vis_vas] = ''"),
        ("pat_primary_tumour_text", 11, "[pat_primary_tumour] = 'other' or [pat_primary_tumour] = 'unknown'"),
        ("les_lesion_no", 2, "Lesion"), ("les_level", 2, ""),
    ],
)  # fmt: skip
def test_what_the_dictionary_says(variable: str, column: int, text: str) -> None:
    """By hand from the catalogue, one of every kind."""
    assert ROWS[variable][COLUMNS[column]] == text


def test_dictionary_is_consistent() -> None:
    """Branching names known variables and codes; choices are the enabled codes; validation only on text fields."""
    for name, row in ROWS.items():
        for other, code in re.findall(r"\[(\w+)\] = '(\w*)'", row[COLUMNS[11]]):
            assert not code or code in codes_of(ROWS[other][COLUMNS[5]]), name
        if name != "record_id":
            entity, field = all_variables()[name]
            item = BY_NAME[entity].by_name[field]
            assert codes_of(row[COLUMNS[5]]) == list(item.vocabulary.codes if item.vocabulary else ())
            assert bool(row[COLUMNS[5]]) == (row[COLUMNS[3]] in ("radio", "dropdown"))
            assert bool(row[COLUMNS[7]]) == (item.kind in (Kind.integer, Kind.number, Kind.date))
    assert "2026" not in ROWS["cmp_cirse_version"][COLUMNS[5]]


def test_tables_beside_the_dictionary(tmp_path: Path) -> None:
    """Two arms, four events; every form in one event; every form but patient, death and series repeats."""
    folder = project(tmp_path)
    assert [row["name"] for row in table(folder / "arms.csv")] == ["Patients", "Series"]
    events = {row["unique_event_name"]: row["arm_num"] for row in table(folder / "events.csv")}
    assert events == {
        "enrolment_arm_1": "1", "procedures_arm_1": "1", "follow_up_arm_1": "1", "series_arm_2": "2",
    }  # fmt: skip
    mapping = table(folder / "form_event_mapping.csv")
    assert sorted(row["form"] for row in mapping) == sorted(entity.name for entity in ENTITIES)
    assert all(events[row["unique_event_name"]] == row["arm_num"] for row in mapping)
    repeating = {row["form_name"] for row in table(folder / "repeating_forms.csv")}
    assert {entity.name for entity in ENTITIES} - repeating == {"patient", "death", "series"}
    assert {form.name for event in EVENTS for form in event.forms} == {entity.name for entity in ENTITIES}


def test_records_as_redcap_writes_them(tmp_path: Path) -> None:
    """Sorted by record; instances count from 1 within a form; a row fills its own form only; status is complete."""
    rows = table(project(tmp_path) / "records.csv")
    assert list(rows[0])[:4] == ["record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"]
    assert [row["record_id"] for row in rows] == sorted(row["record_id"] for row in rows)
    lesions = [row for row in rows if row["redcap_repeat_instrument"] == "lesion" and row["record_id"] == "P1"]
    assert [(row["redcap_repeat_instance"], row["les_level"]) for row in lesions] == [("1", "T12"), ("2", "L3")]
    assert lesions[0]["lesion_complete"] == "2"
    filled = {name for name, cell in lesions[0].items() if cell}
    assert all(name.startswith(("les_", "redcap_")) or name in ("record_id", "lesion_complete") for name in filled)
    patient = next(row for row in rows if row["pat_sex"] and row["record_id"] == "P1")
    assert (patient["redcap_event_name"], patient["redcap_repeat_instrument"]) == ("enrolment_arm_1", "")


def test_series_statements_and_windows_survive(tmp_path: Path) -> None:
    """They are records of the second arm."""
    back, problems = checked(project(tmp_path))
    assert not problems
    assert back.counts()["visit_window"] == 2
    assert back.sha256() == small_records(tmp_path).sha256()
    # The file alone reads the same.
    assert checked(tmp_path / "out" / "records.csv")[0].sha256() == back.sha256()


def place_of(rows: list[list[str]], form: str, variable: str) -> tuple[int, int]:
    """Row and column of the first cell of a form."""
    heading = rows[0]
    number = next(n for n, row in enumerate(rows) if n and row[2] == form)
    return number, heading.index(variable)


def put(form: str, variable: str, cell: str) -> Callable[[list[list[str]]], object]:
    def change(rows: list[list[str]]) -> None:
        number, column = place_of(rows, form, variable)
        rows[number][column] = cell

    return change


def kinds(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.kind, problem.column) for problem in problems]


def test_missing_data_codes(tmp_path: Path) -> None:
    """-996 in a number field is 'lost'; in a field without a reason it is a problem that names the variable."""
    folder = rewritten(project(tmp_path), put("visit", "vis_vas", "-996"))
    back, problems = checked(folder)
    assert not problems
    assert next(iter(back.dicts("visit")))["vas_missing"] == "lost"
    _, problems = checked(rewritten(folder, put("lesion", "les_size_1_mm", "-999")))
    assert kinds(problems) == [("missing_code", "les_size_1_mm")]
    assert problems[0].file == "records.csv"


def test_labels_instead_of_codes(tmp_path: Path) -> None:
    """A label in a cell, in the heading or as the name of a form: each is recognised and explained."""
    folder = project(tmp_path)
    original = (folder / "records.csv").read_bytes()
    _, problems = checked(rewritten(folder, put("lesion", "les_part", "vertebral body")))
    assert kinds(problems) == [("label_for_code", "les_part")]
    assert "export raw data" in problems[0].remedy
    (folder / "records.csv").write_bytes(original)
    _, problems = checked(rewritten(folder, lambda rows: rows[0].__setitem__(slice(0, 2), ["Record ID", "Event Name"])))
    assert kinds(problems) == [("redcap_labels", "")]
    assert "raw data" in problems[0].remedy
    (folder / "records.csv").write_bytes(original)

    def labelled(rows: list[list[str]]) -> None:
        number, _ = place_of(rows, "treatment", "trt_intent")
        rows[number][2] = "Treatment of a lesion"

    kind, column = kinds(checked(rewritten(folder, labelled))[1])[0]
    assert ("redcap_labels", "redcap_repeat_instrument") in kinds(checked(folder)[1]), (kind, column)


def test_unknown_variables_need_the_dictionary(tmp_path: Path) -> None:
    """A variable of theirs is a problem without their dictionary, and a note with it."""
    folder = project(tmp_path)

    def added(rows: list[list[str]]) -> None:
        rows[0] += ["shoe_size", "survey_complete"]
        for row in rows[1:]:
            row += ["44", "0"]

    rewritten(folder, added)
    assert kinds(checked(folder / "records.csv")[1]) == [
        ("unknown_column", "shoe_size"), ("unknown_column", "survey_complete"),
    ]  # fmt: skip

    def declared(rows: list[list[str]]) -> None:
        rows.append(["shoe_size", "survey", *[""] * 16])

    rewritten(folder, declared, "dictionary.csv")
    raw = read(folder)
    assert not list(raw.problems)
    assert any("1 variables of the project are not imported: shoe_size" in note for note in raw.notes)
    back, problems = validate(raw, today=TODAY)
    assert not problems
    assert back.sha256() == small_records(tmp_path).sha256()


def test_a_project_with_other_meanings(tmp_path: Path) -> None:
    """Changed choices or validation of our variables are problems of their row in the dictionary; labels may differ."""
    rows = [dict(row) for row in dictionary()]
    by_name = {row["Variable / Field Name"]: row for row in rows}
    by_name["pat_sex"]["Field Label"] = "Gender"
    by_name["pat_sex"][COLUMNS[5]] = "female, F | male, M | other, X | unknown, ?"
    by_name["vis_date"][COLUMNS[7]] = "date_dmy"
    problems = Problems()
    report = check_dictionary(rows[:-1], "theirs.csv", problems)
    assert not list(problems)
    assert report.lacking == (rows[-1]["Variable / Field Name"],)
    by_name["pat_sex"][COLUMNS[5]] = "1, female | 2, male"
    by_name["vis_vas"][COLUMNS[7]] = "integer"
    check_dictionary(rows, "theirs.csv", problems)
    assert [(p.kind, p.row) for p in problems] == [
        ("dictionary_choices", 2 + list(by_name).index("pat_sex")),
        ("dictionary_differs", 2 + list(by_name).index("vis_vas")),
    ]
    other = Problems()
    check_dictionary([{"a": "b"}], "theirs.csv", other)
    assert [problem.kind for problem in other] == ["dictionary_columns"]


def test_a_value_in_another_form(tmp_path: Path) -> None:
    _, problems = checked(rewritten(project(tmp_path), put("lesion", "vis_vas", "5")))
    assert kinds(problems) == [("redcap_stray", "vis_vas")]


def test_a_project_without_events_and_instances(tmp_path: Path) -> None:
    """Without repeating instruments a row may fill several forms; an instance's number serves as the lesion's."""
    head = ["record_id", "pat_series", "pat_synthetic", "pat_sex", "pat_primary_tumour", "pat_prior_radiotherapy",
            "pat_systemic_therapy", "redcap_repeat_instance", "les_lesion_no", "les_level", "les_side", "les_part",
            "les_kind", "patient_complete", "redcap_data_access_group"]  # fmt: skip
    row = ["A1", "s", "no", "male", "lung", "no", "no", "4", "", "L3", "left", "body", "lytic", "2", "north"]
    with (tmp_path / "r.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([head, row, ["s", *[""] * 14]])
    existing = Records()
    existing.add("series", series="s", title="t", synthetic="no", day_zero="patient")
    back, problems = checked(tmp_path / "r.csv", existing)
    assert not problems, [problem.line() for problem in problems]
    assert back.counts() == {"patient": 1, "lesion": 1}
    assert back.rows("lesion")[0][:4] == ("A1", 4, "L3", "lumbar")


def test_folder_without_records(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no REDCap records"):
        read(tmp_path, "redcap")


def test_unknown_form(tmp_path: Path) -> None:
    def change(rows: list[list[str]]) -> None:
        rows[place_of(rows, "event", "evt_kind")[0]][2] = "happening"

    _, problems = checked(rewritten(project(tmp_path), change))
    assert [(p.kind, p.value) for p in problems] == [("unknown_table", "happening")]


def test_problems_name_the_variable(tmp_path: Path) -> None:
    """Row and column of the records file, not of our tables."""
    folder = rewritten(project(tmp_path), put("visit", "vis_vas", "11"))
    (problem,) = checked(folder)[1]
    rows = (folder / "records.csv").read_text("utf-8").splitlines()
    assert (problem.column, problem.table) == ("vis_vas", "visit")
    assert ",visit,1," in rows[problem.row - 1]
    assert ",11," in rows[problem.row - 1]
