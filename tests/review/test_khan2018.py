"""Every count and median of the abstract of Khan et al. 2018 is found in the review of its synthetic series.

Expected: the numbers of the abstract at their printed precision, and the exact intervals of the practice reference
(Clopper-Pearson), which were computed elsewhere.
"""

from __future__ import annotations

import json

import pytest

from tests.review.made import PLAIN, review
from vertherm.registry.frames import frames_of
from vertherm.registry.synthetic import generate
from vertherm.report.review import document
from vertherm.review.build import build_review
from vertherm.review.model import Cell, Review

PATHOLOGIES = {
    "multiple myeloma": 10,
    "breast": 27,
    "lung": 12,
    "thyroid": 6,
    "prostate": 5,
    "colon": 4,
    "renal cell": 3,
    "oral squamous cell": 1,
    "adenocarcinoma of unknown origin": 1,
}
REGIONS = {"cervical": 2, "thoracic": 50, "lumbar": 34, "sacral": 16}


@pytest.fixture(scope="module")
def khan() -> Review:
    return review("khan2018")


def glance(khan: Review, item: str, unit: str | None = None) -> Cell:
    for row in khan.table("abstract").rows:
        if row.cells[0].text == item and unit in (None, row.cells[1].text):
            return row.cells[3]
    raise KeyError(item)


def test_69_patients_and_102_lesions(khan: Review) -> None:
    assert glance(khan, "patients").values["value"] == 69
    assert glance(khan, "lesions").values["value"] == 102
    assert khan.row("flow", "treated")["n"].values["n"] == 69


def test_regions_are_counted_by_lesion(khan: Review) -> None:
    found = {name: khan.row("lesions", name, "Region")["value"].values["n"] for name in REGIONS}
    assert found == REGIONS
    assert khan.table("lesions").unit == "lesion"
    assert glance(khan, "lesions by region").text == "cervical 2, thoracic 50, lumbar 34, sacral 16"


def test_pathologies_are_counted_by_patient(khan: Review) -> None:
    found = {name: khan.row("patients", name, "Primary tumour")["value"].values["n"] for name in PATHOLOGIES}
    assert found == PATHOLOGIES
    assert khan.table("patients").unit == "patient"


def test_time_and_energy(khan: Review) -> None:
    time = khan.row("treatment", "Ablation time (s)")
    assert time["median"].values["median"] == 270.0
    assert round(float(time["mean"].values["sd"] or 0)) == 7
    assert "4 min 30 s" in glance(khan, "ablation time").text
    energy = khan.row("treatment", "Energy (kJ), kind: not stated")
    assert round(float(energy["median"].values["median"] or 0), 1) == 4.1
    assert round(float(energy["mean"].values["sd"] or 0), 1) == 1.6
    assert khan.table("treatment").unit == "treatment of one lesion in one procedure"


@pytest.mark.parametrize(
    ("window", "n", "median", "sd"),
    [("before (day −90 to 0)", 69, 7.0, 1.8), ("2-4 weeks (day 14 to 28)", 69, 2.0, 1.6),
     ("20-24 weeks (day 140 to 168)", 61, 2.0, 2.1)],
)  # fmt: skip
def test_pain(khan: Review, window: str, n: int, median: float, sd: float) -> None:
    row = khan.row("pain", window)
    assert row["n"].values["n"] == n
    assert row["median"].values["median"] == median
    assert round(float(row["mean"].values["sd"] or 0), 1) == sd
    assert row["dead"].values["n"] == 69 - n


def close(cell: Cell, estimate: float, low: float, high: float) -> None:
    for name, expected, tolerance in (("estimate", estimate, 0.05), ("low", low, 0.005), ("high", high, 0.005)):
        assert 100 * float(cell.values[name] or 0) == pytest.approx(expected, abs=tolerance), name


def test_deaths(khan: Review) -> None:
    row = khan.row("deaths", "dead by day 183")
    assert row["counts"].text == "8/69"
    close(row["exact"], 11.6, 5.14, 21.57)
    assert row["exact"].text == "11.6 % (5.14 to 21.57)"


def test_local_control(khan: Review) -> None:
    row = khan.row("control", "patient", "20-24 weeks (day 140 to 168)")
    assert [row[name].values["n"] for name in ("treated", "alive", "imaged", "evaluable")] == [69, 61, 61, 61]
    assert row["free"].text == "59/61"
    close(row["exact"], 96.7, 88.65, 99.60)
    assert row["wilson"].text == "88.81 to 99.10"


def test_complications(khan: Review) -> None:
    lesion = khan.row("complication-rates", "lesion", "Any recorded complication")
    patient = khan.row("complication-rates", "patient", "Any recorded complication")
    assert (lesion["counts"].text, patient["counts"].text) == ("2/102", "2/69")
    close(lesion["exact"], 1.96, 0.24, 6.90)
    close(patient["exact"], 2.90, 0.35, 10.08)
    said = glance(khan, "complications").text
    assert "S1 nerve" in said
    assert "skin burn" in said
    assert {row.cells[0].text for row in khan.table("complication-list").rows} == {
        "thermal or mechanical nerve injury",
        "skin burn",
    }


def test_cumulative_incidence_agrees_with_the_reference(khan: Review) -> None:
    """Reference: 2/102 at the end of follow-up, limits 0.38 to 6.2 % by lifelines."""
    cell = khan.row("incidence", "progression", "lesion")["day_168"]
    assert cell.values["estimate"] == pytest.approx(2 / 102)
    assert 100 * float(cell.values["low"] or 0) == pytest.approx(0.38, abs=0.01)
    assert 100 * float(cell.values["high"] or 0) == pytest.approx(6.2, abs=0.1)
    dead = khan.row("incidence", "death without progression", "patient")["day_168"]
    assert dead.values["estimate"] == pytest.approx(8 / 69)


def test_two_events_do_not_carry_a_comparison(khan: Review) -> None:
    rows = khan.table("control-models").rows
    assert rows
    assert all("not estimable: " in row.cells[3].text for row in rows)


def test_every_assumption_is_listed_and_everything_is_marked(khan: Review) -> None:
    groups = {row.group for row in khan.table("statements").rows}
    assert groups == {"Stated by the source", "Not stated by the source", "Assumption of ours"}
    assert khan.synthetic
    assert khan.heading.startswith("SYNTHETIC")
    found = document(khan)
    assert found["mark"] == "SYNTHETIC"
    json.dumps(found, allow_nan=False)


def test_another_seed_gives_the_same_margins() -> None:
    other = build_review(frames_of(generate("khan2018", seed=5)), "khan2018", PLAIN)
    for row, same in zip(other.table("abstract").rows, review("khan2018").table("abstract").rows, strict=True):
        if row.cells[0].text in ("lesions by region", "primary tumours", "deaths by day 183"):
            assert row.cells[3].text == same.cells[3].text


def test_means_of_the_second_series() -> None:
    """82 patients, 115 lesions; VAS 6.3 ± 2.0, 1.7 ± 1.0, 1.4 ± 0.8, 1.3 ± 0.8; leakage 32/115 = 27.8 %."""
    bmc = review("bmc2022")
    assert glance(bmc, "patients").values["value"] == 82
    assert glance(bmc, "lesions").values["value"] == 115
    found = [
        (round(float(row.cells[5].values["mean"] or 0), 1), round(float(row.cells[5].values["sd"] or 0), 1))
        for row in bmc.table("pain").rows
    ]
    assert found == [(6.3, 2.0), (1.7, 1.0), (1.4, 0.8), (1.3, 0.8)]
    leak = bmc.row("leakage", "any site")
    assert leak["counts"].text == "32/115"
    assert leak["wilson"].text == "20.45 to 36.63"
