"""Treated zones and devices in the review: every number recomputed by hand, and the same in every format."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from pypdf import PdfReader

from tests.review.made import PLAIN, ZERO, Series, frames
from vertherm.registry.frames import frames_of
from vertherm.registry.records import Records
from vertherm.registry.synthetic import generate
from vertherm.report.review import csv_text, write_review
from vertherm.review.build import build_review
from vertherm.review.model import Review, Text
from vertherm.review.options import ReviewOptions

BAND = {
    "a": ("covered_with_margin", 6.0, 5.0, 7.0, "no"),
    "b": ("covered", 2.0, 1.0, 3.0, "no"),
    "c": ("covered", 4.0, 2.5, 5.5, "yes"),
    "d": ("not_covered", -1.0, -2.0, 0.0, "yes"),
    "e": ("not_covered", 0.5, -0.5, 1.5, "ne"),
    "f": ("not_assessed", None, None, None, "no"),
}
"""Class, smallest margin, its band, and progression at day 150, by patient; "g" has no zone and progressed."""
T_975 = 2.776445105
"""Student's t, 97.5 %, 4 degrees of freedom, as tabulated."""
TREATED_ML = {"a": 8.0, "b": 12.0, "c": 9.0, "d": 15.0, "e": 10.0}


def zone(records: Records, key: str, scan: int = 1, **values: Any) -> None:
    """A confirmed zone of the patient's first lesion."""
    filled = {"zone_source": "segmented", "coverage": "covered", "confirmed_by": "A. Reader", "goal_mm": 5.0} | values
    records.add("treated_zone", patient_key=key, imaging_no=scan, lesion_no=1, **filled)


def prediction(records: Records, key: str, predicted: float, metric: str = "isotherm_60", **values: Any) -> None:
    """What had been predicted of the zone at the first examination."""
    records.add("zone_prediction", patient_key=key, imaging_no=1, lesion_no=1, metric=metric, device="Antenna",
                predicted_ml=predicted, **values)  # fmt: skip


def records_by_hand(synthetic: str = "no") -> Records:
    """Six lesions with a zone at day 30 and a judgement at day 150, and one without a zone."""
    made = Series(synthetic=synthetic)
    for key, (*_, answer) in BAND.items():
        made.patient(key, scans=[(30, ("ne",)), (150, (answer,))], alive=160, synthetic=synthetic)
    made.patient("g", scans=[(150, ("yes",))], alive=160, synthetic=synthetic)
    for key, (name, margin, low, high, _) in BAND.items():
        zone(made.records, key, coverage=name, volume_ml=TREATED_ML.get(key), margin_mm=margin, margin_low_mm=low,
             margin_high_mm=high)  # fmt: skip
    for key in TREATED_ML:
        prediction(made.records, key, 10.0)
    return made.records


def by_hand(options: ReviewOptions = PLAIN, *, synthetic: str = "no") -> Review:
    """Its review."""
    return build_review(frames_of(records_by_hand(synthetic)), "s", options)


def said(review: Review) -> str:
    """Texts of the section on zones."""
    section = next(part for part in review.sections if part.id == "zones-section")
    return " ".join(line for block in section.blocks if isinstance(block, Text) for line in block.lines)


def test_counts_margins_and_progression_of_every_class() -> None:
    """Shares of six zones, medians of the margins and of both ends of their bands, progressed of judged."""
    found = by_hand()
    told = {
        label: tuple(found.row("coverage", label)[name].text for name in ("lesions", "margin", "progressed", "never"))
        for label in ("covered with margin", "covered", "not covered", "not assessed")
    }
    assert told == {
        "covered with margin": ("1 (16.7 %)", "6.0 [6.0 to 6.0]", "0/1", "0"),
        "covered": ("2 (33.3 %)", "3.0 [2.5 to 3.5]", "1/2", "0"),
        "not covered": ("2 (33.3 %)", "−0.3 [−0.6 to 0.1]", "1/1", "1"),
        "not assessed": ("1 (16.7 %)", "–", "0/1", "0"),
    }
    both = found.row("coverage", "covered")
    assert (both["low"].values["median"], both["high"].values["median"]) == (1.75, 4.25)
    every = found.row("coverage", "all with a confirmed zone")
    assert (every["lesions"].values["n"], every["n"].values["n"], every["progressed"].text) == (6, 5, "2/5")
    assert (every["range"].values["minimum"], every["range"].values["maximum"]) == (-1.0, 6.0)
    without = found.row("coverage", "no confirmed zone")
    assert (without["lesions"].text, without["progressed"].text) == ("1", "1/1")
    assert "zone of 6 of 7 treated lesions (6 patients), 30 [30 to 30] days after" in said(found)
    assert any("Margin aimed at: 5.0 mm (6 lesions)." in note for note in found.table("coverage").notes)


def test_ratio_interval_and_limits_of_a_device() -> None:
    """Five patients with one lesion each: textbook formulas on the logarithms of treated over predicted volume."""
    cells = by_hand().row("devices", "volume", "Antenna; isotherm_60")
    logs = [math.log(value / 10.0) for value in TREATED_ML.values()]
    mean = sum(logs) / 5
    sd = math.sqrt(sum((x - mean) ** 2 for x in logs) / 4)
    low, high = (math.exp(mean + sign * T_975 * sd / math.sqrt(5)) for sign in (-1, 1))
    assert cells["ratio"].values == pytest.approx({"estimate": math.exp(mean), "low": low, "high": high})
    assert cells["ratio"].text == f"{math.exp(mean):.2f} ({low:.2f} to {high:.2f})"
    limits = {"low": math.exp(mean - 1.96 * sd), "high": math.exp(mean + 1.96 * sd)}
    assert cells["agreement"].values == pytest.approx(limits)
    assert (cells["n"].text, cells["patients"].text, cells["calibrated"].text) == ("5", "5", "yes")


def test_the_level_of_the_review_is_that_of_the_ratios() -> None:
    narrow = by_hand(ReviewOptions(level=0.8, figures=False)).table("devices")
    wide = by_hand().table("devices")
    ends = [float(table.rows[0].cells[3].values["low"] or 0) for table in (narrow, wide)]
    assert ends[0] > ends[1] > 0
    assert "80 % CI" in narrow.columns[3].label
    assert "80 % interval" in narrow.notes[0]


def test_four_patients_are_shown_but_not_called_calibrated() -> None:
    records = records_by_hand()
    records.tables["zone_prediction"] = [row for row in records.rows("zone_prediction") if row[0] != "e"]
    cells = build_review(frames_of(records), "s", PLAIN).row("devices", "volume")
    assert cells["n"].text == "4"
    assert cells["calibrated"].text == "not calibrated (fewer than 5 patients)"
    assert cells["calibrated"].values["calibrated"] is False


def test_one_lesion_has_no_limits() -> None:
    made = Series().patient("a", scans=[(30, ("no",))], alive=40)
    zone(made.records, "a", volume_ml=5.0)
    prediction(made.records, "a", 10.0)
    cells = made.review().row("devices", "volume")
    assert (cells["ratio"].text, cells["agreement"].text) == ("0.50 (not estimable)", "not estimable")


def test_a_series_without_zones_says_so_in_one_sentence() -> None:
    found = Series().patient("a", scans=[(30, ("no",))], alive=40).review()
    names = {table.id for table in found.tables()}
    assert not names & {"coverage", "devices"}
    assert said(found) == (
        "Coverage and devices are not reported: no treated zone of a follow-up examination is recorded."
    )


def test_zones_without_predictions_leave_the_devices_out() -> None:
    made = Series().patient("a", scans=[(30, ("no",))], alive=40)
    zone(made.records, "a", volume_ml=5.0)
    found = made.review()
    assert found.row("coverage", "covered")["lesions"].text == "1 (100.0 %)"
    assert "The record of the devices is not reported" in said(found)


def test_a_lesion_counts_once_at_its_first_examination() -> None:
    """The later examination was entered under the lower number; its class must not count."""
    made = Series().patient("a", scans=[(90, ("no",))], alive=100)
    made.records.add("imaging", patient_key="a", imaging_no=7, date=ZERO + timedelta(2), modality="ct",
                     evaluable="yes")  # fmt: skip
    zone(made.records, "a", 1, coverage="not_covered", margin_mm=-1.0)
    zone(made.records, "a", 7, coverage="covered", margin_mm=1.0, margin_low_mm=0.5)
    found = made.review()
    assert [found.row("coverage", name)["lesions"].values["n"] for name in ("covered", "not covered")] == [1, 0]
    assert "2 [2 to 2] days" in said(found)


def test_progression_at_the_zone_s_own_examination_is_said() -> None:
    """Such a lesion was no longer at risk when its zone was seen; one that progressed later is not counted there."""
    made = Series().patient("a", scans=[(30, ("yes",))], alive=40)
    made.patient("b", scans=[(30, ("no",)), (90, ("yes",))], alive=100)
    for key in "ab":
        zone(made.records, key)
    table = made.review().table("coverage")
    assert "1 lesion with a zone progressed at or before the examination that shows the zone." in table.notes


def test_unjudged_lesions_have_no_progression_counts_to_show() -> None:
    made = Series().patient("a", scans=[(30, ("ne",))], alive=40)
    zone(made.records, "a")
    found = made.review()
    assert found.row("coverage", "covered")["progressed"].text == "0/0"
    assert "No lesion was judged for progression after its treatment." in found.table("coverage").notes
    assert not any("[[" in note for note in found.table("coverage").notes)


def test_every_format_shows_the_same_numbers_and_the_mark(tmp_path: Path) -> None:
    """Each cell of both tables is found in HTML, DOCX, PDF, CSV and JSON."""
    made = by_hand(synthetic="yes")
    write_review(made, tmp_path)
    page = (tmp_path / "review.html").read_text("utf-8")
    words = {table.rows[0].cells[0].text: table for table in Document(str(tmp_path / "review.docx")).tables}
    paper = " ".join(" ".join(sheet.extract_text() for sheet in PdfReader(tmp_path / "review.pdf").pages).split())
    document = json.loads((tmp_path / "review.json").read_text("utf-8"))
    blocks = {block["id"]: block for section in document["sections"] for block in section["blocks"] if "id" in block}
    for name in ("coverage", "devices"):
        table = made.table(name)
        texts = [[cell.text for cell in row.cells] for row in table.rows]
        for line in texts:
            assert "".join(f"<td>{text}</td>" for text in line[1:]) in page
        docx = words[table.columns[0].label]
        assert [[cell.text for cell in row.cells] for row in docx.rows if row.cells[-1].text != row.cells[0].text][
            1:
        ] == texts
        assert all(" ".join(text.split()) in paper for line in texts for text in line)
        assert [[cell["text"] for cell in row["cells"]] for row in blocks[name]["rows"]] == texts
        lines = list(csv.DictReader(io.StringIO(csv_text(table, synthetic=True))))
        assert [line["data"] for line in lines] == ["SYNTHETIC"] * len(texts)
        assert [line[table.columns[1].key] for line in lines] == [line[1] for line in texts]
        assert f'{table.caption.removeprefix(f"Table {table.number}. ").split(" Unit")[0]} <span class="unit">' in page
    assert page.count('<span class="mark">SYNTHETIC</span>') >= len(made.tables())


def test_the_stress_series_gives_back_the_ratios_it_was_made_with() -> None:
    """Made with 0.85 for antenna A and 1.1 for antenna B: both lie inside the 95 % intervals."""
    found = build_review(frames_of(generate("stress", patients=400)), "stress", PLAIN)
    for device, true in (("made-up antenna A", 0.85), ("made-up antenna B", 1.1)):
        ratio = found.row("devices", "volume", f"{device}; isotherm_60")["ratio"].values
        assert float(ratio["low"] or 0) < true < float(ratio["high"] or 0)
    rows = found.table("coverage").rows
    counted = [int(row.cells[1].values["n"] or 0) for row in rows]
    assert sum(counted[:4]) == counted[4]


def test_published_series_have_no_zones() -> None:
    assert frames("khan2018")["treated_zone"].empty
