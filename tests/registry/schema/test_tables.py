"""The database refuses by itself what the catalogue forbids; here on SQLite, which has the weaker types."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from vertherm.registry.schema.tables import METADATA


@pytest.fixture(scope="module")
def engine() -> Iterator[sa.Engine]:
    made = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    METADATA.create_all(made)
    yield made
    made.dispose()


def _accepted(engine: sa.Engine, table: str, **values: object) -> bool:
    names = ", ".join(values)
    statement = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(values))})"
    with engine.connect() as connection, connection.begin() as transaction:
        try:
            connection.exec_driver_sql(statement, tuple(values.values()))
        except IntegrityError:
            return False
        transaction.rollback()
        return True


def _series(**more: object) -> dict[str, object]:
    return {"series": "s", "title": "t", "synthetic": "yes", "day_zero": "patient", **more}


def _day(text: str) -> bool:
    with suppress(ValueError):
        found = date.fromisoformat(text)
        return len(text) == 10 and 1900 <= found.year <= 2199
    return False


@given(
    st.one_of(st.dates().map(str), st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True), st.text(max_size=12))
)
@example("2016-02-31")
@example("2015-02-29")
@example("2016-02-29")
@example("1900-02-29")
@example("2016-2-3")
@example("20160203")
@example("2016-02-03 ")
@example("2016-02-03T10:00")
def test_a_date_is_a_day_of_the_calendar(engine: sa.Engine, text: str) -> None:
    """Expected: exactly the ISO days from 1900 to 2199, as Python's calendar knows them."""
    assert _accepted(engine, "series", **_series(first_day=text)) == (_day(text) and text.isascii())


@pytest.mark.parametrize(
    ("age", "accepted"), [(0, True), (115, True), (116, False), (-1, False), (3.5, False), ("old", False), (None, True)]
)
def test_whole_numbers_within_limits(engine: sa.Engine, age: object, accepted: bool) -> None:
    row = {
        "patient_key": "P",
        "series": "s",
        "synthetic": "yes",
        "sex": "female",
        "age": age,
        "primary_tumour": "breast",
        "prior_radiotherapy": "no",
        "systemic_therapy": "no",
    }
    assert _accepted(engine, "patient", **row) is accepted


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"region": "thoracic"}, False),
        ({"level": "T14"}, False),
        ({"side": "links"}, False),
        ({"sins_total": 19}, False),
        ({"size_1_mm": 10, "size_2_mm": 20}, False),
        ({"prior_radiotherapy_gy": 30}, False),
        ({"prior_radiotherapy_gy": 30, "prior_radiotherapy": "no"}, False),
        ({"prior_radiotherapy_gy": 30, "prior_radiotherapy": "yes"}, True),
    ],
)
def test_rules_on_a_lesion(engine: sa.Engine, change: dict[str, object], accepted: bool) -> None:
    row = {
        "patient_key": "P",
        "lesion_no": 1,
        "level": "L3",
        "region": "lumbar",
        "side": "left",
        "part": "body",
        "kind": "lytic",
    }
    assert _accepted(engine, "lesion", **{**row, **change}) is accepted


SINS = {
    "sins_location": "mobile",
    "sins_pain": "mechanical",
    "sins_bone": "lytic",
    "sins_alignment": "normal",
    "sins_collapse": "under_50",
    "sins_posterolateral": "unilateral",
}


@pytest.mark.parametrize(("total", "accepted"), [(10, True), (9, False), (None, True)])
def test_the_sins_total_is_the_sum(engine: sa.Engine, total: int | None, accepted: bool) -> None:
    """Expected: 2 + 3 + 2 + 0 + 2 + 1 = 10."""
    row = {"patient_key": "P", "lesion_no": 1, "level": "L3", "region": "lumbar", "side": "left", "part": "body"}
    assert _accepted(engine, "lesion", **row, kind="lytic", **SINS, sins_total=total) is accepted
    # With a component missing no sum can be checked.
    some = {**SINS, "sins_pain": None}
    assert _accepted(engine, "lesion", **row, kind="lytic", **some, sins_total=total)


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({"vas": 7.5}, True),
        ({"vas": 11}, False),
        ({"vas": -0.1}, False),
        ({"vas": None}, False),
        ({"vas": None, "vas_missing": "refused"}, True),
        ({"vas": 3, "vas_missing": "refused"}, False),
        ({"vas": None, "vas_missing": "forgot"}, False),
        ({"odi": 40, "odi_missing": None, **{f"odi_{n}": 2 for n in range(1, 11)}}, True),
        ({"odi": 42, "odi_missing": None, **{f"odi_{n}": 2 for n in range(1, 11)}}, False),
        ({"odi": 40, "odi_missing": None, **{f"odi_{n}": 2 for n in range(1, 10)}}, True),
        ({"odi_1": 6}, False),
        ({"omeq_mg_day": 30, "omeq_mg_day_missing": None}, False),
        ({"omeq_mg_day": 30, "omeq_mg_day_missing": None, "omeq_table": "x"}, True),
    ],
)
def test_rules_on_a_visit(engine: sa.Engine, change: dict[str, object], accepted: bool) -> None:
    row = {
        "patient_key": "P",
        "visit_no": 1,
        "date": "2016-01-01",
        "vas": 5,
        "odi_missing": "not_done",
        "omeq_mg_day_missing": "unknown",
    }
    assert _accepted(engine, "visit", **{**row, **change}) is accepted
