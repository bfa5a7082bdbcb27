"""Records for tests: patients with a row in every table, and texts and numbers that a careless copy would change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from vertherm.registry.database import Registry
from vertherm.registry.records import Records

DAY = date(2023, 3, 1)
AWKWARD = (
    "plain",
    "tab\there, line\nbreak, return\r",
    "back\\slash, \\N, \\t, \\.",
    "quote ' double \" both '\"",
    "µ ° – “ ” 脊椎 \U0001f9b4",
    "comma, semicolon; pipe | percent %s %% :name ?",
    "null NULL None \u0001\u0002\u001f",
    " spaces around ",
)
"""Notes with every character that has a meaning in COPY, CSV, JSON, SQL or a parameter style."""
FLOATS = (0.1, 1 / 3, 2 / 3, 0.30000000000000004, 7.0, 1e-3, 9.999999999999998)
"""Doubles that lose something when written with 15 digits."""


def series(records: Records, name: str = "s1") -> None:
    """A series with a statement and a window."""
    records.add("series", series=name, title=f"Series {name}", synthetic="yes", day_zero="patient", first_day=DAY)
    records.add("series_statement", series=name, statement_no=1, kind="assumption", item="all of it", value="made up")
    records.add("visit_window", series=name, time_point="before", label="before", first_day=-90, last_day=0)


def patient(records: Records, key: str, *, number: int = 0, name: str = "s1", died: bool = False) -> None:
    """A patient with one row or more in every table of patients."""
    note, value = AWKWARD[number % len(AWKWARD)], FLOATS[number % len(FLOATS)]
    add = records.add
    add(
        "patient", patient_key=key, series=name, synthetic="yes", sex="female", age=60, primary_tumour="breast",
        prior_radiotherapy="no", systemic_therapy="yes", performance_scale="ecog", performance=1, note=note,
    )  # fmt: skip
    if died:
        add("death", patient_key=key, date=DAY + timedelta(400), cause="tumour", note=note)
    for lesion, (level, region) in enumerate((("L2", "lumbar"), ("T8", "thoracic")), start=1):
        add(
            "lesion", patient_key=key, lesion_no=lesion, level=level, region=region, side="midline", part="body",
            kind="lytic", size_1_mm=20 + value, volume_ml=value, note=note,
        )  # fmt: skip
    add(
        "procedure", patient_key=key, procedure_no=1, date=DAY, anaesthesia="general", guidance="ct",
        ct_dlp_mgycm=1000 * value, technical_success="yes", discharge=DAY + timedelta(1), note=note,
    )  # fmt: skip
    add(
        "treatment", patient_key=key, procedure_no=1, lesion_no=1, intent="first", ablation="yes",
        ablation_time_s=270.0, energy_kj=4.1, energy_kind="unstated", cement="yes", cement_volume_ml=2 + value,
        cement_leakage="yes",
    )  # fmt: skip
    ids = {"patient_key": key, "procedure_no": 1}
    add("activation", **ids, lesion_no=1, activation_no=1, forward_power_w=60.0, net_power_w=50 + value, time_s=270.0)
    add("cement_leak", **ids, lesion_no=1, site="vein", symptomatic="no", volume_ml=1 + value)
    add("protection", **ids, protection_no=1, lesion_no=1, kind="co2_dissection", structure=note[:20])
    add("thermocouple", **ids, thermocouple_no=1, structure="root L2", peak_temperature_c=39.5)
    for step in range(3):
        add("thermocouple_reading", **ids, thermocouple_no=1, time_s=step + value, temperature_c=37 + value)
    add("plan_link", **ids, plan_no=1, plan_id="plan 1", sha256="0" * 64, document='{"a": [1, "\\n"]}')
    add(
        "complication", **ids, complication_no=1, lesion_no=1, site="nerve_root", structure="S1 left",
        term="nerve_injury", onset=DAY, attribution="probable", outcome="ongoing", treatment=note,
    )  # fmt: skip
    for visit in (1, 2):
        add(
            "visit", patient_key=key, visit_no=visit, date=DAY + timedelta(visit * 20), vas=value, odi=None,
            odi_missing="not_done", omeq_mg_day=20.0, omeq_table="as reported", note=note,
        )  # fmt: skip
    add("missed_visit", patient_key=key, time_point="before", reason="lost")
    add("opioid_dose", patient_key=key, visit_no=1, opioid_no=1, drug="morphine", route="oral", dose=20.0,
        unit="mg_per_day")  # fmt: skip
    add("root_status", patient_key=key, visit_no=1, root="L2", side="left", motor=5, sensation="normal")
    add("imaging", patient_key=key, imaging_no=1, date=DAY + timedelta(90), modality="mr", evaluable="yes")
    add("response", patient_key=key, imaging_no=1, lesion_no=1, criterion="mda", response="sd", progression="no")
    zone = {"patient_key": key, "imaging_no": 1, "lesion_no": 1}
    add(
        "treated_zone", **zone, zone_source="segmented", volume_ml=10 + value, long_mm=30 + value, short_mm=25.0,
        edge_sd_mm=0.8, registration_error_mm=0.1, goal_mm=5.0, margin_mm=value - 1, margin_low_mm=value - 2,
        margin_high_mm=value, coverage_share=0.9, coverage="not_covered", cement_ml=2 + value, cement_canal_ml=0.0,
        confirmed_by=f"Reader {note[:20]}", document_sha256="c" * 64, note=note,
    )  # fmt: skip
    for metric in ("isotherm_60", "cem43_240"):
        add("zone_prediction", **zone, metric=metric, device="Antenna at 2450 MHz", predicted_ml=12 + value, dice=0.8)
    add("event", patient_key=key, event_no=1, date=DAY + timedelta(100), kind="radiotherapy", lesion_no=1)


def sample(patients: int = 8, prefix: str = "P") -> Records:
    """One series; every third patient has died."""
    records = Records()
    series(records)
    for number in range(patients):
        patient(records, f"{prefix}{number:03d}", number=number, died=number % 3 == 2)
    return records


def store(registry: Registry, records: Records, entities: Iterable[str] | None = None, *, why: str = "entry") -> None:
    """Write records in one transaction, parents first."""
    from vertherm.registry.schema.catalogue import ENTITIES

    with registry.transaction(user="tester", why=why) as writer:
        for entity in ENTITIES:
            if entities is None or entity.name in set(entities):
                writer.insert(entity.name, records.rows(entity.name))
