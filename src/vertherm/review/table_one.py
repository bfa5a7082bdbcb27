"""Table 1: patients and lesions, each with the number of missing values."""

from __future__ import annotations

from typing import Any

import pandas as pd

from vertherm.review.cohort import Cohort
from vertherm.review.describe import COUNT_COLUMNS, NUMBER_COLUMNS, QUARTILE_NOTE, UNKNOWN_NOTE, counts, numbers
from vertherm.review.model import Block, Cell, Row, Section, Table, row, text
from vertherm.review.words import NONE, plural, share_cell

FRACTURE_FIELDS = (
    ("kind", "Appearance on CT"),
    ("posterior_wall", "Posterior wall"),
    ("escc", "Epidural compression (Bilsky ESCC)"),
    ("pathological_fracture", "Pathological fracture"),
    ("prior_radiotherapy", "Radiotherapy of this lesion before"),
)
PERFORMANCE_NOTE = "Performance status: missing means without a value on either scale."


def section(cohort: Cohort) -> Section:
    """Who and what was treated."""
    patients, lesions = cohort.treated, cohort.treated_lesions
    blocks: list[Block] = [
        text(
            f"{plural(len(patients), 'treated patient')} with {plural(len(lesions), 'treated lesion')}.",
            "Sex, age, primary tumour, prior treatment and performance status are counted by patient; region, level "
            "and imaging findings by lesion. Percentages are of the known values.",
            name="definitions-baseline",
        ),
        _patient_counts(cohort, patients),
        _patient_numbers(patients),
        _lesion_counts(cohort, lesions),
        _lesion_numbers(lesions),
    ]
    return Section("baseline", "Patients and lesions", tuple(blocks))


def _patient_counts(cohort: Cohort, patients: pd.DataFrame) -> Table:
    rows: list[Row] = []
    rows += counts(cohort, "patient", "sex", patients["sex"], "Sex")
    # "Unknown primary" is a finding, not a gap in the record.
    rows += counts(cohort, "patient", "primary_tumour", patients["primary_tumour"], "Primary tumour", missing=())
    for column, label in (
        ("prior_radiotherapy", "Radiotherapy of the spine before"),
        ("systemic_therapy", "Systemic therapy at the first procedure"),
    ):
        rows += counts(cohort, "patient", column, patients[column], label)
    rows += _performance(patients, len(patients))
    rows += _per_patient(patients)
    return Table(
        "patients", "Patients at baseline.", "patient", COUNT_COLUMNS, tuple(rows), (UNKNOWN_NOTE, PERFORMANCE_NOTE)
    )


def _performance(patients: pd.DataFrame, total: int) -> list[Row]:
    missing = int(patients["performance"].isna().sum())
    lost = Cell(str(missing), {"n": missing})
    rows: list[Row] = []
    for scale, name in (("ecog", "ECOG"), ("kps", "Karnofsky")):
        known = patients.loc[patients["performance_scale"] == scale, "performance"].dropna()
        for score, n in known.value_counts().sort_index().items():
            cell = share_cell(int(n), len(known))
            # Missing on both scales, said once: nobody is measured on two.
            first = lost if not rows else ""
            rows.append(row(f"{name} {float(str(score)):g}", cell, first, group=f"Performance status, {name}"))
    return rows or [row("(no known value)", NONE, Cell(str(total), {"n": total}), group="Performance status")]


def _per_patient(patients: pd.DataFrame) -> list[Row]:
    rows = []
    for column, heading in (
        ("treated_lesions", "Treated lesions of a patient"),
        ("procedures", "Procedures of a patient"),
    ):
        for place, (number, n) in enumerate(patients[column].value_counts().sort_index().items()):
            missing: Cell | str = Cell("0", {"n": 0}) if place == 0 else ""
            rows.append(row(str(number), share_cell(int(n), len(patients)), missing, group=heading))
    return rows


def _patient_numbers(patients: pd.DataFrame) -> Table:
    rows = (numbers("Age at the first procedure (years)", patients["age"], 0),)
    return Table("age", "Age.", "patient", NUMBER_COLUMNS, rows, (QUARTILE_NOTE,))


def _lesion_counts(cohort: Cohort, lesions: pd.DataFrame) -> Table:
    rows = counts(cohort, "lesion", "region", lesions["region"], "Region", every=True)
    for column, label in FRACTURE_FIELDS:
        rows += counts(cohort, "lesion", column, lesions[column], label)
    rows += _stability(lesions)
    return Table("lesions", "Lesions at baseline.", "lesion", COUNT_COLUMNS, tuple(rows), (UNKNOWN_NOTE,))


def _stability(lesions: pd.DataFrame) -> list[Row]:
    from vertherm.clinical.sins import stability

    known = lesions["sins_total"].dropna()
    lost = Cell(str(len(lesions) - len(known)), {"n": len(lesions) - len(known)})
    tally: dict[str, int] = dict.fromkeys(("stable", "potentially unstable", "unstable"), 0)
    for score, n in known.value_counts().items():
        tally[stability(int(float(str(score))))] += int(n)
    group = "Stability by SINS (0-6, 7-12, 13-18)"
    if known.empty:
        return [row("(no known value)", "–", lost, group=group)]
    return [
        row(name, share_cell(n, len(known)), lost if place == 0 else "", group=group)
        for place, (name, n) in enumerate(tally.items())
    ]


def _lesion_numbers(lesions: pd.DataFrame) -> Table:
    fields: tuple[tuple[str, str, int], ...] = (
        ("sins_total", "SINS (0-18)", 0),
        ("size_1_mm", "Longest diameter (mm)", 1),
        ("volume_ml", "Volume (mL)", 1),
    )
    rows: list[Any] = [numbers(label, lesions[name], digits) for name, label, digits in fields]
    irradiated = lesions[lesions["prior_radiotherapy"] != "no"]
    rows.append(numbers("Dose of the radiotherapy before (Gy)", irradiated["prior_radiotherapy_gy"], 0))
    notes = (QUARTILE_NOTE, "Dose: of lesions not known to be without radiotherapy; without it nothing is missing.")
    return Table("lesion-sizes", "Scores and sizes of the lesions.", "lesion", NUMBER_COLUMNS, tuple(rows), notes)
