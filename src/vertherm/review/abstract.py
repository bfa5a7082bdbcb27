"""The numbers an abstract of the series would print, beside what its source states."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from vertherm.registry.schema.catalogue import BY_NAME
from vertherm.review import complications, flow
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.control_data import after_treatment, lesion_table, patient_table, state
from vertherm.review.model import Cell, Row, Section, Table, columns, row, text
from vertherm.review.statistics.proportion import Proportion
from vertherm.review.statistics.summary import Summary, summarise
from vertherm.review.words import NONE, NOT_ESTIMABLE, clock, fixed, percent, plural, raw, whole


def section(cohort: Cohort, run: Analyst) -> Section:
    """The series at a glance."""
    rows = [*_sizes(cohort), *_doses(cohort), *_pain(cohort), *_deaths(cohort, run), *_control(cohort, run)]
    rows += _complications(cohort, run)
    table = Table(
        "abstract", "Numbers of an abstract.", "as said in the row",
        columns(
            ("item", "item"), ("unit", "unit"), ("n", "n"), ("value", "from the registry"),
            ("stated", "stated by the source"),
        ),
        tuple(rows),
        (
            "SD: sample standard deviation, IQR: quartiles. A median with '±' mixes two kinds of summary; both are "
            "printed here with their names.",
            "Stated by the source: as entered with the series; '–' where it states nothing under this name.",
        ),
    )  # fmt: skip
    intro = text(
        f"{plural(len(cohort.treated), 'patient')} with {plural(len(cohort.treated_lesions), 'lesion')} in "
        f"{plural(len(cohort.frames['procedure']), 'procedure')}. What the source of the series states and leaves "
        "open, and what was assumed instead, is in [[statements-section]]."
    )
    return Section("glance", "The series at a glance", (intro, table))


def _stated(cohort: Cohort, names: Iterable[str]) -> str:
    """What the source states under the first of these names that it uses (names are compared without case)."""
    rows = cohort.frames["series_statement"]
    known = rows[(rows["kind"] == "stated") & rows["value"].notna()]
    items = known["item"].astype(str).str.lower()
    for name in names:
        found = known[items.str.startswith(name.lower())]
        if len(found):
            return str(found.iloc[0]["value"])
    return NONE


def _line(cohort: Cohort, item: str, unit: str, n: int, value: Cell | str, *names: str, group: str) -> Row:
    return row(item, unit, Cell(whole(n), {"n": n}), value, _stated(cohort, names or (item,)), group=group)


def _sizes(cohort: Cohort) -> list[Row]:
    patients, lesions = cohort.treated, cohort.treated_lesions
    group = "Series"
    counted = Cell(whole(len(patients)), {"value": len(patients)})
    located = Cell(whole(len(lesions)), {"value": len(lesions)})
    return [
        _line(cohort, "patients", "patient", len(patients), counted, group=group),
        _line(cohort, "lesions", "lesion", len(lesions), located, group=group),
        _line(cohort, "lesions by region", "lesion", len(lesions),
              _tally("lesion", "region", lesions["region"], every=True), group=group),
        _line(cohort, "primary tumours", "patient", len(patients),
              _tally("patient", "primary_tumour", patients["primary_tumour"]), group=group),
    ]  # fmt: skip


def _tally(entity: str, column: str, codes: pd.Series, *, every: bool = False) -> Cell:
    vocabulary = BY_NAME[entity].by_name[column].vocabulary
    assert vocabulary is not None
    found = {code: int((codes == code).sum()) for code in vocabulary.codes}
    shown = {code: n for code, n in found.items() if n or every}
    return Cell(", ".join(f"{vocabulary.label(code)} {whole(n)}" for code, n in shown.items()) or NONE, dict(shown))


def _spread(found: Summary, digits: int, unit: str, *, extra: str = "") -> Cell:
    if not found.n:
        return Cell(NOT_ESTIMABLE, {"median": None, "mean": None, "sd": None})
    sd = fixed(found.sd, max(digits, 1)) if found.n > 1 else NOT_ESTIMABLE
    text_ = (
        f"median {fixed(found.median, digits)}{unit}{extra} [IQR {fixed(found.q1, digits)} to "
        f"{fixed(found.q3, digits)}]; mean {fixed(found.mean, max(digits, 1))} (SD {sd})"
    )
    values = {"median": found.median, "q1": found.q1, "q3": found.q3, "mean": found.mean, "sd": found.sd}
    return Cell(text_, {name: raw(value) for name, value in values.items()})


def _doses(cohort: Cohort) -> list[Row]:
    treatments, unit = cohort.frames["treatment"], "treatment of a lesion"
    group = "Treatment"
    time = summarise(treatments["ablation_time_s"].to_numpy(float))
    extra = f" ({clock(time.median)})" if time.n else ""
    rows = [_line(cohort, "ablation time", unit, time.n, _spread(time, 0, " s", extra=extra), group=group)]
    known = treatments[treatments["energy_kj"].notna()]
    for kind, part in known.groupby("energy_kind", sort=True):
        label = cohort.label("treatment", "energy_kind", kind)
        found = summarise(part["energy_kj"].to_numpy(float))
        rows.append(
            _line(cohort, f"energy, kind: {label}", unit, found.n, _spread(found, 1, " kJ"), "energy", group=group)
        )
    volume = summarise(treatments["cement_volume_ml"].to_numpy(float))
    if volume.n:
        rows.append(_line(cohort, "cement volume", unit, volume.n, _spread(volume, 1, " mL"), group=group))
    return rows


def _pain(cohort: Cohort) -> list[Row]:
    values = cohort.measure("vas")
    rows = []
    for window in cohort.windows:
        found = summarise(values[window.name].to_numpy())
        names = (f"VAS {window.label}", f"VAS at {window.label}")
        rows.append(
            _line(cohort, f"VAS, {window.label}", "patient", found.n, _spread(found, 1, ""), *names, group="Pain")
        )
    return rows


def _rate(found: Proportion, run: Analyst) -> Cell:
    values = {
        "events": found.events,
        "n": found.n,
        "estimate": raw(found.estimate),
        "low": raw(found.low),
        "high": raw(found.high),
    }
    if not found.n:
        return Cell(f"0/0: {NOT_ESTIMABLE}", values)
    return Cell(
        f"{whole(found.events)}/{whole(found.n)} = {percent(found.estimate)} % (exact {run.options.percent} CI "
        f"{percent(found.low, 2)} to {percent(found.high, 2)})",
        values,
    )


def _deaths(cohort: Cohort, run: Analyst) -> list[Row]:
    within = run.options.death_days
    found = run.proportion(flow.early_deaths(cohort, within), len(cohort.treated))
    return [_line(cohort, f"deaths by day {within}", "patient", found.n, _rate(found, run), "deaths", group="Outcome")]


def _control(cohort: Cohort, run: Analyst) -> list[Row]:
    if not cohort.later or not len(cohort.treated_lesions):
        return []
    window = cohort.later[-1]
    lesions = lesion_table(cohort, after_treatment(cohort), window)
    rows = []
    for unit, table in (("patient", patient_table(cohort, lesions, window)), ("lesion", lesions)):
        counts = state(table)
        found = run.proportion(counts.free, counts.evaluable)
        names = (
            (f"local control at {window.label}", "local control") if unit == "patient" else ("local control by lesion",)
        )
        item = f"no locoregional progression at {window.label}, evaluable survivors"
        rows.append(_line(cohort, item, unit, found.n, _rate(found, run), *names, group="Outcome"))
    return rows


def _complications(cohort: Cohort, run: Analyst) -> list[Row]:
    events = complications.located(cohort)
    group = "Complications"
    kinds = events.drop_duplicates(["term", "structure"])
    terms = [
        cohort.label("complication", "term", item["term"]) + (f" ({item['structure']})" if item["structure"] else "")
        for item in kinds.head(complications.MOST_LISTED).to_dict("records")
    ]
    listed = "; ".join(dict.fromkeys(terms))
    more = " and others" if len(kinds) > complications.MOST_LISTED else ""
    named = Cell(f"{whole(len(events))}{': ' if listed else ''}{listed}{more}", {"value": len(events)})
    lesions = complications.lesion_events(cohort, events)["event"]
    hit = np.asarray(cohort.treated.index.isin(complications.patients_with(events)))
    return [
        _line(cohort, "complications", "complication", len(events), named, group=group),
        _line(cohort, "lesions with a complication", "lesion", len(lesions),
              _rate(run.proportion(int(lesions.sum()), len(lesions)), run), group=group),
        _line(cohort, "patients with a complication", "patient", len(hit),
              _rate(run.proportion(int(hit.sum()), len(hit)), run), group=group),
    ]  # fmt: skip
