"""Pain, function and opioids at each time point, and their change within patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vertherm.registry.windows import Window
from vertherm.review import flow
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.describe import QUARTILE_NOTE
from vertherm.review.figures import trajectories
from vertherm.review.model import Block, Cell, Row, Section, Table, columns, row, text
from vertherm.review.statistics.paired import PairedChange
from vertherm.review.statistics.summary import summarise
from vertherm.review.words import (
    NOT_ESTIMABLE,
    count_cell,
    fixed,
    interval_cell,
    mean_cell,
    median_cell,
    p_value,
    plural,
    range_cell,
    raw,
    whole,
)


@dataclass(frozen=True)
class Measure:
    """A number of the visits: its column, what it is called, its unit, digits to print."""

    column: str
    label: str
    short: str
    digits: int


MEASURES = (
    Measure("vas", "Pain (VAS 0-10, points)", "VAS", 1),
    Measure("odi", "Oswestry Disability Index (ODI, %)", "ODI", 1),
    Measure("omeq_mg_day", "Opioids (oral morphine equivalent, mg/day)", "opioid dose", 1),
)


def section(cohort: Cohort, run: Analyst) -> Section:
    """Values by time point, changes, and the figure of all trajectories."""
    present = [measure for measure in MEASURES if cohort.measure(measure.column).notna().any(axis=None)]
    absent = [measure.short for measure in MEASURES if measure not in present]
    blocks: list[Block] = [
        text(
            "One value a patient and time point: of the visits in the window that have it the one nearest its middle "
            "(before treatment: the last one). Lesions are not the unit here: pain belongs to the patient.",
            "Patients who died are not carried forward and not imputed; the values are those of patients alive and "
            "seen.",
        )
    ]
    if absent:
        blocks.append(text(f"Not reported, because no visit holds a value: {', '.join(absent)}."))
    if present:
        blocks.append(_levels(cohort, present))
        blocks += _changes(cohort, present, run)
    if run.options.figures and any(measure.column == "vas" for measure in present):
        blocks.append(trajectories.draw(cohort, run))
    return Section("pain-section", "Pain, function and opioids", tuple(blocks))


def _levels(cohort: Cohort, present: list[Measure]) -> Table:
    rows: list[Row] = []
    for measure in present:
        values = cohort.measure(measure.column)
        for window in cohort.windows:
            found = summarise(values[window.name].to_numpy())
            dead, lost = _absent(cohort, window, values[window.name].isna().to_numpy())
            rows.append(
                row(
                    f"{window.label} ({flow.days(window)})", count_cell(found.n), count_cell(lost), count_cell(dead),
                    median_cell(found, measure.digits), mean_cell(found, measure.digits),
                    range_cell(found, measure.digits), group=measure.label,
                )
            )  # fmt: skip
    notes = [
        QUARTILE_NOTE,
        "Alive without a value: not seen, not yet due, or seen without the value. Dead: before the end of the window.",
    ]
    if any(measure.column == "omeq_mg_day" for measure in present):
        notes.append(f"Opioid conversion: {_conversion(cohort)}.")
    notes += _same_day(cohort, present)
    return Table(
        "pain", "Pain, function and opioids at each time point.", "patient",
        columns(
            ("window", "time point"), ("n", "n"), ("lost", "alive without a value, n"), ("dead", "dead, n"),
            ("median", "median [IQR]"), ("mean", "mean (SD)"), ("range", "range"),
        ),
        tuple(rows), tuple(notes),
    )  # fmt: skip


def _absent(cohort: Cohort, window: Window, empty: np.ndarray) -> tuple[int, int]:
    """Of those without a value: dead before the window ended, and the others."""
    dead = (flow.death_days(cohort, window) <= window.last_day) & empty
    return int(dead.sum()), int(empty.sum() - dead.sum())


def _same_day(cohort: Cohort, present: list[Measure]) -> list[str]:
    """Values before treatment that may be from after it: the registry knows the day of a visit, not the hour."""
    base = cohort.baseline
    if base is None or base.last_day < 0:
        return []
    counts = []
    for measure in present:
        visits = cohort.chosen(measure.column)
        on_day = int((visits["chosen"] & (visits["time_point"] == base.name) & (visits["day"] == 0)).sum())
        counts += [f"{measure.short} {whole(on_day)}"] if on_day else []
    if not counts:
        return []
    return [
        f"Dated on the day of the procedure itself and taken as before it: {', '.join(counts)}. The hour is not in the "
        "registry; if patients were asked afterwards, the window must end at day −1."
    ]


def _conversion(cohort: Cohort) -> str:
    used = cohort.frames["visit"]["omeq_table"].dropna().value_counts()
    return ", ".join(f"table '{name}' ({plural(int(n), 'visit')})" for name, n in used.items()) or "no dose above zero"


def changes(cohort: Cohort, measure: Measure, run: Analyst) -> list[tuple[Window, PairedChange, float]]:
    """Change from the baseline to each later time point, with Holm's p over the time points of this measure."""
    base = cohort.baseline
    if base is None:
        return []
    values = cohort.measure(measure.column)
    before = values[base.name].to_numpy()
    found = [(window, run.change(before, values[window.name].to_numpy())) for window in cohort.later]
    adjusted = run.holm([change.p for _, change in found])
    return [(window, change, float(p)) for (window, change), p in zip(found, adjusted, strict=True)]


def _changes(cohort: Cohort, present: list[Measure], run: Analyst) -> list[Block]:
    if cohort.baseline is None:
        return [text("Change is not estimable: the series has no time point before treatment.")]
    rows: list[Row] = []
    methods: set[str] = set()
    for measure in present:
        for window, change, adjusted in changes(cohort, measure, run):
            rows.append(_change_row(window, change, adjusted, measure))
            methods |= {f"test: {change.method}", f"interval: {change.hl.method}"} if change.n else set()
    notes = (
        "Change is later minus before, in patients with both values; a fall is negative. It is a before-after "
        "comparison without a control group.",
        "p: Wilcoxon signed-rank test, zeros ranked after Pratt, two-sided. Holm: adjusted over the later time "
        "points of the same measure.",
        f"Methods used: {'; '.join(sorted(methods)) or 'none'}.",
    )
    percent = run.options.percent
    table = Table(
        "pain-change", "Change from before treatment.", "patient",
        columns(
            ("window", "time point"), ("n", "pairs, n"), ("zeros", "no change, n"), ("median", "median change"),
            ("mean", f"mean change (SD); {percent} CI"), ("hl", f"Hodges-Lehmann estimate ({percent} CI)"), ("p", "p"),
            ("holm", "p, Holm"),
        ),
        tuple(rows), notes,
    )  # fmt: skip
    return [table]


def _change_row(window: Window, change: PairedChange, adjusted: float, measure: Measure) -> Row:
    if change.n == 0:
        blank = [Cell(NOT_ESTIMABLE)] + [Cell("–")] * 4
        return row(window.label, count_cell(0), count_cell(0), *blank, group=measure.label)
    digits = measure.digits
    spread = fixed(change.sd, digits) if change.n > 1 else NOT_ESTIMABLE
    limits = f"{fixed(change.mean_low, 2)} to {fixed(change.mean_high, 2)}" if change.n > 1 else NOT_ESTIMABLE
    mean = Cell(
        f"{fixed(change.mean, digits)} ({spread}); {limits}",
        {"mean": raw(change.mean), "sd": raw(change.sd), "low": raw(change.mean_low), "high": raw(change.mean_high)},
    )
    return row(
        window.label, count_cell(change.n), count_cell(change.zeros),
        Cell(fixed(change.median, digits), {"median": raw(change.median)}), mean,
        interval_cell(change.hl.estimate, change.hl.low, change.hl.high, 2),
        Cell(p_value(change.p), {"p": raw(change.p), "statistic": raw(change.statistic)}),
        Cell(p_value(adjusted), {"p": raw(adjusted)}), group=measure.label,
    )  # fmt: skip
