"""A series, what its source states, and the windows in which its visits are read."""

from __future__ import annotations

from vertherm.clinical import vocabularies as v
from vertherm.registry.schema.common import in_order
from vertherm.registry.schema.field import Check, Entity, Reference, choice, date, integer, text

SERIES_KEY = text("series", "series", length=40, required=True, help="Short name; letters, digits, dash, underscore.")
_TO_SERIES = Reference("series", ("series",))

SERIES = Entity(
    name="series",
    label="Series",
    help="One study or service whose patients are reviewed together.",
    key=("series",),
    fields=(
        SERIES_KEY,
        text("title", "title", required=True),
        choice("synthetic", "synthetic", v.YES_NO, required=True, help="yes: made up to test the software."),
        choice("day_zero", "day 0 of the visit windows", v.DAY_ZERO, required=True),
        date("first_day", "first procedure of the study period"),
        date("last_day", "last procedure of the study period"),
        date("data_until", "follow-up is complete until"),
        text("source", "source", length=500),
    ),
    checks=(in_order("first_day", "last_day", "study period"),),
)
STATEMENT = Entity(
    name="series_statement",
    label="Statements about the series",
    help="What the source states or leaves open, and every assumption made instead.",
    key=("series", "statement_no"),
    fields=(
        SERIES_KEY,
        integer("statement_no", "number", 1, 9999, required=True),
        choice("kind", "kind", v.STATEMENT_KIND, required=True),
        text("item", "item", length=300, required=True),
        text("value", "value", length=1000),
        text("source", "source", length=300),
    ),
    references=(_TO_SERIES,),
)
WINDOW = Entity(
    name="visit_window",
    label="Visit windows",
    help="Days after day 0 in which a visit counts for a time point; read on dates, never stored on visits.",
    key=("series", "time_point"),
    fields=(
        SERIES_KEY,
        text("time_point", "time point", length=40, required=True),
        text("label", "label", length=80, required=True),
        integer("first_day", "first day", -3650, 7300, "d", required=True),
        integer("last_day", "last day", -3650, 7300, "d", required=True),
    ),
    references=(_TO_SERIES,),
    checks=(
        Check(
            "days_order",
            "first_day <= last_day",
            ("last_day", "first_day"),
            "the window ends before it begins",
            "swap the two days",
        ),
    ),
    unique=(("series", "first_day"),),
)
ENTITIES = (SERIES, STATEMENT, WINDOW)
