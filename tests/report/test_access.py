"""The page of needle paths: every number of the search is in it, nothing is loaded, names cannot inject."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from html import unescape
from pathlib import Path

import pytest

from tests.report import fabricated_plan
from tests.report.test_html import EVIL, Page
from vertherm.access.path import AccessResult, Refusal
from vertherm.report import access, words
from vertherm.report.access import TargetView, instruction, render_access, row_view, target_view, write_access_report


@cache
def view() -> TargetView:
    return target_view(fabricated_plan.result(), fabricated_plan.case(), most=1)


def bare(result: AccessResult) -> TargetView:
    """A target without pictures."""
    paths = [
        access.PathView(p, p.trajectory.entry_mm.tolist(), p.trajectory.tip_mm.tolist(), "as drawn")
        for p in result.paths
    ]
    return TargetView(result, 2.0, paths)


def rows(rendered: str) -> list[list[str]]:
    """The cells of every table row, without tags."""
    found = []
    for row in re.findall(r"<tr.*?</tr>", rendered, re.DOTALL):
        cells = re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        found.append([" ".join(unescape(re.sub(r"<[^>]+>", "", cell)).split()) for cell in cells])
    return found


def page(shown: TargetView | None = None, title: str = "Title") -> Page:
    return Page(render_access([shown or view()], fabricated_plan.case(), title))


def test_every_number_of_the_search_is_on_the_page() -> None:
    text, found = page().text, fabricated_plan.result()
    shown = rows(render_access([view()], fabricated_plan.case(), "t"))
    for path in found.paths:
        for number in (
            words.number(path.length_mm), words.number(path.bone_mm), words.signed(path.axial_deg),
            words.signed(path.cranio_caudal_deg), words.signed(path.gantry_deg), words.number(path.incidence_deg, 0),
            words.number(path.pedicle_wall_mm), words.percent(path.coverage), words.number(path.risk, 2),
            words.number(path.tip_to_target_mm), words.point(path.trajectory.entry_mm.tolist()),
            words.point(path.trajectory.tip_mm.tolist()), str(path.approach), *path.notes,
        ):  # fmt: skip
            assert number in text or words.sentence(number) in text or path.name == "P3", (path.name, number)
        for c in path.clearances:
            numbers = (c.distance_mm, c.after_error_mm, c.required_mm)
            name = f"{c.name} derived" if c.derived else c.name
            wanted = [path.name, name, *(words.number(v) for v in numbers), f"± {words.number(c.label_error_mm)}"]
            assert [*wanted, words.number(c.depth_mm, 0)] in shown
    for refusal in found.refusals:
        assert words.sentence(refusal.reason) in text
        assert words.count(refusal.count) in text
    for number in ("2\xa0000\xa0000", "1\xa0234", "5\xa0150", "0.3 mm", "P1 + P2", "7.3", "99.9 %", "prone", "150 mm"):
        assert number in text, number


def test_what_is_not_labelled_stands_out_and_notes_are_said() -> None:
    text = page().text
    assert re.search(r"Not labelled, so not avoided:\s+ureter left", text)
    assert "The scan is supine; paths are sought for a prone patient." in text
    assert "to the image edge" in text
    assert 'class="alarm"' in render_access([view()], fabricated_plan.case(), "t")


def test_words_say_what_relaxing_one_rule_alone_would_admit() -> None:
    text = page().text
    assert "5\xa0150 more paths without “obstacle: root” (the nearest of them misses by 0.3 mm)" in text
    assert "“length”" not in text
    none = dataclasses.replace(fabricated_plan.result(), refusals=(Refusal("far", "length", 9, 0, 1.0, "mm"),))
    assert "Relaxing one rule alone would admit nothing" in page(bare(none)).text


def test_pictures_are_capped_and_the_rest_is_named() -> None:
    assert len(view().pictures) == 2 + 3
    assert view().table_only == ["P2", "P3"]
    assert "Only in the tables and the overview: P2, P3." in page().text
    parsed = page()
    assert len(parsed.images) == 5
    assert all(len(image["alt"]) > 60 for image in parsed.images)
    assert all(header.get("scope") in ("col", "row") for header in parsed.headers)
    assert parsed.tags.count("caption") == parsed.tags.count("table")


def test_without_a_path_the_page_says_so_and_why(tmp_path: Path) -> None:
    none = fabricated_plan.result(0)
    write_access_report([none], fabricated_plan.case(), tmp_path / "access.html", title="No way in")
    text = Page((tmp_path / "access.html").read_text("utf-8")).text
    assert "No admissible path" in text
    assert "None of 2\xa0000\xa0000 straight paths keeps every rule" in text
    assert "911\xa0007" in text
    assert "Not labelled" in text
    assert [item.name for item in tmp_path.iterdir()] == ["access.html"]


def test_names_cannot_inject_and_nothing_is_loaded() -> None:
    found = fabricated_plan.result()
    clearance = dataclasses.replace(found.paths[0].clearances[0], name=EVIL)
    path = dataclasses.replace(found.paths[0], name=EVIL, notes=(EVIL,), crosses=(EVIL,), clearances=(clearance,))
    evil = dataclasses.replace(
        found, target=EVIL, paths=(path,), notes=(EVIL,), not_labelled=(EVIL,),
        refusals=(Refusal(EVIL, EVIL, 5, 3, 0.1, EVIL),),
    )  # fmt: skip
    rendered = render_access([bare(evil)], fabricated_plan.case(), EVIL)
    assert "<script" not in rendered
    assert Page(rendered).text.count("<script>alert") >= 10
    rendered = render_access([view()], fabricated_plan.case(), "t")
    without = re.sub(r'src="data:[^"]+"', "", rendered)
    assert not re.search(r"(https?:)?//[a-z]", without)
    assert not re.search(r"url\(|@import|<link|<script|<iframe|<object|srcset", without)
    assert "default-src 'none'" in rendered


def test_marks_of_what_is_not_to_be_trusted() -> None:
    assert "SYNTHETIC." in page().text
    assert "RESEARCH ONLY." in page().text
    clean = Page(render_access([bare(fabricated_plan.result())], fabricated_plan.case(synthetic=False), "t")).text
    assert "SYNTHETIC" not in clean


@pytest.mark.parametrize(
    ("entry", "side", "end"),
    [((38.0, -62.0, 6.0), "right", "head"), ((-38.0, -62.0, -6.0), "left", "feet")],
)
def test_the_instruction_takes_sides_from_where_the_needle_lies(
    entry: tuple[float, float, float], side: str, end: str
) -> None:
    """+x is the patient's right, +z the head; the words come from the points, not from the sign of an angle."""
    path = fabricated_plan.needle_path(fabricated_plan.case(), "P", entry, (2.0, 12.0, 0.0), near=())
    said = instruction(path, entry, (2.0, 12.0, 0.0), 41.2)
    assert f"entering on the patient's {side} of the tip" in said
    assert f"entry towards the {end}" in said
    assert "bone after 41 mm" in said
    assert f"{path.length_mm:.0f} mm from the skin to the tip" in said


def test_a_row_of_a_plan_shows_the_same_numbers_without_pictures() -> None:
    shown = row_view(fabricated_plan.access_row(fabricated_plan.result()), chosen=("P1",))
    text = page(shown).text
    assert "CHOSEN" in text
    assert words.percent(0.964) in text
    assert not page(shown).images
