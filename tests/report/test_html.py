"""The page: everything is in it, nothing is loaded from outside, names cannot inject, no NaN, readable tables."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report import fabricated
from vertherm.core.errors import InputError
from vertherm.planning.assessment import Assessment, Banded
from vertherm.report import html, style, words
from vertherm.report.canvas import Picture
from vertherm.report.html import Pictures, draw, render, write_report

EVIL = "<script>alert('x')</script>\"onload=\"boo&"


class Page(HTMLParser):
    """Collects text, pictures and every attribute value."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.images, self.values = "", list[str](), list[dict[str, Any]](), list[str]()
        self.headers: list[dict[str, Any]] = []
        self._hidden = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value for _, value in attrs if value]
        if tag == "img":
            self.images.append(dict(attrs))
        if tag == "th":
            self.headers.append(dict(attrs))
        self._hidden += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text += data + " "


@cache
def pictures() -> Pictures:
    return draw(fabricated.assessment(), fabricated.scene())


def page(assessment: Assessment | None = None) -> Page:
    return Page(render(assessment or fabricated.assessment(), pictures()))


def test_every_row_of_the_assessment_is_on_the_page() -> None:
    assessment, text = fabricated.assessment(), page().text
    for row in assessment.structures:
        assert row.name in text
        assert words.sentence(row.words) in text
        assert style.STATUS_WORDS[row.status] in text
    for named in (
        *(row.label for row in assessment.zones),
        *(row.name for row in assessment.assumptions),
        *(row.source for row in assessment.assumptions),
        *(row.member for row in assessment.energy_balance),
        *assessment.notes,
        *assessment.models.values(),
        assessment.notice,
        assessment.verdict_words,
        assessment.treatment.power_note,
        "ab12ab12",
        "bioheat",
    ):
        assert named in text, named


@pytest.mark.parametrize("status", list(style.VERDICT_WORDS))
def test_verdict_stands_in_words_not_only_in_colour(status: Any) -> None:
    assert style.VERDICT_WORDS[status] in page(fabricated.assessment(verdict=status)).text


def test_coverage_is_a_verdict_of_its_own() -> None:
    text = page(fabricated.assessment(verdict="green", coverage_verdict="not covered")).text
    assert style.VERDICT_WORDS["green"] in text
    assert "NOT fully covered" in text


def test_metrics_are_named_by_their_label_not_their_id() -> None:
    text = page().text
    assert text.count("60 °C isotherm") >= 2
    assert "isotherm_60" not in text


def test_marks_of_what_is_not_to_be_trusted() -> None:
    text = page().text
    assert "RESEARCH ONLY." in text
    assert "SYNTHETIC." in text
    assert "UNVERIFIED" in text
    assert "derived" in text
    assert "SYNTHETIC." not in page(fabricated.assessment(synthetic=False)).text


def test_names_cannot_inject_anything() -> None:
    base = fabricated.assessment()
    evil = fabricated.assessment(
        title=EVIL,
        case=EVIL,
        notes=[EVIL],
        structures=[base.structures[0].model_copy(update={"name": EVIL, "words": EVIL})],
        members=[{EVIL: EVIL}],
        models={EVIL: EVIL},
        provenance={EVIL: {EVIL: EVIL}},
    )
    picture = Picture(EVIL, EVIL, "data:image/png;base64,AA==", 10, 10)
    rendered = render(evil, dataclasses.replace(pictures(), planes=[[picture]], deciding=EVIL, out_of_view=[EVIL]))
    parsed = Page(rendered)
    assert "script" not in parsed.tags
    assert "<script" not in rendered
    assert parsed.text.count("<script>alert") >= 8
    assert not any("onload" in key for image in parsed.images for key in image)


def test_nothing_is_loaded_from_outside_and_nothing_runs() -> None:
    rendered = render(fabricated.assessment(), pictures())
    without_pictures = re.sub(r'src="data:[^"]+"', "", rendered)
    assert not re.search(r"(https?:)?//[a-z]", without_pictures)
    assert not re.search(r"url\(|@import|<link|<script|<iframe|<object|srcset", without_pictures)
    assert "default-src 'none'" in rendered
    assert all(image["src"].startswith("data:image/") for image in Page(rendered).images)
    for picture in pictures().all():
        if "svg" in picture.uri[:30]:
            import base64

            svg = base64.b64decode(picture.uri.split(",", 1)[1]).decode()
            assert not re.findall(r'(?:href|src)="(?!#)[^"]+"', svg)
            assert "<script" not in svg


def test_pictures_have_text_alternatives_and_tables_headers() -> None:
    parsed = page()
    assert len(parsed.images) == len(pictures().all()) == 4 * 2 + 3 + 3
    assert all(len(image["alt"]) > 40 for image in parsed.images)
    assert all(header.get("scope") in ("col", "row") for header in parsed.headers)
    assert parsed.tags.count("caption") == parsed.tags.count("table")
    rendered = render(fabricated.assessment(), pictures())
    assert '<html lang="en">' in rendered
    alts = " ".join(image["alt"] for image in parsed.images)
    assert "Picture left is patient right" in alts


def test_unknown_numbers_read_as_a_dash_never_as_nan() -> None:
    holes = Banded(value=np.nan, low=np.nan, high=np.inf)
    base = fabricated.assessment()
    torn = fabricated.assessment(
        structures=[
            row.model_copy(update={"peak_temperature_c": holes, "cem43_min": holes}) for row in base.structures
        ],
        zones=[row.model_copy(update={"volume_ml": holes}) for row in base.zones],
        members=[{"name": "a", "value": float("nan")}],
        timings_s={"x": float("nan")},
    )
    for text in (page(torn).text, page().text):
        assert not re.search(r"\b(nan|inf|None|True|False)\b", text)


def test_dry_rows_do_not_break_the_page() -> None:
    parsed = page(
        fabricated.assessment(
            notes=[], members=[], models={}, provenance={}, timings_s={}, assumptions=[], energy_balance=[]
        )
    )
    assert "Read this first" not in parsed.text


def test_report_is_written_whole_within_size_and_shows_the_mr_beside_the_ct(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.html"
    steps: list[float] = []
    write_report(
        fabricated.assessment(), fabricated.scene(mr=True), target, progress=lambda _, done: steps.append(done)
    )
    assert target.stat().st_size < 6e6
    assert target.read_text("utf-8").rstrip().endswith("</html>")
    assert [item.name for item in target.parent.iterdir()] == ["report.html"]
    assert steps == sorted(steps)
    assert steps[-1] == 1.0
    alts = [image["alt"] for image in Page(target.read_text("utf-8")).images]
    assert len(alts) == 4 * 3 + 3 + 3
    assert [alt.split(",")[0] for alt in alts[1:4]] == ["Axial: CT", "Axial: MR", "Axial: peak temperature (nominal)"]


def test_unwritable_place_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "draw", lambda *_: pictures())
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InputError, match="Cannot write"):
        write_report(fabricated.assessment(), fabricated.scene(), tmp_path / "report.html")
    assert [item.name for item in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 1, "–"),
        (float("nan"), 1, "–"),
        (-0.01, 1, "0.0"),
        (43.25, 1, "43.2"),
        (4104.4, 1, "4104"),
        (1e9, 1, "1.0e+09"),
    ],
)
def test_numbers(value: Any, digits: int, text: str) -> None:
    assert words.number(value, digits) == text


def test_percent_never_rounds_up_to_full_coverage() -> None:
    assert words.percent(0.99999) == "99.9 %"
    assert words.percent(1.0) == "100.0 %"


def test_words_for_times_doses_and_keys() -> None:
    assert words.clock(301.4) == "5:01"
    assert words.dose(1e12) == "over 10 000"
    assert words.dose(0.031) == "0.03"
    assert words.heading("pause_s") == "pause (s)"
    assert words.heading("sar_factor") == "local SAR factor"
    assert words.dose_band(Banded(value=2e4, low=2e4, high=1e9)) == "over 10 000"
    assert words.band(Banded(value=1, low=1, high=2)) == "1.0 to 2.0"
    assert words.plain({"a": [1, None, True]}) == "a: 1, –, yes"
    assert words.table([{"a": 1}, {"b_w": 2.0}]) == (["a", "b (W)"], [["1", "–"], ["–", "2"]])
