"""Made-up patients for tests of the registry itself: plain, valid, of any number. Not a synthetic series."""

from __future__ import annotations

from datetime import date, timedelta

from vertherm.registry.records import Records

LEVELS = ("T5", "L1", "L4", "C6", "S1")
REGIONS = {"C": "cervical", "T": "thoracic", "L": "lumbar", "S": "sacral"}


def series() -> Records:
    """One series without patients."""
    records = Records()
    records.add("series", series="test", title="made up for tests", synthetic="yes", day_zero="patient")
    return records


def patient(records: Records, number: int) -> str:
    """Add one patient with one lesion, one procedure, two visits and one examination; returns the key."""
    key = f"P{number:06d}"
    day = date(2015, 1, 1) + timedelta(days=number % 1500)
    yes = "yes" if number % 3 else "no"
    records.add(
        "patient", patient_key=key, series="test", synthetic="yes", sex="female" if number % 2 else "male",
        age=40 + number % 40, primary_tumour="breast", prior_radiotherapy=yes, systemic_therapy="unknown",
    )  # fmt: skip
    level = LEVELS[number % len(LEVELS)]
    records.add(
        "lesion", patient_key=key, lesion_no=1, level=level, region=REGIONS[level[0]], side="left", part="body",
        kind="lytic", size_1_mm=20.0 + (number % 13) / 7,
    )  # fmt: skip
    records.add(
        "procedure", patient_key=key, procedure_no=1, date=day, anaesthesia="general", guidance="ct",
        technical_success="yes",
    )  # fmt: skip
    records.add(
        "treatment", patient_key=key, procedure_no=1, lesion_no=1, intent="first", ablation="yes", cement="no",
        ablation_time_s=270.0, energy_kj=4.1, energy_kind="unstated",
    )  # fmt: skip
    for n in (1, 2, 3):
        records.add(
            "activation", patient_key=key, procedure_no=1, lesion_no=1, activation_no=n, time_s=90.0 + n,
            set_power_w=45.0,
        )  # fmt: skip
    for n, days in enumerate((-3, 20, 150), start=1):
        records.add(
            "visit", patient_key=key, visit_no=n, date=day + timedelta(days=days), vas=float(number % 11),
            odi_missing="not_done", omeq_mg_day=0.1 * (number % 7 + 1), omeq_table="test",
        )  # fmt: skip
        for root in ("L5", "S1"):
            records.add("root_status", patient_key=key, visit_no=n, root=root, side="left", motor=5)
    records.add(
        "imaging", patient_key=key, imaging_no=1, date=day + timedelta(days=160), modality="mr", evaluable="yes"
    )
    records.add(
        "response", patient_key=key, imaging_no=1, lesion_no=1, criterion="mda", response="pr", progression="no"
    )
    return key


def cohort(patients: int, first: int = 1) -> Records:
    """A series with ``patients`` patients of 18 rows each."""
    records = series()
    for number in range(first, first + patients):
        patient(records, number)
    return records
