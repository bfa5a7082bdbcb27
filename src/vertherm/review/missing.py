"""Deaths and missing values, apart from each other."""

from __future__ import annotations

import pandas as pd

from vertherm.clinical.vocabularies import MISSING
from vertherm.review import flow
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.model import Block, Cell, Row, Section, Table, columns, row, text
from vertherm.review.pain import MEASURES
from vertherm.review.statistics.summary import summarise
from vertherm.review.words import (
    count_cell,
    median_cell,
    plural,
    proportion_cells,
    range_cell,
    whole,
)


def section(cohort: Cohort, run: Analyst) -> Section:
    """Who died, and which values are missing and why."""
    blocks: list[Block] = [
        text(
            "Death is an outcome, not a missing value: it is counted apart, here and in [[flow]]. Missing values of "
            "the living are neither imputed nor carried forward."
        ),
        _deaths(cohort, run),
    ]
    blocks.append(_causes(cohort))
    blocks.append(_values(cohort))
    return Section("missing-section", "Deaths and missing values", tuple(blocks))


def _deaths(cohort: Cohort, run: Analyst) -> Table:
    treated = cohort.treated
    limits = sorted({30, run.options.death_days, *(window.last_day for window in cohort.later)})
    rows: list[Row] = []
    for limit in limits:
        dead = flow.early_deaths(cohort, limit)
        known = (treated["last_day"] >= limit) | (treated["death_day"] <= limit)
        counts, exact, wilson = proportion_cells(run.proportion(dead, len(treated)))
        rows.append(row(f"dead by day {limit}", counts, exact, wilson, count_cell(int((~known).sum()))))
    counts, exact, wilson = proportion_cells(run.proportion(int(treated["dead"].sum()), len(treated)))
    rows.append(row("dead, ever known", counts, exact, wilson, "–"))
    notes = (
        f"Exact: Clopper-Pearson, {run.options.percent}. The proportion takes patients whose state on that day is not "
        "known as alive; their number is in the last column. Days count from the patient's first procedure.",
    )
    return Table(
        "deaths", "Deaths.", "patient",
        columns(
            ("until", "until"), ("counts", "dead / treated"), ("exact", f"% (exact {run.options.percent} CI)"),
            ("wilson", "Wilson, %"), ("unknown", "state not known on that day, n"),
        ),
        tuple(rows), notes,
    )  # fmt: skip


def _causes(cohort: Cohort) -> Block:
    death = cohort.frames["death"]
    death = death[death["patient_key"].isin(cohort.treated.index)]
    if death.empty:
        return text("No death is recorded.", name="death-causes")
    rows: list[Row] = []
    for column, label in (("cause", "Cause"), ("attribution", "Attribution to the procedure")):
        for code, part in death.groupby(column, sort=True):
            rows.append(row(cohort.label("death", column, code), count_cell(len(part)), group=label))
        lost = int(death[column].isna().sum())
        if lost:
            rows.append(row("not recorded", count_cell(lost), group=label))
    days = summarise(cohort.treated["death_day"].to_numpy(float))
    group = "Day of death"
    rows += [row("median [IQR]", median_cell(days, 0), group=group), row("range", range_cell(days, 0), group=group)]
    return Table(
        "death-causes", f"Causes and days of {plural(len(death), 'death')}.", "patient",
        columns(("item", "item"), ("value", "n, or days")), tuple(rows),
    )  # fmt: skip


def _values(cohort: Cohort) -> Table:
    visits = cohort.frames["visit"]
    chosen = cohort.visits[cohort.visits["chosen"]][["patient_key", "visit_no", "time_point"]]
    seen = chosen.merge(visits, on=["patient_key", "visit_no"])
    rows: list[Row] = []
    for window in cohort.windows:
        here = seen[seen["time_point"] == window.name]
        for measure in MEASURES:
            value = cohort.measure(measure.column)[window.name]
            # Another visit of the same window may hold what the best placed one lacks.
            lacking = here[here["patient_key"].map(value).isna()]
            rows.append(
                row(
                    measure.short, count_cell(len(here)), count_cell(int(here["patient_key"].map(value).notna().sum())),
                    count_cell(len(lacking)), Cell(_reasons(lacking[f"{measure.column}_missing"])),
                    group=f"{window.label} ({flow.days(window)})",
                )
            )  # fmt: skip
    return Table(
        "missing", "Values missing although the patient was seen.", "patient",
        columns(
            ("measure", "value"), ("seen", "seen, n"), ("with", "with the value, n"), ("without", "without, n"),
            ("why", "why"),
        ),
        tuple(rows),
        ("Patients who were not seen at all, and why, are in [[flow]]. Reasons as entered with the visit.",),
    )  # fmt: skip


def _reasons(codes: pd.Series) -> str:
    tally = codes.fillna("").value_counts()
    parts = [f"{MISSING.labels.get(str(code), str(code)) or 'no reason'} {whole(n)}" for code, n in tally.items()]
    return "; ".join(parts) or "–"
