"""Hypothesis strategies: small series with any values that the catalogue and the rules allow."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from vertherm.clinical.levels import Level
from vertherm.registry.importing.cell import _NOT_TEXT
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import BY_NAME
from vertherm.registry.schema.field import Entity, Field, Kind

START = date(2015, 1, 5)
NASTY = (
    "=1+1", "+49", "-2", "@x", "'tis", "''", "'=", "a,b;c\td", 'say "x"', "two\nlines", "Ünïcödé 脊椎 🦴", "_x000D_",
    "a\u2028b", "NULL", "nan", "1e5", "0012", "2016-01-02", "#N/A", "#2", "TRUE", "\\", "＝1", "x" * 199, "<&>", "]]>",
)  # fmt: skip
_SIGNS = st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff")


def _clean(text: str) -> bool:
    return bool(text) and text == text.strip() and not _NOT_TEXT.search(text)


def texts(limit: int) -> st.SearchStrategy[str]:
    """Texts that a field of ``limit`` characters takes, nasty ones often."""
    free = st.text(_SIGNS, min_size=1, max_size=min(limit, 30)).map(str.strip).filter(_clean)
    return st.one_of(st.sampled_from([text for text in NASTY if len(text) <= limit]), free)


def value(item: Field) -> st.SearchStrategy[Any]:
    """Values of one field."""
    if item.kind is Kind.text:
        return texts(item.max_length)
    if item.kind is Kind.choice:
        assert item.vocabulary is not None
        return st.sampled_from(item.vocabulary.codes)
    assert item.low is not None
    assert item.high is not None
    if item.kind is Kind.integer:
        return st.integers(int(item.low), int(item.high))
    return st.floats(item.low, item.high, allow_nan=False).map(lambda number: number + 0.0)


@st.composite
def _row(
    draw: st.DrawFn, entity: Entity, set_to: dict[str, Any], leave: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """A row with given values; other fields at random, those of rules, dates and ``leave`` empty."""
    ruled = {name for check in entity.checks for name in check.fields}
    row: dict[str, Any] = {}
    for item in entity.fields:
        if item.name in set_to:
            row[item.name] = set_to[item.name]
        elif item.kind is Kind.date or ((item.name in ruled or item.name in leave) and not item.required):
            row[item.name] = None
        else:
            row[item.name] = draw(value(item) if item.required else st.none() | value(item))
    return row


@st.composite
def series(draw: st.DrawFn) -> Records:
    """A consistent series of one to three patients, with every entity now and then."""
    records = Records()

    def add(name: str, leave: tuple[str, ...] = (), **set_to: Any) -> dict[str, Any]:
        row: dict[str, Any] = draw(_row(BY_NAME[name], set_to, frozenset(leave)))
        records.add(name, **row)
        return row

    mark = draw(st.sampled_from(("yes", "no")))
    add("series", series="s-1", synthetic=mark, data_until=draw(st.none() | st.just(START)))
    for number in range(draw(st.integers(0, 2))):
        add("series_statement", series="s-1", statement_no=number + 1)
        add("visit_window", series="s-1", time_point=f"w{number}", first_day=number * 10, last_day=number * 10 + 9)
    for number in range(draw(st.integers(1, 3))):
        _patient(draw, add, f"Patient.{number}_x", mark)
    return records


def _patient(draw: st.DrawFn, add: Any, key: str, mark: str) -> None:
    own: dict[str, Any] = {"patient_key": key}
    add("patient", series="s-1", synthetic=mark, prior_radiotherapy="unknown", leave=("birth_year", "last_contact"),
        **own)  # fmt: skip
    levels = draw(st.lists(st.sampled_from(list(Level)), min_size=1, max_size=3, unique=True))
    for number, level in enumerate(levels, start=1):
        add("lesion", ("sins_location",), **own, lesion_no=number, level=level.value, region=level.region.value)
    first = START + timedelta(days=draw(st.integers(0, 300)))
    add("procedure", ("note",), **own, procedure_no=1, date=first)
    treated = {**own, "procedure_no": 1, "lesion_no": 1}
    add("treatment", ("needles",), **treated, intent="first", ablation="yes", cement="yes")
    if draw(st.booleans()):
        add("activation", **treated, activation_no=1)
        add("cement_leak", **treated)
        add("protection", **treated, protection_no=1)
        add("thermocouple", ("peak_temperature_c",), **treated, thermocouple_no=1)
        add("thermocouple_reading", **own, procedure_no=1, thermocouple_no=1)
        add("complication", **treated, complication_no=1, onset=first, term="other", outcome="ongoing")
        add("plan_link", **own, procedure_no=1, plan_no=1, sha256="0f" * 32,
            document=draw(st.none() | st.sampled_from(('{"a": "=1"}', "=" * 16_001 + "'" * 20_000))))  # fmt: skip
        add("imaging", **own, imaging_no=1, date=first + timedelta(days=100))
        add("response", **own, imaging_no=1, lesion_no=1, progression="yes")
        add("treated_zone", **own, imaging_no=1, lesion_no=1, document_sha256=draw(st.none() | st.just("0f" * 32)))
        add("zone_prediction", **own, imaging_no=1, lesion_no=1, metric="isotherm_60")
        add("event", **own, event_no=1, date=first, lesion_no=None)
    for number in range(draw(st.integers(0, 2))):
        _visit(draw, add, own, number, first + timedelta(days=400 + number))
    if draw(st.booleans()):
        add("death", **own, date=first + timedelta(days=500))


def _visit(draw: st.DrawFn, add: Any, own: dict[str, Any], number: int, day: date) -> None:
    vas = draw(st.none() | st.floats(0, 10, allow_nan=False).map(lambda x: x + 0.0))
    dose = draw(st.none() | st.floats(0, 5000, allow_nan=False).map(lambda x: x + 0.0))
    add(
        "visit",
        **own,
        visit_no=number + 1,
        date=day,
        vas=vas,
        vas_missing="lost" if vas is None else None,
        odi_missing="not_done",
        omeq_mg_day=dose,
        omeq_mg_day_missing="unknown" if dose is None else None,
        omeq_table="as reported" if dose is not None else None,
    )
    if dose is not None and dose > 0 and draw(st.booleans()):
        add("opioid_dose", **own, visit_no=number + 1, opioid_no=1)
        add("root_status", **own, visit_no=number + 1)
