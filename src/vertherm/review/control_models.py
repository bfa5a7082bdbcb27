"""Does progression differ between groups? Gray's test and Fine-Gray regression, where there are enough events."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from vertherm.review.analyst import Analyst
from vertherm.review.cohort import SEVERAL, Cohort
from vertherm.review.control_data import Times
from vertherm.review.model import Cell, Row, Table, columns, row
from vertherm.review.statistics.result import NotEstimable
from vertherm.review.words import NONE, NOT_ESTIMABLE, count_cell, fixed, p_value, raw

REGIONS = ("thoracic", "cervical", "lumbar", "sacral")
"""The first one is the reference."""


def comparisons(cohort: Cohort, patients: Times, lesions: Times, run: Analyst) -> Table:
    """Gray's tests by patient; Fine-Gray by patient (radiotherapy) and by lesion (region, clustered in patients)."""
    rows: list[Row] = []
    of_patient = cohort.patients.reindex(patients.table["patient_key"])
    for label, entity, column, left_out in (
        ("radiotherapy of the spine before, yes or no", "patient", "prior_radiotherapy", "unknown"),
        ("region of the treated lesions", "lesion", "region", SEVERAL),
        ("primary tumour", "patient", "primary_tumour", ""),
    ):
        codes = of_patient[column].where(of_patient[column] != left_out)
        names = codes.map(lambda code: cohort.label(entity, column, code), na_action="ignore")  # noqa: B023
        rows.append(_gray(label, patients, names, run))
    rows += _fine_gray_patients(patients, of_patient, run)
    rows += _fine_gray_lesions(lesions, run)
    notes = (
        "Compared: cumulative incidence of progression with death competing. 'Not estimable' is a result, not a "
        "failure: the events do not carry the method. These tests were not adjusted for their number.",
        "Patients with lesions in several regions are left out of the comparison by region; unknown radiotherapy out "
        "of that by radiotherapy. Fine-Gray: ratio of subdistribution hazards; lesions clustered in patients.",
    )
    return Table(
        "control-models", "Progression between groups.", "patient, or lesion clustered in patients, as said in the row",
        columns(
            ("comparison", "comparison"), ("n", "n"), ("events", "events, n"), ("result", "result"), ("p", "p"),
        ),
        tuple(rows), notes,
    )  # fmt: skip


def _gray(label: str, times: Times, codes: pd.Series[Any], run: Analyst) -> Row:
    known = codes.notna().to_numpy()
    events = int((times.event[known] == 1).sum())
    group = "Gray's test, patients"
    if not known.any():
        return _not(label, 0, 0, "nothing is known of the groups", group)
    result = run.gray(times.time[known], times.event[known], codes[known].to_numpy(str))
    if isinstance(result, NotEstimable):
        return _not(label, int(known.sum()), events, result.reason, group)
    parts = "; ".join(
        f"{part.group}: {part.events} of {part.n} (expected {part.expected:.1f})" for part in result.events_by_group
    )
    return row(
        label, count_cell(int(known.sum())), count_cell(events),
        Cell(
            f"chi-squared {fixed(result.statistic, 2)}, df {result.df}. {parts}",
            {"statistic": raw(result.statistic), "df": result.df},
        ),
        Cell(p_value(result.p), {"p": raw(result.p)}), group=group,
    )  # fmt: skip


def _not(label: str, n: int, events: int, reason: str, group: str) -> Row:
    return row(label, count_cell(n), count_cell(events), f"{NOT_ESTIMABLE}: {reason}", NONE, group=group)


def _fine_gray_patients(times: Times, of_patient: pd.DataFrame, run: Analyst) -> list[Row]:
    codes = of_patient["prior_radiotherapy"].to_numpy(object)
    known = np.isin(codes.astype(str), ("yes", "no"))
    covariates = (codes[known] == "yes").astype(float)[:, None]
    group = "Fine-Gray regression, patients"
    return _fine_gray(group, times, known, covariates, ["radiotherapy before: yes against no"], None, run)


def _fine_gray_lesions(times: Times, run: Analyst) -> list[Row]:
    regions = times.table["region"].to_numpy(object)
    present = [name for name in REGIONS if (regions == name).any()]
    everybody = np.ones(len(regions), dtype=bool)
    covariates = np.column_stack([(regions == name).astype(float) for name in present[1:]]) if present[1:] else None
    names = [f"{name} against {present[0]}" for name in present[1:]]
    group = "Fine-Gray regression, lesions clustered in patients"
    return _fine_gray(group, times, everybody, covariates, names, times.table["patient_key"].to_numpy(object), run)


def _fine_gray(
    group: str, times: Times, known: Any, covariates: Any, names: list[str], cluster: Any, run: Analyst
) -> list[Row]:
    n, events = int(known.sum()), int((times.event[known] == 1).sum())
    label = "; ".join(names) or "region"
    if not n or covariates is None:
        return [_not(label, n, events, "there are no groups to compare", group)]
    result = run.fine_gray(times.time[known], times.event[known], covariates, names, cluster)
    if isinstance(result, NotEstimable):
        return [_not(label, n, events, result.reason, group)]
    rows = []
    for item in result.rows:
        ratio, low, high = (math.exp(value) for value in (item.estimate, item.low, item.high))
        limits = f"{run.options.percent} CI {fixed(low, 2)} to {fixed(high, 2)}"
        text = f"subdistribution hazard ratio {fixed(ratio, 2)} ({limits})"
        values = {"ratio": raw(ratio), "low": raw(low), "high": raw(high), "log_se": raw(item.se)}
        rows.append(
            row(
                item.term,
                count_cell(n),
                count_cell(events),
                Cell(text, values),
                Cell(p_value(item.p), {"p": raw(item.p)}),
                group=group,
            )
        )
    return rows
