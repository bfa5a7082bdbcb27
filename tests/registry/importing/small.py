"""A small series with at least one row of every entity: what tests change to see one thing go wrong."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path

from vertherm.registry.importing.problem import Problem
from vertherm.registry.importing.reader import read
from vertherm.registry.importing.validator import validate
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import BY_NAME

TODAY = date(2020, 6, 1)
Tables = dict[str, list[dict[str, str]]]


def small() -> Tables:
    """Two patients, P1 with everything, P2 with little; a fresh copy at each call."""
    return {name: [dict(row) for row in rows] for name, rows in _TABLES.items()}


_P1 = {"patient_key": "P1"}
_TREATED = {"patient_key": "P1", "procedure_no": "1", "lesion_no": "1"}
_TABLES: Tables = {
    "series": [
        {"series": "s1", "title": "Example, \"quoted\"", "synthetic": "yes", "day_zero": "patient",
         "first_day": "2016-01-01", "last_day": "2016-12-31", "data_until": "2017-12-31", "source": "made up"},
    ],
    "series_statement": [{"series": "s1", "statement_no": "1", "kind": "assumption", "item": "n at 2-4 weeks"}],
    "visit_window": [
        {"series": "s1", "time_point": "before", "label": "before", "first_day": "-90", "last_day": "0"},
        {"series": "s1", "time_point": "week_2_4", "label": "2-4 weeks", "first_day": "14", "last_day": "28"},
    ],
    "patient": [
        {"patient_key": "P1", "series": "s1", "synthetic": "yes", "sex": "female", "birth_year": "1950", "age": "66",
         "primary_tumour": "breast", "prior_radiotherapy": "yes", "systemic_therapy": "no",
         "performance_scale": "ecog", "performance": "1", "last_contact": "2016-09-01", "note": "a note"},
        {"patient_key": "P2", "series": "s1", "synthetic": "yes", "sex": "male", "birth_year": "1940",
         "primary_tumour": "lung", "prior_radiotherapy": "no", "systemic_therapy": "unknown"},
    ],
    "death": [{"patient_key": "P2", "date": "2016-08-01", "cause": "tumour"}],
    "lesion": [
        {"patient_key": "P1", "lesion_no": "1", "level": "T12", "side": "left", "part": "body", "kind": "lytic",
         "size_1_mm": "30", "size_2_mm": "20", "sins_location": "junctional", "sins_pain": "mechanical",
         "sins_bone": "lytic", "sins_alignment": "normal", "sins_collapse": "none", "sins_posterolateral": "none",
         "escc": "1a", "prior_radiotherapy": "yes", "prior_radiotherapy_gy": "30"},
        {"patient_key": "P1", "lesion_no": "2", "level": "L3", "side": "left", "part": "body", "kind": "mixed"},
        {"patient_key": "P2", "lesion_no": "1", "level": "S1", "side": "right", "part": "sacral_ala", "kind": "lytic"},
    ],
    "procedure": [
        {"patient_key": "P1", "procedure_no": "1", "date": "2016-03-01", "anaesthesia": "general", "guidance": "ct",
         "technical_success": "yes", "discharge": "2016-03-03"},
        {"patient_key": "P2", "procedure_no": "1", "date": "2016-04-04", "anaesthesia": "general", "guidance": "ct",
         "technical_success": "yes"},
    ],
    "treatment": [
        {**_TREATED, "intent": "first", "ablation": "yes", "needles": "1", "cycles": "2", "ablation_time_s": "270",
         "energy_kj": "4.1", "energy_kind": "forward", "cement": "yes", "cement_volume_ml": "3.5",
         "cement_type": "pmma", "cement_leakage": "yes", "applicator": "14 G, cooled"},
        {"patient_key": "P2", "procedure_no": "1", "lesion_no": "1", "intent": "first", "ablation": "yes",
         "cement": "no"},
    ],
    "activation": [
        {**_TREATED, "activation_no": "1", "needle_no": "1", "forward_power_w": "20", "net_power_w": "15",
         "time_s": "120", "energy_kj": "2", "energy_kind": "forward"},
        {**_TREATED, "activation_no": "2", "needle_no": "1", "time_s": "150"},
    ],
    "cement_leak": [{**_TREATED, "site": "vein", "symptomatic": "no", "volume_ml": "0.2"}],
    "protection": [{**_P1, "procedure_no": "1", "protection_no": "1", "lesion_no": "1", "kind": "co2_dissection"}],
    "thermocouple": [
        {**_P1, "procedure_no": "1", "thermocouple_no": "1", "structure": "root L3", "peak_temperature_c": "42"}
    ],
    "thermocouple_reading": [
        {**_P1, "procedure_no": "1", "thermocouple_no": "1", "time_s": "0.5", "temperature_c": "37"}
    ],
    "complication": [
        {**_P1, "complication_no": "1", "procedure_no": "1", "lesion_no": "1", "site": "skin", "term": "skin_burn",
         "onset": "2016-03-02", "cirse_version": "2017", "cirse_grade": "3", "ctcae_version": "5.0",
         "ctcae_grade": "2", "attribution": "definite", "outcome": "resolved", "outcome_date": "2016-03-20"},
    ],
    "plan_link": [{**_P1, "procedure_no": "1", "plan_no": "1", "plan_id": "plan-1", "sha256": "ab" * 32}],
    "visit": [
        {**_P1, "visit_no": "1", "date": "2016-02-20", "vas": "7", "odi_missing": "not_done",
         "omeq_mg_day_missing": "unknown"},
        {**_P1, "visit_no": "2", "date": "2016-03-20", "vas": "2.5", **{f"odi_{n}": "2" for n in range(1, 10)},
         "frankel": "E"},
        {"patient_key": "P2", "visit_no": "1", "date": "2016-03-30", "vas_missing": "refused",
         "odi_missing": "refused", "omeq_mg_day": "60", "omeq_table": "as reported"},
    ],
    "missed_visit": [{"patient_key": "P2", "time_point": "week_2_4", "reason": "too_ill"}],
    "opioid_dose": [
        {**_P1, "visit_no": "2", "opioid_no": "1", "drug": "oxycodone", "route": "oral", "dose": "20",
         "unit": "mg_per_day"},
        {**_P1, "visit_no": "2", "opioid_no": "2", "drug": "fentanyl", "route": "transdermal", "dose": "25",
         "unit": "ug_per_h"},
    ],
    "root_status": [{**_P1, "visit_no": "2", "root": "L3", "side": "left", "motor": "5", "sensation": "normal"}],
    "imaging": [{**_P1, "imaging_no": "1", "date": "2016-08-01", "modality": "mr", "evaluable": "yes"}],
    "response": [
        {**_P1, "imaging_no": "1", "lesion_no": "1", "criterion": "mda", "response": "sd", "progression": "no"}
    ],
    "treated_zone": [
        {**_P1, "imaging_no": "1", "lesion_no": "1", "zone_source": "edited", "volume_ml": "12.5", "long_mm": "32",
         "short_mm": "25", "goal_mm": "5", "margin_mm": "2", "margin_low_mm": "1", "margin_high_mm": "3",
         "bone_margin_mm": "6.5", "bone_margin_low_mm": "5.5", "bone_margin_high_mm": "7.5", "coverage_share": "1",
         "coverage": "covered_with_margin", "cement_ml": "3", "cement_disc_ml": "0.1", "confirmed_by": "A. Reader",
         "document_sha256": "ab" * 32},
    ],
    "zone_prediction": [
        {**_P1, "imaging_no": "1", "lesion_no": "1", "metric": "isotherm_60", "device": "14 G", "predicted_ml": "14",
         "predicted_long_mm": "35", "predicted_short_mm": "27", "dice": "0.8", "mean_distance_mm": "1.5",
         "hausdorff95_mm": "4", "signed_mm": "-1.2"},
    ],
    "event": [{**_P1, "event_no": "1", "date": "2016-07-01", "kind": "radiotherapy", "lesion_no": "2"}],
}  # fmt: skip


def write_folder(folder: Path, tables: Tables) -> Path:
    """The tables as a folder of CSV files; headings are the entity's columns and whatever else the rows have."""
    folder.mkdir(exist_ok=True)
    for name, rows in tables.items():
        columns = list(BY_NAME[name].columns)
        columns += [key for key in dict.fromkeys(key for row in rows for key in row) if key not in columns]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
    return folder


def checked(path: Path, existing: Records | None = None, **more: object) -> tuple[Records, list[Problem]]:
    """What an import of ``path`` would give."""
    return validate(read(path), existing, today=TODAY, **more)  # type: ignore[arg-type]


def small_records(tmp_path: Path) -> Records:
    """The small series as typed rows."""
    records, problems = checked(write_folder(tmp_path / "small", small()))
    assert not problems, [problem.line() for problem in problems]
    return records


def with_cell(entity: str, place: int, column: str, value: str) -> Callable[[Tables], None]:
    """A change of one cell."""

    def change(tables: Tables) -> None:
        tables[entity][place][column] = value

    return change
