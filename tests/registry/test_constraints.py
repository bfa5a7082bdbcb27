"""The rules hold in the database itself: raw SQL with a wrong value fails, whatever program sends it."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from tests.registry.sample import sample, store
from tests.registry.tampering import direct
from vertherm.core.errors import InputError
from vertherm.registry.database import Registry
from vertherm.registry.engine import WRITE
from vertherm.registry.errors import translate
from vertherm.registry.records import plain
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES
from vertherm.registry.schema.field import Entity, Field, Kind

# Entity, what is changed in a valid row before it is inserted under a new key, and what the message must hold.
WRONG = [
    ("visit", {"vas": 11}, "pain"),
    ("visit", {"vas": -0.5}, "pain"),
    ("visit", {"vas": None}, "cannot both be there"),
    ("visit", {"vas": 3, "vas_missing": "not_done"}, "cannot both be there"),
    ("visit", {"odi": 40, "odi_missing": None, "odi_1": 5, "odi_2": 5, "odi_3": 5}, "not that of its sections"),
    ("visit", {"odi_1": 6}, "ODI section 1"),
    ("visit", {"date": "2023-02-30"}, "date"),
    ("visit", {"date": "1823-03-01"}, "date"),
    ("visit", {"date": None}, "missing"),
    ("visit", {"patient_key": "nobody"}, "does not exist"),
    ("visit", {"omeq_table": None}, "without the table"),
    ("lesion", {"level": "T14", "region": "thoracic"}, "level"),
    ("lesion", {"level": "L3", "region": "sacral"}, "region"),
    ("lesion", {"level": "L2"}, "such a record already"),
    ("lesion", {"patient_key": "nobody"}, "does not exist"),
    ("lesion", {"size_1_mm": 10, "size_2_mm": 20}, "falling order"),
    ("lesion", {"sins_total": 19}, "SINS"),
    ("lesion", {"prior_radiotherapy_gy": 30}, "dose without radiotherapy"),
    ("patient", {"patient_key": "a|b"}, "cannot be a key"),
    ("patient", {"age": 140}, "age"),
    ("patient", {"age": 61.5}, "age"),
    ("patient", {"sex": "x"}, "sex"),
    ("patient", {"performance": 75, "performance_scale": "kps"}, "outside its scale"),
    ("patient", {"performance": 6}, "outside its scale"),
    ("patient", {"performance_scale": None}, "belong together"),
    ("patient", {"series": "nowhere"}, "does not exist"),
    ("procedure", {"discharge": "2023-02-01"}, "before the first"),
    ("procedure", {"anaesthesia": None}, "missing"),
    ("treatment", {"lesion_no": 9}, "does not exist"),
    ("treatment", {"procedure_no": 9, "lesion_no": 1}, "does not exist"),
    ("treatment", {"lesion_no": 2, "energy_kind": None}, "belong together"),
    ("treatment", {"lesion_no": 2, "cement": "no"}, "without cement"),
    ("treatment", {"lesion_no": 2, "ablation": "no"}, "without ablation"),
    ("activation", {"net_power_w": 70}, "exceeds forward power"),
    ("activation", {"time_s": 0}, "time"),
    ("complication", {"cirse_grade": "3"}, "belong together"),
    ("complication", {"outcome_date": "2023-02-01"}, "before the first"),
    ("complication", {"procedure_no": 9}, "does not exist"),
    ("response", {"lesion_no": 2, "response": "pd"}, "without progression"),
    ("treated_zone", {"lesion_no": 2, "margin_mm": -3}, "within its own band"),
    ("treated_zone", {"lesion_no": 2, "margin_mm": None, "margin_low_mm": 2, "margin_high_mm": 1}, "its own band"),
    ("treated_zone", {"lesion_no": 2, "bone_margin_mm": 3, "bone_margin_high_mm": 2}, "within its own band"),
    ("treated_zone", {"lesion_no": 2, "coverage": "covered"}, "called covered, but"),
    ("treated_zone", {"lesion_no": 2, "coverage": "covered", "bone_margin_low_mm": -0.5}, "called covered, but"),
    ("treated_zone", {"lesion_no": 2, "coverage": "covered_with_margin", "bone_margin_low_mm": 4}, "with margin, but"),
    ("treated_zone", {"lesion_no": 2, "coverage": "yes"}, "coverage"),
    ("treated_zone", {"lesion_no": 2, "coverage_share": 1.01}, "share"),
    ("treated_zone", {"lesion_no": 2, "cement_ml": None}, "without the volume of all cement"),
    ("treated_zone", {"lesion_no": 2, "confirmed_by": None}, "missing"),
    ("treated_zone", {"lesion_no": 2, "document_sha256": "0" * 63}, "SHA-256"),
    ("treated_zone", {"lesion_no": 9}, "does not exist"),
    ("treated_zone", {"lesion_no": 2, "imaging_no": 9}, "does not exist"),
    ("treated_zone", {"lesion_no": 1}, "such a record already"),
    ("zone_prediction", {"metric": "x", "predicted_ml": 0}, "predicted volume"),
    ("zone_prediction", {"metric": "x", "predicted_ml": None}, "missing"),
    ("zone_prediction", {"metric": "x", "dice": 1.1}, "Dice"),
    ("zone_prediction", {"metric": "x", "lesion_no": 2}, "does not exist"),
    ("imaging", {"modality": "mri"}, "modality"),
    ("visit_window", {"last_day": -91}, "ends before it begins"),
    ("plan_link", {"sha256": "0" * 63}, "SHA-256"),
    ("thermocouple_reading", {"temperature_c": 251}, "temperature"),
]
KEYS = {"visit": "visit_no", "lesion": "lesion_no", "procedure": "procedure_no", "activation": "activation_no",
        "complication": "complication_no", "imaging": "imaging_no", "plan_link": "plan_no"}  # fmt: skip


@pytest.fixture
def filled(registry: Registry) -> Registry:
    store(registry, sample(1))
    return registry


def base(registry: Registry, entity: Entity) -> dict[str, object]:
    """A valid row of another key than the one that is there."""
    row = dict(zip(entity.columns, registry.records().rows(entity.name)[0], strict=True))
    values: dict[str, object] = {name: plain(value) for name, value in row.items()}
    if entity.name in KEYS:
        values[KEYS[entity.name]] = 7
    elif entity.name == "patient":
        values["patient_key"] = "new"
    elif entity.name == "thermocouple_reading":
        values["time_s"] = 99
    elif entity.name == "visit_window":
        values |= {"time_point": "later", "first_day": -90}
    if entity.name == "visit":
        values["date"] = "2023-09-01"
    if entity.name == "lesion":
        values |= {"level": "L5", "region": "lumbar"}
    return values


def insert(connection: sa.Connection, entity: str, values: dict[str, object]) -> None:
    literals = ", ".join("NULL" if value is None else f"'{value}'" for value in values.values())
    names = ", ".join(f'"{name}"' for name in values)
    connection.exec_driver_sql(f"INSERT INTO {entity} ({names}) VALUES ({literals})")


@pytest.mark.parametrize(
    ("entity", "change", "message"), WRONG, ids=[f"{e}-{next(iter(c))}-{m[:12]}" for e, c, m in WRONG]
)
def test_raw_sql_with_a_wrong_value_fails(
    filled: Registry, entity: str, change: dict[str, object], message: str
) -> None:
    values = base(filled, BY_NAME[entity])
    with pytest.raises(sa.exc.DBAPIError) as caught, direct(filled) as connection:
        insert(connection, entity, values | change)
    error = translate(caught.value)
    # PostgreSQL's own types refuse what is no date or whole number before any constraint is asked.
    of_type = filled.dialect == "postgresql" and "not of its field's type" in error.what
    assert of_type or message in str(error)
    assert error.advice or error.expected


def test_rows_that_others_need_cannot_go(filled: Registry) -> None:
    for entity in ("patient", "series", "lesion", "procedure", "treatment", "visit", "imaging", "thermocouple"):
        with pytest.raises(sa.exc.DBAPIError) as caught, direct(filled) as connection:
            connection.exec_driver_sql(f"DELETE FROM {entity}")
        assert "still point" in translate(caught.value).what


def outside(field: Field) -> list[object]:
    """Values that the field must not take."""
    if field.kind is Kind.choice:
        assert field.vocabulary is not None
        disabled = [term.code for term in field.vocabulary.terms if not term.enabled]
        return ["no such code", *disabled]
    if field.kind in (Kind.integer, Kind.number):
        assert field.low is not None
        assert field.high is not None
        step = 1 if field.kind is Kind.integer else 0.001
        return [field.low - step, field.high + step, *([field.low + 0.5] if field.kind is Kind.integer else [])]
    if field.kind is Kind.date:
        return ["2023-13-01", "2023-02-29", "1899-12-31", "2200-01-01", "no day"]
    return ["", "x" * (field.max_length + 1)] if field.max_length < 5000 else [""]


@pytest.mark.parametrize("entity", ENTITIES, ids=[entity.name for entity in ENTITIES])
def test_every_limit_of_the_catalogue_is_in_the_database(registry: Registry, entity: Entity) -> None:
    store(registry, sample(3))
    row = registry.records().rows(entity.name)[0]
    key = " AND ".join(f"{name} = '{plain(value)}'" for name, value in zip(entity.key, row, strict=False))
    taken = []
    with registry.engine.connect() as connection:
        writing = connection.execution_options(**{WRITE: True})
        with writing.begin():
            for field in entity.fields:
                for value in outside(field):
                    savepoint = writing.begin_nested()
                    try:
                        writing.exec_driver_sql(f"UPDATE {entity.name} SET \"{field.name}\" = '{value}' WHERE {key}")
                        taken.append((field.name, value))
                    except sa.exc.DBAPIError:
                        pass
                    savepoint.rollback()
                if field.required:
                    savepoint = writing.begin_nested()
                    with pytest.raises(sa.exc.DBAPIError):
                        writing.exec_driver_sql(f'UPDATE {entity.name} SET "{field.name}" = NULL WHERE {key}')
                    savepoint.rollback()
    if registry.dialect == "postgresql":  # its integers round what is half, and stay whole
        taken = [(name, value) for name, value in taken if not isinstance(value, float)]
    assert taken == []


def test_the_writer_says_it_in_the_words_of_the_catalogue(filled: Registry) -> None:
    values = base(filled, BY_NAME["lesion"]) | {"region": "sacral"}
    row: Any = tuple(values.values())
    with pytest.raises(InputError) as caught, filled.transaction(user="a", why="b") as writer:
        writer.insert("lesion", [row])
    assert "the region does not hold this level" in caught.value.what
    assert caught.value.where == "lesion patient_key P000, lesion_no 7"


def test_a_text_longer_than_its_field(filled: Registry) -> None:
    values = base(filled, BY_NAME["patient"]) | {"sex": "unbekannt"}
    row: Any = tuple(values.values())
    with pytest.raises(InputError) as caught, filled.transaction(user="a", why="b") as writer:
        writer.insert("patient", [row])
    assert "sex has a value that is not allowed" in caught.value.what
    assert "female" in caught.value.expected
