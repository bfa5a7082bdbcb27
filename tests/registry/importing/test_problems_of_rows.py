"""Rows that contradict themselves, each other or what the registry holds.

Each case changes the small series, which is free of problems, in one respect and names the problem that a person would
name: its kind, table, row (the heading is row 1) and column.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.registry.importing.small import Tables, checked, small, write_folder

Change = Callable[[Tables], object]


def put(entity: str, place: int, **cells: str) -> Change:
    return lambda tables: tables[entity][place].update(cells)


def more(entity: str, copy_of: int, **cells: str) -> Change:
    return lambda tables: tables[entity].append({**tables[entity][copy_of], **cells})


def both(*changes: Change) -> Change:
    return lambda tables: [change(tables) for change in changes]


TREATED = {"patient_key": "P1", "procedure_no": "2", "lesion_no": "1"}
SECOND = both(
    more("procedure", 0, procedure_no="2", date="2016-05-01", discharge=""),
    lambda tables: tables["treatment"].append({**TREATED, "intent": "first", "ablation": "yes", "cement": "no"}),
)

# name, change, kind, table, row, column
ROWS: list[tuple[str, Change, str, str, int, str]] = [
    ("dates in the wrong order", put("procedure", 0, discharge="2016-02-28"), "discharge_order", "procedure", 2,
     "discharge"),
    ("outcome before onset", put("complication", 0, outcome_date="2016-03-01"), "outcome_date_order", "complication", 2,
     "outcome_date"),
    ("visit after death", put("visit", 2, date="2016-08-02"), "after_death", "visit", 4, "date"),
    ("procedure after death", put("death", 0, date="2016-04-03"), "after_death", "procedure", 3, "date"),
    ("last contact after death", put("patient", 1, last_contact="2016-08-02"), "after_death", "patient", 3,
     "last_contact"),
    ("visit before birth", put("visit", 0, date="1949-12-31"), "before_birth", "visit", 2, "date"),
    ("age against birth", put("patient", 0, age="60"), "age_contradicts_birth", "patient", 2, "age"),
    ("131 years old", put("patient", 1, birth_year="1900"), "implausible_age", "procedure", 3, "date"),
    ("last contact before a visit", put("patient", 0, last_contact="2016-03-19"), "last_contact_early", "patient", 2,
     "last_contact"),
    ("complication before procedure", put("complication", 0, onset="2016-02-29"), "onset_before_procedure",
     "complication", 2, "onset"),
    ("event before procedure", put("event", 0, date="2016-02-29"), "event_before_procedure", "event", 2, "date"),
    ("outside the study period", put("series", 0, first_day="2016-03-02"), "outside_study_period", "procedure", 2,
     "date"),
    ("fatal, not dead", put("complication", 0, outcome="fatal"), "fatal_without_death", "complication", 2, "outcome"),
    ("study period reversed", put("series", 0, last_day="2015-12-31"), "last_day_order", "series", 2, "last_day"),
    ("wrong region", put("lesion", 1, region="thoracic"), "region_of_level", "lesion", 3, "region"),
    ("duplicate lesion", put("lesion", 1, level="T12"), "not_unique", "lesion", 3, "part"),
    ("duplicate key", more("lesion", 1, level="L4"), "duplicate_key", "lesion", 5, "lesion_no"),
    ("the same row twice", more("lesion", 1), "duplicate_row", "lesion", 5, "lesion_no"),
    ("two visits on a day", put("visit", 1, date="2016-02-20"), "not_unique", "visit", 3, "date"),
    ("unknown patient", put("visit", 2, patient_key="P9"), "unknown_patient", "visit", 4, "patient_key"),
    ("unknown series", put("series_statement", 0, series="s2"), "unknown_series", "series_statement", 2, "series"),
    ("another patient's lesion", put("treatment", 1, lesion_no="2"), "unknown_reference", "treatment", 3, "lesion_no"),
    ("unknown procedure", put("plan_link", 0, procedure_no="7"), "unknown_reference", "plan_link", 2, "procedure_no"),
    ("response of an unknown lesion", put("response", 0, lesion_no="3"), "unknown_reference", "response", 2,
     "lesion_no"),
    ("missing required", put("lesion", 2, kind=""), "required", "lesion", 4, "kind"),
    ("missing key", put("lesion", 2, lesion_no=""), "required", "lesion", 4, "lesion_no"),
    ("value and reason", put("visit", 0, vas_missing="unknown"), "vas_or_reason", "visit", 2, "vas"),
    ("neither value nor reason", put("visit", 0, vas=""), "vas_or_reason", "visit", 2, "vas"),
    ("code and another reason", put("visit", 0, vas="-999", vas_missing="lost"), "two_reasons", "visit", 2, "vas"),
    ("SINS sum", put("lesion", 0, sins_total="9"), "sins_sum", "lesion", 2, "sins_total"),
    ("SINS location", put("lesion", 0, sins_location="rigid"), "sins_location", "lesion", 2, "sins_location"),
    ("diameters", put("lesion", 0, size_2_mm="31"), "sizes_order", "lesion", 2, "size_1_mm"),
    ("ODI total", put("visit", 1, odi="42"), "odi_of_items", "visit", 3, "odi"),
    ("ODI from too few", put("visit", 1, odi="40", odi_1="", odi_2=""), "odi_too_few_sections", "visit", 3, "odi"),
    ("ODI reason with sections", put("visit", 1, odi_missing="lost"), "odi_reason_with_sections", "visit", 3,
     "odi_missing"),
    ("ECOG 7", put("patient", 0, performance="7"), "performance_range", "patient", 2, "performance"),
    ("Karnofsky 55", put("patient", 0, performance="55", performance_scale="kps"), "performance_range", "patient", 2,
     "performance"),
    ("performance without scale", put("patient", 0, performance_scale=""), "performance_pair", "patient", 2,
     "performance"),
    ("net over forward", put("activation", 0, net_power_w="21"), "net_under_forward", "activation", 2, "net_power_w"),
    ("energy without kind", put("treatment", 0, energy_kind=""), "energy_pair", "treatment", 2, "energy_kj"),
    ("cement type without cement", put("treatment", 1, cement_type="pmma"), "cement_type_needs_cement", "treatment", 3,
     "cement_type"),
    ("radiotherapy dose without it", put("lesion", 1, prior_radiotherapy_gy="30"),
     "prior_radiotherapy_gy_needs_prior_radiotherapy", "lesion", 3, "prior_radiotherapy_gy"),
    ("radiotherapy of the lesion only", put("lesion", 2, prior_radiotherapy="yes"), "radiotherapy_contradicts",
     "lesion", 4, "prior_radiotherapy"),
    ("CTCAE grade without version", put("complication", 0, ctcae_version=""), "ctcae_pair", "complication", 2,
     "ctcae_grade"),
    ("progressive disease, no progression", put("response", 0, response="pd"), "pd_is_progression", "response", 2,
     "progression"),
    ("activation longer than all", put("activation", 0, time_s="300"), "activation_too_long", "activation", 2,
     "time_s"),
    ("activations sum up to more time", put("activation", 0, time_s="200"), "activation_times_sum", "treatment", 2,
     "ablation_time_s"),
    ("activations sum up to more energy", put("activation", 0, energy_kj="4.3"), "activation_energies_sum",
     "treatment", 2, "energy_kj"),
    ("antenna 2 of 1", put("activation", 0, needle_no="2"), "needle_beyond_number", "activation", 2, "needle_no"),
    ("activation without ablation", put("treatment", 0, ablation="no", energy_kj="", energy_kind="",
     ablation_time_s=""), "activation_without_ablation", "activation", 2, "activation_no"),
    ("leak without cement", put("treatment", 0, cement_leakage="no"), "leak_without_cement", "cement_leak", 2, "site"),
    ("more leaked than injected", put("cement_leak", 0, volume_ml="4"), "leak_volume", "treatment", 2,
     "cement_volume_ml"),
    ("complication of an untreated lesion", put("complication", 0, lesion_no="2"), "lesion_not_treated", "complication",
     2, "lesion_no"),
    ("first twice", SECOND, "first_twice", "treatment", 4, "intent"),
    ("reading above peak", put("thermocouple_reading", 0, temperature_c="43"), "reading_above_peak",
     "thermocouple_reading", 2, "temperature_c"),
    ("plan hash", put("plan_link", 0, sha256="xy" * 32), "hash_digits", "plan_link", 2, "sha256"),
    ("short plan hash", put("plan_link", 0, sha256="ab"), "hash_length", "plan_link", 2, "sha256"),
    ("unknown opioid", put("opioid_dose", 0, drug="oxycodin"), "unknown_opioid", "opioid_dose", 2, "drug"),
    ("opioid by a route not in the table", put("opioid_dose", 0, route="transdermal"), "unknown_opioid", "opioid_dose",
     2, "route"),
    ("OMEQ against doses", put("visit", 1, omeq_mg_day="95", omeq_table="omeq-1"), "omeq_contradicts_doses", "visit", 3,
     "omeq_mg_day"),
    ("no opioid, but doses", put("visit", 1, omeq_mg_day="0", omeq_table="as reported"), "omeq_contradicts_doses",
     "visit", 3, "omeq_mg_day"),
    ("OMEQ reason with doses", put("visit", 1, omeq_mg_day_missing="lost"), "omeq_reason_with_doses", "visit", 3,
     "omeq_mg_day_missing"),
    ("OMEQ without its table", put("visit", 2, omeq_table=""), "omeq_version", "visit", 4, "omeq_mg_day"),
    ("unknown conversion table", put("visit", 1, omeq_mg_day="90", omeq_table="mine"), "unknown_conversion", "visit", 3,
     "omeq_table"),
    ("unknown window", put("missed_visit", 0, time_point="week_9"), "unknown_window", "missed_visit", 2, "time_point"),
    ("missed, but visited", put("visit", 2, date="2016-04-20"), "missed_but_visited", "missed_visit", 2, "time_point"),
    ("died without death", both(put("missed_visit", 0, reason="died"), lambda tables: tables.pop("death")),
     "died_without_death", "missed_visit", 2, "reason"),
    ("windows overlap", put("visit_window", 1, first_day="0"), "windows_overlap", "visit_window", 3, "first_day"),
    ("window reversed", put("visit_window", 1, first_day="29"), "days_order", "visit_window", 3, "last_day"),
    ("synthetic patient in a real series", put("patient", 0, synthetic="no"), "synthetic_contradicts", "patient", 2,
     "synthetic"),
    ("keys alike", more("patient", 1, patient_key="p2"), "keys_alike", "patient", 4, "patient_key"),
    ("event entered twice", more("event", 0, event_no="2"), "entered_twice", "event", 3, "event_no"),
    ("text beside a coded term", put("complication", 0, term_text="blister"), "term_text_needs_term", "complication", 2,
     "term_text"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "kind", "table", "row", "column"), ROWS, ids=[case[0] for case in ROWS])
def test_one_contradiction(
    tmp_path: Path, name: str, change: Change, kind: str, table: str, row: int, column: str
) -> None:
    tables = small()
    change(tables)
    _, problems = checked(write_folder(tmp_path / "in", tables))
    found = [(p.kind, p.table, p.row, p.column) for p in problems]
    assert (kind, table, row, column) in found, [problem.line() for problem in problems]
    assert all(problem.reason and problem.remedy and problem.file for problem in problems)


def test_the_small_series_is_free_of_problems(tmp_path: Path) -> None:
    """Without this the table above would prove nothing. Computed: T12 is thoracic, SINS 3+3+2, ODI 40 %, 90 mg."""
    records, problems = checked(write_folder(tmp_path / "in", small()))
    assert not problems
    lesion = next(iter(records.dicts("lesion")))
    assert (lesion["region"], lesion["sins_total"]) == ("thoracic", 8)
    visit = list(records.dicts("visit"))[1]
    # 20 mg oral oxycodone x 1.5 and 25 ug/h transdermal fentanyl x 2.4; nine sections of 2 are 18 of 45.
    assert (visit["odi"], visit["omeq_mg_day"], visit["omeq_table"]) == (40.0, 90.0, "omeq-1")


def test_enough_kinds() -> None:
    """The tables of cells, rows and files together show far more than the 40 kinds asked for."""
    from tests.registry.importing.test_problems_of_cells import CELLS
    from tests.registry.importing.test_problems_of_files import FILES

    kinds = {case[2] for case in ROWS} | {case[4] for case in CELLS} | {case[2] for case in FILES}
    assert len(kinds) >= 100, sorted(kinds)


def test_opposite_ends_of_a_rule_are_allowed(tmp_path: Path) -> None:
    """Limits that are no contradiction: death on the day of the visit, onset on the day of the procedure."""
    tables = small()
    tables["visit"][2]["date"] = "2016-03-31"
    tables["death"][0]["date"] = "2016-04-04"
    tables["complication"][0]["onset"] = "2016-03-01"
    tables["event"][0]["date"] = "2016-03-01"
    tables["activation"][0]["time_s"] = "120.9"
    _, problems = checked(write_folder(tmp_path / "in", tables))
    assert not problems, [problem.line() for problem in problems]


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (put("opioid_dose", 0, drug="oxycodin"), "oxycodone"),
        (put("visit", 2, patient_key="p1"), "write P1: keys differ by upper and lower case"),
    ],
)
def test_the_remedy_names_what_was_meant(tmp_path: Path, change: Change, advice: str) -> None:
    tables = small()
    change(tables)
    _, problems = checked(write_folder(tmp_path / "in", tables))
    assert any(advice in problem.remedy for problem in problems), [problem.line() for problem in problems]
