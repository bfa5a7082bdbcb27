"""Participant flow: enrolled, treated, and at each time point seen, missing with the reason, or dead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vertherm.clinical.vocabularies import MISSING
from vertherm.registry.windows import Window
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.figures import flow as drawing
from vertherm.review.model import Block, Cell, Row, Section, Table, columns, points, row, text
from vertherm.review.statistics.summary import summarise
from vertherm.review.words import count_cell, median_cell, plural, range_cell, whole

NO_REASON = "no reason recorded"
SEEN, DEAD_BEFORE, DEAD_WITHIN, NOT_DUE, MISSING_ALIVE = "seen", "dead before", "died within", "not due", "missing"


@dataclass(frozen=True)
class Stage:
    """What became of the treated patients at one time point; the counts add up to all of them.

    Args:
        window: the time point.
        seen: with a visit in the window.
        with_vas: of these, with a VAS.
        dead_before: died before the window opened.
        dead_within: died within the window without a visit in it.
        not_due: the window ended after the series' data did.
        missing: alive and not seen, by reason.
    """

    window: Window
    seen: int
    with_vas: int
    dead_before: int
    dead_within: int
    not_due: int
    missing: dict[str, int]

    @property
    def missing_alive(self) -> int:
        """Alive (or not known to have died) and not seen."""
        return sum(self.missing.values())

    @property
    def alive(self) -> int:
        """Not known to have died before the window opened."""
        return self.seen + self.dead_within + self.not_due + self.missing_alive


def status(cohort: Cohort, window: Window) -> pd.Series[Any]:
    """Code of every treated patient at a time point: seen, dead before, died within, not due, or missing."""
    patients = cohort.treated
    chosen = cohort.visits[cohort.visits["chosen"] & (cohort.visits["time_point"] == window.name)]
    seen = patients.index.isin(chosen["patient_key"])
    death = death_days(cohort, window)
    before, within = death < window.first_day, death <= window.last_day
    due = np.ones(len(patients), dtype=bool)
    until = cohort.row.get("data_until")
    if window.last_day > 0 and until is not None and not pd.isna(until):
        due = ((pd.Timestamp(until) - patients["day_zero"]).dt.days >= window.last_day).to_numpy()
    codes = np.select([seen, before, within, ~due], [SEEN, DEAD_BEFORE, DEAD_WITHIN, NOT_DUE], MISSING_ALIVE)
    return pd.Series(codes, index=patients.index, dtype=object)


def stages(cohort: Cohort) -> list[Stage]:
    """All time points in order."""
    vas = cohort.measure("vas")
    missed = cohort.frames["missed_visit"]
    result = []
    for window in cohort.windows:
        codes = status(cohort, window)
        tally = codes.value_counts()
        absent = codes.index[codes == MISSING_ALIVE]
        reasons = missed[missed["time_point"] == window.name].set_index("patient_key")["reason"].reindex(absent)
        named = reasons.map(lambda code: NO_REASON if pd.isna(code) else MISSING.labels.get(code, code))
        result.append(
            Stage(
                window,
                int(tally.get(SEEN, 0)),
                int(vas[window.name].notna().sum()),
                int(tally.get(DEAD_BEFORE, 0)),
                int(tally.get(DEAD_WITHIN, 0)),
                int(tally.get(NOT_DUE, 0)),
                {str(reason): int(n) for reason, n in named.value_counts().items()},
            )
        )
    return result


def section(cohort: Cohort, run: Analyst) -> Section:
    """Participant flow in words, as a table and as a figure."""
    found = stages(cohort)
    blocks: list[Block] = [points(_words(cohort, run, found)), _periods(cohort, run), _table(cohort, found)]
    if run.options.figures:
        blocks.append(drawing.draw(cohort, found))
    blocks.append(_outside(cohort))
    return Section("participants", "Participant flow", tuple(blocks))


def _words(cohort: Cohort, run: Analyst, found: list[Stage]) -> list[str]:
    total, treated = len(cohort.patients), len(cohort.treated)
    dead = early_deaths(cohort, run.options.death_days)
    lines = [
        f"{plural(total, 'patient')} enrolled, {whole(treated)} treated; {whole(total - treated)} without a procedure "
        "in the registry are left out of everything that follows.",
        f"{whole(int(cohort.treated['dead'].sum()))} known to have died, {whole(dead)} of them within "
        f"{run.options.death_days} days of the first procedure.",
    ]
    for stage in found:
        reasons = ", ".join(f"{reason} {whole(n)}" for reason, n in stage.missing.items())
        parts = [f"{whole(stage.seen)} seen ({whole(stage.with_vas)} with a VAS)"]
        if stage.window.last_day > 0:
            parts.append(f"{whole(stage.dead_before)} dead before the window opened")
        if stage.dead_within:
            parts.append(f"{whole(stage.dead_within)} died within it unseen")
        if stage.not_due:
            parts.append(f"{whole(stage.not_due)} not yet due")
        parts.append(f"{whole(stage.missing_alive)} missing{f' ({reasons})' if reasons else ''}")
        lines.append(f"{stage.window.label} ({days(stage.window)}): {', '.join(parts)}.")
    return lines


def days(window: Window) -> str:
    """The days of a window as text."""
    return f"day {window.first_day} to {window.last_day}".replace("-", "−")


def death_days(cohort: Cohort, window: Window) -> NDArray[np.float64]:
    """Day of death of every treated patient; NaN, too, at a time point before treatment, which death cannot explain."""
    days_ = cohort.treated["death_day"].to_numpy(float)
    return days_ if window.last_day > 0 else np.full(len(days_), np.nan)


def early_deaths(cohort: Cohort, within: int) -> int:
    """Treated patients who died up to this day after their first procedure."""
    return int((cohort.treated["death_day"] <= within).sum())


def _table(cohort: Cohort, found: list[Stage]) -> Table:
    total = len(cohort.treated)
    rows: list[Row] = [
        row("enrolled", count_cell(len(cohort.patients)), group="Enrolment"),
        row("treated", count_cell(total), group="Enrolment"),
        row("not treated", count_cell(len(cohort.patients) - total), group="Enrolment"),
    ]
    for stage in found:
        group = f"{stage.window.label} ({days(stage.window)})"
        lines: list[tuple[str, int]] = [("alive when the window opened", stage.alive), ("seen", stage.seen)]
        lines += [("seen, with a VAS", stage.with_vas), ("dead before the window opened", stage.dead_before)]
        lines += [("died within the window, not seen in it", stage.dead_within), ("not yet due", stage.not_due)]
        lines += [("missing", stage.missing_alive)]
        rows += [row(label, count_cell(n), group=group) for label, n in lines]
        rows += [row(f"missing: {reason}", count_cell(n), group=group) for reason, n in stage.missing.items()]
    notes = (
        f"At every time point seen, dead before, died within, not yet due and missing add up to {whole(total)}.",
        "Alive: not known to have died before the window opened; those not yet due are among them. "
        "Missing: a reason is shown where one was recorded.",
    )
    return Table(
        "flow", "Participant flow.", "patient", columns(("stage", "stage"), ("n", "patients, n")), tuple(rows), notes
    )


def _periods(cohort: Cohort, run: Analyst) -> Table:
    treated = cohort.treated
    zero, last = treated["day_zero"], treated["last_day"]
    until = cohort.row.get("data_until")
    dates = [
        ("first procedure", zero.min()),
        ("last patient's first procedure", zero.max()),
        ("follow-up complete until", until),
    ]
    rows = [row(label, Cell(_day(value), {"date": _iso(value)}), group="Dates") for label, value in dates]
    seen = summarise(last.to_numpy(float))
    group = "Days from day 0 to death or last known alive"
    rows += [
        row(
            "patients, n (missing)",
            Cell(f"{whole(seen.n)} ({seen.missing})", {"n": seen.n, "missing": seen.missing}),
            group=group,
        ),
        row("median [IQR]", median_cell(seen, 0), group=group),
        row("range", range_cell(seen, 0), group=group),
    ]
    zero_text = "first treatment of the lesion" if cohort.by_lesion else "patient's first procedure"
    notes = (
        "Day 0 of visits: the patient's first procedure. Day 0 of lesions: the " + zero_text + ".",
        f"Early deaths are those up to day {run.options.death_days}.",
    )
    return Table(
        "periods",
        "Periods and follow-up.",
        "patient",
        columns(("item", "item"), ("value", "value")),
        tuple(rows),
        notes,
    )


def _day(value: Any) -> str:
    return "not stated" if value is None or pd.isna(value) else f"{pd.Timestamp(value):%d %B %Y}".lstrip("0")


def _iso(value: Any) -> str | None:
    return None if value is None or pd.isna(value) else f"{pd.Timestamp(value):%Y-%m-%d}"


def _outside(cohort: Cohort) -> Block:
    visits = cohort.visits
    out = visits[visits["time_point"].isna() & visits["nearest_time_point"].notna()]
    if out.empty:
        return text("No visit lies outside the windows.", name="outside")
    rows = []
    for window in cohort.windows:
        part = out[out["nearest_time_point"] == window.name]
        away = summarise(part["days_outside"].astype(float).to_numpy())
        codes = status(cohort, window)
        lost = set(codes.index[codes == MISSING_ALIVE]) & set(part["patient_key"])
        rows.append(
            row(
                f"{window.label} ({days(window)})", count_cell(len(part)), count_cell(part["patient_key"].nunique()),
                median_cell(away, 0), range_cell(away, 0), count_cell(len(lost)),
            )
        )  # fmt: skip
    inside = visits["chosen"].sum()
    spare = int(visits["time_point"].notna().sum() - inside)
    notes = [
        f"{plural(len(out), 'visit')} outside all windows, not used in the tables by time point; the models of "
        f"[[model-section]] do not use them either.",
    ]
    if spare:
        notes.append(f"{plural(spare, 'more visit')} in a window in which the same patient has a better placed one.")
    return Table(
        "outside", "Visits outside the windows, by the nearest window.", "visit",
        columns(
            ("window", "nearest window"), ("visits", "visits, n"), ("patients", "patients, n"),
            ("away", "days outside, median [IQR]"), ("range", "days outside, range"),
            ("lost", "patients missing at that time point, n"),
        ),
        tuple(rows), tuple(notes),
    )  # fmt: skip
