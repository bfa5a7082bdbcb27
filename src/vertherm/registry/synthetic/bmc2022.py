"""SYNTHETIC series with the margins of a published series of 82 patients treated after radiotherapy. It is no evidence.

Source of the margins: BMC Musculoskelet Disord 2022, doi:10.1186/s12891-022-05999-y, read in its abstract: means and
standard deviations of the VAS before and at 1, 3 and 6 months, cement leakage in 32 of 115 lesions.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from vertherm.registry.records import Records
from vertherm.registry.synthetic import drawing
from vertherm.registry.synthetic.anatomy import LEVELS, draw_levels, region_of
from vertherm.registry.windows import Window

SERIES = "bmc2022"
PATIENTS, LESIONS, LEAKS = 82, 115, 32
VAS = (("before", 6.3, 2.0), ("month_1", 1.7, 1.0), ("month_3", 1.4, 0.8), ("month_6", 1.3, 0.8))
"""Window, mean and standard deviation of the VAS."""
WINDOWS = (
    Window("before", "before", -90, 0),
    Window("month_1", "1 month", 21, 42),
    Window("month_3", "3 months", 77, 105),
    Window("month_6", "6 months", 166, 200),
)
_LEAST_BEFORE = 4
_FIRST_DAY, _LAST_DAY, _DATA_UNTIL = date(2018, 1, 1), date(2020, 12, 31), date(2021, 9, 30)
_PAPER = "BMC Musculoskelet Disord 2022, doi:10.1186/s12891-022-05999-y, abstract"
_OURS = "choice of the generator, no source"
_STATED = (
    ("patients", "82"),
    ("lesions", "115"),
    ("treatment", "microwave ablation and cement, with the temperature monitored during ablation"),
    ("inclusion: pain", "VAS of 4 or more"),
    ("inclusion: radiotherapy", "treated after radiotherapy"),
    ("VAS before", "mean 6.3 ± 2.0"),
    ("VAS at 1 month", "mean 1.7 ± 1.0"),
    ("VAS at 3 months", "mean 1.4 ± 0.8"),
    ("VAS at 6 months", "mean 1.3 ± 0.8"),
    ("test of the change in pain", "paired t"),
    ("morphine dose and ODI", "fell (p < 0.05); no values in our hands"),
    ("cement leakage", "32 of 115 lesions, none with symptoms"),
    ("grading of complications", "CTCAE v5"),
)
_UNSTATED = (
    "number of patients with a VAS at each time point",
    "limits of the visit windows",
    "kind of the ± values (taken as standard deviations)",
    "period of the procedures",
    "number of procedures, and of lesions per patient",
    "levels and regions of the lesions",
    "primary tumours, sex, age, performance status, systemic therapy",
    "anaesthesia, guidance and approach",
    "generator, applicator, frequency, power, time and energy",
    "dose of the radiotherapy, and which lesions received it",
    "kind and size of the lesions, SINS, epidural compression",
    "cement type and volume, sites of leakage",
    "opioid doses and ODI values",
    "deaths and losses to follow-up",
    "local control",
    "complications other than leakage",
)
_ASSUMED = (
    ("the ± values", "sample standard deviations (n - 1)"),
    ("VAS values", "whole numbers, at least 4 before and 0-6 afterwards; correlated within a patient"),
    ("number with a VAS", "82 at every time point"),
    ("windows", "days -90 to 0, 21 to 42, 77 to 105 and 166 to 200 after the patient's first procedure"),
    ("visit dates", "uniform: day -14 to 0, 23 to 38, 80 to 100, 170 to 195"),
    ("procedures", "one a patient, all lesions in it; working days from January 2018 to December 2020"),
    ("lesions per patient", "one to four, dealt at random"),
    ("levels", "drawn from the usual vertebrae T1 to L5"),
    ("prior radiotherapy", "yes for every patient; of the single lesion unknown"),
    ("cement", "in all 115 lesions; type unknown"),
    ("sites of leakage", "none recorded, because none is stated"),
    ("deaths and complications", "none recorded"),
    ("imaging follow-up", "none recorded"),
    ("sex, primary tumour, systemic therapy, anaesthesia, side, part and appearance, technical success", "unknown"),
    ("ODI and opioids", "missing, reason unknown"),
    ("all other fields", "left empty"),
)
_VISIT_DAYS = ((-14, 0), (23, 38), (80, 100), (170, 195))


def make(seed: int) -> Records:
    """The series as records; see :func:`vertherm.registry.synthetic.generate`."""
    rng = np.random.default_rng([2022, seed])
    records = Records()
    _add_series(records)
    counts = drawing.spread(rng, LESIONS, PATIENTS, most=4).tolist()
    leaks = iter(rng.permutation([True] * LEAKS + [False] * (LESIONS - LEAKS)).tolist())
    scores = _draw_scores(rng)
    for i, count in enumerate(counts):
        key = f"SYN-BMC-{i + 1:03d}"
        day_zero = _working_day(rng)
        _add_patient(records, key, day_zero)
        _add_treatment(records, key, _levels(rng, count), [next(leaks) for _ in range(count)])
        for number, (first, last) in enumerate(_VISIT_DAYS, start=1):
            day = int(rng.integers(first, last + 1))
            records.add(
                "visit",
                patient_key=key,
                visit_no=number,
                date=day_zero + timedelta(days=day),
                vas=float(scores[number - 1][i]),
                odi_missing="unknown",
                omeq_mg_day_missing="unknown",
            )
    return records


def _add_series(records: Records) -> None:
    records.add(
        "series",
        series=SERIES,
        title="SYNTHETIC patients with the margins of an 82-patient series of 2022: tests the software, no evidence",
        synthetic="yes",
        day_zero="patient",
        first_day=_FIRST_DAY,
        last_day=_LAST_DAY,
        data_until=_DATA_UNTIL,
        source=f"Made up after {_PAPER}",
    )
    statements = (
        *(("stated", item, value, _PAPER) for item, value in _STATED),
        *(("unstated", item, None, _PAPER) for item in _UNSTATED),
        *(("assumption", item, value, _OURS) for item, value in _ASSUMED),
    )
    for number, (kind, item, value, source) in enumerate(statements, start=1):
        records.add(
            "series_statement", series=SERIES, statement_no=number, kind=kind, item=item, value=value, source=source
        )
    for window in WINDOWS:
        records.add(
            "visit_window",
            series=SERIES,
            time_point=window.name,
            label=window.label,
            first_day=window.first_day,
            last_day=window.last_day,
        )


def _draw_scores(rng: np.random.Generator) -> list[list[int]]:
    """VAS of every patient by time point, correlated from one to the next."""
    latent = rng.standard_normal(PATIENTS)
    scores = []
    for number, (_, mean, sd) in enumerate(VAS):
        latent = latent if number == 0 else drawing.correlated(rng, latent, 0.5)
        low, high = (_LEAST_BEFORE, 10) if number == 0 else (0, 6)
        values = drawing.scores_by_mean(rng, PATIENTS, mean=mean, sd=sd, low=low, high=high)
        scores.append(drawing.ranked(values, latent).tolist())
    return scores


def _working_day(rng: np.random.Generator) -> date:
    while True:
        day = _FIRST_DAY + timedelta(days=int(rng.integers((_LAST_DAY - _FIRST_DAY).days + 1)))
        if day.weekday() < 5:
            return day


def _levels(rng: np.random.Generator, count: int) -> list[str]:
    weights = np.array([len(LEVELS["thoracic"]), len(LEVELS["lumbar"])], dtype=float)
    return draw_levels(rng, rng.choice(["thoracic", "lumbar"], size=count, p=weights / weights.sum()).tolist())


def _add_patient(records: Records, key: str, day_zero: date) -> None:
    records.add(
        "patient",
        patient_key=key,
        series=SERIES,
        synthetic="yes",
        sex="unknown",
        primary_tumour="unknown",
        prior_radiotherapy="yes",
        systemic_therapy="unknown",
        last_contact=day_zero + timedelta(days=_VISIT_DAYS[-1][1]),
    )
    records.add(
        "procedure",
        patient_key=key,
        procedure_no=1,
        date=day_zero,
        anaesthesia="unknown",
        guidance="unspecified",
        technical_success="unknown",
    )


def _add_treatment(records: Records, key: str, levels: list[str], leaks: list[bool]) -> None:
    for number, (level, leaked) in enumerate(zip(levels, leaks, strict=True), start=1):
        records.add(
            "lesion",
            patient_key=key,
            lesion_no=number,
            level=level,
            region=region_of(level),
            side="unknown",
            part="unknown",
            kind="unknown",
            prior_radiotherapy="unknown",
        )
        records.add(
            "treatment",
            patient_key=key,
            procedure_no=1,
            lesion_no=number,
            intent="first",
            ablation="yes",
            approach="unknown",
            cement="yes",
            cement_type="unknown",
            cement_leakage="yes" if leaked else "no",
            technical_success="unknown",
        )
