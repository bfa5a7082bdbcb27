"""The synthetic series has every count and median that the abstract prints, for whatever seed.

Expected numbers are copied from the abstract (AJNR 2018;39:1376-1383) and not from the generator: a generator that
drifts from its source must fail here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date

import numpy as np
import pytest

from tests.registry.synthetic.plain import frames, insert
from vertherm.registry.records import Records
from vertherm.registry.synthetic import generate
from vertherm.registry.windows import windowed_imaging, windowed_visits

# In seed 20 no lesion falls into S1 by chance, so that one has to be put there.
SEEDS = (0, 1, 7, 20, 20180701)


@pytest.fixture(scope="module", params=SEEDS)
def records(request: pytest.FixtureRequest) -> Records:
    return generate("khan2018", seed=request.param)


def column(records: Records, entity: str, name: str) -> list:
    return [row[name] for row in records.dicts(entity)]


def test_counts_of_patients_and_lesions(records: Records) -> None:
    assert len(records.rows("patient")) == 69
    assert len(records.rows("lesion")) == 102
    assert len(set(column(records, "lesion", "patient_key"))) == 69


def test_regions_by_lesion(records: Records) -> None:
    assert Counter(column(records, "lesion", "region")) == {"cervical": 2, "thoracic": 50, "lumbar": 34, "sacral": 16}


def test_primaries_by_patient(records: Records) -> None:
    assert Counter(column(records, "patient", "primary_tumour")) == {
        "myeloma": 10,
        "breast": 27,
        "lung": 12,
        "thyroid": 6,
        "prostate": 5,
        "colon": 4,
        "renal": 3,
        "oral_squamous": 1,
        "adenocarcinoma_unknown": 1,
    }


@pytest.mark.parametrize(
    ("window", "n", "median", "sd"), [("before", 69, 7.0, 1.8), ("week_2_4", 69, 2, 1.6), ("week_20_24", 61, 2, 2.1)]
)
def test_vas_in_its_windows(records: Records, window: str, n: int, median: float, sd: float) -> None:
    tables = frames(records)
    visits = windowed_visits(tables)
    chosen = visits[visits["chosen"] & (visits["time_point"] == window)]
    vas = chosen.merge(tables["visit"][["patient_key", "visit_no", "vas"]], on=["patient_key", "visit_no"])["vas"]
    assert len(vas) == n
    assert np.median(vas) == median
    assert round(float(np.std(vas, ddof=1)), 1) == sd


def test_vas_falls_in_nearly_everyone(records: Records) -> None:
    scores: dict[str, dict[int, float]] = defaultdict(dict)
    for row in records.dicts("visit"):
        scores[row["patient_key"]][row["visit_no"]] = row["vas"]
    change = np.array([of_patient[2] - of_patient[1] for of_patient in scores.values()])
    # A plausible pairing: pain falls in most, and not by the same in all.
    assert (change < 0).sum() >= 60
    assert 1.0 < change.std() < 2.6


def test_ablation_time_and_energy_per_lesion(records: Records) -> None:
    times, energies = (np.array(column(records, "treatment", name)) for name in ("ablation_time_s", "energy_kj"))
    assert len(times) == len(energies) == 102
    assert np.median(times) == 4 * 60 + 30
    assert round(float(times.std(ddof=1))) == 7
    assert np.median(energies) == 4.1
    assert round(float(energies.std(ddof=1)), 1) == 1.6
    assert set(column(records, "treatment", "energy_kind")) == {"unstated"}


def test_eight_die_within_six_months(records: Records) -> None:
    first: dict[str, date] = {}
    for row in records.dicts("procedure"):
        first[row["patient_key"]] = min(row["date"], first.get(row["patient_key"], row["date"]))
    days = [(row["date"] - first[row["patient_key"]]).days for row in records.dicts("death")]
    assert len(days) == 8
    assert all(0 < day <= 182 for day in days)
    dead = set(column(records, "death", "patient_key"))
    for row in records.dicts("patient"):
        if row["patient_key"] not in dead:
            assert (row["last_contact"] - first[row["patient_key"]]).days >= 183


def test_local_control_of_the_survivors(records: Records) -> None:
    imaging = windowed_imaging(frames(records))
    seen = imaging[imaging["chosen"] & (imaging["time_point"] == "week_20_24")]
    dead = set(column(records, "death", "patient_key"))
    assert len(seen) == seen["patient_key"].nunique() == 61
    assert not dead & set(seen["patient_key"])
    progressed = {row["patient_key"] for row in records.dicts("response") if row["progression"] == "yes"}
    assert len(progressed) == 2
    assert len(set(seen["patient_key"]) - progressed) == 59


def test_every_lesion_of_a_survivor_has_its_response(records: Records) -> None:
    dead = set(column(records, "death", "patient_key"))
    lesions = {(row["patient_key"], row["lesion_no"]) for row in records.dicts("lesion")}
    expected = {key for key in lesions if key[0] not in dead}
    assert {(row["patient_key"], row["lesion_no"]) for row in records.dicts("response")} == expected


def test_two_complications_in_two_patients(records: Records) -> None:
    found = {row["term"]: row for row in records.dicts("complication")}
    assert len(records.rows("complication")) == 2
    assert set(found) == {"nerve_injury", "skin_burn"}
    assert found["nerve_injury"]["patient_key"] != found["skin_burn"]["patient_key"]
    levels = {(row["patient_key"], row["lesion_no"]): row["level"] for row in records.dicts("lesion")}
    nerve = found["nerve_injury"]
    assert levels[nerve["patient_key"], nerve["lesion_no"]] == "S1"
    assert "S1" in nerve["structure"]
    # The abstract gives no grade, so none may be invented.
    for row in found.values():
        assert (row["cirse_grade"], row["sir_grade"], row["ctcae_grade"]) == (None, None, None)


def test_period_anaesthesia_guidance_cement(records: Records) -> None:
    dates = column(records, "procedure", "date")
    assert date(2015, 1, 1) <= min(dates)
    assert max(dates) <= date(2016, 10, 31)
    assert set(column(records, "procedure", "anaesthesia")) == {"general"}
    assert set(column(records, "procedure", "guidance")) == {"unspecified"}
    assert set(column(records, "treatment", "cement")) == {"yes"}
    assert set(column(records, "treatment", "ablation")) == {"yes"}


def test_nothing_is_invented_where_the_abstract_is_silent(records: Records) -> None:
    empty = {
        "treatment": ("applicator", "frequency_mhz", "needles", "cycles", "peak_temperature_c", "cement_volume_ml"),
        "visit": ("odi", "odi_1", "omeq_mg_day", "frankel"),
        "lesion": ("size_1_mm", "sins_total", "escc"),
        "patient": ("performance",),
    }
    for entity, names in empty.items():
        for name in names:
            assert set(column(records, entity, name)) == {None}, name
    assert set(column(records, "patient", "prior_radiotherapy")) == {"unknown"}
    assert set(column(records, "treatment", "cement_leakage")) == {"unknown"}
    assert not records.rows("cement_leak")


def test_every_constraint_of_the_database_holds(records: Records) -> None:
    assert {name: count for name, count in insert(records).items() if count} == records.counts()


def test_everything_is_marked_synthetic(records: Records) -> None:
    assert set(column(records, "patient", "synthetic")) == {"yes"}
    (series,) = records.dicts("series")
    assert series["synthetic"] == "yes"
    assert "SYNTHETIC" in series["title"]
    assert all(key.startswith("SYN-KHAN-") for key in column(records, "patient", "patient_key"))


def test_same_seed_same_records_other_seed_other_records() -> None:
    assert generate("khan2018", seed=3).sha256() == generate("khan2018", seed=3).sha256()
    assert generate("khan2018", seed=3).sha256() != generate("khan2018", seed=4).sha256()


def test_statements_say_what_is_stated_open_and_assumed() -> None:
    rows = list(generate("khan2018").dicts("series_statement"))
    by_kind: dict[str, str] = defaultdict(str)
    for row in rows:
        by_kind[row["kind"]] += f"{row['item']}: {row['value']}\n"
    for number in ("69", "102", "cervical 2, thoracic 50, lumbar 34, sacral 16", "4 min 30 s ± 7 s", "4.1 ± 1.6 kJ"):
        assert number in by_kind["stated"]
    for number in ("7.0 ± 1.8", "2 ± 1.6", "2 ± 2.1", "59 of 61", "breast 27", "S1 nerve"):
        assert number in by_kind["stated"]
    topics = (
        "±",
        "at each time point",
        "per lesion",
        "61 survivors",
        "frequency",
        "cement type",
        "leakage",
        "Oswestry",
    )
    for topic in (*topics, "opioid", "criterion", "prior radiotherapy", "grade"):
        assert topic in by_kind["unstated"], topic
    for topic in (
        "±",
        "number with a VAS",
        "windows",
        "time and energy",
        "deaths",
        "survivors",
        "sex",
        "age",
        "levels",
    ):
        assert topic in by_kind["assumption"], topic
    assert all(row["source"] for row in rows)
    assert all(row["value"] for row in rows if row["kind"] != "unstated")
    assert all(row["value"] is None for row in rows if row["kind"] == "unstated")
