"""Units of analysis are kept apart, deaths are not missing values, and counts add up.

Expected numbers are counted by hand from small series.
"""

from __future__ import annotations

import pandas as pd
import pytest

from tests.review.made import PLAIN, Series, frames, review
from vertherm.registry.frames import frames_of
from vertherm.registry.synthetic import generate
from vertherm.report.review import document
from vertherm.review.build import build_review
from vertherm.review.model import Review, Text
from vertherm.review.options import ReviewOptions

LATE = "20-24 weeks (day 140 to 168)"


def test_any_progressed_lesion_makes_a_patient_progressed() -> None:
    series = Series()
    series.patient("a", levels=("T5", "L3"), alive=200, scans=[(150, ("no", "yes"))])
    series.patient("b", levels=("T5", "L3"), alive=200, scans=[(150, ("no", "no"))])
    series.patient("c", levels=("T5", "L3"), alive=200, scans=[(150, ("no", "ne"))])
    found = series.review()
    patient, lesion = found.row("control", "patient", LATE), found.row("control", "lesion", LATE)
    assert patient["free"].text == "1/2"
    assert lesion["free"].text == "4/5"
    assert [patient[name].values["n"] for name in ("alive", "imaged", "evaluable")] == [3, 3, 2]
    assert [lesion[name].values["n"] for name in ("alive", "imaged", "evaluable")] == [6, 6, 5]
    assert any("1 patient imaged, but not evaluable" in note for note in found.table("control").notes)


def test_alive_imaged_and_evaluable_are_three_counts() -> None:
    series = Series()
    series.patient("dead", death=100)
    series.patient("not-imaged", alive=200)
    series.patient("not-evaluable", alive=200, scans=[(150, ("ne",))])
    series.patient("free", alive=200, scans=[(150, ("no",))])
    row = series.review().row("control", "patient", LATE)
    assert [row[name].values["n"] for name in ("treated", "alive", "imaged", "evaluable")] == [4, 3, 2, 1]


def test_a_scan_that_was_not_evaluable_says_nothing() -> None:
    series = Series().patient("a", alive=200, scans=[(150, ("no",))])
    tables = series.frames()
    tables["imaging"]["evaluable"] = "no"
    row = build_review(tables, "s", PLAIN).row("control", "patient", LATE)
    assert [row[name].values["n"] for name in ("alive", "imaged", "evaluable")] == [1, 1, 0]


def test_progression_seen_earlier_still_counts_later() -> None:
    series = Series().patient("a", alive=200, scans=[(60, ("yes",))])
    found = series.review()
    assert found.row("control", "patient", LATE)["free"].text == "0/1"
    assert any("progression was seen before" in note for note in found.table("control").notes)


def test_death_competes_and_survivors_stay_until_last_known_alive() -> None:
    series = Series()
    series.patient("dies", death=50, scans=[(30, ("no",))])
    series.patient("progresses", alive=300, scans=[(100, ("yes",))])
    series.patient("survives", alive=300, scans=[(100, ("no",))])
    series.patient("never-scanned", alive=300)
    found = series.review()
    row = found.row("incidence", "progression", "patient")
    assert (row["n"].values["n"], row["events"].values["n"], row["censored"].values["n"]) == (4, 1, 2)
    assert row["day_168"].values["estimate"] == pytest.approx(1 / 4)
    assert found.row("incidence", "death without progression", "patient")["day_168"].values["estimate"] == 1 / 4
    assert any("Never judged after treatment: 1 patient, 1 lesion" in note for note in found.table("incidence").notes)
    scanned = found.row("incidence", "progression", "patient; sensitivity: survivors leave at the last clear scan")
    # At day 100 the dead one is gone and the unscanned one has left on day 0: of two under observation one progresses.
    assert scanned["day_28"].values["at_risk"] == 3


def test_deaths_are_not_missing_visits() -> None:
    series = Series()
    series.patient("dead", vas=[(-1, 7.0)], death=100)
    series.patient("lost", vas=[(-1, 7.0)])
    series.patient("seen", vas=[(-1, 7.0), (150, 2.0)])
    series.patient("seen-without", vas=[(-1, 7.0), (150, None)])
    series.records.add("missed_visit", patient_key="lost", time_point="week_20_24", reason="lost")
    found = series.review()
    counts = {
        name: found.row("flow", name, LATE)["n"].values["n"]
        for name in ("alive when the window opened", "seen", "seen, with a VAS", "dead before the window opened",
                     "missing", "missing: lost to follow-up")
    }  # fmt: skip
    assert list(counts.values()) == [3, 2, 1, 1, 1, 1]
    pain = found.row("pain", LATE)
    assert (pain["n"].values["n"], pain["lost"].values["n"], pain["dead"].values["n"]) == (1, 2, 1)


def test_flow_adds_up_in_a_large_series() -> None:
    found = build_review(frames_of(generate("stress", patients=300)), "stress", PLAIN)
    groups = {row.group for row in found.table("flow").rows} - {"Enrolment"}
    assert len(groups) == 3
    for group in groups:
        n = {
            row.cells[0].text: int(row.cells[1].values["n"] or 0)
            for row in found.table("flow").rows
            if row.group == group
        }
        parts = (
            "seen",
            "dead before the window opened",
            "died within the window, not seen in it",
            "not yet due",
            "missing",
        )
        assert sum(n[part] for part in parts) == 300
        assert sum(value for name, value in n.items() if name.startswith("missing: ")) == n["missing"]


def test_not_yet_due_is_not_missing() -> None:
    series = Series().patient("p", vas=[(-1, 7.0)])
    tables = series.frames()
    tables["series"]["data_until"] = tables["procedure"]["date"].iloc[0]
    found = build_review(tables, "s", PLAIN)
    assert found.row("flow", "not yet due", LATE)["n"].values["n"] == 1
    assert found.row("flow", "missing", LATE)["n"].values["n"] == 0


def test_complications_by_lesion_procedure_and_patient() -> None:
    series = Series()
    for n in range(4):
        series.patient(f"p{n}", levels=("T5", "L3"), alive=200)
    series.patient("single", alive=200)
    series.complication("p0", lesion_no=1).complication("p0", lesion_no=1, term="pain_flare")
    series.complication("p1").complication("single", attribution="unrelated")
    found = series.review()
    rows = {
        name: found.row("complication-rates", name, "Any recorded complication")
        for name in ("lesion", "procedure", "patient")
    }
    assert [rows[name]["counts"].text for name in rows] == ["2/9", "3/5", "3/5"]
    notes = " ".join(found.table("complication-rates").notes)
    # p1's complication belongs to neither of its two lesions; that of "single" to its only one.
    assert "1 belong to no single lesion" in notes
    assert "at most 3 of 9 lesions" in notes
    assert "1 without a recorded lesion belong to the only lesion" in notes
    related = found.row("complication-rates", "patient", "Definitely, probably or possibly related")
    assert related["counts"].text == "2/5"


def test_grades_are_shown_with_their_version() -> None:
    series = Series().patient("p", alive=200)
    series.complication("p", cirse_version="2017", cirse_grade="3", ctcae_version="5.0", ctcae_grade="2", sir_grade="C")
    groups = {row.group: row.cells[0].text for row in series.review().table("complication-kinds").rows}
    assert groups["CIRSE 2017"].startswith("3: ")
    assert groups["CTCAE v5.0"].startswith("2: ")
    assert groups["SIR class"].startswith("C ")


def test_energies_of_different_kinds_are_not_mixed() -> None:
    series = Series().patient("a", alive=200).patient("b", alive=200)
    tables = series.frames()
    tables["treatment"]["energy_kind"] = ["forward", "net"]
    items = [row.cells[0].text for row in build_review(tables, "s", PLAIN).table("treatment").rows]
    assert "Energy (kJ), kind: forward" in items
    assert "Energy (kJ), kind: net" in items


def test_day_zero_of_a_lesion_can_be_its_own_treatment() -> None:
    series = Series(day_zero="lesion").patient("p", levels=("T5", "L3"), alive=400, scans=[(155, ("no", "no"))])
    tables = series.frames()
    later = tables["procedure"].iloc[[0]].assign(procedure_no=2)
    later["date"] += pd.Timedelta(days=30)
    tables["procedure"] = pd.concat([tables["procedure"], later], ignore_index=True)
    tables["treatment"].loc[1, "procedure_no"] = 2
    found = build_review(tables, "s", PLAIN)
    # Day 155 of the patient is day 125 of the second lesion: outside its window, so only one lesion is evaluable.
    assert found.row("control", "lesion", LATE)["free"].text == "1/1"
    assert found.row("control", "patient", LATE)["evaluable"].values["n"] == 0


def test_small_subgroups_are_marked_and_no_patient_is_counted_twice() -> None:
    series = Series()
    for n in range(12):
        series.patient(f"p{n}", vas=[(-1, 7.0), (150, 2.0)], alive=200, levels=("T5", "L3") if n < 2 else ("L3",))
    table = series.review().table("subgroups")
    regions = [row for row in table.rows if row.group == "Region of the treated lesions"]
    assert [(row.cells[0].text, row.cells[1].values["n"]) for row in regions] == [
        ("lumbar", 10),
        ("several regions †", 2),
    ]


def test_responders_by_hand() -> None:
    series = Series()
    for n, after in enumerate((7.0, 5.0, 4.0, 0.0)):
        series.patient(f"p{n}", vas=[(-1, 8.0), (150, after)], alive=200)
    series.patient("dead", vas=[(-1, 8.0)], death=90)
    found = series.review()
    expected = {
        "VAS fell by 2 points or more": "3/4",
        "VAS fell by 30 % or more": "3/4",
        "VAS fell by 50 % or more": "2/4",
    }
    for label, counts in expected.items():
        row = found.row("responders", label, "20-24 weeks")
        assert row["counts"].text == counts
        assert row["with_deaths"].text == counts.replace("/4", "/5")


def test_level_and_points_can_be_chosen() -> None:
    series = Series()
    for n, after in enumerate((7.0, 5.0, 4.0, 0.0)):
        series.patient(f"p{n}", vas=[(-1, 8.0), (150, after)], alive=200)
    found = series.review(ReviewOptions(level=0.9, mcid_points=4.0, figures=False))
    assert found.row("responders", "VAS fell by 4 points or more", "20-24 weeks")["counts"].text == "2/4"
    assert any("90 % CI" in column.label for column in found.table("responders").columns)


def test_methods_name_only_what_ran() -> None:
    def methods(review: Review) -> str:
        section = next(item for item in review.sections if item.id == "methods-section")
        return " ".join(line for block in section.blocks if isinstance(block, Text) for line in block.lines)

    small = methods(Series().patient("p", vas=[(-1, 8.0), (150, 2.0)], alive=200, scans=[(150, ("no",))]).review())
    assert "Clopper-Pearson" in small
    assert "linear mixed model with the time point as a factor" not in small
    assert "linear mixed model: 1 patient; the model needs 10 (our rule)" in small
    large = methods(review("khan2018"))
    assert "linear mixed model with the time point as a factor" in large
    assert "Gray's test: 1 event;" in large
    assert "numpy" in large


def test_the_review_is_the_same_for_the_same_data() -> None:
    shuffled = {name: frame.sample(frac=1.0, random_state=3) for name, frame in frames("khan2018").items()}
    one = document(build_review(frames("khan2018"), "khan2018", PLAIN))
    two = document(build_review(shuffled, "khan2018", PLAIN))
    assert one == two


def test_missing_values_of_table_one_are_counted() -> None:
    series = Series()
    series.patient("a", alive=200, sex="male", prior_radiotherapy="unknown", age=50)
    series.patient("b", alive=200, sex="unknown", prior_radiotherapy="yes", performance_scale="ecog", performance=1)
    series.patient("c", alive=200, sex="female", prior_radiotherapy="unknown")
    found = series.review()
    assert found.row("patients", "female", "Sex")["missing"].values["n"] == 1
    assert found.row("patients", "female", "Sex")["value"].text == "1 (50.0 %)"
    assert found.row("patients", "yes", "Radiotherapy of the spine before")["missing"].values["n"] == 2
    assert found.row("patients", "ECOG 1")["missing"].values["n"] == 2
    assert found.row("age", "Age at the first procedure (years)")["missing"].values["n"] == 2
    assert found.row("lesions", "(no known value)", "Posterior wall")["missing"].values["n"] == 3
