"""A second procedure: every day counts from the treatment it belongs to, whatever the series calls day 0.

Expected numbers are counted by hand. Patient "two" has lesion 1 treated on day 0 and lesion 2 on day 200.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.review.made import PLAIN, ZERO, Series
from vertherm.review.build import build_review
from vertherm.review.model import Cell, Review

EARLY, LATE = "2-4 weeks (day 14 to 28)", "20-24 weeks (day 140 to 168)"


def _two(
    day_zero: str, *, death: int | None = None, scans: tuple[tuple[int, tuple[str, str]], ...] = (), second: int = 200
) -> Series:
    """Patient "two"; a scan judges both lesions."""
    series = Series(day_zero=day_zero)
    series.patient("two", alive=600, death=death, levels=("T5",), scans=[(day, one[:1]) for day, one in scans])
    add = series.records.add
    add("procedure", patient_key="two", procedure_no=2, date=ZERO + timedelta(days=second), anaesthesia="general",
        guidance="ct", technical_success="yes")  # fmt: skip
    add("lesion", patient_key="two", lesion_no=2, level="L3", region="lumbar", side="midline", part="body",
        kind="lytic")  # fmt: skip
    _treat(series, 2)
    for number, (_, (_, answer)) in enumerate(scans, start=1):
        add("response", patient_key="two", imaging_no=number, lesion_no=2, criterion="mda", progression=answer)
    return series


def _treat(series: Series, lesion: int, **more: Any) -> None:
    values = {"intent": "first", "ablation": "yes", "ablation_time_s": 300.0, "energy_kj": 4.0, "energy_kind": "net",
              "cement": "yes", "cement_leakage": "no"} | more  # fmt: skip
    series.records.add("treatment", patient_key="two", procedure_no=2, lesion_no=lesion, **values)


def _counts(cells: dict[str, Cell]) -> list[Any]:
    return [cells[name].values["n"] for name in ("treated", "alive", "imaged", "evaluable")]


def test_a_lesion_whose_patient_died_before_its_window_is_not_alive() -> None:
    """Death on day 250 is day 50 of lesion 2: dead before its weeks 20-24, alive at those of lesion 1."""
    found = _two("lesion", death=250).review()
    assert _counts(found.row("control", "lesion", LATE))[:2] == [2, 1]
    assert _counts(found.row("control", "lesion", EARLY))[:2] == [2, 2]
    assert _counts(found.row("control", "patient", LATE))[:2] == [1, 1]


def test_a_lesion_that_was_not_treated_yet_does_not_spoil_the_time_point() -> None:
    """Day 0 by patient: at weeks 20-24 only lesion 1 had been treated, and it was clear."""
    found = _two("patient", scans=((150, ("no", "ne")),)).review()
    assert _counts(found.row("control", "patient", LATE)) == [1, 1, 1, 1]
    assert found.row("control", "patient", LATE)["free"].text == "1/1"
    assert _counts(found.row("control", "lesion", LATE)) == [1, 1, 1, 1]
    assert any("1 lesion first treated after the window" in note for note in found.table("control").notes)


def test_time_of_a_patient_runs_from_the_first_procedure() -> None:
    """Lesion 2 progresses 50 days after its treatment: day 250 of the patient, day 50 of the lesion."""
    found = _two("lesion", scans=((250, ("no", "yes")),)).review()
    patient, lesion = found.row("incidence", "progression", "patient"), found.row("incidence", "progression", "lesion")
    assert patient["day_168"].values["estimate"] == 0.0
    assert patient["day_365"].values["estimate"] == 1.0
    assert lesion["day_168"].values["estimate"] == 0.5


@pytest.mark.parametrize("day_zero", ["patient", "lesion"])
def test_the_interval_begins_at_the_lesions_treatment(day_zero: str) -> None:
    """Never scanned before: progression lies between its treatment on day 200 and the scan on day 260."""
    found = _two(day_zero, scans=((260, ("ne", "yes")),)).review()
    assert found.row("interval", "lesion")["gap"].values["median"] == 60.0
    assert found.row("interval", "patient")["gap"].values["median"] == 60.0


def test_a_scan_on_the_day_of_treatment_shows_nothing_of_it() -> None:
    found = Series().patient("p", alive=200, scans=[(0, ("yes",)), (150, ("no",))]).review()
    assert found.row("control", "patient", LATE)["free"].text == "1/1"
    assert found.row("incidence", "progression", "patient")["events"].values["n"] == 0


def test_a_complication_is_dated_from_its_own_procedure() -> None:
    """A pain flare on day 201 is the day after the second procedure, not a late complication of the first."""
    series = _two("lesion")
    series.records.add("complication", patient_key="two", procedure_no=2, complication_no=1, site="lesion",
                       onset=ZERO + timedelta(days=201), term="pain_flare", attribution="possible",
                       outcome="resolved")  # fmt: skip
    row = series.review().table("complication-list").rows[0]
    assert row.cells[3].values["day"] == 1


def _again(leakage: tuple[str, str | None]) -> Review:
    """Lesion 1 cemented on day 0 and on day 100, with two answers about leakage."""
    series = _two("patient", second=100, scans=((150, ("no", "no")),))
    _treat(series, 1, intent="repeat", cement_leakage=leakage[1])
    tables = series.frames()
    first = (tables["treatment"]["procedure_no"] == 1) & (tables["treatment"]["lesion_no"] == 1)
    tables["treatment"].loc[first, "cement_leakage"] = leakage[0]
    return build_review(tables, "s", PLAIN)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [(("no", "unknown"), "0/1"), (("no", None), "0/1"), (("unknown", "yes"), "1/2"), (("no", "no"), "0/2")],
)
def test_no_leak_once_and_unknown_once_is_unknown(answers: tuple[str, str | None], expected: str) -> None:
    """Lesion 2 is known to be without a leak; lesion 1 is known only if one answer is yes or both are no."""
    assert _again(answers).row("leakage", "any site")["counts"].text == expected


def test_control_after_a_second_treatment_is_said_to_be_that_of_both() -> None:
    notes = _again(("no", "no")).table("control").notes
    assert any("20-24 weeks: 1 lesion free of progression had a second treatment by then" in note for note in notes)
    assert not any("2-4 weeks" in note and "second treatment" in note for note in notes)
