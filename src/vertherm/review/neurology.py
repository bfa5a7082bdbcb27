"""Neurological status at each time point, and what happened to the patients later."""

from __future__ import annotations

import pandas as pd

from vertherm.clinical.vocabularies import EVENT_KIND, FRANKEL, SENSATION
from vertherm.review import flow
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.model import Block, Row, Section, Table, columns, row, text
from vertherm.review.statistics.summary import summarise
from vertherm.review.words import count_cell, median_cell, proportion_cells, range_cell, share_cell

_FELT = tuple(code for code in SENSATION.codes if code != "not_tested")
_RANK = {code: place for place, code in enumerate(FRANKEL.codes)}


def section(cohort: Cohort, run: Analyst) -> Section:
    """Frankel grade, nerve roots, later treatments and fractures."""
    blocks: list[Block] = [
        text(
            "Worse means worse than the same patient's value before treatment. A grade or root that was not recorded "
            "at both times is in no proportion."
        ),
        _frankel(cohort, run),
        _roots(cohort, run),
        _events(cohort),
    ]
    return Section("neurology-section", "Neurological status and later events", tuple(blocks))


def _grades(cohort: Cohort) -> pd.DataFrame:
    """Frankel grade of treated patients by windows; of several visits in a window the best placed with a grade."""
    visits = cohort.chosen("frankel").merge(cohort.frames["visit"][["patient_key", "visit_no", "frankel"]])
    best = visits[visits["chosen"]].set_index(["patient_key", "time_point"])["frankel"]
    names = [window.name for window in cohort.windows]
    return best.unstack("time_point").reindex(index=cohort.treated.index, columns=names)


def _frankel(cohort: Cohort, run: Analyst) -> Block:
    grades = _grades(cohort)
    if grades.isna().all(axis=None):
        return text("Not reported: no visit in a window holds a Frankel grade.", name="frankel")
    ranks = grades.apply(lambda column: column.map(_RANK)).astype(float)
    before = cohort.baseline.name if cohort.baseline else None
    rows: list[Row] = []
    for window in cohort.windows:
        group = f"{window.label} ({flow.days(window)})"
        here = grades[window.name].dropna()
        for code in FRANKEL.codes:
            cell = share_cell(int((here == code).sum()), len(here))
            rows.append(row(FRANKEL.labels[code], cell, "–", group=group))
        if before is not None and window.name != before:
            change = (ranks[window.name] - ranks[before]).dropna()
            counts, exact, _ = proportion_cells(run.proportion(int((change < 0).sum()), len(change)))
            rows.append(row("worse than before", counts, exact, group=group))
    return Table(
        "frankel", "Frankel / ASIA impairment grade.", "patient",
        columns(("grade", "grade"), ("n", "n (% of known)"), ("exact", f"% (exact {run.options.percent} CI)")),
        tuple(rows),
    )  # fmt: skip


def _roots(cohort: Cohort, run: Analyst) -> Block:
    roots = cohort.frames["root_status"]
    placed = cohort.visits[["patient_key", "visit_no", "time_point", "date"]].merge(
        roots, on=["patient_key", "visit_no"]
    )
    placed = placed[placed["time_point"].notna() & placed["patient_key"].isin(cohort.treated.index)]
    if placed.empty:
        return text("Not reported: no visit in a window holds the strength or feeling of a nerve root.", name="roots")
    keys = ["patient_key", "root", "side"]
    latest = placed.sort_values("date").groupby([*keys, "time_point"], as_index=False).last()
    before = latest[latest["time_point"] == (cohort.baseline.name if cohort.baseline else "")].set_index(keys)["motor"]
    rows: list[Row] = []
    for window in cohort.windows:
        here = latest[latest["time_point"] == window.name].set_index(keys)
        motor = here["motor"].dropna()
        weak = motor.groupby("patient_key").min() < 5
        both = pd.concat([motor, before.rename("before")], axis=1).dropna()
        worse = (both["motor"] < both["before"]).groupby("patient_key").any()
        felt = here["sensation"][here["sensation"].isin(_FELT)]
        feeling = (felt != "normal").groupby("patient_key").any()
        group = f"{window.label} ({flow.days(window)})"
        rows.append(_share("weak: any tested root below grade 5", weak, run, group))
        rows.append(_share("feeling of any tested root not normal", feeling, run, group))
        if cohort.baseline is not None and window.name != cohort.baseline.name:
            rows.append(_share("any root weaker than before", worse, run, group))
    return Table(
        "roots", "Strength and feeling by nerve root.", "patient with a tested root",
        columns(("item", "item"), ("counts", "patients / tested"), ("exact", f"% (exact {run.options.percent} CI)")),
        tuple(rows),
        ("Motor grades run from 0 to 5. Of several values of a root in a window the last one counts.",),
    )  # fmt: skip


def _share(label: str, patients: pd.Series[bool], run: Analyst, group: str) -> Row:
    counts, exact, _ = proportion_cells(run.proportion(int(patients.sum()), len(patients)))
    return row(label, counts, exact, group=group)


def _events(cohort: Cohort) -> Block:
    events = cohort.frames["event"]
    events = events[events["patient_key"].isin(cohort.treated.index)]
    if events.empty:
        return text("No later treatment or fracture is recorded.", name="later-events")
    day = (events["date"] - events["patient_key"].map(cohort.treated["day_zero"])).dt.days.astype(float)
    early = int((day < 0).sum())
    events, day = events[day >= 0], day[day >= 0]
    if events.empty:
        return text(f"No later treatment or fracture is recorded; {early} are dated before day 0.", name="later-events")
    notes = ["Later treatment can change pain and local control; the analyses above do not adjust for it."]
    if early:
        notes.append(f"Dated before day 0 and not counted: {early}.")
    rows = []
    for code in EVENT_KIND.codes:
        mine = events["kind"] == code
        if not mine.any():
            continue
        days = summarise(day[mine].to_numpy())
        patients = int(events.loc[mine, "patient_key"].nunique())
        rows.append(
            row(
                EVENT_KIND.labels[code],
                count_cell(int(mine.sum())),
                share_cell(patients, len(cohort.treated)),
                median_cell(days, 0),
                range_cell(days, 0),
            )
        )
    return Table(
        "later-events", "Later treatments and fractures.", "event, and patient with one",
        columns(
            ("kind", "kind"), ("events", "events, n"), ("patients", "patients (% of treated)"),
            ("median", "day, median [IQR]"), ("range", "day, range"),
        ),
        tuple(rows),
        tuple(notes),
    )  # fmt: skip
