"""Series at the edges still give a review, and it says what is not estimable and why instead of inventing a number."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from tests.review.made import PLAIN, Series
from vertherm.core.errors import InputError
from vertherm.report.review import document
from vertherm.review.build import build_review
from vertherm.review.model import Review, Text
from vertherm.review.options import ReviewOptions

PAIN = ((-3, 8.0), (20, 3.0), (150, 2.0))


def words(review: Review) -> str:
    return " ".join(line for block in review.blocks() if isinstance(block, Text) for line in block.lines)


def numbers(review: Review) -> Iterator[float]:
    for table in review.tables():
        for row in table.rows:
            for cell in row.cells:
                yield from (value for value in cell.values.values() if isinstance(value, float))


def sound(review: Review) -> Review:
    """No NaN anywhere, neither as a number nor as text; every table rectangular; every number as JSON takes it."""
    assert all(math.isfinite(value) for value in numbers(review))
    for table in review.tables():
        assert table.rows, table.id
        assert all(len(row.cells) == len(table.columns) for row in table.rows), table.id
        texts = [cell.text for row in table.rows for cell in row.cells]
        assert not any("nan" in text.lower().split() or "<NA>" in text or "NaT" in text for text in texts), table.id
    assert "[[" not in str(document(review))
    return review


def test_nobody_died_and_nothing_went_wrong() -> None:
    series = Series()
    for n in range(12):
        series.patient(f"p{n}", vas=PAIN, alive=200, scans=[(150, ("no",))])
    found = sound(series.review())
    assert "No death is recorded" in words(found)
    assert "No complication is recorded" in words(found)
    rate = found.row("complication-rates", "patient", "Any recorded complication")
    assert rate["exact"].text == "0.0 % (0.00 to 26.46)"
    assert "No progression was seen" in words(found)
    cell = found.row("incidence", "progression", "patient")["day_168"]
    assert cell.text.startswith("0.0 (no limits")


def test_one_patient() -> None:
    found = sound(Series().patient("only", vas=PAIN, alive=200, scans=[(150, ("no",))]).review())
    change = found.row("pain-change", "20-24 weeks")
    assert change["n"].values["n"] == 1
    assert "not estimable" in change["mean"].text
    assert "not estimable" in change["hl"].text
    assert found.row("control", "patient", "20-24 weeks (day 140 to 168)")["exact"].text == "100.0 % (2.50 to 100.00)"
    models = found.table("models").rows
    assert models
    assert all("not estimable" in row.cells[3].text for row in models)


def test_no_follow_up_at_all() -> None:
    series = Series()
    for n in range(5):
        series.patient(f"p{n}", vas=[(-1, 7.0)])
    found = sound(series.review())
    assert found.row("pain-change", "2-4 weeks")["median"].text == "not estimable"
    assert "Cumulative incidence and its comparisons are not estimable" in words(found)
    assert found.row("flow", "missing: no reason recorded", "20-24 weeks (day 140 to 168)")["n"].values["n"] == 5
    with pytest.raises(KeyError):
        found.table("incidence")


def test_everybody_died() -> None:
    series = Series()
    for n in range(15):
        series.patient(f"p{n}", vas=[(-1, 7.0), (20, 4.0)], death=40 + n)
    found = sound(series.review())
    assert found.row("flow", "dead before the window opened", "20-24 weeks (day 140 to 168)")["n"].values["n"] == 15
    assert found.row("pain", "20-24 weeks (day 140 to 168)")["dead"].values["n"] == 15
    worst = found.row("worst-rank", "20-24 weeks")
    assert worst["deaths"].values["n"] == 15
    assert worst["median"].text == "worst rank (death)"
    assert found.row("deaths", "dead by day 183")["counts"].text == "15/15"


def test_every_value_is_missing() -> None:
    series = Series()
    for n in range(5):
        series.patient(f"p{n}", vas=[(-1, None), (20, None), (150, None)], alive=200)
    found = sound(series.review())
    assert "Not reported, because no visit holds a value: VAS, ODI, opioid dose" in words(found)
    assert "Responders are not estimable" in words(found)
    assert "Sensitivity analyses are not estimable" in words(found)
    assert found.row("missing", "VAS", "2-4 weeks (day 14 to 28)")["why"].text == "patient refused 5"


def test_everything_progressed() -> None:
    series = Series()
    for n in range(25):
        series.patient(
            f"p{n}", vas=PAIN, alive=200, levels=("T5", "L3"), scans=[(80, ("no", "no")), (150, ("yes", "yes"))]
        )
    found = sound(series.review())
    row = found.row("control", "patient", "20-24 weeks (day 140 to 168)")
    assert row["free"].text == "0/25"
    assert found.row("incidence", "progression", "lesion")["day_168"].values["estimate"] == 1.0
    gap = found.row("interval", "lesion")
    assert gap["n"].values["n"] == 50
    assert gap["gap"].values["median"] == 70.0


def test_nobody_was_treated() -> None:
    found = sound(Series().patient("p", vas=PAIN, treated=False).review())
    assert found.row("flow", "treated")["n"].values["n"] == 0
    assert "Local control is not estimable: no lesion was treated" in words(found)


def test_no_time_point_before_treatment() -> None:
    series = Series().patient("p", vas=PAIN, alive=200)
    series.records.add("visit_window", series="s", time_point="late", label="late", first_day=100, last_day=200)
    found = sound(series.review())
    assert "Change is not estimable: the series has no time point before treatment" in words(found)


def test_two_windows_with_the_same_label() -> None:
    series = Series()
    for name, first, last in (("a", -30, 0), ("b", 14, 28), ("c", 140, 168)):
        label = "before" if name == "a" else "same"
        series.records.add("visit_window", series="s", time_point=name, label=label, first_day=first, last_day=last)
    for n in range(12):
        series.patient(f"p{n}", vas=((-1, 7.0), (20, float(n % 5)), (150, float(n % 3))), alive=200)
    found = sound(series.review())
    assert {row.cells[1].text for row in found.table("models").rows} >= {"change at same (b)", "change at same (c)"}


def test_series_that_is_not_there() -> None:
    frames = Series().patient("p").frames()
    with pytest.raises(InputError, match="no series of this name"):
        build_review(frames, "other", PLAIN)
    with pytest.raises(InputError, match="no patients"):
        build_review(Series().frames(), "s", PLAIN)


def test_options_out_of_range() -> None:
    with pytest.raises(InputError, match="out of range"):
        ReviewOptions(level=1.0)


def test_missing_tables_and_columns_count_as_empty() -> None:
    frames = Series().patient("p", vas=PAIN, alive=200).frames()
    small = {name: frame for name, frame in frames.items() if len(frame)}
    small["patient"] = small["patient"].drop(columns=["note", "performance"])
    sound(build_review(small, "s", PLAIN))


def test_figures_of_edge_series_are_drawn() -> None:
    options = ReviewOptions(swimmers=3, trajectories=3)
    series = Series(synthetic="yes")
    for n in range(6):
        series.patient(f"p{n}", vas=PAIN, death=60 if n == 0 else None, alive=None if n == 0 else 200,
                       scans=[(150, ("no",))] if n else [])  # fmt: skip
    found = series.review(options)
    assert {figure.id for figure in found.figures()} == {
        "flow-figure", "swimmer", "trajectories", "incidence-figure", "forest",
    }  # fmt: skip
    assert all(figure.alt.startswith("SYNTHETIC data. ") for figure in found.figures())
    swimmer = next(figure for figure in found.figures() if figure.id == "swimmer")
    assert "A random sample of 3 of 6 treated patients is drawn (seed 0)." in swimmer.notes
