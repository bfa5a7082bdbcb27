"""Sensitivity of the pain results: a mixed model, estimating equations, and death as the worst rank."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.model import Block, Cell, Row, Section, Table, columns, row, text
from vertherm.review.pain import MEASURES, Measure
from vertherm.review.responders import dead
from vertherm.review.statistics.result import ModelFit, NotEstimable
from vertherm.review.words import NONE, NOT_ESTIMABLE, count_cell, fixed, interval_cell, p_value, raw


def section(cohort: Cohort, run: Analyst) -> Section:
    """Do the results hold under other assumptions?"""
    blocks: list[Block] = []
    base = cohort.baseline
    if base is None or not cohort.measure("vas")[base.name].notna().any():
        blocks.append(text("Sensitivity analyses are not estimable: no patient has a VAS before treatment."))
    else:
        blocks += [
            text(
                "The paired analysis uses patients with both values. The mixed model uses every patient with any "
                "value and is right if values are missing at random given those seen; the estimating equations need "
                "them missing completely at random but no normal distribution. Both treat the scores as numbers and "
                "speak of patients while alive. The worst-rank analysis asks the other question: what if death "
                "counts as the worst outcome?"
            ),
            _models(cohort, run),
            _worst(cohort, run),
        ]
    return Section("model-section", "Sensitivity analyses", tuple(blocks))


def _models(cohort: Cohort, run: Analyst) -> Table:
    rows: list[Row] = []
    notes: list[str] = []
    for measure in MEASURES:
        values = cohort.measure(measure.column)
        if not values.notna().any(axis=None):
            continue
        rows += _of_measure(cohort, measure, values, run, notes)
    return Table(
        "models", "Change from before treatment by models that use everybody with a value.", "patient and time point",
        columns(
            ("model", "model"), ("term", "term"), ("n", "patients; values"),
            ("estimate", f"estimate ({run.options.percent} CI)"), ("p", "p"),
        ),
        tuple(rows), tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _of_measure(cohort: Cohort, measure: Measure, values: pd.DataFrame, run: Analyst, notes: list[str]) -> list[Row]:
    assert cohort.baseline is not None
    # Two windows may share a label; the names are unique.
    all_labels = [window.label for window in cohort.windows]
    labels = {
        window.name: window.label if all_labels.count(window.label) == 1 else f"{window.label} ({window.name})"
        for window in cohort.windows
    }
    order = [cohort.baseline, *cohort.later]
    # A time point without a single value cannot be a term of the model.
    used = [window for window in order if values[window.name].notna().any()]
    for window in order:
        if window not in used:
            notes.append(f"{measure.short} at {window.label}: no value, left out of the models.")
    if len(used) < 2 or used[0] is not cohort.baseline:
        why = f"{NOT_ESTIMABLE}: fewer than two time points have values"
        return [row("all models", NONE, NONE, why, NONE, group=measure.label)]
    wide = values[[window.name for window in used]].rename_axis(index="patient")
    long = wide.reset_index().melt("patient", var_name="visit", value_name="value").dropna(subset=["value"])
    names = [labels[window.name] for window in used]
    columns_ = (
        long["patient"].to_numpy(object),
        long["visit"].map(labels).to_numpy(object),
        long["value"].to_numpy(float),
    )
    rows: list[Row] = []
    for name, fit in (
        ("linear mixed model", run.mixed(*columns_, names)),
        ("GEE", run.gee(*columns_, names)),
    ):
        rows += _fit(name, fit, measure, notes)
    return rows


def _fit(name: str, fit: ModelFit | NotEstimable, measure: Measure, notes: list[str]) -> list[Row]:
    if isinstance(fit, NotEstimable):
        return [row(name, "–", "–", f"{NOT_ESTIMABLE}: {fit.reason}", NONE, group=measure.label)]
    details = ", ".join(f"{key.replace('_', ' ')} {value:.3g}" for key, value in fit.details if key != "df")
    notes.append(f"{measure.short}, {fit.name}: {fit.note} {details[:1].upper()}{details[1:].replace(' sd ', ' SD ')}.")
    size = Cell(f"{fit.patients}; {fit.observations}", {"patients": fit.patients, "values": fit.observations})
    return [
        row(
            name,
            item.term if place == 0 else f"change at {item.term}",
            size,
            interval_cell(item.estimate, item.low, item.high, 2),
            Cell(p_value(item.p) if place else NONE, {"p": raw(item.p), "se": raw(item.se)}),
            group=measure.label,
        )
        for place, item in enumerate(fit.rows)
    ]


def _worst(cohort: Cohort, run: Analyst) -> Table:
    assert cohort.baseline is not None
    vas = cohort.measure("vas")
    before = vas[cohort.baseline.name].to_numpy()
    rows = []
    for window in cohort.later:
        found = run.worst_rank(before, vas[window.name].to_numpy(), dead(cohort, window))
        rows.append(
            row(
                window.label, count_cell(found.n), count_cell(found.deaths), count_cell(found.missing),
                _rank_cell(found.median, found.n), _rank_cell(found.hl, found.n),
                Cell(p_value(found.p) if found.n else NONE, {"p": raw(found.p), "statistic": raw(found.statistic)}),
            )
        )  # fmt: skip
    notes = (
        "Everybody who died before the end of the time point without a VAS in it changed, by definition, more for the "
        "worse than any survivor, with a value before or without. Patients alive without a pair are left out and "
        "counted.",
        "p: Wilcoxon signed-rank test, zeros after Pratt; not adjusted for the number of time points.",
    )
    return Table(
        "worst-rank", "Change of the VAS with death as the worst rank.", "patient",
        columns(
            ("window", "time point"), ("n", "n"), ("deaths", "of them dead, n"), ("missing", "alive without a pair, n"),
            ("median", "median change"), ("hl", "Hodges-Lehmann estimate"), ("p", "p"),
        ),
        tuple(rows), notes,
    )  # fmt: skip


def _rank_cell(value: float, n: int) -> Cell:
    if not n:
        return Cell(NOT_ESTIMABLE, {"value": None})
    if math.isinf(value):
        return Cell("worst rank (death)", {"value": None, "worst_rank": True})
    return Cell(fixed(value, 1), {"value": raw(np.float64(value)), "worst_rank": False})
