"""Neurological status is compared within a patient; who was not examined twice is in no proportion."""

from __future__ import annotations

from datetime import date, timedelta

from tests.review.made import PLAIN, ZERO, Series
from vertherm.registry.frames import frames_of
from vertherm.review.build import build_review
from vertherm.review.model import Review

EARLY, WINDOW = "before (day −90 to 0)", "2-4 weeks (day 14 to 28)"


def _review() -> Review:
    """A loses a Frankel grade and two motor grades, B gains a grade, C is seen once, D has an untested dermatome."""
    series = Series()
    for name, first, last in (("before", -90, 0), ("week_2_4", 14, 28)):
        label = {"before": "before", "week_2_4": "2-4 weeks"}[name]
        series.records.add("visit_window", series="s", time_point=name, label=label, first_day=first, last_day=last)
    for key in "ABCD":
        series.patient(key)

    def visit(key: str, number: int, day: int, grade: str | None, motor: int | None, feeling: str | None) -> None:
        on: date = ZERO + timedelta(days=day)
        reasons = {f"{name}_missing": "not_done" for name in ("vas", "odi", "omeq_mg_day")}
        series.records.add("visit", patient_key=key, visit_no=number, date=on, frankel=grade, **reasons)
        series.records.add("root_status", patient_key=key, visit_no=number, root="S1", side="left", motor=motor,
                           sensation=feeling)  # fmt: skip

    visit("A", 1, -3, "E", 5, "normal")
    visit("A", 2, 20, "D", 3, "reduced")
    visit("B", 1, -3, "D", 4, "normal")
    visit("B", 2, 20, "E", 5, "normal")
    visit("C", 1, 20, "C", None, "absent")
    visit("D", 1, -3, None, 5, "not_tested")
    visit("D", 2, 20, "E", 5, "not_tested")
    series.records.add("event", patient_key="A", event_no=1, date=ZERO + timedelta(days=40), kind="radiotherapy")
    series.records.add("event", patient_key="A", event_no=2, date=ZERO + timedelta(days=60), kind="radiotherapy")
    return build_review(frames_of(series.records), "s", PLAIN)


def test_change_of_the_frankel_grade_is_within_the_patient() -> None:
    """Two patients have both grades, one of them is worse: 1/2."""
    review = _review()
    assert review.row("frankel", "worse than before", WINDOW)["n"].text == "1/2"
    assert review.row("frankel", "E: normal", WINDOW)["n"].values["n"] == 2
    assert review.row("frankel", "E: normal", EARLY)["n"].values["of"] == 2


def test_roots_that_were_not_tested_are_in_no_proportion() -> None:
    """Motor at 2-4 weeks: A, B, D tested, A weak and weaker. Feeling: A, B, C tested, A and C not normal."""
    review = _review()
    assert review.row("roots", "weak: any tested root below grade 5", WINDOW)["counts"].text == "1/3"
    assert review.row("roots", "any root weaker than before", WINDOW)["counts"].text == "1/3"
    assert review.row("roots", "feeling of any tested root not normal", WINDOW)["counts"].text == "2/3"
    assert review.row("roots", "weak: any tested root below grade 5", EARLY)["counts"].text == "1/3"


def test_events_and_patients_with_one_are_counted_apart() -> None:
    row = _review().row("later-events", "radiotherapy")
    assert row["events"].values["n"] == 2
    assert row["patients"].values["n"] == 1
    assert row["median"].values["median"] == 50.0


def test_nothing_recorded_is_said() -> None:
    review = build_review(frames_of(Series().patient("A").records), "s", PLAIN)
    lines = [line for block in review.blocks() for line in getattr(block, "lines", ())]
    assert sum(line.startswith("Not reported: no visit") for line in lines) == 2
    assert "No later treatment or fracture is recorded." in lines
