"""The pages of a plan, what protects, and the comparison."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report import fabricated, fabricated_plan
from tests.report.test_access import rows
from tests.report.test_html import EVIL, Page
from tests.report.test_pictures import texts
from vertherm.geometry.volume import Volume
from vertherm.planning.assessment import Banded, ProtectionRow, ThermocoupleRow
from vertherm.planning.compare_plans import Comparison, ComparisonRow
from vertherm.planning.plan import Plan
from vertherm.planning.protection.effect import ProtectionEffect, StructureEffect, TargetEffect
from vertherm.planning.scene import MediumRegion, Scene
from vertherm.report import curves, html, style, words
from vertherm.report.access import render_access, row_view
from vertherm.report.canvas import Picture
from vertherm.report.chart import chart_words
from vertherm.report.html import Pictures, draw, write_report
from vertherm.report.media import draw_medium
from vertherm.report.pictures import Painter
from vertherm.report.plan import ChartView, PlanView, plan_view, render_plan, write_plan_page

MEDIUM_RGB = np.array([139, 233, 253]) / 255
SPECK = Picture("t", "a text alternative", "data:image/png;base64,AA==", 10, 10)


def view(plan: Plan) -> PlanView:
    """A plan without the cost of its pictures."""
    made = plan_view(plan.model_copy(update={"charts": []}))
    shown = [ChartView(item, SPECK, chart_words(item)) for item in plan.charts]
    return dataclasses.replace(made, plan=plan, charts=shown)


def page(status: str = "provisional", **changes: Any) -> Page:
    return Page(render_plan(view(fabricated_plan.plan(status, **changes))))


@pytest.mark.parametrize("status", ["provisional", "verified", "no safe plan"])
def test_status_stands_first_in_words(status: Any) -> None:
    text = page(status).text
    assert style.PLAN_HEADLINES[status] in text
    assert words.sentence(fabricated_plan.plan(status).status_words) in text
    assert text.index(style.PLAN_HEADLINES[status]) < text.index("What is left to the limits")
    assert "root L3 right reaches its stop limit of 45 °C first" in text


def test_no_safe_plan_shows_no_treatment() -> None:
    text = page("no safe plan").text
    assert "There is no treatment here." in text
    assert "they are not a plan" in text
    assert "Activations of" not in text
    assert "tip drawn back" not in text


def test_the_treatment_in_one_glance() -> None:
    text = page().text
    for wanted in (
        "antenna 1: tosoratti mini choke, 2450 MHz, along P1 to lesion", "31.5", "5:05", "0:45", "27.0", "2:01", "9.0",
        words.number(31.5 * 305 / 1000, 2), words.number((31.5 * 305 + 27 * 121) / 1000, 2), "7:51 min",
        "CO2 dissection between zone and root L3 right, 6 mm", "lesion 2.5 mL, total 2.5 mL",
        "Transpedicular, right.", "entering on the patient's right of the tip", "38.0, -62.0, 6.0", "2.0, 12.0, 0.0",
    ):  # fmt: skip
        assert wanted in text, wanted


def test_every_number_of_the_plan_is_on_the_page() -> None:
    plan, text = fabricated_plan.plan(), page().text
    shown = rows(render_plan(view(plan)))
    for row in plan.limits:
        assert row.stop_c is not None
        assert row.stop_cem43_min is not None
        cells = next(cells for cells in shown if cells[0].startswith(row.name) and len(cells) == 10)
        assert cells[2:8] == [
            words.number(row.peak_c), "43.0, 45.0", words.number(row.stop_c - row.peak_c), words.dose(row.cem43_min),
            "5.0, 10.0", words.share(row.cem43_min / row.stop_cem43_min).replace("\xa0", " "),
        ]  # fmt: skip
        assert style.STATUS_WORDS[row.status] in cells[1]
    for wanted in (
        "BINDS", "43.5, 44.2", "1 of 59", "98.7 %", "100.0 %", "4.7", "57 of 59", "A1", "A2", "Root too near",
        "46.8", "33.0", "91.1 %", "0.41", "lesion 3.1, second 2.2", "5.3", "43.6", "cools the root by 2.1 K", "43.9",
        "1\xa0210", "0.990", "0.30 %", "Surrogate error at root L3 right: 0.8 K.", "21.70", "54 °C isotherm",
        "linear response on 2 mm cells; error against the full model up to 0.8 K", "n = 59",
    ):  # fmt: skip
        assert wanted in text, wanted


def test_partial_ablation_is_named() -> None:
    goal = fabricated_plan.plan().goal.model_copy(update={"coverage": 0.8})
    assert "This is a partial ablation." in page(goal=goal).text
    assert "This is a partial ablation." not in page().text


def test_a_plan_of_nothing_is_a_page() -> None:
    text = page(
        "no safe plan", access=[], limits=[], coverage=[], candidates=[], charts=[], shared=[], relaxations=[],
        gap=None, cement_ml={}, models={}, notes=[], timings_s={}, provenance={}, binding="",
    ).text  # fmt: skip
    assert "No limits were computed." in text
    assert "no path could be treated on trial" in text
    assert not re.search(r"\b(nan|inf|None|True|False)\b", text.replace("None: no path", "").replace("None is", ""))


def test_names_cannot_inject_anything() -> None:
    base = fabricated_plan.plan()
    evil = base.model_copy(
        update={
            "title": EVIL, "case": EVIL, "notes": [EVIL], "binding": EVIL, "protection": [EVIL],
            "limits": [base.limits[0].model_copy(update={"name": EVIL})],
            "candidates": [base.candidates[0].model_copy(update={"name": EVIL, "why": EVIL})],
            "relaxations": [base.relaxations[0].model_copy(update={"what": EVIL, "effect": EVIL})],
            "shared": [base.shared[0].model_copy(update={"structure": EVIL})],
            "models": {EVIL: EVIL}, "provenance": {EVIL: EVIL}, "cement_ml": {EVIL: 1.0},
        }
    )  # fmt: skip
    rendered = render_plan(view(evil))
    assert "<script" not in rendered
    assert Page(rendered).text.count("<script>alert") >= 15


def test_page_without_assessment_is_written_with_pictures_and_loads_nothing(tmp_path: Path) -> None:
    plan = fabricated_plan.plan("no safe plan")
    write_plan_page(plan, [fabricated_plan.result(1)], fabricated_plan.case(), tmp_path / "report.html")
    rendered = (tmp_path / "report.html").read_text("utf-8")
    without = re.sub(r'src="data:[^"]+"', "", rendered)
    assert not re.search(r"(https?:)?//[a-z]", without)
    assert not re.search(r"url\(|@import|<link|<script|<iframe|<object|srcset", without)
    assert "default-src 'none'" in rendered
    parsed = Page(rendered)
    assert len(parsed.images) == 1 + 2 + 3
    assert parsed.tags.count("caption") == parsed.tags.count("table")
    assert all(header.get("scope") in ("col", "row") for header in parsed.headers)
    assert (tmp_path / "report.html").stat().st_size < 6e6


# ---- in the report --------------------------------------------------------------------------------------------------
@cache
def pictures() -> Pictures:
    return Pictures()


def comparison() -> Comparison:
    row = ComparisonRow(
        "root L3 right", "peak temperature", "°C", 44.2, 47.9, 45.0, "stop", "root L3 right comes nearer"
    )
    return Comparison(
        "planned", "as placed", (row,), "The needle lies 3 mm lower: root L3 right reaches its stop limit."
    )


def effect() -> ProtectionEffect:
    def band(value: float) -> Banded:
        return Banded(value=value, low=value - 0.5, high=value + 1.5)

    structure = StructureEffect(
        name="root L3 right", kind="root", without_peak_c=band(47.1), with_peak_c=band(43.2),
        without_cem43_min=band(61.0), with_cem43_min=band(3.3), without_lowest_c=37.0, with_lowest_c=36.6,
        without_status="stop", with_status="warn", words="cooler by 3.9 K",
    )  # fmt: skip
    target = TargetEffect(
        name="lesion", metric="isotherm_54", without_coverage=band(0.95), with_coverage=band(0.97),
        without_margin_mm=None, with_margin_mm=band(2.1), words="covered a little better",
    )  # fmt: skip
    return ProtectionEffect(
        measures=["6 mL of CO2"], members=["nominal"], structures=[structure], targets=[target], words="it helps"
    )


def test_plan_comes_before_the_prediction_and_comparison_and_protection_are_said() -> None:
    rendered = html.render(
        fabricated.assessment(), pictures(), view(fabricated_plan.plan()), comparison(), effect()
    )  # fmt: skip
    text = Page(rendered).text
    order = [style.PLAN_HEADLINES["provisional"], "STOP: a stop limit", "as placed compared", "in one glance",
             "What the protection does", "Needle paths to lesion", "What was simulated"]  # fmt: skip
    places = [text.index(item) for item in order]
    assert places == sorted(places)
    for wanted in (
        "The needle lies 3 mm lower", "44.20", "47.90", "+3.70", "root L3 right comes nearer".capitalize()[:1],
        "Cooler by 3.9 K", "47.1", "43.2", "48.6", "-3.9", "2.1", "6 mL of CO2", "Covered a little better",
    ):  # fmt: skip
        assert wanted in text, wanted
    ids = re.findall(r'\bid="([^"]+)"', rendered)
    assert len(ids) == len(set(ids))
    targets = re.findall(r'href="#([^"]+)"', rendered)
    assert set(targets) <= set(ids)


def test_report_without_a_plan_has_none_of_its_words() -> None:
    text = Page(html.render(fabricated.assessment(), pictures())).text
    assert "PLAN" not in text
    assert "one glance" not in text


def test_report_with_a_plan_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "draw", lambda *_: pictures())
    write_report(
        fabricated.assessment(), fabricated.scene(), tmp_path / "report.html", plan=fabricated_plan.plan(charts=[]),
        access=[fabricated_plan.result(1)], case=fabricated_plan.case(),
    )  # fmt: skip
    parsed = Page((tmp_path / "report.html").read_text("utf-8"))
    assert len(parsed.images) == 2 + 3
    assert "CHOSEN" in parsed.text


def test_number_of_illustrated_paths_is_capped_over_all_targets() -> None:
    from vertherm.report.plan import _shares

    assert _shares(3, ["a", "b"]) == {"a": 2, "b": 1}
    assert _shares(0, ["a"]) == {"a": 0}
    assert _shares(3, []) == {}


# ---- protection and thermocouples -----------------------------------------------------------------------------------
def protected() -> Scene:
    scene = fabricated.scene()
    p = scene.ct.grid.centres()
    region = (np.abs(p[..., 0] - 17) < 7) & (np.abs(p[..., 1] + 14) < 4) & (np.abs(p[..., 2]) < 8)
    thermocouple = dataclasses.replace(scene.curves[1], name="thermocouple T1", kind="thermocouple", stop_c=None)
    return dataclasses.replace(
        scene,
        protection=(MediumRegion("dissection", "co2", Volume(region, scene.ct.grid)),),
        curves=(*scene.curves, thermocouple),
    )


def test_medium_is_outlined_in_the_pictures_and_has_its_own() -> None:
    """Region x 10..24 and y -18..-10 mm; the axial plane through (4, 6, 0) has u = -(x - 4), v = y - 6."""
    painter = Painter(fabricated.assessment(), protected())
    figure, _ = painter.draw_anatomy("axial")
    assert "dissection (CO₂)" in texts(figure)
    row = next(row for row in painter.legend() if row.name.startswith("dissection"))
    assert row.note == "dotted area"
    outlines = [
        path.vertices for item in figure.axes[0].collections
        if item.get_edgecolor().size and np.allclose(item.get_edgecolor()[0][:3], MEDIUM_RGB, atol=0.01)
        for path in item.get_paths() if len(path.vertices)
    ]  # fmt: skip
    vertices = np.concatenate(outlines)
    np.testing.assert_allclose(vertices.mean(axis=0), [-13.0, -20.0], atol=1.0)
    own, title = draw_medium(painter, painter.scene.protection[0])
    assert len(own.axes) == 3
    assert texts(own).count("RESEARCH ONLY") == 3
    assert "CO₂" in title


def test_thermocouples_have_a_figure_and_a_mark_in_the_plane() -> None:
    row = ThermocoupleRow(
        name="T1", position_ras_mm=(14.0, -10.0, 0.5), peak_time_s=9,
        peak_temperature_c=Banded(value=41, low=40, high=43),
    )  # fmt: skip
    scene, assessment = protected(), fabricated.assessment(thermocouples=[row])
    assert [curve.name for curve in curves.thermocouple_curves(scene)] == ["thermocouple T1"]
    assert "thermocouple T1" not in [curve.name for curve in curves.shown_curves(scene)]
    figure, _ = Painter(assessment, scene).draw_anatomy("axial")
    mark = next(line for line in figure.axes[0].lines if line.get_gid() == "thermocouple")
    assert (float(mark.get_xdata()[0]), float(mark.get_ydata()[0])) == pytest.approx((-10.0, -16.0))
    assert "T1" in texts(figure)
    drawn = curves.draw_temperatures(assessment, scene, curves.thermocouple_curves(scene))
    assert len(drawn.axes) == 1


def test_report_shows_protection_and_thermocouples(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("anatomy", "temperature"):
        monkeypatch.setattr(Painter, name, lambda *_: SPECK)
    for name in ("temperatures", "power", "limits"):
        monkeypatch.setattr(curves, name, lambda *_: SPECK)
    treatment = fabricated.assessment().treatment.model_copy(
        update={
            "protection": [
                ProtectionRow(kind="dissection", name="d", medium="co2", temperature_c=37, words="4.2 mL of CO2 gas")
            ]
        }
    )
    assessment = fabricated.assessment(treatment=treatment)
    made = draw(assessment, dataclasses.replace(protected(), zones=()))
    parsed = Page(html.render(assessment, made))
    assert made.thermocouples is not None
    assert len(made.media) == 1
    assert len(parsed.images) == len(made.all())
    assert "4.2 mL of CO2 gas" in parsed.text
    assert "What protects" in parsed.text


# ---- print ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("which", ["plan", "access"])
def test_no_table_is_wider_than_an_a4_page(which: str) -> None:
    """A4 landscape less margins: 273 mm, 1032 CSS pixels, for every table, with the longest names a scan brings."""
    from weasyprint import HTML

    found = fabricated_plan.result()
    if which == "plan":
        rendered = html.render(
            fabricated.assessment(), pictures(), view(fabricated_plan.plan()), comparison(), effect()
        )
        rendered = rendered.replace("root L3 right", "portal and splenic vein")
    else:
        rendered = render_access([row_view(fabricated_plan.access_row(found))], fabricated_plan.case(), "t")
        rendered = rendered.replace("dural sac", "portal and splenic vein").replace(
            "transpedicular", "anterolateral cervical"
        )
    widths = []
    for sheet in HTML(string=rendered).render().pages:
        assert (sheet.width, sheet.height) == pytest.approx((297 / 25.4 * 96, 210 / 25.4 * 96))
        for box in sheet._page_box.descendants():
            if type(box).__name__ == "TableBox":
                widths.append(box.position_x + box.margin_width())
    assert len(widths) >= 4
    assert max(widths) <= 297 / 25.4 * 96 - 12 / 25.4 * 96 + 1
