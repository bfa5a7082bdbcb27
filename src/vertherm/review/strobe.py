"""The STROBE checklist for cohort studies, filled from what the review really contains."""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Iterable, Mapping
from typing import Any

from vertherm.review.cohort import Cohort
from vertherm.review.model import Row, Section, Table, columns, row, text

NOT_REPORTED = "not reported"


@functools.cache
def _document() -> dict[str, Any]:
    source = importlib.resources.files("vertherm.review").joinpath("data/strobe.json")
    found: dict[str, Any] = json.loads(source.read_text("utf-8"))
    return found


def section(cohort: Cohort, present: Iterable[str]) -> Section:
    """The checklist as a section.

    Args:
        cohort: the series, for what its source states.
        present: ids of the sections, tables and figures of the review, and of the marked parts of its texts.
    """
    here = frozenset(present)
    stated = _stated(cohort)
    rows = tuple(_line(item, here, stated) for item in _document()["items"])
    missing = sum(line.cells[3].text == NOT_REPORTED for line in rows)
    table = Table(
        "strobe",
        "STROBE checklist for cohort studies, 22 items.",
        "item",
        columns(
            ("item", "item"), ("topic", "topic"), ("asks", "what is asked"), ("where", "where"), ("remark", "remark")
        ),
        rows,
        (_document()["source"] + ".", "A place is named only where this review really holds it."),
    )
    intro = text(
        f"{missing} of {len(rows)} points (the 22 items with their parts) are {NOT_REPORTED}: the registry does not "
        "hold them, and they are the authors' to write."
    )
    return Section("strobe-checklist", "STROBE checklist", (intro, table))


def _stated(cohort: Cohort) -> list[tuple[str, str]]:
    """Number and lower-case item of everything that the source states."""
    rows = cohort.frames["series_statement"]
    known = rows[rows["kind"] == "stated"]
    return [(str(number), str(item).lower()) for number, item in zip(known["statement_no"], known["item"], strict=True)]


def _line(item: Mapping[str, Any], here: frozenset[str], stated: list[tuple[str, str]]) -> Row:
    head = (item["item"], item["topic"], item["asks"])
    if "not_applicable" in item:
        return row(*head, "not applicable", item["not_applicable"])
    places = [f"[[{place}]]" for place in item.get("places", ()) if place in here]
    quoted = [number for number, text_ in stated if any(word in text_ for word in item.get("statements", ()))]
    if quoted and "statements" in here:
        places.append(f"[[statements]], no. {', '.join(quoted)}")
    if not places:
        return row(*head, NOT_REPORTED, item.get("remark", ""))
    return row(*head, ", ".join(dict.fromkeys(places)), item.get("remark", ""))
