"""What a clinical reader would misread: reasons the wrong way round, marks that miss, gaps that are none."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tests.review.made import PLAIN, ZERO, Series, review
from vertherm.review.build import build_review
from vertherm.review.model import Review, Text
from vertherm.review.statistics.summary import summarise
from vertherm.review.words import fixed, median_cell, percent

LATE = "20-24 weeks (day 140 to 168)"


def _methods(found: Review) -> str:
    section = next(item for item in found.sections if item.id == "methods-section")
    return " ".join(line for block in section.blocks if isinstance(block, Text) for line in block.lines)


def test_progression_is_the_event_of_the_reason() -> None:
    """Two patients progressed: a note that calls being free of it the event says sixty."""
    notes = review("khan2018").table("control").notes
    assert any("2 patients with an event and 60 with a unit free of it" in note for note in notes)


def test_cluster_robust_limits_stay_around_local_control() -> None:
    """Forty patients with two lesions; in eight both progressed: the limits belong to 80 %, not to 20 %."""
    series = Series()
    for n in range(40):
        answer = "yes" if n < 8 else "no"
        series.patient(f"p{n:02}", levels=("T5", "L3"), alive=200, scans=[(150, (answer, answer))])
    cell = series.review().row("control", "lesion", LATE)["cluster"]
    low, high = cell.values["low"], cell.values["high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert 0.6 < low < 0.8 < high < 0.95


def test_not_done_is_not_missing() -> None:
    """One lesion was cemented without ablation, one ablated without cement: neither lacks anything."""
    series = Series().patient("a").patient("b").patient("c")
    tables = series.frames()
    treatment = tables["treatment"]
    treatment["cement_volume_ml"], treatment["cement_type"] = 4.0, "pmma"
    treatment.loc[0, ["ablation", "ablation_time_s", "energy_kj", "energy_kind"]] = ["no", None, None, None]
    treatment.loc[1, ["cement", "cement_leakage", "cement_volume_ml", "cement_type"]] = ["no", None, None, None]
    found = build_review(tables, "s", PLAIN)
    for name in ("Ablation time (s)", "Cement volume (mL)", "Energy (kJ), kind: net"):
        cells = found.row("treatment", name)
        assert (cells["n"].values["n"], cells["missing"].values["n"]) == (2, 0), name
    for row in found.table("treatment-kinds").rows:
        if row.group in ("Which energy is recorded", "Cement"):
            assert row.cells[2].values["n"] == 0


def test_a_subgroup_with_few_pairs_is_marked_in_table_and_figure_alike() -> None:
    """Twelve patients, three with a value later: the estimate rests on three."""
    series = Series()
    for n in range(12):
        series.patient(f"p{n:02}", vas=[(-1, 8.0), *([(150, 2.0)] if n < 3 else [])], alive=200)
    row = series.review().row("subgroups", "breast †")
    assert (row["n"].values["n"], row["pairs"].values["n"]) == (12, 3)
    assert row["before"].text == "8.0 [8.0 to 8.0]; 12"
    assert row["after"].text == "2.0 [2.0 to 2.0]; 3"


def test_tests_that_no_table_shows_are_not_in_the_methods() -> None:
    """Sixty-one pairs are tested by the normal approximation; subgroups are estimated and not tested."""
    said = _methods(review("khan2018"))
    assert "beyond 50 pairs" in said
    assert "up to 50 pairs the p-value is exact" not in said
    assert "every visit" not in said


def test_a_procedure_without_a_treated_lesion_is_not_lost() -> None:
    """Given up before the lesion was reached: a patient of the subgroups, with nothing to control."""
    series = Series().patient("a", alive=200, scans=[(150, ("no",))]).patient("b", alive=200)
    tables = series.frames()
    tables["treatment"] = tables["treatment"][tables["treatment"]["patient_key"] == "a"]
    found = build_review(tables, "s", PLAIN)
    assert found.row("subgroups", "no lesion treated †")["n"].values["n"] == 1
    assert any("1 patient with a procedure in which no lesion" in note for note in found.table("control").notes)


def test_values_of_the_day_of_the_procedure_are_pointed_out() -> None:
    series = Series().patient("a", vas=[(-3, 8.0), (0, 1.0)]).patient("b", vas=[(-3, 8.0), (20, 1.0)])
    notes = series.review().table("pain").notes
    assert any("taken as before it: VAS 1." in note for note in notes)


def test_a_death_does_not_explain_a_missing_value_before_treatment() -> None:
    found = Series().patient("a", death=0).patient("b", vas=[(-1, 7.0)], alive=9).review()
    before = "before (day −90 to 0)"
    assert found.row("flow", "missing", before)["n"].values["n"] == 1
    assert found.row("flow", "died within the window, not seen in it", before)["n"].values["n"] == 0
    assert found.row("pain", before)["dead"].values["n"] == 0


def test_events_before_day_0_are_not_later_events() -> None:
    series = Series().patient("a")
    for number, day in enumerate((-30, 30), start=1):
        series.records.add("event", patient_key="a", event_no=number, date=ZERO + timedelta(days=day),
                           kind="radiotherapy")  # fmt: skip
    table = series.review().table("later-events")
    assert table.rows[0].cells[1].values["n"] == 1
    assert any("before day 0 and not counted: 1" in note for note in table.notes)


def test_who_cannot_fall_by_two_points_is_counted() -> None:
    series = Series().patient("a", vas=[(-1, 1.0), (150, 0.0)]).patient("b", vas=[(-1, 7.0), (150, 0.0)])
    notes = series.review().table("responders").notes
    assert any(note.startswith("1 patient had a VAS below 2 before") for note in notes)


def test_frankel_grade_is_that_of_the_visit_nearest_the_middle_that_has_one() -> None:
    series = Series().patient("a")
    empty = {f"{name}_missing": "not_done" for name in ("vas", "odi", "omeq_mg_day")}
    for number, (day, grade) in enumerate(((-1, "E"), (18, "D"), (21, None), (28, "E")), start=1):
        series.records.add("visit", patient_key="a", visit_no=number, date=ZERO + timedelta(days=day), frankel=grade,
                           **empty)  # fmt: skip
    assert series.review().row("frankel", "worse than before", "2-4 weeks (day 14 to 28)")["n"].text == "1/1"


@pytest.mark.parametrize(
    ("value", "digits", "expected"), [(5.25, 1, "5.3"), (-5.25, 1, "−5.3"), (2.5, 0, "3"), (-0.04, 1, "0.0")]
)
def test_halves_are_rounded_as_a_reader_does(value: float, digits: int, expected: str) -> None:
    assert fixed(value, digits) == expected


def test_a_median_between_two_whole_numbers_is_not_rounded_into_another_class() -> None:
    """SINS 6 is stable and 7 is not: a median of 6.5 is printed as 6.5, other medians as before."""
    assert median_cell(summarise(np.array([6.0, 7.0])), 0).text.startswith("6.5 [")
    assert median_cell(summarise(np.array([6.0, 7.0, 7.0])), 0).text.startswith("7 [")


def test_a_percentage_is_what_a_calculator_gives() -> None:
    assert percent(21 / 400) == "5.3"
    assert percent(59 / 61) == "96.7"


def test_strobe_points_to_the_comparisons_between_groups() -> None:
    rows = {row.cells[0].text: row.cells[3].text for row in review("khan2018").table("strobe").rows}
    models = review("khan2018").table("control-models")
    assert f"Table {models.number}" in rows["12b"].split(", ")


def test_the_list_of_complications_does_not_follow_the_keys_of_the_patients() -> None:
    """The same two complications under swapped pseudonyms give the same words in the same order."""

    def made(first: str, second: str) -> tuple[str, list[str]]:
        series = Series().patient(first).patient(second)
        series.complication(first, term="skin_burn").complication(second, term="infection", site="lesion")
        found = series.review()
        listed = [row.cells[0].text for row in found.table("complication-list").rows]
        return found.row("abstract", "complications")["value"].text, listed

    assert made("a", "b") == made("b", "a")
