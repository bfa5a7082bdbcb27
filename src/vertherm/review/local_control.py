"""Local control, per patient and per lesion apart: proportions, cumulative incidence, comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vertherm.review import flow
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort, imaging
from vertherm.review.control_data import (
    DEATH,
    PROGRESSION,
    State,
    Times,
    after_treatment,
    judged,
    lesion_table,
    lesion_times,
    on_grid,
    patient_table,
    patient_times,
    state,
)
from vertherm.review.control_models import comparisons
from vertherm.review.describe import QUARTILE_NOTE
from vertherm.review.figures import incidence as drawing
from vertherm.review.model import Block, Cell, Row, Section, Table, columns, points, row, text
from vertherm.review.statistics.clustered import ClusteredProportion
from vertherm.review.statistics.competing import CumulativeIncidence
from vertherm.review.statistics.result import NotEstimable
from vertherm.review.statistics.summary import summarise
from vertherm.review.words import (
    NONE,
    NOT_ESTIMABLE,
    count_cell,
    fixed,
    median_cell,
    percent,
    plural,
    proportion_cells,
    range_cell,
    raw,
    whole,
)

DEFINITIONS = (
    "Alive: not known to have died before the window opened; patients not yet due are among them.",
    "Imaged: alive, with an examination in the window. Not every survivor is imaged, and not every image can be "
    "judged.",
    "Evaluable lesion: alive, and either progression was seen by the end of the window, or an evaluable examination in "
    "the window shows none. Evaluable patient: any lesion progressed, or every lesion treated by then was seen free of "
    "it. Scans on the day of the first treatment show what was there before and do not count. A second treatment ends "
    "nothing: progression before it still counts.",
    "Local control at a time point is judged in evaluable survivors only: it says nothing about the dead, so the "
    "cumulative incidence with death competing stands beside it.",
    "Time of a lesion runs from its day 0, of a patient from the first procedure, to the first scan with progression, "
    "to death, or, for survivors without progression, to the last day known alive. It gives the incidence of "
    "progression that was detected: who was scanned rarely, or never, can hide one.",
    "As a sensitivity analysis survivors leave at their last scan without progression (scans inside a window count "
    "as of its last day; of a patient, the first of the lesions' last clear scans; never judged: the first treatment).",
)


def section(cohort: Cohort, run: Analyst) -> Section:
    """Local control."""
    found = after_treatment(cohort)
    lesions = lesion_times(cohort, found)
    patients = patient_times(cohort, lesions)
    blocks: list[Block] = [points(DEFINITIONS, name="control-definitions")]
    if not len(lesions.table):
        blocks.append(text("Local control is not estimable: no lesion was treated."))
        return Section("control-section", "Local control", tuple(blocks))
    blocks += [_criteria(cohort, found), _proportions(cohort, found, run)]
    if not found["progression"].isin(("yes", "no")).any():
        blocks.append(
            text(
                "Cumulative incidence and its comparisons are not estimable: no lesion was judged by an evaluable "
                "examination after its treatment.",
                name="incidence-none",
            )
        )
        return Section("control-section", "Local control", tuple(blocks))
    scanned = lesion_times(cohort, on_grid(cohort, found), until_scan=True)
    both, until_scan = (patients, lesions), (patient_times(cohort, scanned), scanned)
    blocks += [*_interval(lesions, patients), _incidence(cohort, both, until_scan, run)]
    if run.options.figures:
        blocks.append(drawing.draw(cohort, *both, run))
    blocks.append(comparisons(cohort, *both, run))
    return Section("control-section", "Local control", tuple(blocks))


def _criteria(cohort: Cohort, found: pd.DataFrame) -> Block:
    scans = imaging(cohort)
    after = scans[scans["day"].astype(float) > 0]
    used = found["criterion"].value_counts()
    kinds = after["modality"].value_counts()
    criteria = ", ".join(f"{cohort.label('response', 'criterion', code)} ({whole(n)})" for code, n in used.items())
    modalities = ", ".join(f"{cohort.label('imaging', 'modality', code)} ({whole(n)})" for code, n in kinds.items())
    return text(
        f"{plural(len(after), 'follow-up examination')} of {plural(after['patient_key'].nunique(), 'patient')}"
        f"{': ' + modalities if modalities else ''}; {whole(int((after['evaluable'] == 'yes').sum()))} evaluable.",
        f"{plural(len(found), 'judgement')} of a lesion by criterion: {criteria or 'none'}.",
    )


def _proportions(cohort: Cohort, found: pd.DataFrame, run: Analyst) -> Table:
    rows: list[Row] = []
    notes = [
        f"Exact: Clopper-Pearson, {run.options.percent}. Lesions of one patient are not independent: for lesions the "
        "exact interval is too narrow where they are alike, and the cluster-robust one is shown where it can be "
        "estimated."
    ]
    without = len(cohort.treated) - cohort.treated_lesions["patient_key"].nunique()
    if without:
        notes.append(
            f"{plural(without, 'patient')} with a procedure in which no lesion was treated: not in this table."
        )
    for window in cohort.later:
        lesions = lesion_table(cohort, found, window)
        patients = patient_table(cohort, lesions, window)
        for name, table in (("patient", patients), ("lesion", lesions)):
            rows.append(_state_row(name, state(table), run, notes, f"{window.label} ({flow.days(window)})"))
        notes += _left_out(lesions, patients, window.label)
    return Table(
        "control", "Local control: alive, imaged, evaluable, free of locoregional progression.",
        "patient (any lesion progressed) and lesion, in separate rows",
        columns(
            ("unit", "unit"), ("treated", "treated, n"), ("alive", "alive, n"), ("imaged", "imaged, n"),
            ("evaluable", "evaluable, n"), ("free", "free of progression"),
            ("exact", f"% (exact {run.options.percent} CI)"),
            ("wilson", "Wilson, %"), ("cluster", "cluster-robust, %"),
        ),
        tuple(rows), tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _left_out(lesions: pd.DataFrame, patients: pd.DataFrame, when: str) -> list[str]:
    """What a reader of the counts at one time point must know."""
    notes = []
    partly = int((patients["alive"] & patients["progressed"].isna() & patients["imaged"]).sum())
    if partly:
        notes.append(
            f"{when}: {plural(partly, 'patient')} imaged, but not evaluable (not every treated lesion judged)."
        )
    later = int((~lesions["begun"]).sum())
    if later:
        notes.append(f"{when}: {plural(later, 'lesion')} first treated after the window, not counted here.")
    free = judged(lesions)
    again = int((free["again"] & (free["progressed"] == 0.0)).sum())
    if again:
        notes.append(
            f"{when}: {plural(again, 'lesion')} free of progression had a second treatment by then; the control is "
            "that of both."
        )
    return notes


def _state_row(name: str, found: State, run: Analyst, notes: list[str], group: str) -> Row:
    counts, exact, wilson = proportion_cells(run.proportion(found.free, found.evaluable))
    cluster = Cell(NONE)
    if name == "lesion" and found.evaluable:
        # Progression is the event; a reason why there is no interval would be misread the other way round.
        robust = run.clustered(found.event, found.cluster)
        cluster = cluster_cell(robust if isinstance(robust, NotEstimable) else robust.complement(), notes)
    if found.earlier:
        notes.append(
            f"{group}, {name}s: {whole(found.earlier)} evaluable because progression was seen before, without an "
            "examination in the window."
        )
    return row(
        name, count_cell(found.treated), count_cell(found.alive), count_cell(found.imaged), count_cell(found.evaluable),
        counts, exact, wilson, cluster, group=group,
    )  # fmt: skip


def cluster_cell(result: ClusteredProportion | NotEstimable, notes: list[str]) -> Cell:
    """Cluster-robust limits and the patient bootstrap, or why there are none (as a note)."""
    if isinstance(result, NotEstimable):
        notes.append(f"Cluster-robust interval {NOT_ESTIMABLE}: {result.reason}.")
        return Cell(NOT_ESTIMABLE, {"low": None, "high": None})
    return Cell(
        f"{percent(result.low, 2)} to {percent(result.high, 2)} (bootstrap {percent(result.bootstrap_low, 2)} to "
        f"{percent(result.bootstrap_high, 2)})",
        {
            "low": raw(result.low),
            "high": raw(result.high),
            "bootstrap_low": raw(result.bootstrap_low),
            "bootstrap_high": raw(result.bootstrap_high),
            "design_effect": raw(result.design_effect),
        },
    )


def _interval(lesions: Times, patients: Times) -> list[Block]:
    said = (
        "Progression is interval-censored: a scan shows that it happened since the scan before, not when. All times "
        "here are those of the scans, so they are too late, by up to the gap."
    )
    rows = []
    for name, times in (("patient", patients), ("lesion", lesions)):
        gaps = summarise(times.gaps)
        rows.append(row(name, count_cell(gaps.n), median_cell(gaps, 0), range_cell(gaps, 0)))
    if not lesions.gaps.size:
        return [text(said, "No progression was seen, so there is no such interval to report.", name="interval")]
    table = Table(
        "interval", "Days between the last clear scan (or the first treatment) and the scan that showed progression.",
        "patient and lesion, in separate rows",
        columns(("unit", "unit"), ("n", "progressed, n"), ("gap", "gap in days, median [IQR]"), ("range", "range")),
        tuple(rows), (QUARTILE_NOTE,),
    )  # fmt: skip
    return [text(said), table]


def curves(times: Times, run: Analyst) -> tuple[CumulativeIncidence, CumulativeIncidence]:
    """Cumulative incidence of progression, and of death without it."""
    event = times.event
    swapped = np.select([event == PROGRESSION, event == DEATH], [DEATH, PROGRESSION], 0)
    return (
        run.incidence(times.time, event),
        run.incidence(times.time, swapped),
    )


def _incidence(cohort: Cohort, main: tuple[Times, Times], until_scan: tuple[Times, Times], run: Analyst) -> Table:
    days = landmarks(cohort)
    rows: list[Row] = []
    for name, times in zip(("patient", "lesion"), main, strict=True):
        for label, curve in zip(("progression", "death without progression"), curves(times, run), strict=True):
            rows.append(_curve_row(label, curve, days, name, times.complete))
    for name, times in zip(("patient", "lesion"), until_scan, strict=True):
        curve = curves(times, run)[0]
        group = f"{name}; sensitivity: survivors leave at the last clear scan"
        rows.append(_curve_row("progression", curve, days, group, times.complete))
    never = [int((~times.table["judged"]).sum()) for times in main]
    notes = (
        f"Aalen-Johansen estimate with {run.options.percent} limits on the log(-log) scale; % (limits; still under "
        "observation just before that day). Death competes with progression; 1 minus Kaplan-Meier would overstate it.",
        "In the sensitivity rows the dead stay in view until they die while survivors leave after their last scan: "
        "late estimates are too high, so no incidence of death is given there.",
        "Limits for lesions take them as independent; where lesions of a patient are alike they are too narrow.",
        "No limits are given while the estimate is 0. 'Not observed': nobody was followed so long.",
        f"Never judged after treatment: {plural(never[0], 'patient')}, {plural(never[1], 'lesion')}.",
    )
    return Table(
        "incidence", "Cumulative incidence of progression, death competing.",
        "patient (first progression of any lesion) and lesion, in separate rows",
        columns(
            ("event", "first event"), ("n", "n"), ("events", "events, n"), ("censored", "censored, n"),
            *((f"day_{day}", f"% by day {day}") for day in days),
        ),
        tuple(rows), notes,
    )  # fmt: skip


def _curve_row(label: str, curve: CumulativeIncidence, days: list[int], group: str, complete: bool) -> Row:
    counts: list[Any] = [label, count_cell(curve.n), count_cell(curve.events), count_cell(curve.censored)]
    return row(*counts, *(_at(curve, day, complete) for day in days), group=group)


def landmarks(cohort: Cohort) -> list[int]:
    """Days at which the cumulative incidence is printed: the ends of the last three windows, and one year."""
    return sorted({*(window.last_day for window in cohort.later[-3:]), 365})


def _at(curve: CumulativeIncidence, day: int, complete: bool) -> Cell:
    last = float(curve.time[-1])
    estimate, low, high = curve.at(min(float(day), last) if complete else float(day))
    at_risk = int(curve.number_at_risk([float(day)])[0])
    values = {"estimate": raw(estimate), "low": raw(low), "high": raw(high), "at_risk": at_risk}
    if values["estimate"] is None:
        return Cell("not observed", values)
    limits = "no limits" if values["low"] is None else f"{percent(low, 2)} to {percent(high, 2)}"
    return Cell(f"{fixed(100 * estimate, 1)} ({limits}; {whole(at_risk)} at risk)", values)
